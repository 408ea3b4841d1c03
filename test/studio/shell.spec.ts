// The studio around its pages: size, languages, light and dark, a phone, keys, no server, no storage, no barriers.

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { AxeBuilder } from "@axe-core/playwright";
import { Chat, expect, test } from "./studio.ts";

const BUILT = fileURLToPath(new URL("../../dist/studio", import.meta.url));
const FIRST_LOAD_KIB = 200;

test("what the first load takes, compressed", async ({ page }) => {
  const loaded = new Set<string>();
  page.on("requestfinished", (request) => loaded.add(new URL(request.url()).pathname));
  await page.goto("/");
  await expect(page.getByRole("textbox", { name: "Message", exact: true })).toBeVisible();
  const files = readdirSync(`${BUILT}/assets`).filter((name) => loaded.has(`/assets/${name}`));
  const sizes = files.map((name) => gzipSync(readFileSync(`${BUILT}/assets/${name}`)).length / 1024);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  console.log(`first load: ${total.toFixed(1)} KiB gzip in ${files.length} files`);
  expect(files.length).toBeGreaterThan(1);
  expect(total).toBeLessThan(FIRST_LOAD_KIB);
});

const ANSWER =
  "## Title\n\nText with `code`, [a link](https://example.org).\n\n```js\nlet x = 1; // one\n```\n\n| a | b |\n|--|--|\n| 1 | 2 |";

for (const colorScheme of ["light", "dark"] as const)
  test.describe(colorScheme, () => {
    test.use({ colorScheme });
    test(`nothing that axe finds serious, ${colorScheme}`, async ({ chat, page }) => {
      await chat.importChat("Barriers", [
        { role: "user", content: "Show me." },
        { role: "assistant", content: ANSWER, reasoning: "Hm.", thinkingFrom: 1000, thinkingTo: 4000 },
      ]);
      await page.getByRole("button", { name: "Thought for 3 s" }).click();
      await expect(chat.answers.locator(".hljs-comment")).toBeVisible();
      await chat.openSettings();
      const { violations } = await new AxeBuilder({ page }).analyze();
      const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
      expect(serious.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`))).toEqual([]);
    });
  });

test("English and Chinese, light and dark, and both are kept", async ({ chat, page }) => {
  await chat.button("Settings").click();
  await page.getByText("简体中文").click();
  await page.getByText("深色").click();
  await page.getByRole("button", { name: "关闭" }).click();
  await expect(page.getByRole("heading", { name: "想聊点什么？" })).toBeVisible();
  await page.reload();
  await expect(page.getByRole("link", { name: "训练" })).toBeVisible();
  await expect(page.locator("html")).toHaveAttribute("lang", "zh-CN");
  await expect(page.locator("body")).toHaveCSS("background-color", "rgb(22, 21, 20)");
});

test.describe("on a phone", () => {
  test.use({ viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true });
  test("the navigation opens over the page and goes; nothing is wider than the screen", async ({ chat, page }) => {
    await expect(page.getByRole("link", { name: "Training" })).toBeHidden();
    await chat.askAndRead("Who are you?");
    await chat.button("Open navigation").click();
    await page.getByRole("navigation", { name: "Conversations" }).getByRole("link").click();
    await expect(page.getByRole("link", { name: "Training" })).toBeHidden();
    await chat.openSettings();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
  });
});

test("keys: help, write, new chat, settings", async ({ chat, page }) => {
  await page.locator("body").press("Escape");
  await page.evaluate(() => (document.activeElement as HTMLElement).blur());
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keyboard shortcuts" })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await page.evaluate(() => (document.activeElement as HTMLElement).blur());
  await page.keyboard.press("/");
  await expect(chat.composer).toBeFocused();
  await chat.askAndRead("Who are you?");
  await chat.composer.press("ArrowUp");
  await expect(page.getByRole("textbox", { name: "Edit" })).toHaveValue("Who are you?");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+Shift+S");
  await expect(page.getByRole("complementary", { name: "Chat settings" })).toBeVisible();
  await page.keyboard.press("Control+Shift+O");
  await expect(chat.questions).toHaveCount(0);
});

test.describe("with a service worker", () => {
  test.use({ serviceWorkers: "allow" });
  test("the shell opens without its server, with what was said", async ({ page, context }) => {
    await page.goto("/");
    const chat = new Chat(page);
    await chat.askAndRead("Who are you?");
    await page.evaluate(() => navigator.serviceWorker.ready);
    await page.reload();
    await expect(chat.answers).toHaveCount(1);
    await context.setOffline(true);
    const offline = await context.newPage();
    await offline.goto(page.url());
    await expect(new Chat(offline).answers).toHaveCount(1);
    await expect(offline.getByRole("status").getByText("Server not reachable")).toBeVisible();
    await context.setOffline(false);
  });
});

test("without storage the chat goes on, and says so", async ({ page }) => {
  await page.addInitScript(() => {
    Object.defineProperty(globalThis, "indexedDB", { value: undefined });
  });
  await page.goto("/");
  const chat = new Chat(page);
  await expect(page.getByRole("alert")).toContainText("does not store");
  expect(await chat.askAndRead("Who are you?")).not.toBe("");
});

test("storage that fills up in mid-chat is told, and the chat goes on in memory", async ({ page, studioUrl }) => {
  const browser = await page.context().newCDPSession(page);
  await browser.send("Storage.overrideQuotaForOrigin", { origin: studioUrl, quotaSize: 2 ** 20 });
  await page.goto("/");
  const chat = new Chat(page);
  await chat.askAndRead("Who are you?");
  await chat.importChat("Large", [
    { role: "user", content: "Think long." },
    { role: "assistant", content: "I did.", reasoning: "Hm. ".repeat(2 ** 20), thinkingFrom: 1, thinkingTo: 2 },
  ]);
  await expect(page.getByRole("alert")).toContainText("does not store");
  await expect(chat.answers).toHaveText(/I did/);
  // Nothing is lost for as long as the page is open.
  const answer = await chat.askAndRead("And now?");
  await page.getByRole("link", { name: "Who are you?" }).click();
  await expect(chat.answers).toHaveCount(1);
  await page.getByRole("link", { name: "Large" }).click();
  await expect(chat.answers).toHaveCount(2);
  await expect(chat.answers.last().locator(".prose")).toHaveText(answer);
  // And what was stored before still is.
  await page.reload();
  await page.getByRole("link", { name: "Who are you?" }).click();
  await expect(chat.answers).toHaveCount(1);
});
