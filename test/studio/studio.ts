// What the studio's tests share: a server with nano for all tests of a file, a page that reports its mistakes, and the
// words of a reader who chats.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type CDPSession, expect, type Locator, type Page, test as base } from "@playwright/test";

export const MIMO = fileURLToPath(new URL("../../bin/mimo.mjs", import.meta.url));

interface WorkerFixtures {
  /** Entries of `mcpServers` for the server; none without any. */
  readonly mcpServers: object;
  /** Where the server keeps what it knows, with its runs of training in `runs`. */
  readonly stateFolder: string;
  /** Where the server is. */
  readonly studioUrl: string;
}

interface TestFixtures {
  readonly chat: Chat;
}

export const test = base.extend<TestFixtures, WorkerFixtures>({
  mcpServers: [{}, { scope: "worker", option: true }],
  stateFolder: [
    // oxlint-disable-next-line no-empty-pattern -- Playwright reads the names of fixtures from the pattern.
    async ({}, use) => {
      const state = mkdtempSync(join(tmpdir(), "mimo-studio-"));
      await use(state);
      rmSync(state, { recursive: true, force: true });
    },
    { scope: "worker" },
  ],
  studioUrl: [
    async ({ stateFolder, mcpServers }, use) => {
      const { url, child } = await startServer(stateFolder, mcpServers);
      await use(url);
      await stopServer(child);
    },
    { scope: "worker" },
  ],
  baseURL: async ({ studioUrl }, use) => use(studioUrl),
  chat: async ({ page }, use) => {
    const mistakes: string[] = [];
    page.on("pageerror", ({ message }) => mistakes.push(message));
    page.on("console", (message) => {
      if (message.type() === "error") mistakes.push(message.text());
    });
    await page.goto("/");
    await use(new Chat(page));
    expect(mistakes).toEqual([]);
  },
});

export { expect, startServer, stopServer };

async function startServer(
  state: string,
  mcpServers: object = {},
): Promise<{ readonly url: string; readonly child: ChildProcess }> {
  const mcpConfig = join(state, "mcp.json");
  writeFileSync(mcpConfig, JSON.stringify({ mcpServers }));
  // Whether drafting pays is measured, so a busy machine would see no drafts.
  const drafting = ["--speculative-num-steps", "1"];
  const args = [MIMO, "serve", "--port", "0", "--threads", "1", ...drafting, "--runs", join(state, "runs")];
  if (Object.keys(mcpServers).length > 0) args.push("--mcp-config", mcpConfig);
  const child = spawn(process.execPath, args, {
    env: { ...process.env, XDG_STATE_HOME: state, NO_COLOR: "1" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let output = "";
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr.on("data", (piece: Buffer) => {
      output += piece.toString();
      const [, found] = /Serving \S+ at (http:\S+)\/v1/.exec(output) ?? [];
      if (found !== undefined) resolve(found);
    });
    child.once("exit", () => reject(new Error(`The server ended before it served:\n${output}`)));
  });
  return { url, child };
}

function stopServer(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    // The second one ends what runs.
    child.kill("SIGTERM");
    setTimeout(() => child.kill("SIGTERM"), 500).unref();
  });
}

/** The chat, in a reader's words. */
export class Chat {
  readonly page: Page;
  readonly composer: Locator;
  readonly answers: Locator;
  readonly questions: Locator;

  constructor(page: Page) {
    this.page = page;
    this.composer = page.getByRole("textbox", { name: "Message", exact: true });
    this.answers = page.locator(".answer");
    this.questions = page.locator(".question");
  }

  button(name: string | RegExp): Locator {
    return this.page.getByRole("button", { name, exact: true });
  }

  async ask(question: string): Promise<void> {
    await this.composer.fill(question);
    await this.composer.press("Enter");
  }

  /** Asks, and waits for the whole answer. */
  async askAndRead(question: string): Promise<string> {
    const before = await this.answers.count();
    await this.ask(question);
    await expect(this.answers).toHaveCount(before + 1);
    await this.settled();
    return this.answers.last().locator(".prose").last().innerText();
  }

  /** No answer is on its way. */
  async settled(): Promise<void> {
    await expect(this.page.locator('.answer[aria-busy="true"]')).toHaveCount(0, { timeout: 40_000 });
    await expect(this.button("Send")).toBeVisible();
  }

  async openSettings(): Promise<Locator> {
    const panel = this.page.getByRole("complementary", { name: "Chat settings" });
    if (!(await panel.isVisible())) await this.button("Chat settings").click();
    return panel;
  }

  /** Sampling that takes the likeliest token, so that a test sees what every other run sees. */
  async chooseGreedy(): Promise<void> {
    const panel = await this.openSettings();
    await panel.getByLabel("Preset", { exact: true }).selectOption({ label: "Always the most likely" });
  }

  /** Further fields for every request to come, which no reader can set. */
  async alsoSend(fields: object): Promise<void> {
    await this.page.route("**/v1/chat/completions", async (route) => {
      const body = route.request().postDataJSON() as object;
      await route.continue({ postData: JSON.stringify({ ...body, ...fields }) });
    });
  }

  /** Answers go on until they are stopped, or the context is full. */
  async makeEndless(): Promise<void> {
    await this.alsoSend({ ignore_eos: true });
  }

  async stopSending(): Promise<void> {
    await this.page.unroute("**/v1/chat/completions");
  }

  /** A conversation of given messages, by way of an import. */
  async importChat(title: string, messages: readonly ImportedMessage[]): Promise<void> {
    const now = Date.now();
    const rows = messages.map(({ role, content, ...rest }, i) => ({
      id: `m${i}`,
      parentId: i === 0 ? undefined : `m${i - 1}`,
      role,
      content,
      createdAt: now + i,
      ...(role === "assistant"
        ? { answer: { status: "done", reasoning: "", calls: [], startedAt: now, ...rest } }
        : {}),
    }));
    const conversation = { title, leafId: `m${rows.length - 1}`, settings: {}, createdAt: now, updatedAt: now };
    await this.importFile(
      JSON.stringify({ format: "mimo-studio", version: 1, chats: [{ conversation, messages: rows }] }),
    );
    await this.page.getByRole("link", { name: title }).click();
  }

  async importFile(json: string): Promise<void> {
    const chooser = this.page.waitForEvent("filechooser");
    await this.button("All chats").click();
    await this.page.getByRole("menuitem", { name: "Import…" }).click();
    await (await chooser).setFiles({ name: "chats.json", mimeType: "application/json", buffer: Buffer.from(json) });
  }
}

export interface ImportedMessage {
  readonly role: "user" | "assistant";
  readonly content: string;
  readonly reasoning?: string;
  readonly thinkingFrom?: number;
  readonly thinkingTo?: number;
}

/** A link that carries so many bytes a second to the page; unlimited without a number. */
export async function limitDownload(page: Page, bytesPerSecond = -1): Promise<CDPSession> {
  const session = await page.context().newCDPSession(page);
  await session.send("Network.emulateNetworkConditions", {
    offline: false,
    latency: 0,
    downloadThroughput: bytesPerSecond,
    uploadThroughput: -1,
  });
  return session;
}

/** The server's name of the answer that the page has stored, by which a page that comes back goes on. */
export function storedReplyId(page: Page): Promise<string | undefined> {
  return page.evaluate(
    () =>
      new Promise<string | undefined>((resolve) => {
        const open = indexedDB.open("mimo-studio");
        open.onsuccess = () => {
          const all = open.result.transaction("messages").objectStore("messages").getAll();
          all.onsuccess = () => {
            const rows = all.result as { answer?: { replyId?: string } }[];
            open.result.close();
            resolve(rows.find(({ answer }) => answer !== undefined)?.answer?.replyId);
          };
        };
      }),
  );
}
