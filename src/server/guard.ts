// Who may ask: checks of a request's headers, before its body is read.
//
// A page of a stranger can make a browser call a server on loopback: by its own origin, which Origin tells, or by a name
// that is made to point here, which Host tells. Keys come with `Authorization: Bearer` or `x-api-key`.

import { randomUUID } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { isIP } from "node:net";
import { MimoError } from "../util/errors.ts";
import type { KeyRing, Scope, StoredKey } from "./keys.ts";
import type { Admission, Tenant } from "./admission.ts";
import { isLoopback, type ServerOptions } from "./options.ts";

const REQUEST_ID = /^[\w.:-]{1,128}$/;

export function requestId(headers: IncomingHttpHeaders): string {
  const own = headers["x-request-id"];
  return typeof own === "string" && REQUEST_ID.test(own) ? own : randomUUID();
}

/** Throws `host_not_allowed`. */
export function checkHost({ host }: IncomingHttpHeaders, options: ServerOptions): void {
  const name = host?.replace(/:\d+$/, "").toLowerCase() ?? "";
  const isKnown = isLoopback(name) || name === options.host.toLowerCase() || options.allowedHosts.includes(name);
  // An address cannot be made to point elsewhere, as a name can; on other interfaces any of ours may be meant.
  const isAddress = !isLoopback(options.host) && isIP(name.replace(/^\[(.*)\]$/, "$1")) !== 0;
  if (isKnown || isAddress) return;
  throw new MimoError("host_not_allowed", "This server does not answer to the name in the Host header.");
}

/** Headers that let the calling page read the answer; none where no page calls. Throws `permission_denied`. */
export function originHeaders(
  { origin, host }: IncomingHttpHeaders,
  { allowedOrigins }: ServerOptions,
): Record<string, string> {
  if (origin === undefined) return {};
  const isOwn = origin === `http://${host}` || origin === `https://${host}`;
  if (!isOwn && !allowedOrigins.includes(origin))
    throw new MimoError("permission_denied", "Pages of this origin may not call this server.");
  return {
    "access-control-allow-origin": origin,
    "access-control-expose-headers":
      "x-request-id, request-id, retry-after, x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests",
    vary: "origin",
  };
}

/** What a browser asks before a page's request. */
export const PREFLIGHT_HEADERS = {
  "access-control-allow-methods": "GET, POST, DELETE, OPTIONS",
  "access-control-allow-headers":
    "authorization, content-type, last-event-id, x-api-key, x-request-id, anthropic-version, anthropic-beta",
  "access-control-max-age": "600",
} as const;

/** The key of a request. Throws `invalid_api_key` or `permission_denied`. */
export function checkKey(
  headers: IncomingHttpHeaders,
  scope: Scope | undefined,
  keys: KeyRing | undefined,
): StoredKey | undefined {
  if (keys === undefined || scope === undefined) return undefined;
  const single = headers["x-api-key"];
  const secret =
    /^Bearer +(\S+) *$/i.exec(headers.authorization ?? "")?.[1] ?? (typeof single === "string" ? single : "");
  const key = secret === "" ? undefined : keys.find(secret);
  if (key === undefined) {
    const problem =
      secret === "" ? "An API key is needed: send Authorization: Bearer KEY." : "The API key is not known.";
    throw new MimoError("invalid_api_key", problem);
  }
  if (!key.scopes.includes(scope) && !key.scopes.includes("admin"))
    throw new MimoError("permission_denied", `This API key does not allow ${scope}.`);
  return key;
}

/** What a key may have at once: its own limits, or else everybody's. */
export function tenantOf(key: StoredKey, options: ServerOptions): Tenant {
  return {
    name: key.id,
    maxRequests: key.limits?.maxRequests ?? options.maxRequestsPerKey,
    queueShare: key.limits?.queueShare ?? options.queueSharePerKey,
  };
}

/** How much of its limit a key has left, in the headers that clients of OpenAI's API know. */
export function rateLimitHeaders(tenant: Tenant, admission: Admission): Record<string, string> {
  const remaining = Math.max(0, tenant.maxRequests - admission.requestsOf(tenant));
  return {
    "x-ratelimit-limit-requests": String(tenant.maxRequests),
    "x-ratelimit-remaining-requests": String(remaining),
    "x-ratelimit-reset-requests": `${remaining > 0 ? 0 : admission.retryAfterSeconds}s`,
  };
}
