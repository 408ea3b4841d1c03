// The MCP servers that the server reaches, and their tools, as they were last heard of.
//
// Servers start, fail and come back, so whoever shows them asks again; where there are none, nobody does.

import { useEffect, useSyncExternalStore } from "react";
import { requestJson } from "../api/client.ts";
import { pause } from "../api/polled.ts";
import type { OwnTool } from "../store/database.ts";

export interface McpServer {
  readonly name: string;
  readonly transport: "stdio" | "http";
  readonly state: "stopped" | "starting" | "ready" | "failed";
  /** Why it failed. */
  readonly reason: string | null;
  /** In the form that a chat takes them. */
  readonly tools: readonly { readonly function: OwnTool }[];
}

interface Known {
  readonly servers: readonly McpServer[];
  /** By the names that the model gives them. */
  readonly tools: ReadonlyMap<string, OwnTool>;
}

const EVERY_MS = 2000;

let known: Known | undefined;
let loading: Promise<void> | undefined;
const listeners = new Set<() => void>();

/** Asks for them anew. Where that fails, what was known stays. */
export function loadMcpServers(): Promise<void> {
  loading ??= (async () => {
    try {
      const { data } = await requestJson<{ readonly data: readonly McpServer[] }>("/v1/mcp");
      // What shows them is drawn again only where something changed.
      if (JSON.stringify(data) === JSON.stringify(known?.servers)) return;
      const tools = data.flatMap((server) => server.tools.map((tool) => tool.function));
      known = { servers: data, tools: new Map(tools.map((tool) => [tool.name, tool])) };
      for (const listener of listeners) listener();
    } catch {
      // A server that is gone shows elsewhere, and one that gives no tools to this key has none for it.
    } finally {
      loading = undefined;
    }
  })();
  return loading;
}

const NO_TOOLS: ReadonlyMap<string, OwnTool> = new Map();

/** The tools of all servers, by name. */
export function mcpTools(): ReadonlyMap<string, OwnTool> {
  return known?.tools ?? NO_TOOLS;
}

/** Undefined until they are known for the first time. */
export function useMcpServers(): readonly McpServer[] | undefined {
  useEffect(() => {
    if (known === undefined) void loadMcpServers();
  }, []);
  return useSyncExternalStore(subscribe, () => known?.servers);
}

/** The same, asked for again and again as long as it is looked at. */
export function useWatchedMcpServers(): readonly McpServer[] | undefined {
  useEffect(() => {
    const abort = new AbortController();
    void watch(abort.signal);
    return () => abort.abort();
  }, []);
  return useMcpServers();
}

async function watch(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    if (!document.hidden) await loadMcpServers();
    if (known?.servers.length === 0) return;
    await pause(EVERY_MS, signal);
  }
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** A tool's name without that of its server. */
export function shortName(name: string): string {
  return name.slice(name.indexOf("__") + 2);
}
