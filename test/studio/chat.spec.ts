// The chat as a person uses it: asks, stops, asks again, edits, branches, continues, lets tools run, and comes back later.

import { expect, limitDownload, storedReplyId, test } from "./studio.ts";

const STORY = "Tell me a story about a fox and a lamp.";

test("an answer streams in, has its figures, and is there after a reload", async ({ chat, page }) => {
  const answer = await chat.askAndRead(STORY);
  expect(answer.length).toBeGreaterThan(40);
  await expect(page.locator(".stats")).toHaveText(/\d+ tokens · [\d,.]+ tokens\/s/);
  await expect(page.getByRole("navigation", { name: "Conversations" }).getByRole("link")).toHaveText(STORY);
  await page.reload();
  await expect(chat.answers.locator(".prose")).toHaveText(answer);
});

test("a reload in mid-stream loses nothing, and a second tab follows", async ({ chat, page, context, studioUrl }) => {
  // Slow enough to be left in the middle.
  const link = await limitDownload(page, 6000);
  const reply = page.waitForRequest((request) => request.method() === "POST");
  await chat.ask(STORY);
  await reply;
  await expect(chat.answers.locator(".prose")).toHaveText(/\w+ \w+/);
  await expect(chat.answers).toHaveAttribute("aria-busy", "true");
  const partial = await chat.answers.locator(".prose").innerText();

  const second = await context.newPage();
  await second.goto(page.url());
  await link.detach();
  await limitDownload(page);
  await page.reload();
  await chat.settled();
  const whole = await chat.answers.locator(".prose").innerText();
  expect(whole.startsWith(partial.slice(0, -4))).toBe(true);
  expect(whole.length).toBeGreaterThan(partial.length);
  await expect(second.locator(".answer .prose")).toHaveText(whole);

  // What the server kept is the judge.
  const frames = await replyFrames(page, studioUrl);
  expect(frames).toBe(whole);
});

/** The text of the last answer, from the stream that the server keeps. */
async function replyFrames(page: import("@playwright/test").Page, studioUrl: string): Promise<string> {
  const replyId = await storedReplyId(page);
  const text = await (await fetch(`${studioUrl}/v1/chat/completions/${replyId}/stream`)).text();
  const chunks = [...text.matchAll(/^data: (\{.*)$/gm)].map(([, json]) => JSON.parse(json!));
  return chunks
    .map(({ choices }) => choices[0]?.delta.content ?? "")
    .join("")
    .trim();
}

test("stop ends the answer in the engine, and continue goes on behind it", async ({ chat, page, studioUrl }) => {
  await chat.makeEndless();
  await chat.ask(STORY);
  // The end stays in sight, however the answer grows, until its reader goes up.
  const log = page.getByRole("region", { name: "Conversation" });
  await expect.poll(() => log.evaluate((scroll) => scroll.scrollTop)).toBeGreaterThan(100);
  await expect(chat.button("Go to the latest message")).toHaveCount(0);
  await log.hover();
  await page.mouse.wheel(0, -400);
  await expect(chat.button("Go to the latest message")).toBeVisible();
  await chat.button("Go to the latest message").click();
  await chat.button("Stop").click();
  await chat.settled();
  await expect(page.getByText("Stopped", { exact: true })).toBeVisible();
  await expect.poll(() => numRunning(studioUrl)).toBe(0);
  const stopped = (await chat.answers.locator(".prose").innerText()).trim();

  await chat.stopSending();
  await chat.chooseGreedy();
  await chat.button("Continue").click();
  await expect(page.getByText("Stopped", { exact: true })).toHaveCount(0);
  await chat.settled();
  const continued = (await chat.answers.locator(".prose").innerText()).trim();
  expect(continued.slice(0, 20)).toBe(stopped.slice(0, 20));
  await expect(chat.answers).toHaveCount(1);
});

async function numRunning(studioUrl: string): Promise<number> {
  const metrics = await (await fetch(`${studioUrl}/metrics`)).text();
  return Number(/^mimo:num_requests_running(?:\{[^}]*\})? (\d+)/m.exec(metrics)?.[1]);
}

test("versions: another answer, an edited question, and the way between them", async ({ chat, page }) => {
  const first = await chat.askAndRead(STORY);
  await chat.button("Answer again").click();
  await expect(page.getByText("2/2")).toBeVisible();
  await chat.settled();
  await chat.button("Previous version").click();
  await expect(chat.answers.locator(".prose")).toHaveText(first);

  await chat.questions.hover();
  await chat.questions.getByRole("button", { name: "Edit" }).click();
  await page.getByRole("textbox", { name: "Edit" }).fill("Who are you?");
  await chat.button("Send as a new branch").click();
  await chat.settled();
  await expect(chat.questions).toContainText("Who are you?");
  await chat.questions.getByRole("button", { name: "Previous version" }).click();
  await expect(chat.questions).toContainText(STORY);
  // Each branch comes back as it was left.
  await page.reload();
  await expect(chat.questions).toContainText(STORY);
});

test("an answer is edited in its place", async ({ chat, page }) => {
  await chat.askAndRead("Who are you?");
  await chat.answers.getByRole("button", { name: "Edit" }).click();
  await page.getByRole("textbox", { name: "Edit" }).fill("I am **somebody else**.");
  await chat.button("Save").click();
  await expect(chat.answers.getByText("somebody else")).toHaveCSS("font-weight", "700");
  await page.reload();
  await expect(chat.answers.locator(".prose")).toHaveText("I am somebody else.");
  await expect(page.locator(".answer .versions")).toHaveCount(0);
});

test("an edited answer goes on from its new words", async ({ chat, page }) => {
  await chat.chooseGreedy();
  await chat.askAndRead(STORY);
  await chat.answers.getByRole("button", { name: "Edit" }).click();
  const start = "Once upon a time a small fox found";
  await page.getByRole("textbox", { name: "Edit" }).fill(start);
  const request = page.waitForRequest((sent) => sent.method() === "POST");
  await chat.button("Save and continue").click();
  expect((await request).postDataJSON()).toMatchObject({
    messages: [
      { role: "user", content: STORY },
      { role: "assistant", content: start, prefix: true },
    ],
  });
  await chat.settled();
  const whole = await chat.answers.locator(".prose").innerText();
  expect(whole.startsWith(start)).toBe(true);
  expect(whole.length).toBeGreaterThan(start.length);
  await expect(chat.answers).toHaveCount(1);
  await expect(page.locator(".answer .versions")).toHaveCount(0);
});

test("a tool runs when its reader allows it, and the answer goes on", async ({ chat, page }) => {
  await chat.chooseGreedy();
  const panel = await chat.openSettings();
  await panel.getByRole("switch", { name: "Calculator" }).check();
  await chat.ask("What is 348 * 275? Use the calculator.");
  const call = page.getByRole("region", { name: /^Calls calculator/ });
  await expect(call).toBeVisible();
  await expect(call.getByLabel("Arguments")).toHaveText(/expression/);
  await call.getByRole("button", { name: "Run" }).click();
  await expect(call.getByLabel("Result")).toHaveText(/\d/);
  await expect(chat.answers).toHaveCount(2);
  await chat.settled();
});

test("tools that need no consent run at once, in one of two tabs", async ({ chat, page, context }) => {
  await chat.chooseGreedy();
  const panel = await chat.openSettings();
  await panel.getByRole("switch", { name: "Calculator" }).check();
  await chat.ask("What is 348 * 275? Use the calculator.");
  await page.getByRole("switch", { name: "Run tools of this page without asking" }).check();
  await chat.button("Deny").click();
  await expect(page.getByText("Denied", { exact: true })).toBeVisible();
  await chat.settled();
  const second = await context.newPage();
  await second.goto(page.url());
  const numAnswers = await chat.answers.count();
  await chat.ask("What is 12 * 12? Use the calculator.");
  await expect(chat.answers).toHaveCount(numAnswers + 2);
  await chat.settled();
  await expect(second.locator(".answer")).toHaveCount(numAnswers + 2);
  await expect(page.locator(".answer .versions")).toHaveCount(0);
});

test("Enter that confirms a candidate of an input method does not send", async ({ chat, page }) => {
  const input = await page.context().newCDPSession(page);
  await chat.composer.focus();
  await input.send("Input.imeSetComposition", { text: "nihao", selectionStart: 5, selectionEnd: 5 });
  // As Chromium reports it: key code 229 while the composition is open.
  await chat.composer.dispatchEvent("keydown", { key: "Enter", keyCode: 229, bubbles: true });
  await input.send("Input.insertText", { text: "你好" });
  await expect(chat.composer).toHaveValue("你好");
  // As Safari reports it: the composition ends, and then comes its key, as any other.
  await chat.composer.evaluate((area) => {
    area.dispatchEvent(new CompositionEvent("compositionstart", { bubbles: true }));
    area.dispatchEvent(new CompositionEvent("compositionend", { bubbles: true, data: "你好" }));
    area.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
  });
  await expect(chat.questions).toHaveCount(0);
  await page.waitForTimeout(200);
  await chat.composer.press("Enter");
  await expect(chat.questions).toContainText("你好");
  await chat.settled();
});
