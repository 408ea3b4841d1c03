// Tools of the MCP servers that this server was started with: what there is, and calls of it. Who may ask for answers may
// call them; which servers there are is said on the command line, and nowhere else.

import { z } from "zod";
import type { McpServerStatus } from "../../mcp/servers.ts";
import { MimoError } from "../../util/errors.ts";
import { type BodySchema, readBody } from "../body.ts";
import type { Route } from "../route.ts";
import { optional } from "../schema/fields.ts";

const CALL_FIELDS = {
  name: z.string(),
  arguments: optional(z.record(z.string(), z.unknown())),
} as const;
const CALL: BodySchema<typeof CALL_FIELDS> = { schema: z.object(CALL_FIELDS) };

export const mcpRoutes: readonly Route[] = [
  {
    method: "GET",
    path: "/mcp",
    scope: "inference",
    summary: "The MCP servers, whether they run, and their tools in the form that a chat takes them.",
    handle: ({ server: { mcp } }) => Response.json({ object: "list", data: (mcp?.list() ?? []).map(describeServer) }),
  },
  {
    method: "POST",
    path: "/mcp/call",
    scope: "inference",
    summary:
      "Calls a tool of an MCP server. A call that fails is a reply as well, with `isError`, for the model to read.",
    body: CALL.schema,
    handle: async (request) => {
      const { name, arguments: parameters = {} } = await readBody(request, CALL);
      const { mcp } = request.server;
      if (mcp === undefined) throw new MimoError("not_found", "This server has no MCP servers.", { param: "name" });
      return Response.json(await mcp.call(name, parameters, request.abort.signal));
    },
  },
];

function describeServer({ name, transport, state, reason, tools }: McpServerStatus): object {
  return {
    name,
    object: "mcp_server",
    transport,
    state,
    reason: reason ?? null,
    tools: tools.map((tool) => ({ type: "function", function: tool })),
  };
}
