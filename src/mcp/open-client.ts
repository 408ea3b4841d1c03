// A client of one MCP server, over standard input and output or over Streamable HTTP, by the official SDK.
//
// The SDK is loaded with the first server: who has none pays nothing for it.

import type { Client, Tool, Transport } from "@modelcontextprotocol/client";
import type { McpServerConfig, StdioServer } from "./config.ts";

export interface ClientHandlers {
  /** A line of the process's standard error. */
  readonly onLine: (line: string) => void;
  readonly onError: (error: Error) => void;
  readonly onTools: (tools: readonly Tool[]) => void;
}

export interface UnopenedClient {
  readonly client: Client;
  readonly transport: Transport;
}

const MAX_LINE = 2000;

/** A client that is not connected yet. */
export async function createClient(
  config: McpServerConfig,
  version: string,
  { onLine, onError, onTools }: ClientHandlers,
): Promise<UnopenedClient> {
  const { Client } = await import("@modelcontextprotocol/client");
  const client = new Client(
    { name: "mimo-flash", version },
    {
      listChanged: {
        tools: { onChanged: (error, tools) => (error === null ? onTools(tools ?? []) : onError(error)) },
      },
    },
  );
  client.onerror = onError;
  return { client, transport: "url" in config ? await httpTransport(config) : await stdioTransport(config, onLine) };
}

async function httpTransport({ url, headers }: Extract<McpServerConfig, { url: string }>): Promise<Transport> {
  const { StreamableHTTPClientTransport } = await import("@modelcontextprotocol/client");
  return new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
}

async function stdioTransport(config: StdioServer, onLine: (line: string) => void): Promise<Transport> {
  const { StdioClientTransport } = await import("@modelcontextprotocol/client/stdio");
  const { command, args, env, cwd } = config;
  const transport = new StdioClientTransport({
    command,
    args: [...args],
    env: { ...env },
    stderr: "pipe",
    ...(cwd === undefined ? {} : { cwd }),
  });
  readLines(transport.stderr, onLine);
  // The SDK closes what could not be connected without waiting, and a second close would not wait for the first.
  const close = transport.close.bind(transport);
  let closing: Promise<void> | undefined;
  transport.close = () => (closing ??= close());
  return transport;
}

function readLines(stream: NodeJS.EventEmitter | null, onLine: (line: string) => void): void {
  const decoder = new TextDecoder();
  let rest = "";
  stream?.on("data", (chunk: Uint8Array) => {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split(/\r?\n/);
    rest = lines.pop() ?? "";
    if (rest.length > MAX_LINE) {
      lines.push(rest);
      rest = "";
    }
    for (const line of lines) if (line.trim() !== "") onLine(line.slice(0, MAX_LINE));
  });
}
