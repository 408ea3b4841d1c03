// A look inside the model: what is recorded of an answer agrees with the answer, token by token.

import { AxeBuilder } from "@axe-core/playwright";
import type { Locator, Page } from "@playwright/test";
import { type Chat, expect, limitDownload, storedReplyId, test } from "./studio.ts";

const STORY = "Tell me a story about a fox and a lamp.";

const panelOf = ({ page }: Chat) => page.getByRole("complementary", { name: "Inside the model" });

/** What the tokens say together, without the marks of line ends and of the end. */
async function textOf(tokens: Locator): Promise<string> {
  const raw = (await tokens.allInnerTexts()).join("");
  return raw
    .replace(/↵\n?/g, "\n")
    .replace(/<\|im_end\|>$/, "")
    .trim();
}

test("an answer's tokens are its text, with drafts, alternatives, experts and the raw prompt", async ({
  chat,
  page,
}) => {
  await chat.chooseGreedy();
  await page.keyboard.press("Control+Shift+L");
  const panel = panelOf(chat);
  await expect(panel.getByText("Ask something")).toBeVisible();
  const answer = await chat.askAndRead(STORY);

  await expect(panel.getByRole("definition").first()).toHaveText(/\d/);
  await expect(panel.getByRole("img", { name: /^MTP head 1: \d+\s?% held$/ })).toBeVisible();
  await expect(panel.getByRole("img", { name: /^3 global layers: [\d.]+ KiB of [\d.]+ MiB$/ })).toBeVisible();
  await expect(panel.getByRole("img", { name: /^9 sliding layers/ })).toBeVisible();
  await expect(panel.getByText(/^\d+ tokens: 0 cached, \d+ read$/)).toBeVisible();

  await panel.getByRole("tab", { name: "Tokens" }).click();
  const tokens = panel.getByRole("option");
  const numTokens = await tokens.count();
  expect(await textOf(tokens)).toBe(answer.trim());
  const accepted = panel.getByRole("option", { name: /MTP head 1$/ });
  const numAccepted = await accepted.count();
  expect(numAccepted).toBeGreaterThan(0);
  expect(numAccepted).toBeLessThan(numTokens);

  // By keyboard, and the first token is what greedy sampling takes: the likeliest one.
  await panel.getByRole("listbox", { name: "Tokens" }).focus();
  await page.keyboard.press("ArrowRight");
  await expect(tokens.first()).toHaveAttribute("aria-selected", "true");
  const glass = panel.getByRole("region", { name: "Token" });
  await expect(glass.getByText(/^Token 1 · written by the model$/)).toBeVisible();
  await expect(glass.getByText(/≥ [\d.]+ bits/)).toBeVisible();
  await expect(glass.getByRole("row")).toHaveCount(8);
  await expect(glass.getByRole("row").first()).toHaveAttribute("aria-current", "true");
  await panel.getByRole("radio", { name: "Probability" }).check({ force: true });
  await expect(tokens.first()).toHaveClass(/is-level-\d/);

  await panel.getByRole("tab", { name: "Experts" }).click();
  await expect(panel.getByRole("img", { name: /^11 layers from top to bottom/ })).toBeVisible();
  await panel.getByText("As a table").click();
  const rows = panel.getByRole("table").getByRole("row");
  await expect(rows).toHaveCount(12);
  await expect(rows.nth(1).getByRole("rowheader")).toHaveText("1");

  await panel.getByRole("tab", { name: "Raw" }).click();
  await expect(panel.getByRole("region", { name: "Prompt" })).toContainText(`<|im_start|>user\n${STORY}`);
  await expect(panel.getByRole("region", { name: "Output" })).toContainText("<|im_end|>");

  // The recording is kept with the answer, and the same prompt comes from the cache.
  await page.reload();
  await expect(chat.answers).toHaveCount(1);
  await page.keyboard.press("Control+Shift+L");
  await panel.getByRole("tab", { name: "Tokens" }).click();
  await expect(tokens).toHaveCount(numTokens);
  await chat.button("Answer again").click();
  await chat.settled();
  await panel.getByRole("tab", { name: "Overview" }).click();
  await expect(panel.getByText(/^\d+ tokens: [1-9]\d* cached, \d+ read$/)).toBeVisible();
});

test("a recording that a reload interrupts is whole", async ({ chat, page }) => {
  await chat.chooseGreedy();
  await page.keyboard.press("Control+Shift+L");
  const link = await limitDownload(page, 20_000);
  await chat.ask(STORY);
  await expect(chat.answers.locator(".prose")).toHaveText(/\w+ \w+/);
  await expect.poll(() => storedReplyId(page)).toBeDefined();
  await link.detach();
  await limitDownload(page);
  await page.reload();
  await expect(chat.answers).toHaveCount(1);
  await chat.settled();
  const answer = await chat.answers.locator(".prose").innerText();
  await page.keyboard.press("Control+Shift+L");
  const panel = panelOf(chat);
  await panel.getByRole("tab", { name: "Tokens" }).click();
  expect(await textOf(panel.getByRole("option"))).toBe(answer.trim());
});

test("what was not recorded is recorded on demand", async ({ chat, page }) => {
  await chat.askAndRead("Who are you?");
  await page.locator(".stats").click();
  const panel = panelOf(chat);
  await panel.getByRole("tab", { name: "Tokens" }).click();
  await panel.getByRole("button", { name: "Record, and answer again" }).click();
  await chat.settled();
  await expect(panel.getByRole("option").first()).toBeVisible();
  await expect(page.getByText("2/2")).toBeVisible();
});

test("colours in the conversation's own text: what was drafted, what was refused, and back to Markdown", async ({
  chat,
  page,
}) => {
  await chat.chooseGreedy();
  const colour = async (isOn: boolean): Promise<void> => {
    await chat.button("Settings").click();
    await page.getByRole("switch", { name: /^Colour tokens in answers/ }).setChecked(isOn);
    await page.getByRole("dialog").getByRole("button", { name: "Close" }).click();
  };
  await colour(true);
  await chat.ask(STORY);
  const tokens = chat.answers.getByRole("option");
  await expect(tokens.first()).toBeVisible();
  await chat.settled();
  const numDrafted = await chat.answers.getByRole("option", { name: /MTP head 1$/ }).count();
  expect(numDrafted).toBeGreaterThan(0);
  expect(numDrafted).toBeLessThan(await tokens.count());
  await expect(chat.answers.locator(".token.is-rejected").last()).toHaveCSS("text-decoration-line", "line-through");
  await expectSound(page, ".answer");
  const text = (await textOf(tokens)).replace(/\s+/g, " ");

  await tokens.nth(1).click();
  await expect(chat.answers.getByRole("region", { name: "Token" })).toContainText("Token 2");
  await tokens.nth(1).click();
  await expect(chat.answers.getByRole("region", { name: "Token" })).toHaveCount(0);

  await colour(false);
  await expect(tokens).toHaveCount(0);
  expect((await chat.answers.locator(".prose").innerText()).trim().replace(/\s+/g, " ")).toBe(text);
});

for (const { name, width, scheme, locale } of [
  { name: "in the dark, in Chinese, on a phone", width: 390, scheme: "dark", locale: "zh-CN" },
  { name: "on a wide screen", width: 1280, scheme: "light", locale: "en" },
] as const)
  test.describe(name, () => {
    test.use({ viewport: { width, height: 820 }, colorScheme: scheme, locale });

    test("the panel and the playground are within the window, and axe finds nothing serious", async ({ page }) => {
      await page.goto("/");
      const inside = locale === "en" ? "Inside the model" : "模型内部";
      await page.getByRole("textbox", { name: locale === "en" ? "Message" : "消息", exact: true }).fill("Who are you?");
      await page.keyboard.press("Control+Shift+L");
      const panel = page.getByRole("complementary", { name: inside });
      await expect(panel).toBeVisible();
      await page.locator(".composer textarea").press("Enter");
      await expect(page.locator(".stats")).toBeAttached();
      for (const tab of await panel.getByRole("tab").all()) {
        await tab.click();
        await expectSound(page, ".panel");
      }
      await page.goto("/#/playground");
      await page.getByText("JSON Schema", { exact: true }).click();
      await expectSound(page, ".playground");
    });
  });

async function expectSound(page: Page, part: string): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).include(part).analyze();
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  expect(serious.map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html)])).toEqual([]);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(overflow).toBeLessThanOrEqual(0);
}
