// Whether a text is a well-formed HTML page, by strict rules.
//
// Stricter than browsers, on purpose: every tag that is opened is closed in order, attributes are quoted and single,
// ids occur once, `<` and `&` in text are written as entities, and the page has one head and one body. A browser
// would repair all of that silently, so only a strict reader tells a model that knows from one that is lucky.
// Refuses to know what a page should say.

const VOID = new Set(["br", "hr", "img", "input", "link", "meta"]);
const RAW = new Set(["script", "style"]);
const NAME = /^[a-z][a-z0-9]*$/;
const ATTRIBUTE = /\s+([a-z][a-z-]*)(?:="([^"<]*)")?/y;

/** What is wrong with the page, or undefined. */
export function htmlProblem(page: string): string | undefined {
  const text = page.trim();
  const start = /^<!doctype html>/i.exec(text);
  if (start === null) return "the page does not begin with <!DOCTYPE html>";
  const open: string[] = [];
  const ids = new Set<string>();
  const counts = new Map<string, number>();
  let place = start[0].length;
  while (place < text.length) {
    const tag = text.indexOf("<", place);
    const between = text.slice(place, tag < 0 ? text.length : tag);
    if (/&(?!(?:#\d+|[a-z]+);)/.test(between)) return "a & is not part of an entity";
    if (open.length === 0 && between.trim() !== "") return "there is text outside of the page";
    if (tag < 0) break;
    const end = text.indexOf(">", tag);
    if (end < 0) return "a tag does not end";
    const inside = text.slice(tag + 1, end);
    place = end + 1;
    if (inside.startsWith("/")) {
      const expected = open.pop();
      if (inside.slice(1) !== expected) return `</${inside.slice(1)}> stands where </${expected ?? "nothing"}> is due`;
      continue;
    }
    const name = /^[a-z0-9]*/.exec(inside)![0];
    if (!NAME.test(name)) return `<${inside}> is not a tag`;
    const problem = attributesProblem(inside.slice(name.length), ids);
    if (problem !== undefined) return `<${name}>: ${problem}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
    if (RAW.has(name)) {
      const close = text.indexOf(`</${name}>`, place);
      if (close < 0) return `<${name}> is not closed`;
      place = close + name.length + 3;
    } else if (!VOID.has(name)) open.push(name);
  }
  if (open.length > 0) return `<${open.at(-1)!}> is not closed`;
  const odd = ["html", "head", "title", "body"].find((name) => counts.get(name) !== 1);
  return odd === undefined ? undefined : `the page has ${counts.get(odd) ?? 0} of <${odd}>, not one`;
}

function attributesProblem(text: string, ids: Set<string>): string | undefined {
  const seen = new Set<string>();
  ATTRIBUTE.lastIndex = 0;
  let end = 0;
  for (let match = ATTRIBUTE.exec(text); match !== null; match = ATTRIBUTE.exec(text)) {
    const [, name, value] = match;
    end = ATTRIBUTE.lastIndex;
    if (seen.has(name!)) return `the attribute ${name!} stands twice`;
    seen.add(name!);
    if (name !== "id") continue;
    if (value === undefined || ids.has(value)) return `the id ${value ?? ""} is not the only one`;
    ids.add(value);
  }
  return end === text.length ? undefined : `the attributes cannot be read: ${text}`;
}

/** The text a reader sees: without tags, scripts and styles. */
export function visibleText(page: string): string {
  return page
    .replaceAll(/<(script|style)>[\s\S]*?<\/\1>/g, " ")
    .replaceAll(/<[^>]*>/g, " ")
    .replaceAll(/\s+/g, " ");
}
