// The MCP servers on the page of the server: whether they run, and how many tools they have. Nothing where there are none.

import { McpReason, McpState } from "./server-state.tsx";
import { useWatchedMcpServers } from "./servers.ts";
import { useText } from "../i18n/i18n.ts";

export function McpCard() {
  const text = useText();
  const servers = useWatchedMcpServers() ?? [];
  if (servers.length === 0) return null;
  return (
    <section className="card" aria-labelledby="mcp-title">
      <div className="card-head">
        <h2 id="mcp-title">{text("mcp.title")}</h2>
      </div>
      <ul className="mcp-list">
        {servers.map(({ name, transport, state, reason, tools }) => (
          <li key={name}>
            <div className="mcp-line">
              <strong>{name}</strong>
              <McpState state={state} />
              <span className="card-note">
                {text(`mcp.${transport}`)} · {text("mcp.tools", { n: tools.length })}
              </span>
            </div>
            <McpReason reason={reason} />
          </li>
        ))}
      </ul>
    </section>
  );
}
