// Conversations as a collection: found, pinned, put into folders, taken out and in; settings, presets, tools.

import { readFileSync } from "node:fs";
import { expect, test } from "./studio.ts";

test("search, pin, folder, rename, duplicate, delete", async ({ chat, page }) => {
  for (const [title, word] of [
    ["Alpha", "zebra"],
    ["Beta", "yak"],
  ] as const)
    await chat.importChat(title, [
      { role: "user", content: `About the ${word}.` },
      { role: "assistant", content: "Yes." },
    ]);
  const list = page.getByRole("navigation", { name: "Conversations" });
  const choose = async (title: string, item: string): Promise<void> => {
    await list
      .getByRole("button", { name: `Options of ${title}` })
      .first()
      .click();
    await page.getByRole("menuitem", { name: item }).click();
  };

  await page.keyboard.press("Control+k");
  await page.keyboard.type("zebra");
  await expect(list.getByRole("link")).toHaveText(["Alpha"]);
  await page.getByRole("searchbox").fill("");
  await expect(list.getByRole("link")).toHaveCount(2);

  await choose("Beta", "Pin");
  await expect(list.locator("section", { hasText: "Pinned" }).getByRole("link")).toHaveText("Beta");
  await choose("Alpha", "Move to a folder");
  await page.getByRole("dialog").getByRole("button", { name: "New folder" }).click();
  await page.getByRole("textbox", { name: "Name of the folder" }).fill("Animals");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(list.locator("section", { hasText: "Animals" }).getByRole("link")).toHaveText("Alpha");
  await choose("Alpha", "Rename");
  await page.getByRole("textbox", { name: "Title" }).fill("Gamma");
  await page.getByRole("button", { name: "Save" }).click();
  await choose("Gamma", "Duplicate");
  await expect(list.getByRole("link", { name: "Gamma" })).toHaveCount(2);
  await expect(chat.questions).toContainText("zebra");
  await choose("Gamma", "Delete");
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await expect(list.getByRole("link", { name: "Gamma" })).toHaveCount(1);
  await page.reload();
  await expect(list.getByRole("link")).toHaveText(["Beta", "Gamma"]);
});

test("what is exported is what comes back, and a stranger's file is refused or harmless", async ({ chat, page }) => {
  await chat.importChat("Travels", [
    { role: "user", content: "Where to?" },
    { role: "assistant", content: "To **Rome**.", reasoning: "Hm." },
  ]);
  const download = async (item: string): Promise<string> => {
    const started = page.waitForEvent("download");
    await chat.button("Options of Travels").first().click();
    await page.getByRole("menuitem", { name: item }).click();
    return readFileSync(await (await started).path(), "utf8");
  };
  expect(await download("Export Markdown")).toBe(
    "# Travels\n\n## User\n\nWhere to?\n\n## Assistant\n\n> Hm.\n\nTo **Rome**.\n",
  );
  await chat.importFile(await download("Export JSON"));
  const links = page.getByRole("navigation", { name: "Conversations" }).getByRole("link", { name: "Travels" });
  await expect(links).toHaveCount(2);
  await links.first().click();
  await expect(chat.answers.locator("strong")).toHaveText("Rome");

  await chat.importFile('{"format":"other"}');
  await expect(page.getByText(/format and version are not/)).toBeVisible();
  const loop = [
    { id: "a", parentId: "b", role: "user", content: { toString: 1 }, createdAt: "x" },
    { id: "b", parentId: "a", role: "assistant", content: "b", answer: { status: "streaming", calls: [null, 1] } },
    { id: "c", role: "system", content: "root" },
  ];
  const chats = [
    {
      conversation: { title: "<b>Loop</b>", leafId: "b", updatedAt: 1e300, settings: { temperature: "hot" } },
      messages: loop,
    },
  ];
  await chat.importFile(JSON.stringify({ format: "mimo-studio", version: 1, chats, __proto__: { polluted: true } }));
  await page.getByRole("link", { name: "<b>Loop</b>" }).click();
  await expect(chat.answers).toHaveCount(1);

  // Nothing of it runs, now or whenever the chats are shown again.
  const script = "<script>window.isCaught = true</script><img src=x onerror='window.isCaught = true'>";
  const call = { id: script, name: script, arguments: script };
  const hostile = [
    {
      id: "a",
      role: "user",
      content: script,
      attachments: [{ name: script, text: script }, 7, { name: [], text: {} }],
    },
    {
      id: "b",
      parentId: "a",
      role: "assistant",
      content: `${script} [x](javascript:window.isCaught=true)`,
      answer: { status: "done", reasoning: script, model: script, calls: [call], startedAt: -1e300, trace: script },
    },
  ];
  const stranger = { conversation: { title: script, leafId: "b", createdAt: "never" }, messages: hostile };
  await chat.importFile(JSON.stringify({ format: "mimo-studio", version: 1, chats: [stranger] }));
  await chat.importFile(`${"[".repeat(100_000)}`);
  await expect(page.getByText(/chats\.json has no conversations that were exported here/).last()).toBeVisible();
  await page.reload();
  await page.getByRole("link", { name: script }).click();
  await expect(chat.answers).toContainText(script);
  expect(await page.locator("main a[href^=javascript], main script, main [onerror]").count()).toBe(0);
  expect(await page.evaluate(() => "isCaught" in globalThis)).toBe(false);
});

test("settings: recommended values, a preset of one's own, a system prompt that is sent", async ({ chat, page }) => {
  const panel = await chat.openSettings();
  // The checkpoint's own, then the report's.
  await expect(panel.getByRole("slider", { name: "Temperature" })).toHaveValue("0.6");
  await expect(panel.getByRole("slider", { name: "Top-p" })).toHaveValue("0.95");
  await panel.getByLabel("Preset", { exact: true }).selectOption({ label: "Recommended" });
  await expect(panel.getByRole("slider", { name: "Temperature" })).toHaveValue("0.8");
  await expect(panel.getByLabel("System prompt")).toHaveValue(/^You are MiMo, an AI assistant developed by Xiaomi\./);
  await panel.getByLabel("System prompt").fill("Answer like a pirate.");
  await panel.getByLabel("Temperature").fill("0.5");
  await panel.getByRole("button", { name: "Save as preset" }).click();
  await page.getByRole("textbox", { name: "Name of the preset" }).fill("Pirate");
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await panel.getByLabel("Preset", { exact: true }).selectOption({ label: "Server's defaults" });
  await panel.getByLabel("Preset", { exact: true }).selectOption({ label: "Pirate" });
  const request = page.waitForRequest((sent) => sent.method() === "POST");
  await chat.ask("Hello");
  expect((await request).postDataJSON()).toMatchObject({
    messages: [
      { role: "system", content: "Answer like a pirate." },
      { role: "user", content: "Hello" },
    ],
    temperature: 0.5,
    background: true,
  });
  await chat.settled();
});

test("a tool of one's own: described by a schema, its results typed", async ({ chat, page }) => {
  await chat.chooseGreedy();
  const panel = await chat.openSettings();
  await panel.getByRole("button", { name: "Add a tool" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name", { exact: true }).fill("get_weather");
  await dialog.getByLabel("What it does").fill("The weather in a city.");
  await dialog.getByLabel("Parameters (JSON Schema)").fill("{ broken");
  await expect(dialog.getByRole("button", { name: "Save" })).toBeDisabled();
  await dialog
    .getByLabel("Parameters (JSON Schema)")
    .fill('{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}');
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(chat.button("1 tool")).toBeVisible();
  await chat.alsoSend({ tool_choice: "required" });
  await chat.ask("What is the weather in Paris?");
  const result = page.getByLabel("What did get_weather return?");
  await expect(result).toBeVisible();
  await chat.stopSending();
  await result.fill('{"sky":"clear"}');
  const request = page.waitForRequest((sent) => sent.method() === "POST");
  await chat.button("Give result").click();
  const { messages } = (await request).postDataJSON() as { messages: { role: string; content: string }[] };
  expect(messages.at(-1)).toMatchObject({ role: "tool", content: '{"sky":"clear"}' });
  await chat.settled();
});
