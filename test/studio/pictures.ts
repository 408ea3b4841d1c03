// The pictures in docs/images, taken of the studio as it is. One more is one more test.
//
// Nothing in them is made up: answers are the model's, and the training is that of a real run, without which there is no
// picture of it.

import { cpSync, existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "@playwright/test";
import { expect, test } from "./studio.ts";

const IMAGES = fileURLToPath(new URL("../../docs/images", import.meta.url));
const RUNS = process.env["RUNS"];
const MAX_BYTES = 200 * 1024;

async function take(page: Page, name: string): Promise<void> {
  const path = join(IMAGES, `${name}.png`);
  // Nothing blinks, moves or is pointed at.
  await page.mouse.move(0, 0);
  await page.screenshot({ path, animations: "disabled", caret: "hide" });
  expect(statSync(path).size, `${name} is small enough for a document`).toBeLessThan(MAX_BYTES);
}

test("the chat, with thinking and a tool", async ({ chat, page }) => {
  await chat.chooseGreedy();
  await (await chat.openSettings()).getByRole("switch", { name: "Calculator" }).check();
  await chat.button("Chat settings").click();
  await chat.button("Think").click();
  await chat.ask("What is 348 * 275? Use the calculator.");
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await expect(chat.answers).toHaveCount(2);
  await chat.settled();
  await chat.ask("What is 512 + 301? Use the calculator.");
  await expect(page.getByRole("button", { name: "Run", exact: true })).toBeVisible();
  await take(page, "studio-chat");
});

test("a page that the model made", async ({ chat, page }) => {
  await chat.chooseGreedy();
  await chat.button("Chat settings").click();
  await chat.askAndRead('Make a counter button "Add" that starts at 0 and adds 1.');
  await page.getByRole("button", { name: "Show page" }).click();
  const made = page.frameLocator(".artifact-frame");
  for (let i = 0; i < 3; i++) await made.getByRole("button").click();
  await take(page, "studio-made-page");
});

test.describe("in the dark", () => {
  test.use({ colorScheme: "dark" });
  test("the chat, dark", async ({ chat, page }) => {
    await chat.chooseGreedy();
    await chat.button("Chat settings").click();
    await chat.askAndRead("Who are you?");
    await chat.askAndRead("Write a JavaScript function that reverses a string.");
    await take(page, "studio-chat-dark");
  });
});

test.describe("on a phone", () => {
  test.use({ viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true });
  test("the chat on a phone", async ({ chat, page }) => {
    await chat.askAndRead("Tell me a story about a fox and a lamp.");
    await take(page, "studio-phone");
  });
});

test("the server", async ({ chat: { page }, studioUrl }) => {
  await page.goto("/#/server");
  const ask = (content: string): Promise<Response> =>
    fetch(`${studioUrl}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ messages: [{ role: "user", content }], max_tokens: 400, ignore_eos: true }),
    });
  for (let i = 0; i < 8; i++) await Promise.all(Array.from({ length: 1 + (i % 4) }, (_, k) => ask(`Story ${k}`)));
  await take(page, "studio-server");
});

test("training", async ({ chat: { page }, stateFolder }) => {
  test.skip(RUNS === undefined || !existsSync(RUNS), "RUNS names no folder of runs");
  cpSync(RUNS!, join(stateFolder, "runs"), {
    recursive: true,
    preserveTimestamps: true,
    filter: (path) => statSync(path).isDirectory() || /\.(jsonl|yaml)$/.test(path),
  });
  await page.goto("/#/training");
  const runs = page.getByRole("group", { name: "Runs" }).getByRole("checkbox");
  await runs.nth(1).check();
  await page.getByRole("radio", { name: "Tokens" }).check({ force: true });
  await expect(page.locator(".chart canvas")).not.toHaveCount(0);
  await take(page, "studio-training");
});
