// The tools of MCP servers as a conversation chooses them, grouped by server; nothing where there are none.

import { McpReason, McpState } from "./server-state.tsx";
import { type McpServer, shortName, useWatchedMcpServers } from "./servers.ts";
import { useText } from "../i18n/i18n.ts";
import { Switch } from "../ui/field.tsx";

export interface McpToolSwitchesProps {
  readonly chosen: readonly string[];
  /** Whether a chosen name is a tool of somebody else. */
  readonly isOther: (name: string) => boolean;
  readonly onSet: (name: string, isOn: boolean) => void;
}

export function McpToolSwitches({ chosen, isOther, onSet }: McpToolSwitchesProps) {
  const text = useText();
  const servers = useWatchedMcpServers();
  if (servers === undefined) return null;
  const isListed = (name: string): boolean =>
    servers.some(({ tools }) => tools.some((tool) => tool.function.name === name));
  return (
    <>
      {servers.map((server) => (
        <ServerTools key={server.name} server={server} chosen={chosen} onSet={onSet} />
      ))}
      {chosen
        .filter((name) => !isOther(name) && !isListed(name))
        .map((name) => (
          <Switch
            key={name}
            label={<code>{name}</code>}
            hint={text("mcp.missing")}
            isOn
            onChange={(isOn) => onSet(name, isOn)}
          />
        ))}
    </>
  );
}

interface ServerToolsProps extends Pick<McpToolSwitchesProps, "chosen" | "onSet"> {
  readonly server: McpServer;
}

function ServerTools({ server, chosen, onSet }: ServerToolsProps) {
  const text = useText();
  const { name, state, reason, tools } = server;
  return (
    <section className="mcp-tools" aria-label={text("mcp.server", { name })}>
      <h4>
        {name} <McpState state={state} />
      </h4>
      <McpReason reason={reason} />
      {tools.map(({ function: tool }) => (
        <Switch
          key={tool.name}
          label={<code>{shortName(tool.name)}</code>}
          hint={tool.description === "" ? undefined : <span className="mcp-description">{tool.description}</span>}
          isOn={chosen.includes(tool.name)}
          onChange={(isOn) => onSet(tool.name, isOn)}
        />
      ))}
    </section>
  );
}
