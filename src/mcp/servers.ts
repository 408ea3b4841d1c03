// The MCP servers of a configuration, together: what they offer, which of them a name means, when they start and end.

import type { McpServerConfig } from "./config.ts";
import { McpConnection, type McpLog, type McpState } from "./connection.ts";
import { serverPrefixes } from "./names.ts";
import type { McpResult } from "./result.ts";
import { MimoError } from "../util/errors.ts";

export interface McpTool {
  /** As a model calls it. */
  readonly name: string;
  readonly description: string;
  /** JSON Schema of its arguments. */
  readonly parameters: object;
}

export interface McpServerStatus {
  readonly name: string;
  readonly transport: "stdio" | "http";
  readonly state: McpState;
  /** Why it failed. */
  readonly reason: string | undefined;
  readonly tools: readonly McpTool[];
}

export class McpServers {
  readonly #connections: readonly McpConnection[];

  constructor(configs: readonly McpServerConfig[], version: string, log: McpLog) {
    const prefixes = serverPrefixes(configs.map(({ name }) => name));
    this.#connections = configs.map((config, i) => new McpConnection(config, prefixes[i]!, version, log));
  }

  /** Starts those that do not run, and waits for none. */
  start(): void {
    for (const connection of this.#connections) void connection.start();
  }

  /** As they are now, in the order of the file. Being asked for is a use: what failed is started again. */
  list(): readonly McpServerStatus[] {
    const servers = this.#connections.map(({ config, state, reason, tools }) => ({
      name: config.name,
      transport: "url" in config ? "http" : "stdio",
      state,
      reason,
      tools: [...tools].map(([name, { description = "", inputSchema }]) => ({
        name,
        description,
        parameters: inputSchema,
      })),
    })) satisfies McpServerStatus[];
    this.start();
    return servers;
  }

  /** Throws `not_found` for a name that no tool has, and `aborted`. */
  async call(name: string, parameters: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<McpResult> {
    for (const connection of this.#connections) {
      const tool = connection.tools.get(name);
      if (tool !== undefined) return connection.call(tool, parameters, signal);
    }
    throw new MimoError("not_found", `No MCP server has a tool ${JSON.stringify(name)}; GET /v1/mcp lists them.`, {
      param: "name",
    });
  }

  /** Ends all of them. */
  async close(): Promise<void> {
    await Promise.all(this.#connections.map((connection) => connection.close()));
  }
}
