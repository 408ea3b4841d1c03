// One MCP server: whether it runs, why it does not, what its tools are, and calls of them.
//
// A server that failed is started again by its next use, later and later as long as no call of it succeeds. Whatever
// happens to a call is a result for the model to read; only who asked can end it otherwise, by a signal.

import type { Client, Tool } from "@modelcontextprotocol/client";
import { abortedError } from "../util/errors.ts";
import type { McpServerConfig } from "./config.ts";
import { toolNames } from "./names.ts";
import { createClient } from "./open-client.ts";
import { failedResult, type McpResult, resultOf } from "./result.ts";

export type McpState = "stopped" | "starting" | "ready" | "failed";

/** As pino's loggers are. */
export interface McpLog {
  readonly info: (fields: object, message: string) => void;
  readonly warn: (fields: object, message: string) => void;
}

/** Enough for a program that is fetched first. */
const START_MS = 60_000;
const FIRST_WAIT_MS = 1000;
const MAX_WAIT_MS = 30_000;
/** A reply that is a page of errors is no reason. */
const MAX_REASON = 500;

export class McpConnection {
  readonly config: McpServerConfig;
  readonly #prefix: string;
  readonly #version: string;
  readonly #log: McpLog;
  readonly #closing = new AbortController();
  #state: McpState = "stopped";
  #reason: string | undefined;
  #tools: ReadonlyMap<string, Tool> = new Map();
  #client: Client | undefined;
  #starting: Promise<void> | undefined;
  /** Since the last call that succeeded. */
  #numFailures = 0;
  #retryAt = 0;

  constructor(config: McpServerConfig, prefix: string, version: string, log: McpLog) {
    this.config = config;
    this.#prefix = prefix;
    this.#version = version;
    this.#log = log;
  }

  get state(): McpState {
    return this.#state;
  }

  /** Of a server that failed. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** By the names that a model gives them; those that were known last where the server does not run. */
  get tools(): ReadonlyMap<string, Tool> {
    return this.#tools;
  }

  /** Starts the server, unless it runs or failed just now. Never throws: the state says how it went. */
  async start(): Promise<void> {
    if (performance.now() >= this.#retryAt) await this.#startNow();
  }

  /** Throws `aborted`, and nothing else. */
  async call(tool: Tool, parameters: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<McpResult> {
    if (this.#state !== "ready") {
      await unlessAborted(pause(this.#retryAt - performance.now()), signal);
      await unlessAborted(this.#startNow(), signal);
    }
    const client = this.#client;
    const { name, timeoutMs } = this.config;
    if (client === undefined)
      return failedResult(`The server ${name} does not run: ${this.#reason ?? "it was stopped"}.`);
    try {
      const options = { signal, timeout: timeoutMs };
      const result = await client.callTool({ name: tool.name, arguments: parameters }, options);
      this.#numFailures = 0;
      return resultOf(result);
    } catch (error) {
      if (signal.aborted) throw abortedError(error);
      const { ProtocolError, SdkError, SdkErrorCode } = await import("@modelcontextprotocol/client");
      const code = error instanceof SdkError ? error.code : undefined;
      if (code === SdkErrorCode.RequestTimeout)
        return failedResult(`${tool.name} gave no result within ${timeoutMs} ms.`);
      // Whatever a server replies, it runs.
      const isReply = error instanceof ProtocolError || code === SdkErrorCode.InvalidResult;
      if (!isReply) this.#fail(client, messageOf(error));
      return failedResult(`The call of ${tool.name} failed: ${messageOf(error)}.`);
    }
  }

  /** Ends the server for good: its process has gone when this resolves. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#starting;
    const client = this.#client;
    this.#client = undefined;
    this.#state = "stopped";
    this.#reason = undefined;
    await client?.close().catch(() => {});
  }

  async #startNow(): Promise<void> {
    if (this.#state === "ready" || this.#closing.signal.aborted) return;
    this.#starting ??= this.#connect().finally(() => (this.#starting = undefined));
    await this.#starting;
  }

  async #connect(): Promise<void> {
    const { signal } = this.#closing;
    const { name } = this.config;
    const options = { signal, timeout: START_MS };
    this.#state = "starting";
    let client: Client | undefined;
    try {
      const unopened = await createClient(this.config, this.#version, {
        onLine: (line) => this.#log.info({ server: name, line }, "an MCP server writes"),
        onError: (error) => this.#log.info({ server: name, problem: messageOf(error) }, "an MCP server has a problem"),
        onTools: (tools) => (this.#tools = toolNames(this.#prefix, tools)),
      });
      const opened = (client = unopened.client);
      opened.onclose = () => this.#fail(opened, "it ended");
      await opened.connect(unopened.transport, options);
      const { tools } = await opened.listTools(undefined, options);
      signal.throwIfAborted();
      this.#tools = toolNames(this.#prefix, tools);
      this.#client = opened;
      this.#state = "ready";
      this.#reason = undefined;
      this.#log.info({ server: name, tools: tools.length }, "an MCP server is ready");
    } catch (error) {
      this.#failed(messageOf(error));
      await client?.close().catch(() => {});
    }
  }

  /** Gives up a connection, unless it is given up already. */
  #fail(client: Client, reason: string): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    this.#failed(reason);
    void client.close().catch(() => {});
  }

  #failed(reason: string): void {
    if (this.#closing.signal.aborted) return;
    this.#state = "failed";
    this.#reason = reason;
    // The first time may have been an accident.
    const wait = this.#numFailures === 0 ? 0 : Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** (this.#numFailures - 1));
    this.#numFailures++;
    this.#retryAt = performance.now() + wait;
    this.#log.warn({ server: this.config.name, reason }, "an MCP server failed");
  }
}

/** What went wrong, with what is behind it: `fetch` says no more than that it failed. */
function messageOf(error: unknown): string {
  const { message, cause } = error instanceof Error ? error : new Error(String(error));
  const text = cause instanceof Error && cause.message !== "" ? `${message} (${cause.message})` : message;
  return text.slice(0, MAX_REASON).replace(/[.\s]+$/, "");
}

function pause(ms: number): Promise<void> {
  return ms <= 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, ms).unref());
}

async function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  let stop = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(abortedError());
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
  try {
    await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
