// Calls of tools of MCP servers on their way, and which of those tools run without being asked for.
//
// A page that is closed ends its calls: the server cancels what nobody waits for.

import { useSyncExternalStore } from "react";
import { requestJson } from "../api/client.ts";
import { readSetting, writeSetting } from "../store/local.ts";

const running = new Map<string, AbortController>();
const listeners = new Set<() => void>();

/** What the tool gave, or what went wrong, for the model to read; undefined where the call was stopped, or runs already. */
export async function callMcpTool(id: string, name: string, json: string): Promise<string | undefined> {
  if (running.has(id)) return undefined;
  const abort = new AbortController();
  running.set(id, abort);
  changed();
  try {
    const body = { name, arguments: JSON.parse(json === "" ? "{}" : json) as unknown };
    const reply = await requestJson<{ readonly content: string; readonly isError: boolean }>("/v1/mcp/call", {
      method: "POST",
      body,
      signal: abort.signal,
    });
    return reply.isError ? `Error: ${reply.content}` : reply.content;
  } catch (error) {
    if (abort.signal.aborted) return undefined;
    return `Error: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    running.delete(id);
    changed();
  }
}

export function stopMcpCall(id: string): void {
  running.get(id)?.abort();
}

export function useIsCalling(id: string): boolean {
  return useSyncExternalStore(subscribe, () => running.has(id));
}

function changed(): void {
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function runsMcpToolAtOnce(name: string): boolean {
  return namesThatRunAtOnce().includes(name);
}

export function setRunsMcpToolAtOnce(name: string, isOn: boolean): void {
  const others = namesThatRunAtOnce().filter((other) => other !== name);
  const names = isOn ? [...others, name] : others;
  writeSetting("auto-mcp-tools", names.length === 0 ? undefined : names.join(" "));
}

function namesThatRunAtOnce(): readonly string[] {
  return (readSetting("auto-mcp-tools") ?? "").split(" ");
}
