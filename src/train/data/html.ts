// Small web pages of eight kinds, from a request that names all that must be on the page.
//
// A page is well formed by the strict check, and whatever the request names is visible on it; the grader asks for the
// same of any answer. A page is either trained on or held out, however it is asked for.
// Refuses to know browsers: scripts are as small as can be, and are not run here.

import { codeOf } from "./run-code.ts";
import { htmlProblem, visibleText } from "./html-check.ts";
import { capitalize, listing, phrase } from "./phrase.ts";
import type { Random } from "./random.ts";
import { conversation, type Generator } from "./sample.ts";
import { systemMessage } from "./system-prompt.ts";
import { CITIES, COLORS, COUNTABLE, FRUITS, JOBS, NAMES, SIZES, SUBJECTS, THINGS } from "./words.ts";

export interface HtmlOptions {
  readonly thinkingShare: number;
  /** Pages without a conversation. */
  readonly textShare: number;
}

export interface Page {
  readonly kind: string;
  readonly request: string;
  readonly html: string;
  /** What a reader must see, in any order. */
  readonly visible: readonly string[];
  /** Tags that the page must have. */
  readonly tags: readonly string[];
}

interface Content {
  readonly title: string;
  readonly style?: string;
  readonly body: readonly string[];
  readonly script?: string;
}

export const html: Generator<HtmlOptions> = {
  name: "html",
  defaults: { thinkingShare: 0.4, textShare: 0.1 },
  generate: (random, { thinkingShare, textShare }) => {
    const page = drawPage(random);
    if (random.chance(textShare)) return { kind: "text", text: page.html };
    const exchange = {
      question: page.request,
      answer: `\`\`\`html\n${page.html}\n\`\`\``,
      reasoning: `The user wants a ${page.kind}. It must show ${listing(page.visible)}.`,
      accepts: (content: string) => pageProblem(codeOf(content), page) === undefined,
    };
    const system = random.chance(0.3) ? systemMessage(random) : undefined;
    return conversation([exchange], { thinking: random.chance(thinkingShare), system });
  },
};

/** What keeps a page from being the one asked for, or undefined. */
export function pageProblem(text: string, { visible, tags }: Pick<Page, "visible" | "tags">): string | undefined {
  const problem = htmlProblem(text);
  if (problem !== undefined) return problem;
  const seen = visibleText(text);
  const missing = visible.find((part) => !seen.includes(part));
  if (missing !== undefined) return `the page does not show ${missing}`;
  const absent = tags.find((tag) => !text.includes(`<${tag}`));
  return absent === undefined ? undefined : `the page has no <${absent}>`;
}

export function drawPage(random: Random): Page {
  return random.fresh(
    (source) => source.pick(KINDS)(source),
    (page) => page.html,
  );
}

function writePage({ title, style, body, script }: Content): string {
  const indent = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);
  return [
    "<!DOCTYPE html>",
    "<html>",
    "<head>",
    `  <title>${title}</title>`,
    ...(style === undefined ? [] : indent(["<style>", `  ${style}`, "</style>"])),
    "</head>",
    "<body>",
    ...indent(body),
    ...(script === undefined ? [] : indent(["<script>", ...indent(script.split("\n")), "</script>"])),
    "</body>",
    "</html>",
  ].join("\n");
}

const MAKE = "{Make|Write|Create|Please make|Can you make}";
const drawTitle = (random: Random): string =>
  random.chance(0.5)
    ? `${random.pick(["My", "Our", "All", "The"])} ${random.pick(SIZES)} ${random.pick(COUNTABLE)}`
    : `${random.pick(NAMES)} and the ${random.pick(SUBJECTS)}`;

const styleOf = (selector: string, color: string): string =>
  `${selector} { color: ${color === "golden" ? "gold" : color}; }`;

function card(random: Random): Page {
  const name = `${random.pick(COLORS)} ${random.pick(THINGS)}`;
  const price = `${random.integer(1, 99)} dollars`;
  const title = capitalize(name);
  const body = [
    '<div class="card">',
    `  <h2>${title}</h2>`,
    `  <p>Price: ${price}</p>`,
    "  <button>Buy</button>",
    "</div>",
  ];
  const style = ".card { border: 1px solid gray; padding: 16px; }";
  const request = phrase(
    random,
    `${MAKE} a {page with a |}card for a $name that costs $price{.|, with a button to buy it.}`,
    { name, price },
  );
  return {
    kind: "card",
    request,
    html: writePage({ title, style, body }),
    visible: [title, price, "Buy"],
    tags: ["button"],
  };
}

function list(random: Random): Page {
  const title = drawTitle(random);
  const items = random.sample(FRUITS, random.integer(2, 6));
  const tag = random.pick(["ul", "ol"]);
  const body = [`<h1>${title}</h1>`, `<${tag}>`, ...items.map((item) => `  <li>${item}</li>`), `</${tag}>`];
  const kind = tag === "ol" ? "numbered list" : "list";
  const request = phrase(random, `${MAKE} a {web page|page|HTML page} "$title" with a ${kind} of $items.`, {
    title,
    items: listing(items),
  });
  return { kind, request, html: writePage({ title, body }), visible: [title, ...items], tags: [tag, "li"] };
}

function table(random: Random): Page {
  const title = drawTitle(random);
  const [first, second] = random.pick([
    ["Name", "Age"],
    ["City", "Degrees"],
    ["Item", "Price"],
  ] as const);
  const heads = first === "Name" ? NAMES : first === "City" ? CITIES : THINGS;
  const rows = random.sample(heads, random.integer(2, 4)).map((head) => [head, String(random.integer(1, 60))] as const);
  const row = (cells: readonly string[], tag: string): string =>
    `  <tr>${cells.map((cell) => `<${tag}>${cell}</${tag}>`).join("")}</tr>`;
  const body = [
    `<h1>${title}</h1>`,
    "<table>",
    row([first, second], "th"),
    ...rows.map((cells) => row(cells, "td")),
    "</table>",
  ];
  const request = phrase(random, `${MAKE} a page "$title" with a table of $first and $second: $rows.`, {
    title,
    first: first.toLowerCase(),
    second: second.toLowerCase(),
    rows: rows.map((cells) => cells.join(" ")).join(", "),
  });
  return {
    kind: "table",
    request,
    html: writePage({ title, body }),
    visible: [title, first, second, ...rows.flat()],
    tags: ["table", "th", "td"],
  };
}

function form(random: Random): Page {
  const title = random.pick(["Sign up", "Contact", "Order", "Your data", "Join us", "Feedback"]);
  const fields = random.sample(
    ["name", "email", "city", "age", "phone", "street", "color", "message"],
    random.integer(2, 4),
  );
  const button = random.pick(["Send", "Save", "Go", "Submit"]);
  const inputs = fields.map((field) => `  <label>${capitalize(field)} <input name="${field}"></label>`);
  const body = [`<h1>${title}</h1>`, "<form>", ...inputs, `  <button>${button}</button>`, "</form>"];
  const request = phrase(
    random,
    `${MAKE} a {form|page with a form} "$title" that asks for $fields, with a button "$button".`,
    { title, fields: listing(fields), button },
  );
  return {
    kind: "form",
    request,
    html: writePage({ title, body }),
    visible: [title, button, ...fields.map(capitalize)],
    tags: ["form", "input", "button"],
  };
}

function counter(random: Random): Page {
  const step = random.integer(1, 10);
  const start = random.pick([0, 0, 1, 5, 10, 100]);
  const label = random.pick(["Add", "More", "Count", "Click me", "Next"]);
  const body = [`<p id="count">${start}</p>`, '<button id="add">' + `${label}</button>`];
  const script = `const count = document.getElementById("count");\ndocument.getElementById("add").onclick = () => {\n  count.textContent = Number(count.textContent) + ${step};\n};`;
  const request = phrase(
    random,
    `${MAKE} a {page with a |}counter{ button|} "$label" that starts at $start and adds $step{ each time|}.`,
    { label, start: String(start), step: String(step) },
  );
  return {
    kind: "counter",
    request,
    html: writePage({ title: "Counter", body, script }),
    visible: [String(start), label],
    tags: ["button", "script"],
  };
}

function tabs(random: Random): Page {
  const names = random.sample(SUBJECTS, random.integer(2, 3)).map(capitalize);
  const texts = names.map(
    (name) => `${random.pick(["All about", "I like", "A page about", "News about"])} ${name.toLowerCase()}.`,
  );
  const buttons = names.map((name, i) => `<button onclick="show(${i})">${name}</button>`);
  const panels = texts.map((text, i) => `<div class="tab"${i === 0 ? "" : " hidden"}>${text}</div>`);
  const script =
    'function show(n) {\n  document.querySelectorAll(".tab").forEach((tab, i) => {\n    tab.hidden = i !== n;\n  });\n}';
  const described = names.map((name, i) => `${name} ("${texts[i]!}")`);
  const request = phrase(random, `${MAKE} a page with tabs: $described.`, { described: listing(described) });
  return {
    kind: "page with tabs",
    request,
    html: writePage({ title: "Tabs", body: [...buttons, ...panels], script }),
    visible: [...names, ...texts],
    tags: ["button", "script"],
  };
}

function gallery(random: Random): Page {
  const title = drawTitle(random);
  const things = random.sample(THINGS, random.integer(2, 4));
  const figures = things.flatMap((thing) => [
    "<figure>",
    `  <img src="${thing}.png" alt="${thing}">`,
    `  <figcaption>${capitalize(thing)}</figcaption>`,
    "</figure>",
  ]);
  const request = phrase(random, `${MAKE} a {picture |image |}gallery "$title" with {pictures|images} of $things.`, {
    title,
    things: listing(things),
  });
  return {
    kind: "gallery",
    request,
    html: writePage({ title, body: [`<h1>${title}</h1>`, ...figures] }),
    visible: [title, ...things.map(capitalize)],
    tags: ["img", "figure"],
  };
}

function article(random: Random): Page {
  const title = drawTitle(random);
  const color = random.pick(COLORS);
  const author = random.pick(NAMES);
  const job = random.pick(JOBS);
  const text = phrase(
    random,
    "{I like|We love|Everyone likes} $subject. {They are|They can be} {very |}{nice|old|big|quiet}.",
    { subject: random.pick(SUBJECTS) },
  );
  const body = ["<article>", `  <h1>${title}</h1>`, `  <p>By ${author}, ${job}</p>`, `  <p>${text}</p>`, "</article>"];
  const request = phrase(
    random,
    `${MAKE} an article "$title" by $author, $job, with a $color title and the text: $text`,
    { title, author, job, color, text },
  );
  return {
    kind: "page with an article",
    request,
    html: writePage({ title, style: styleOf("h1", color), body }),
    visible: [title, author, text],
    tags: ["article", "style"],
  };
}

const KINDS: readonly ((random: Random) => Page)[] = [card, list, table, form, counter, tabs, gallery, article];
