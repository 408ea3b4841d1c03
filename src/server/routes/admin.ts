// What those who look after a server ask of it: its API keys, and its log. Where no keys are asked for, whoever reaches the
// server may ask.

import { z } from "zod";
import { type BodySchema, readBody } from "../body.ts";
import { notSupported } from "../errors.ts";
import { createKey, DEFAULT_SCOPES, readKeys, revokeKey, SCOPES, type StoredKey } from "../keys.ts";
import { queryOf, type Route, type ServerContext, type ServerRequest } from "../route.ts";
import { count, optional } from "../schema/fields.ts";
import { sseResponse } from "../sse.ts";

const KEY_FIELDS = {
  name: z.string().trim().min(1).max(128),
  scopes: optional(z.array(z.enum(SCOPES)).min(1)),
  max_requests: count(1),
  queue_share: optional(z.number().min(0).max(1)),
} as const;
const KEY: BodySchema<typeof KEY_FIELDS> = { schema: z.object(KEY_FIELDS) };

export const adminRoutes: readonly Route[] = [
  {
    method: "GET",
    path: "/keys",
    scope: "admin",
    summary: "The API keys, without their secrets; `required` is whether this server asks for one.",
    handle: ({ server }) =>
      Response.json({
        object: "list",
        required: server.keys !== undefined,
        data: readKeys(keyFileOf(server)).map(describeKey),
      }),
  },
  {
    method: "POST",
    path: "/keys",
    scope: "admin",
    summary: "A new API key. Its secret is in this reply, and nowhere else.",
    body: KEY.schema,
    handle: async (request) => {
      const { name, scopes = DEFAULT_SCOPES, max_requests, queue_share } = await readBody(request, KEY);
      const isLimited = max_requests !== undefined || queue_share !== undefined;
      const limits = isLimited ? { maxRequests: max_requests, queueShare: queue_share } : undefined;
      const { secret, key } = createKey(keyFileOf(request.server), name, scopes, limits);
      return Response.json({ ...describeKey(key), key: secret });
    },
  },
  {
    method: "DELETE",
    path: "/keys/:id",
    scope: "admin",
    summary: "Ends an API key, within a second.",
    handle: ({ server, params }) => {
      const { id } = revokeKey(keyFileOf(server), params["id"] ?? "");
      return Response.json({ id, object: "key", deleted: true });
    },
  },
  {
    method: "GET",
    path: "/logs",
    scope: "admin",
    summary: "The last requests, a line for each; with Accept: text/event-stream, those to come as well.",
    handle: (request) => {
      const { requests } = request.server;
      if (request.incoming.headers.accept?.includes("text/event-stream") === true)
        return sseResponse(request, requests.read(lastSeen(request), request.abort.signal));
      return Response.json({ object: "list", data: requests.frames.map(({ data }) => JSON.parse(data) as object) });
    },
  },
];

/** The file of keys that are asked for, or that would be from the next start on. Throws `not_supported`. */
function keyFileOf({ options }: ServerContext): string {
  const path = options.keyFile ?? options.keyStore;
  if (path !== undefined) return path;
  throw notSupported("keys", "This server keeps no API keys.");
}

function describeKey({ id, name, scopes, limits, created }: StoredKey): object {
  const { maxRequests = null, queueShare = null } = limits ?? {};
  return { id, object: "key", name, scopes, max_requests: maxRequests, queue_share: queueShare, created };
}

/** A reader that comes back goes on; what it missed for good, or saw before a restart, is no reason to refuse it. */
function lastSeen(request: ServerRequest): number {
  const { frames } = request.server.requests;
  const beforeAll = (frames[0]?.id ?? 0) - 1;
  const seen = Number(request.incoming.headers["last-event-id"] ?? queryOf(request).get("starting_after") ?? beforeAll);
  return seen >= beforeAll && seen <= (frames.at(-1)?.id ?? beforeAll) ? seen : beforeAll;
}
