// What the studio's page costs while an answer of 60 tokens a second grows in a conversation of 100,000 tokens: script and
// other work per frame, how long a key takes, memory. The model is a script, so that nothing but the page is measured.
//
//   node --import ./scripts/ts-loader.mjs bench/studio.ts [--out bench/results/studio.json]

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import { cpus } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { chromium, type Page } from "@playwright/test";
import { studioFile } from "../src/server/studio.ts";

const BUILT = fileURLToPath(new URL("../dist/studio", import.meta.url));
const TOKENS_PER_SECOND = 60;
const SECONDS = 12;
/** Of English, about. */
const CHARACTERS_PER_TOKEN = 4;
const CONVERSATION_TOKENS = 100_000;

const PARAGRAPH = `## A heading

Some **bold** words, \`code\` and [a link](https://example.org) in a paragraph that goes on for a while, as answers do, with
numbers such as 42 and 1,024, and a sentence at its end.

- one item of a list
- another, with *emphasis*

\`\`\`ts
export function add(a: number, b: number): number {
  return a + b; // a comment
}
\`\`\`

| name | value |
|------|------:|
| a    |     1 |

`;

/** Words of the answer, a token each. */
const WORDS = PARAGRAPH.split(/(?<=\s)/);

async function streamAnswer(response: ServerResponse): Promise<void> {
  response.writeHead(200, { "content-type": "text/event-stream" });
  const header = { id: "chatcmpl-bench", model: "script" };
  const startedAt = performance.now();
  for (let sent = 0; sent < TOKENS_PER_SECOND * SECONDS; sent++) {
    const choice = { index: 0, delta: { content: WORDS[sent % WORDS.length] }, finish_reason: null };
    response.write(`id: ${sent}\ndata: ${JSON.stringify({ ...header, choices: [choice] })}\n\n`);
    const next = startedAt + (1000 * (sent + 1)) / TOKENS_PER_SECOND;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, next - performance.now())));
  }
  response.end("data: [DONE]\n\n");
}

const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url ?? "/", "http://localhost");
  if (pathname === "/v1/chat/completions") return streamAnswer(response);
  if (pathname === "/v1/models") return void response.end(JSON.stringify({ data: [{ id: "script" }] }));
  const file = await studioFile(BUILT, pathname);
  if (file === undefined) return void response.writeHead(404).end("{}");
  response.writeHead(200, Object.fromEntries(file.headers)).end(Buffer.from(await file.arrayBuffer()));
});

function longConversation(numMessages: number): string {
  const perMessage = (CONVERSATION_TOKENS * CHARACTERS_PER_TOKEN) / (numMessages / 2);
  const content = PARAGRAPH.repeat(Math.ceil(perMessage / PARAGRAPH.length));
  const messages = Array.from({ length: numMessages }, (_, i) => ({
    id: `m${i}`,
    parentId: i === 0 ? undefined : `m${i - 1}`,
    role: i % 2 === 0 ? "user" : "assistant",
    content: i % 2 === 0 ? "Go on." : content,
    createdAt: i,
    ...(i % 2 === 0 ? {} : { answer: { status: "done" } }),
  }));
  const conversation = { title: "Long", leafId: `m${numMessages - 1}`, settings: {} };
  return JSON.stringify({ format: "mimo-studio", version: 1, chats: [{ conversation, messages }] });
}

interface Figures {
  readonly frames: number;
  readonly scriptMsPerFrame: number;
  readonly taskMsPerFrame: number;
  readonly longestTaskMs: number;
  readonly longestKeyMs: number;
  readonly heapMB: number;
}

async function measure(page: Page, url: string, numMessages: number): Promise<Figures> {
  await page.goto(url);
  const chooser = page.waitForEvent("filechooser");
  await page.getByRole("button", { name: "All chats" }).click();
  await page.getByRole("menuitem", { name: "Import…" }).click();
  const buffer = Buffer.from(longConversation(numMessages));
  await (await chooser).setFiles({ name: "long.json", mimeType: "application/json", buffer });
  await page.getByRole("link", { name: "Long" }).click();
  await page.locator(".answer .hljs-keyword").first().waitFor();
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable");
  const metrics = async (): Promise<ReadonlyMap<string, number>> =>
    new Map((await session.send("Performance.getMetrics")).metrics.map(({ name, value }) => [name, value]));
  const composer = page.getByRole("textbox", { name: "Message", exact: true });
  await composer.fill("And on.");
  await composer.press("Enter");
  await page.waitForTimeout(1000);
  await page.evaluate(watch);
  const before = await metrics();
  // A reader who writes the next message meanwhile.
  await composer.pressSequentially("Some words that are written meanwhile", { delay: 100 });
  await page.waitForTimeout(3000);
  const after = await metrics();
  const { frames, longestTaskMs, longestKeyMs } = await page.evaluate(
    () => (globalThis as unknown as { watched: Watched }).watched,
  );
  const msPerFrame = (name: string): number => (1000 * (after.get(name)! - before.get(name)!)) / frames;
  return {
    frames,
    scriptMsPerFrame: msPerFrame("ScriptDuration"),
    taskMsPerFrame: msPerFrame("TaskDuration"),
    longestTaskMs,
    longestKeyMs,
    heapMB: after.get("JSHeapUsedSize")! / 2 ** 20,
  };
}

interface Watched {
  frames: number;
  longestTaskMs: number;
  longestKeyMs: number;
}

/** In the page: counts frames, and keeps the longest of tasks beyond 50 ms and of keys beyond 16 ms. */
function watch(): void {
  const watched: Watched = { frames: 0, longestTaskMs: 0, longestKeyMs: 0 };
  (globalThis as unknown as { watched: Watched }).watched = watched;
  const count = (): void => {
    watched.frames++;
    requestAnimationFrame(count);
  };
  requestAnimationFrame(count);
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) watched.longestTaskMs = Math.max(watched.longestTaskMs, duration);
  }).observe({ type: "longtask" });
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) watched.longestKeyMs = Math.max(watched.longestKeyMs, duration);
  }).observe({ type: "event", durationThreshold: 16 } as PerformanceObserverInit);
}

/** KiB, compressed, of what index.html names. */
function firstLoad(): number {
  const page = readFileSync(join(BUILT, "index.html"), "utf8");
  const files = readdirSync(join(BUILT, "assets")).filter((name) => page.includes(`/assets/${name}`));
  return files.reduce((sum, name) => sum + gzipSync(readFileSync(join(BUILT, "assets", name))).length / 1024, 0);
}

const { values } = parseArgs({ options: { out: { type: "string" } } });
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const address = server.address();
const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}/`;
const browser = await chromium.launch({
  executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
const figures: Record<string, Figures> = {};
for (const numMessages of [2, 400]) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 820 }, locale: "en" });
  figures[`${numMessages} messages`] = await measure(await context.newPage(), url, numMessages);
  await context.close();
}
const result = {
  date: new Date().toISOString().slice(0, 10),
  commit: execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim(),
  cpu: cpus()[0]?.model,
  browser: browser.version(),
  conversationTokens: CONVERSATION_TOKENS,
  tokensPerSecond: TOKENS_PER_SECOND,
  firstLoadKiB: firstLoad(),
  conversations: figures,
};
await browser.close();
server.closeAllConnections();
server.close();
console.log(JSON.stringify(result, undefined, 2));
if (values.out !== undefined) writeFileSync(values.out, `${JSON.stringify(result, undefined, 2)}\n`);
