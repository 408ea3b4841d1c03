// How an MCP server is: its state in a word, and why it failed.

import type { McpServer } from "./servers.ts";
import { useText } from "../i18n/i18n.ts";
import "../styles/mcp.css";

export function McpState({ state }: Pick<McpServer, "state">) {
  const text = useText();
  return <span className={`state is-${state}`}>{text(`mcp.${state}`)}</span>;
}

export function McpReason({ reason }: Pick<McpServer, "reason">) {
  return reason === null ? null : <p className="mcp-reason">{reason}</p>;
}
