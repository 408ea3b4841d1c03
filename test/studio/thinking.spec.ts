// A model's thinking: folded or open, ended by its reader or by its budget.

import { expect, test } from "./studio.ts";

test("thinking stays folded, can be read, and can be ended", async ({ chat, page, studioUrl }) => {
  await chat.button("Think").click();
  await chat.chooseGreedy();
  const panel = await chat.openSettings();
  await panel.getByRole("radio", { name: "On" }).check({ force: true });
  const answer = await chat.askAndRead("What is 348 plus 275?");
  expect(answer).not.toBe("");
  await expect(page.locator(".thoughts")).toHaveCount(0);
  await page.getByRole("button", { name: /^Thought for/ }).click();
  await expect(page.getByLabel("Thinking", { exact: true })).toHaveText(/\w/);

  const { tokens } = await tokenize(studioUrl, "</think>");
  await chat.alsoSend({ logit_bias: { [tokens[0]!]: -100 } });
  await chat.ask("What is 512 plus 301?");
  await chat.button("Answer now").click();
  await expect(chat.answers.last().locator(".prose")).toHaveText(/\S/);
  await chat.settled();
});

async function tokenize(studioUrl: string, content: string): Promise<{ readonly tokens: readonly number[] }> {
  const body = JSON.stringify({ content, parse_special: true });
  const headers = { "content-type": "application/json" };
  return (await (await fetch(`${studioUrl}/tokenize`, { method: "POST", headers, body })).json()) as {
    tokens: number[];
  };
}

test("a budget ends thinking that would not end, and the answer follows", async ({ chat, page, studioUrl }) => {
  await chat.chooseGreedy();
  const panel = await chat.openSettings();
  await panel.getByRole("radio", { name: "On" }).check({ force: true });
  await panel.getByLabel("Budget of thinking").selectOption({ label: "128 tokens" });
  await panel.getByLabel("Most tokens").fill("200");
  const { tokens } = await tokenize(studioUrl, "</think>");
  await chat.alsoSend({ logit_bias: { [tokens[0]!]: -100 } });
  const request = page.waitForRequest((sent) => sent.method() === "POST");
  expect(await chat.askAndRead("What is 512 plus 301?")).not.toBe("");
  expect((await request).postDataJSON()).toMatchObject({ thinking_budget_tokens: 128 });
  await page.getByRole("button", { name: /^Thought for/ }).click();
  const thoughts = await page.getByLabel("Thinking", { exact: true }).innerText();
  const thought = await tokenize(studioUrl, thoughts);
  expect(thought.tokens.length).toBeGreaterThan(100);
  expect(thought.tokens.length).toBeLessThan(140);
});

test("thinking that is to be open stays open, in this browser", async ({ chat, page }) => {
  await chat.importChat("Thoughts", [
    { role: "user", content: "Hm?" },
    { role: "assistant", content: "Yes.", reasoning: "One **two**.", thinkingFrom: 1000, thinkingTo: 4000 },
  ]);
  const line = page.getByRole("button", { name: "Thought for 3 s" });
  await expect(line).toHaveAttribute("aria-expanded", "false");
  await chat.button("Settings").click();
  await page.getByRole("switch", { name: "Keep thinking open" }).check();
  await page.getByRole("dialog").getByRole("button", { name: "Close" }).click();
  await expect(page.locator(".thoughts strong")).toHaveText("two");
  await page.reload();
  await expect(line).toHaveAttribute("aria-expanded", "true");
  // One of them can still be folded.
  await line.click();
  await expect(page.locator(".thoughts")).toHaveCount(0);
});
