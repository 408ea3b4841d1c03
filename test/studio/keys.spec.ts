// A server that asks for keys, as those use it who have one: an administrator, and somebody who may only ask.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Chat, expect, MIMO, startServer, stopServer, test } from "./studio.ts";

// A server of its own, and two readers.
test.setTimeout(180_000);

test("keys, usage and log of a server that asks for keys", async ({ browser }) => {
  const state = mkdtempSync(join(tmpdir(), "mimo-keys-"));
  const env = { ...process.env, XDG_STATE_HOME: state };
  const create = [MIMO, "keys", "create", "boss", "--scope", "admin", "--json"];
  const made = JSON.parse(execFileSync(process.execPath, create, { env, encoding: "utf8" })) as { key: string };
  const { url, child } = await startServer(state);
  try {
    const page = await browser.newPage({ baseURL: url });
    await page.goto("/");
    await page.getByLabel("Key", { exact: true }).fill("mimo-wrong");
    await page.getByRole("button", { name: "Use key" }).click();
    await page.reload();
    await expect(page.getByText("The server does not take this key.")).toBeVisible();
    await page.getByLabel("Key", { exact: true }).fill(made.key);
    await page.getByRole("button", { name: "Use key" }).click();
    await expect(page.getByRole("status").getByText("nano")).toBeVisible();
    await page.reload();
    await expect(page.getByRole("status").getByText("nano")).toBeVisible();
    await expect(page.getByRole("dialog")).toHaveCount(0);
    const boss = new Chat(page);
    expect(await boss.askAndRead("Who are you?")).not.toBe("");

    await page.goto("/#/server/keys");
    await expect(page.getByRole("row", { name: /boss/ })).toContainText("admin");
    await page.getByRole("button", { name: "Create a key" }).click();
    await page.getByRole("dialog").getByLabel("Name").fill("guest");
    await page
      .getByRole("dialog")
      .getByRole("switch", { name: /^metrics/ })
      .uncheck();
    await page.getByRole("dialog").getByRole("button", { name: "Create a key" }).click();
    const guestKey = await page.getByRole("dialog", { name: "Key of guest" }).locator(".secret").innerText();
    await page.getByRole("button", { name: "I have it" }).click();

    // The key works at once, for what it is for.
    const guestPage = await browser.newPage({ baseURL: url });
    await guestPage.goto("/");
    await guestPage.getByLabel("Key", { exact: true }).fill(guestKey);
    await guestPage.getByRole("button", { name: "Use key" }).click();
    const guest = new Chat(guestPage);
    expect(await guest.askAndRead("Who are you?")).not.toBe("");
    await guestPage.goto("/#/server/keys");
    await expect(guestPage.getByRole("alert")).toContainText("admin");
    await expect(guestPage.getByRole("row", { name: /boss/ })).toHaveCount(0);

    // Everybody's usage and deeds, by name.
    await page.goto("/#/server/usage");
    for (const name of ["boss", "guest"])
      await expect(page.getByRole("row", { name: new RegExp(name) }).first()).toContainText(/\$0\.0*[1-9]/);
    await page.goto("/#/server/log");
    await page.getByLabel("Filter").fill("guest completions");
    await expect(page.getByRole("region", { name: "Log" }).locator("tbody tr").first()).toContainText("200");

    // A key that is revoked is none, within a second.
    await page.goto("/#/server/keys");
    await page.getByRole("button", { name: "Revoke guest" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
    await expect(page.getByRole("row", { name: /guest/ })).toHaveCount(0);
    const headers = { authorization: `Bearer ${guestKey}` };
    await expect.poll(async () => (await fetch(`${url}/v1/models`, { headers })).status).toBe(401);
    await guestPage.goto("/#/");
    await guestPage.reload();
    await expect(guestPage.getByText("The server does not take this key.")).toBeVisible();
    await guestPage.close();
    await page.close();
  } finally {
    await stopServer(child);
    rmSync(state, { recursive: true, force: true });
  }
});
