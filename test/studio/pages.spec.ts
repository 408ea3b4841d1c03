// The pages of the server and of training, as those use them who look after a server or a run.

import type { Locator, Page } from "@playwright/test";
import { makeRun, writeSample, writeSteps } from "./runs.ts";
import { expect, test } from "./studio.ts";

/** A tile, a fact or a row by its name. */
function figure(page: Page, name: string): Locator {
  return page
    .locator("dl > div")
    .filter({ has: page.getByText(name, { exact: true }) })
    .locator("dd");
}

function chart(page: Page, name: string): Locator {
  return page.getByRole("figure", { name, exact: true });
}

async function complete(studioUrl: string, fields: object = {}): Promise<Response> {
  return fetch(`${studioUrl}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ messages: [{ role: "user", content: "Hello" }], max_tokens: 8, ...fields }),
  });
}

test("the model and how it is built; figures and curves that move while it answers", async ({
  chat: { page },
  studioUrl,
}) => {
  await page.goto("/#/server");
  await expect(page).toHaveTitle("Server · MiMo Studio");
  await expect(page.getByRole("heading", { name: "nano" })).toBeVisible();
  await expect(page.getByRole("status").getByText("Ready")).toBeVisible();
  await expect(figure(page, "Layers")).toHaveText("12: 3 global, 9 sliding");
  await expect(figure(page, "Sliding window")).toHaveText("128 tokens");
  await expect(figure(page, "Running")).toHaveText("0");

  const numAnswers = page
    .getByRole("row", { name: /^To the first token/ })
    .getByRole("cell")
    .last();
  const before = Number(await numAnswers.innerText());
  const endless = await complete(studioUrl, { stream: true, ignore_eos: true, max_tokens: 6000 });
  await expect(figure(page, "Running")).toHaveText("1");
  await expect(figure(page, "Tokens/s")).toHaveText(/^[1-9]/);
  await endless.body!.cancel();
  await expect(figure(page, "Running")).toHaveText("0");
  await (await complete(studioUrl)).json();
  await expect(numAnswers).toHaveText(String(before + 1));

  // The same without eyes and without a mouse.
  const requests = chart(page, "Requests");
  await requests.getByText("Table").press("Enter");
  await expect(requests.getByRole("row").filter({ hasText: /:\d\d1/ })).not.toHaveCount(0);
  const running = requests.getByRole("button", { name: "Running" });
  await running.press("Space");
  await expect(running).toHaveAttribute("aria-pressed", "false");
  await expect(requests.locator("canvas")).toBeVisible();
});

test("a server that has gone is seen to be gone", async ({ page }) => {
  await page.goto("/#/server");
  await expect(page.getByRole("status").getByText("Ready")).toBeVisible();
  await page.route("**/version", (route) => route.abort());
  await expect(page.getByRole("status").getByText("Server not reachable")).toBeVisible();
  await page.unroute("**/version");
  await expect(page.getByRole("status").getByText("Ready")).toBeVisible();
});

test("a key is made, shown once, and revoked", async ({ chat: { page }, studioUrl }) => {
  const keys = async (): Promise<any[]> => ((await (await fetch(`${studioUrl}/v1/keys`)).json()) as any).data;
  await page.goto("/#/server/keys");
  await page.getByRole("button", { name: "Create a key" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("laptop");
  await dialog.getByRole("switch", { name: /^metrics/ }).uncheck();
  await dialog.getByRole("button", { name: "Create a key" }).click();
  const secret = await page.getByRole("dialog", { name: "Key of laptop" }).locator(".secret").innerText();
  expect(secret).toMatch(/^mimo-[\w-]{43}$/);
  await page.getByRole("button", { name: "I have it" }).click();
  await expect(page.getByRole("row", { name: /laptop/ })).toContainText("inference");
  await expect(page.getByText(secret)).toHaveCount(0);
  expect(await keys()).toMatchObject([{ name: "laptop", scopes: ["inference"] }]);

  await page.getByRole("button", { name: "Revoke laptop" }).click();
  await page.getByRole("button", { name: "Cancel" }).click();
  expect(await keys()).toHaveLength(1);
  await page.getByRole("button", { name: "Revoke laptop" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await expect(page.getByText("No keys yet.")).toBeVisible();
  expect(await keys()).toEqual([]);
});

test("usage and cost by key and day", async ({ chat: { page }, studioUrl }) => {
  await (await complete(studioUrl)).json();
  await page.goto("/#/server/usage");
  const today = new Date().toISOString().slice(0, 10);
  await expect(page.getByRole("row", { name: new RegExp(`^${today} without a key`) })).toContainText(/\$0\.0*[1-9]/);
  await expect(page.getByRole("img", { name: "1 day with requests; numbers are in the table below" })).toBeVisible();
  await page.getByText("7 days", { exact: true }).click();
  await expect(page.locator(".usage-bar")).toHaveCount(7);
});

test("the log goes on by itself, stands still, and is filtered", async ({ chat: { page }, studioUrl }) => {
  await page.goto("/#/server/log");
  const rows = page.getByRole("region", { name: "Log" }).locator("tbody tr");
  await (await complete(studioUrl)).json();
  await expect(rows.first()).toContainText("/chat/completions");
  await fetch(`${studioUrl}/nowhere`);
  await expect(rows.first()).toContainText("404");
  const before = await rows.count();

  await page.getByRole("button", { name: "Pause" }).click();
  await fetch(`${studioUrl}/nowhere`);
  await expect(page.getByRole("button", { name: "Go on: 1 new" })).toBeVisible();
  await expect(rows).toHaveCount(before);
  await page.getByRole("button", { name: "Go on: 1 new" }).click();
  await expect(rows).toHaveCount(before + 1);

  await page.getByText("Failed", { exact: true }).click();
  await expect(rows.filter({ has: page.getByText("200", { exact: true }) })).toHaveCount(0);
  await page.getByText("All", { exact: true }).click();
  await page.getByLabel("Filter").fill("post completions 200");
  await expect(rows.filter({ hasText: "404" })).toHaveCount(0);
  await page.getByLabel("Filter").fill("no such thing");
  await expect(page.getByText("Nothing found.")).toBeVisible();
});

test("runs: live, one over the other, with what they write", async ({ chat: { page }, stateFolder }) => {
  await page.goto("/#/training");
  await expect(page.getByText("mimo train recipes/pico/recipe.yaml")).toBeVisible();
  const first = makeRun(stateFolder, "first");
  writeSteps(first, 1, 20);
  writeSample(first, 10, "mimo mimo");
  writeSample(first, 20, "I am MiMo.");

  const loss = chart(page, "Loss");
  const standing = page.getByRole("region", { name: "Where the runs stand" });
  await expect(standing.getByRole("row", { name: /^first running pre-training 20 80K/ })).toBeVisible();
  await expect(loss.locator("canvas")).toBeVisible();
  await expect(loss.getByRole("button", { name: "Held out 0.425" })).toBeVisible();
  await page.getByText("Off", { exact: true }).click();
  await expect(loss.getByRole("button", { name: "Training 0.400" })).toBeVisible();
  await expect(chart(page, "MTP losses").getByRole("button", { name: "Head 2 0.500" })).toBeVisible();
  writeSteps(first, 21, 40);
  await expect(loss.getByRole("button", { name: "Training 0.200" })).toBeVisible();

  const load = page.getByRole("region", { name: "Expert load by layer: first" });
  await expect(load.getByRole("img")).toHaveAccessibleName(/^2 layers .* The most is \+60%, in layer 2 at step 1\.$/);
  await load.getByText("Table").press("Enter");
  await expect(load.getByRole("row", { name: "2 +60% +60% 1" })).toBeVisible();
  await load.getByRole("img").hover({ position: { x: 3, y: 3 } });
  await expect(load.getByText("Layer 1, step 1: +40%")).toBeVisible();

  const texts = page.getByRole("region", { name: "What first writes" });
  await expect(texts).toContainText("I am MiMo.");
  await texts.getByRole("slider", { name: "Step 20" }).press("ArrowLeft");
  await expect(texts).toContainText("mimo mimo");

  writeSteps(makeRun(stateFolder, "second"), 1, 30, 3);
  await page.getByRole("checkbox", { name: /second/ }).press("Space");
  await expect(loss.getByRole("button", { name: "first · Training 0.200" })).toBeVisible();
  await expect(loss.getByRole("button", { name: "second · Training 0.100" })).toBeVisible();
  await page.getByRole("radio", { name: "Tokens" }).check({ force: true });
  await loss.getByText("Table").press("Enter");
  await expect(loss.getByRole("row", { name: /^160K .*0\.200/ })).toBeVisible();
  // The choice stands in the address.
  await page.reload();
  await expect(page.getByRole("checkbox", { name: /second/ })).toBeChecked();
  await expect(loss.getByRole("button", { name: /second · Training/ })).toBeVisible();
});
