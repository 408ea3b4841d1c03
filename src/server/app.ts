// The HTTP application: one path for every request, from its headers to its reply, and the routes along it.
//
// Paths have one spelling inside: without `/v1`, without a slash at the end. A failure anywhere becomes an error object
// in the dialect of its route; what is no route is 404, or 405 with the methods that are.

import { setMaxListeners } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Context, Hono } from "hono";
import { MimoError, toMimoError } from "../util/errors.ts";
import { errorHeaders, OPENAI_ERRORS, publicError } from "./errors.ts";
import {
  checkHost,
  checkKey,
  originHeaders,
  PREFLIGHT_HEADERS,
  rateLimitHeaders,
  requestId,
  tenantOf,
} from "./guard.ts";
import type { StoredKey } from "./keys.ts";
import type { RequestRecord, Route, ServerContext, ServerRequest } from "./route.ts";
import { adminRoutes } from "./routes/admin.ts";
import { chatRoutes } from "./routes/chat.ts";
import { completionsRoutes } from "./routes/completions.ts";
import { mcpRoutes } from "./routes/mcp.ts";
import { messagesRoutes } from "./routes/messages.ts";
import { modelRoutes } from "./routes/models.ts";
import { operationRoutes } from "./routes/operation.ts";
import { responsesRoutes } from "./routes/responses.ts";
import { runsRoutes } from "./routes/runs.ts";
import { tokenRoutes } from "./routes/tokens.ts";
import { usageRoutes } from "./routes/usage.ts";
import { studioFile } from "./studio.ts";

export interface AppEnvironment {
  readonly Bindings: { readonly incoming: IncomingMessage; readonly outgoing: ServerResponse };
}

const OTHER_ROUTES = [
  ...chatRoutes,
  ...completionsRoutes,
  ...responsesRoutes,
  ...messagesRoutes,
  ...modelRoutes,
  ...tokenRoutes,
  ...usageRoutes,
  ...adminRoutes,
  ...runsRoutes,
  ...mcpRoutes,
];
const ROUTES: readonly Route[] = [...OTHER_ROUTES, ...operationRoutes(OTHER_ROUTES)];

export function createApp(server: ServerContext): Hono<AppEnvironment> {
  const app = new Hono<AppEnvironment>({ getPath: ({ url }) => canonicalPath(url) });
  for (const route of ROUTES) app.on(route.method, route.path, (c) => dispatch(server, c, route));
  app.all("*", (c) => dispatch(server, c, strayRoute(server, c)));
  return app;
}

function canonicalPath(url: string): string {
  const path = new URL(url).pathname.replace(/\/+$/, "").replace(/^\/v1(?=\/|$)/, "");
  return path === "" ? "/" : path;
}

/** What answers where no route does: a file of the studio, or an error. */
function strayRoute({ options }: ServerContext, c: Context<AppEnvironment>): Route {
  const routes = ROUTES.filter(({ path }) => patternOf(path).test(c.req.path));
  const methods = routes.map(({ method }) => method);
  return {
    method: "GET",
    path: "*",
    scope: undefined,
    summary: "",
    errors: routes[0]?.errors ?? OPENAI_ERRORS,
    handle: async () => {
      if (methods.length === 0) {
        const isRead = c.req.method === "GET" || c.req.method === "HEAD";
        const file = isRead ? await studioFile(options.studioFolder, c.req.path) : undefined;
        if (file !== undefined) return file;
        throw new MimoError("not_found", "There is nothing at this path; /openapi.json lists what there is.");
      }
      if (c.req.method === "OPTIONS") return new Response(null, { status: 204, headers: PREFLIGHT_HEADERS });
      c.header("allow", allowedMethods(methods));
      throw new MimoError("method_not_allowed", `This path takes ${allowedMethods(methods)}.`);
    },
  };
}

function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replace(/:\w+/g, "[^/]+")}$`);
}

function allowedMethods(methods: readonly string[]): string {
  return [...methods, ...(methods.includes("GET") ? ["HEAD"] : []), "OPTIONS"].join(", ");
}

async function dispatch(server: ServerContext, c: Context<AppEnvironment>, route: Route): Promise<Response> {
  const { incoming, outgoing } = c.env;
  const { headers } = incoming;
  const id = requestId(headers);
  const abort = new AbortController();
  // Every choice listens, and a request may have hundreds.
  setMaxListeners(0, abort.signal);
  const log = server.log.child({ id });
  const record = { startedAt: performance.now(), finish: new Set<string>() };
  const stranger: ServerRequest = { server, incoming, id, key: undefined, params: c.req.param(), abort, record, log };
  let key: StoredKey | undefined;
  watchConnection(stranger, outgoing, route);
  c.header("x-request-id", id);
  // Anthropic's name for the same.
  c.header("request-id", id);
  try {
    checkHost(headers, server.options);
    for (const [name, value] of Object.entries(originHeaders(headers, server.options))) c.header(name, value);
    key = checkKey(headers, route.scope, server.keys);
    const request = { ...stranger, key };
    if (key !== undefined) stranger.record.key = key.name;
    return withHeaders(c, await route.handle(request), limitHeaders(request));
  } catch (thrown) {
    return withHeaders(c, errorResponse(stranger, route, thrown), limitHeaders({ server, key }));
  }
}

function limitHeaders({ server, key }: Pick<ServerRequest, "server" | "key">): Record<string, string> {
  return key === undefined ? {} : rateLimitHeaders(tenantOf(key, server.options), server.admission);
}

/** Ends what a request started when its connection closes, and writes the one line of its life. */
function watchConnection(
  { server, id, abort, record, log }: ServerRequest,
  outgoing: ServerResponse,
  route: Route,
): void {
  const close = (): void => {
    const { background } = record;
    const isComplete = outgoing.writableFinished || background !== undefined;
    if (!isComplete) server.metrics.aborted();
    abort.abort();
    if (background?.aborted === false) {
      background.addEventListener("abort", close, { once: true });
      return;
    }
    const status = isComplete ? outgoing.statusCode : 499;
    server.metrics.request(route.path, status);
    const line = { method: route.method, route: route.path, status, ...describeRecord(record) };
    // Probes come every second, and say nothing as long as all is well.
    if (route.scope === undefined && status < 400) log.debug(line, "request");
    else {
      log.info(line, "request");
      // Whoever watches the server is not what they watch.
      if ((route.scope === "inference" && route.method !== "GET") || status >= 400)
        server.requests.push([{ data: { time: new Date().toISOString(), id, ...line } }]);
    }
  };
  outgoing.once("close", close);
}

/** No prompts, no answers: who, how long, how many tokens, why it ended. */
function describeRecord({ startedAt, key, firstOutputMs, amounts, finish }: RequestRecord): object {
  const { promptTokens, cachedTokens, completionTokens, reasoningTokens } = amounts ?? {};
  return {
    key,
    ms: Math.round(performance.now() - startedAt),
    firstTokenMs: firstOutputMs === undefined ? undefined : Math.round(firstOutputMs),
    promptTokens,
    cachedTokens,
    completionTokens,
    reasoningTokens,
    finish: finish.size === 0 ? undefined : [...finish].join(" "),
  };
}

function errorResponse(request: ServerRequest, route: Route, thrown: unknown): Response {
  const error = toMimoError(thrown);
  if (error.status >= 500 && error.code !== "loading" && error.code !== "not_implemented")
    request.log.error({ err: thrown }, "the request failed");
  const shown = publicError(error);
  const { body, status } = route.errors ?? OPENAI_ERRORS;
  return Response.json(body(shown, request.id), {
    status: status(shown),
    headers: errorHeaders(shown, request.server.admission.retryAfterSeconds),
  });
}

/** Headers that were set on the way belong to every reply. */
function withHeaders(c: Context, response: Response, further: Record<string, string>): Response {
  const headers = { ...Object.fromEntries(response.headers), ...further };
  return c.newResponse(response.body, response.status as 200, headers);
}
