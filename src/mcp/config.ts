// The file of MCP servers, in the form that clients of MCP share:
//
//   { "mcpServers": { "files": { "command": "npx", "args": ["…"] }, "wiki": { "url": "https://…/mcp" } } }
//
// A server is refused where a key is not understood. What else a client keeps in the same file is its own affair.

import { z } from "zod";
import { MimoError } from "../util/errors.ts";

export interface StdioServer {
  readonly name: string;
  readonly timeoutMs: number;
  readonly command: string;
  readonly args: readonly string[];
  /** Beside PATH, HOME and the like. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string | undefined;
}

export interface HttpServer {
  readonly name: string;
  readonly timeoutMs: number;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

export type McpServerConfig = StdioServer | HttpServer;

const DEFAULT_TIMEOUT_MS = 60_000;
const DAY_MS = 86_400_000;

const timeoutMs = z.int().min(1).max(DAY_MS).default(DEFAULT_TIMEOUT_MS);

const STDIO = z.strictObject({
  type: z.literal("stdio").optional(),
  command: z.string().min(1),
  args: z.array(z.string()).default([]),
  env: z.record(z.string(), z.string()).default({}),
  cwd: z.string().min(1).optional(),
  timeoutMs,
});

const HTTP = z.strictObject({
  type: z.enum(["http", "streamable-http"]).optional(),
  url: z
    .url({ protocol: /^https?$/, error: "expected an address that begins with http:// or https://" })
    .refine((url) => new URL(url).username === "", "expected an address without a user; give headers.Authorization"),
  // What `fetch` would refuse, it would repeat in its error.
  headers: z
    .record(
      z.string().regex(/^[\w!#$%&'*+.^`|~-]+$/, "expected a header's name"),
      z.string().regex(/^[\t\x20-\x7e\x80-\xff]*$/, "expected a header's value, in one line"),
    )
    .default({}),
  timeoutMs,
});

const FILE = z.looseObject({ mcpServers: z.record(z.string(), z.looseObject({})) });

/** The servers of a parsed file, in its order. Throws `invalid_argument` with every fault. */
export function parseMcpConfig(content: unknown, file: string): readonly McpServerConfig[] {
  const outer = FILE.safeParse(content);
  if (!outer.success) throw configError(file, outer.error.issues.map(describe));
  const servers: McpServerConfig[] = [];
  const faults: string[] = [];
  for (const [name, entry] of Object.entries(outer.data.mcpServers)) {
    const path = `mcpServers.${name}`;
    const [isStdio, isHttp] = ["command" in entry, "url" in entry];
    if (isStdio === isHttp) {
      const found = isStdio ? "both" : `neither (${Object.keys(entry).join(", ") || "no keys"})`;
      faults.push(`${path}: expected either command or url, found ${found}.`);
      continue;
    }
    const parsed = (isStdio ? STDIO : HTTP).safeParse(entry);
    if (!parsed.success) {
      faults.push(
        ...parsed.error.issues.map((issue) => describe({ ...issue, path: ["mcpServers", name, ...issue.path] })),
      );
      continue;
    }
    const { type: _, ...fields } = parsed.data;
    servers.push("command" in fields ? { cwd: undefined, ...fields, name } : { ...fields, name });
  }
  if (faults.length > 0) throw configError(file, faults);
  return servers;
}

function configError(file: string, faults: readonly string[]): MimoError {
  return new MimoError("invalid_argument", faults.map((fault) => `${file}: ${fault}`).join(" "), {
    param: "mcp-config",
    remedy: "Give each server command, args, env and cwd, or url and headers; and timeoutMs where 60000 is not right.",
  });
}

function describe(issue: z.core.$ZodIssue): string {
  const path = issue.path.map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`)).join("");
  const place = path.slice(1) || "the file";
  if (issue.code === "unrecognized_keys") return `${place}: ${issue.keys.join(", ")} is not known here.`;
  if (issue.code === "invalid_key") return `${place}: ${issue.issues[0]?.message ?? issue.message}.`;
  return `${place}: ${issue.message.replace(/^Invalid input: /, "")}.`;
}
