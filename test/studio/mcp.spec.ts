// Tools of MCP servers, as a reader finds, allows and stops them.

import type { Page } from "@playwright/test";
import { STDIO_SERVER } from "../e2e/mcp-server.ts";
import { expect, test } from "./studio.ts";

test.use({ mcpServers: { sums: STDIO_SERVER, none: { command: "no-such-program-at-all" } } });

/** The next answer is a call, with the arguments that its tool takes; what follows it is short. */
async function demandCall(page: Page): Promise<void> {
  await page.route("**/v1/chat/completions", async (route) => {
    const body = route.request().postDataJSON() as object;
    await route.continue({ postData: JSON.stringify({ ...body, tool_choice: "none", max_completion_tokens: 8 }) });
  });
  await page.route(
    "**/v1/chat/completions",
    async (route) => {
      const body = route.request().postDataJSON() as { tools: { function: object }[] };
      const tools = body.tools.map((tool) => ({ ...tool, function: { ...tool.function, strict: true } }));
      await route.continue({ postData: JSON.stringify({ ...body, tools, tool_choice: "required" }) });
    },
    { times: 1 },
  );
}

test("a tool is chosen, allowed and run, and the answer goes on; a server that fails says why", async ({
  chat,
  page,
}) => {
  await chat.chooseGreedy();
  const panel = await chat.openSettings();
  await expect(panel.getByRole("region", { name: "Tools of none" })).toContainText("ENOENT");
  const tools = panel.getByRole("region", { name: "Tools of sums" });
  await expect(tools).toContainText("Ready");
  await tools.getByRole("switch", { name: /^add/ }).check();
  await expect(chat.button("1 tool")).toBeVisible();
  await demandCall(page);
  await chat.ask("What is 2 plus 40?");
  const calls = page.getByRole("region", { name: "Calls sums__add" });
  const run = calls.getByRole("button", { name: "Run" });
  await expect(run).toBeVisible();
  await expect(calls.getByLabel("Result")).toHaveCount(0);
  const { a, b } = JSON.parse(await calls.getByLabel("Arguments").innerText()) as { a: number; b: number };
  await calls.getByRole("switch", { name: "Run sums__add without asking" }).check();
  await run.click();
  await expect(calls.getByLabel("Result")).toHaveText(String(a + b));
  await expect(chat.answers).toHaveCount(2);
  await chat.settled();

  // A page that is loaded again knows the tool, and that it need not ask.
  await page.reload();
  await demandCall(page);
  await chat.ask("What is 3 plus 4?");
  await expect(calls.getByLabel("Result")).toHaveCount(2);
  await expect(chat.answers).toHaveCount(4);
  await chat.settled();

  await page.goto("/#/server");
  const servers = page.getByRole("region", { name: "MCP servers" });
  await expect(servers.getByRole("listitem").filter({ hasText: "sums" })).toContainText("Ready");
  await expect(servers.getByRole("listitem").filter({ hasText: "none" })).toContainText("Failed");
});

test("a call can be stopped and denied, also where the page was loaded again", async ({ chat, page }) => {
  await chat.chooseGreedy();
  const panel = await chat.openSettings();
  await panel.getByRole("switch", { name: /^wait/ }).check();
  await demandCall(page);
  await chat.ask("Wait.");
  const call = page.getByRole("region", { name: "Calls sums__wait" });
  await call.getByRole("button", { name: "Run" }).click();
  await expect(call.getByRole("status")).toHaveText("Running…");
  await page.reload();
  await call.getByRole("button", { name: "Run" }).click();
  await expect(call.getByRole("status")).toHaveText("Running…");
  await call.getByRole("button", { name: "Stop" }).click();
  await call.getByRole("button", { name: "Deny" }).click();
  await expect(call).toContainText("Denied");
  await expect(chat.answers).toHaveCount(2);
  await chat.settled();
});
