// An MCP server for tests, by the official SDK. As a program it speaks over standard input and output; `serveMcp` speaks
// Streamable HTTP. What it does beside answering, it tells on standard error or to `onEvent`.

import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { NodeStreamableHTTPServerTransport } from "@modelcontextprotocol/node";
import { McpServer } from "@modelcontextprotocol/server";
import { StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";

const PROGRAM = fileURLToPath(import.meta.url);
const LOADER = new URL("../../scripts/ts-loader.mjs", import.meta.url).href;

/** An entry of `mcpServers` that starts this file. */
export const STDIO_SERVER = { command: process.execPath, args: ["--import", LOADER, PROGRAM] } as const;

export interface McpOverHttp extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Values of the header Authorization, one for each request. */
  readonly authorizations: (string | undefined)[];
}

type OnEvent = (event: string) => void;

function makeServer(onEvent: OnEvent): McpServer {
  const server = new McpServer({ name: "test", version: "1.0.0" });
  const text = (words: string) => ({ content: [{ type: "text" as const, text: words }] });
  server.registerTool(
    "add",
    { description: "The sum of two numbers.", inputSchema: z.object({ a: z.number(), b: z.number() }) },
    ({ a, b }) => text(`${a + b}`),
  );
  server.registerTool("wait", { description: "Never returns." }, ({ mcpReq }) => {
    onEvent("waiting");
    return new Promise((_, reject) => {
      mcpReq.signal.addEventListener("abort", () => {
        onEvent("cancelled");
        reject(new Error("cancelled"));
      });
    });
  });
  server.registerTool("fail", { description: "Fails." }, () => ({ ...text("There is no such file."), isError: true }));
  server.registerTool("crash", { description: "Ends its process." }, () => process.exit(3));
  server.registerTool("odd.name", { description: "Has a name that models must not be given." }, () => text("odd"));
  server.registerTool("surroundings", { description: "What the process was given." }, () =>
    text(JSON.stringify({ cwd: process.cwd(), word: process.env["MCP_WORD"], state: process.env["XDG_STATE_HOME"] })),
  );
  server.registerTool("flood", { description: "Very much text." }, () => text("0123456789".repeat(50_000)));
  server.registerTool("picture", { description: "What is not text." }, () => ({
    content: [{ type: "image", data: "AA==", mimeType: "image/png" }],
  }));
  server.registerTool("grow", { description: "Adds a tool." }, () => {
    server.registerTool("grown", { description: "Was not there from the beginning." }, () => text("grown"));
    return text("done");
  });
  return server;
}

/** On a free port, or on the one that a server had before. */
export async function serveMcp(port = 0, onEvent: OnEvent = () => {}): Promise<McpOverHttp> {
  const sessions = new Map<string, NodeStreamableHTTPServerTransport>();
  const authorizations: (string | undefined)[] = [];
  const http = createServer((incoming, outgoing) => {
    authorizations.push(incoming.headers.authorization);
    const id = incoming.headers["mcp-session-id"];
    void (async () => {
      const known = typeof id === "string" ? sessions.get(id) : undefined;
      if (id !== undefined && known === undefined) {
        outgoing.writeHead(404).end();
        return;
      }
      const transport = known ?? (await openSession());
      await transport.handleRequest(incoming, outgoing);
    })();
  });
  const openSession = async (): Promise<NodeStreamableHTTPServerTransport> => {
    const transport = new NodeStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, transport),
    });
    await makeServer(onEvent).connect(transport);
    return transport;
  };
  await new Promise<void>((resolve) => http.listen(port, "127.0.0.1", resolve));
  const bound = (http.address() as AddressInfo).port;
  return {
    url: `http://127.0.0.1:${bound}/mcp`,
    port: bound,
    authorizations,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        http.close(() => resolve());
        http.closeAllConnections();
      }),
  };
}

if (process.argv[1] === PROGRAM) {
  // oxlint-disable-next-line no-console
  const tell: OnEvent = (event) => console.error(event);
  tell(`process ${process.pid}`);
  await makeServer(tell).connect(new StdioServerTransport());
}
