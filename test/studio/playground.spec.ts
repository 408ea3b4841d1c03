// The playground: two sides at once, what an answer must be, and code that gives the answer that the page gave.

import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Locator, Page } from "@playwright/test";
import { expect, test } from "./studio.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SCHEMA = {
  type: "object",
  properties: { name: { type: "string", maxLength: 20 }, kind: { enum: ["model", "person"] } },
  required: ["name", "kind"],
  additionalProperties: false,
};
const run = promisify(execFile);

const sideOf = (page: Page, name: "A" | "B"): Locator => page.getByRole("region", { name: `Side ${name}` });
const answerOf = (side: Locator): Locator => side.getByRole("region", { name: "Answer" });

test.beforeEach(async ({ page }) => {
  await page.goto("/#/playground");
});

test("two settings answer one prompt side by side, and both can be stopped", async ({ page }) => {
  await page.getByLabel("System prompt").fill("You are MiMo.");
  await page.getByRole("textbox", { name: "Prompt", exact: true }).fill("Tell me a story about a fox and a lamp.");
  const [a, b] = [sideOf(page, "A"), sideOf(page, "B")];
  await a.getByText("Settings").click();
  await a.getByLabel("Most tokens").fill("5");
  const bodies: { temperature?: number; max_completion_tokens?: number }[] = [];
  page.on("request", (request) => {
    if (request.method() === "POST") bodies.push(request.postDataJSON() as (typeof bodies)[number]);
  });
  await page.getByRole("textbox", { name: "Prompt", exact: true }).press("Control+Enter");
  await expect(a.getByText(/^5 tokens · /)).toBeVisible();
  await expect(a.getByText("The limit of tokens was reached.")).toBeVisible();
  await expect(b.getByText(/^\d+ tokens · .* first token \d+ ms$/)).toBeVisible();
  await expect(answerOf(b)).toHaveText(/\w+ \w+/);
  expect(bodies.map(({ temperature, max_completion_tokens: most }) => [temperature, most])).toEqual([
    [undefined, 5],
    [0, undefined],
  ]);

  await page.route("**/v1/chat/completions", async (route) => {
    const body = route.request().postDataJSON() as object;
    await route.continue({ postData: JSON.stringify({ ...body, ignore_eos: true, max_completion_tokens: undefined }) });
  });
  await page.getByRole("button", { name: "Run" }).click();
  await expect(answerOf(a)).toHaveText(/\w+ \w+ \w+ \w+ \w+/);
  await page.getByRole("button", { name: "Stop" }).click();
  await expect(page.getByText("Stopped", { exact: true })).toHaveCount(2);

  // What was set up is there tomorrow, and one side may be enough.
  await page.reload();
  await expect(page.getByLabel("System prompt")).toHaveValue("You are MiMo.");
  await page.getByRole("button", { name: "Side by side" }).click();
  await expect(b).toHaveCount(0);
});

test("a schema is checked by the page and by the server, and the answer keeps it", async ({ page }) => {
  await page.getByRole("textbox", { name: "Prompt", exact: true }).fill("Who are you?");
  await page.getByText("JSON Schema", { exact: true }).click();
  const editor = page.getByRole("textbox", { name: "JSON Schema of the answer" });
  await editor.fill('{"type": ');
  await expect(page.getByText(/^Not valid: /)).toBeVisible();
  await expect(page.getByRole("button", { name: "Run" })).toBeDisabled();

  await editor.fill(JSON.stringify({ ...SCHEMA, not: {} }));
  await page.getByRole("button", { name: "Check" }).click();
  await expect(page.getByText(/response_format\.json_schema\.schema\.not .*cannot be enforced/)).toBeVisible();
  // A run tells the same, at the same place, and what is right is taken.
  await page.getByRole("button", { name: "Run" }).click();
  await expect(sideOf(page, "A").getByRole("alert")).toContainText("cannot be enforced");
  await editor.fill(JSON.stringify(SCHEMA));
  await expect(page.locator(".field-note.is-error")).toHaveCount(0);
  await page.getByRole("button", { name: "Check" }).click();
  await expect(page.getByText("The server takes this.")).toBeVisible();
  await page.getByRole("button", { name: "Run" }).click();
  for (const name of ["A", "B"] as const) {
    await expect(sideOf(page, name).getByText(/^\d+ tokens · /)).toBeVisible();
    const answer = JSON.parse(await answerOf(sideOf(page, name)).innerText()) as Readonly<Record<string, unknown>>;
    expect(Object.keys(answer)).toEqual(["name", "kind"]);
    expect(["model", "person"]).toContain(answer["kind"]);
  }
});

test("tools are checked, and their calls are shown", async ({ page }) => {
  await page.getByRole("textbox", { name: "Prompt", exact: true }).fill("What is the weather in Paris?");
  await page.getByRole("tab", { name: "Tools" }).click();
  await page.getByLabel("The model may call tools").check();
  const editor = page.getByRole("textbox", { name: "Tools, as the API has them" });
  const example = await editor.inputValue();
  await editor.fill('[{"type": "function"}]');
  await expect(page.getByText(/^Not valid: \[0\]/)).toBeVisible();
  await editor.fill(example.replace('"type": "object"', '"type": "array"'));
  await page.getByRole("button", { name: "Check" }).click();
  await expect(page.locator(".field-note.is-error")).toContainText("tools[0].function.parameters");
  await editor.fill(example);
  // So that a small model calls it, too.
  await page.route("**/v1/chat/completions", async (route) => {
    const body = route.request().postDataJSON() as object;
    await route.continue({ postData: JSON.stringify({ ...body, tool_choice: "required" }) });
  });
  await page.getByRole("button", { name: "Run" }).click();
  const call = sideOf(page, "B").getByRole("region", { name: "Calls get_weather" });
  await expect(call.getByText(/^\{"city": ?".*"\}$/)).toBeVisible();
});

test("code for curl, openai, ai and mimo-flash gives the answer that the page gave", async ({ page, context }) => {
  test.setTimeout(120_000);
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.getByLabel("System prompt").fill('You are "MiMo", it\'s said.\n你好');
  await page.getByRole("textbox", { name: "Prompt", exact: true }).fill("Who are you?");
  await page.getByText("JSON Schema", { exact: true }).click();
  await page.getByRole("textbox", { name: "JSON Schema of the answer" }).fill(JSON.stringify(SCHEMA));
  await page.getByRole("button", { name: "Run" }).click();
  // The side that takes the likeliest token.
  const side = sideOf(page, "B");
  await expect(side.getByText(/^\d+ tokens · /)).toBeVisible();
  const answer: unknown = JSON.parse(await answerOf(side).innerText());

  const build = join(ROOT, "build");
  mkdirSync(build, { recursive: true });
  const folder = mkdtempSync(join(build, "playground-"));
  await side.getByRole("button", { name: "Get code" }).click();
  const dialog = page.getByRole("dialog", { name: "Get code" });
  const copied = async (kind: string): Promise<string> => {
    await dialog.getByRole("tab", { name: kind, exact: true }).click();
    await dialog.getByRole("button", { name: "Copy" }).click();
    await expect(dialog.getByRole("button", { name: "Copied" })).toBeVisible();
    return page.evaluate(() => navigator.clipboard.readText());
  };
  const outputOf = async (code: string, file: string, ...more: readonly string[]): Promise<string> => {
    writeFileSync(join(folder, file), code);
    const loader = ["--import", new URL("../../scripts/ts-loader.mjs", import.meta.url).href];
    const command = file.endsWith(".sh") ? "bash" : process.execPath;
    const args = [...(file.endsWith(".sh") ? [] : loader), join(folder, file), ...more];
    return (await run(command, args)).stdout;
  };
  try {
    const reply = JSON.parse(await outputOf(await copied("curl"), "a.sh")) as {
      choices: { message: { content: string } }[];
    };
    expect(JSON.parse(reply.choices[0]!.message.content)).toEqual(answer);
    expect(JSON.parse(await outputOf(await copied("openai"), "openai.mjs"))).toEqual(answer);
    // An object is printed as Node prints objects.
    const object = (await copied("ai")).replace(
      "console.log(answer.output)",
      "console.log(JSON.stringify(answer.output))",
    );
    expect(JSON.parse(await outputOf(object, "ai.mjs"))).toEqual(answer);
    // The package as it is before it is built.
    const own = (await copied("mimo-flash")).replace('"mimo-flash"', JSON.stringify(join(ROOT, "src", "index.ts")));
    expect(JSON.parse(await outputOf(own, "own.mjs", join(ROOT, "models", "nano")))).toEqual(answer);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
