// The HTTP application: one path for every request, from its headers to its reply, and the routes along it.
//
// Paths have one spelling inside: without `/v1`, without a slash at the end. A failure anywhere becomes an error object
// in the dialect of its route; what is no route is 404, or 405 with the methods that are.

import { setMaxListeners } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Context, Hono } from "hono";
import { MimoError, toMimoError } from "../util/errors.ts";
import { errorHeaders, OPENAI_ERRORS, publicError } from "./errors.ts";
import { checkHost, checkKey, originHeaders, PREFLIGHT_HEADERS, requestId } from "./guard.ts";
import type { Route, ServerContext, ServerRequest } from "./route.ts";
import { chatRoutes } from "./routes/chat.ts";
import { completionsRoutes } from "./routes/completions.ts";
import { messagesRoutes } from "./routes/messages.ts";
import { modelRoutes } from "./routes/models.ts";
import { operationRoutes } from "./routes/operation.ts";
import { responsesRoutes } from "./routes/responses.ts";
import { tokenRoutes } from "./routes/tokens.ts";

export interface AppEnvironment {
  readonly Bindings: { readonly incoming: IncomingMessage; readonly outgoing: ServerResponse };
}

const INFERENCE_ROUTES = [
  ...chatRoutes,
  ...completionsRoutes,
  ...responsesRoutes,
  ...messagesRoutes,
  ...modelRoutes,
  ...tokenRoutes,
];
const ROUTES: readonly Route[] = [...INFERENCE_ROUTES, ...operationRoutes(INFERENCE_ROUTES)];

export function createApp(server: ServerContext): Hono<AppEnvironment> {
  const app = new Hono<AppEnvironment>({ getPath: ({ url }) => canonicalPath(url) });
  for (const route of ROUTES) app.on(route.method, route.path, (c) => dispatch(server, c, route));
  app.all("*", (c) => dispatch(server, c, strayRoute(c)));
  return app;
}

function canonicalPath(url: string): string {
  const path = new URL(url).pathname.replace(/\/+$/, "").replace(/^\/v1(?=\/|$)/, "");
  return path === "" ? "/" : path;
}

/** What answers where no route does. */
function strayRoute(c: Context<AppEnvironment>): Route {
  const routes = ROUTES.filter(({ path }) => patternOf(path).test(c.req.path));
  const methods = routes.map(({ method }) => method);
  return {
    method: "GET",
    path: "*",
    scope: undefined,
    summary: "",
    errors: routes[0]?.errors ?? OPENAI_ERRORS,
    handle: () => {
      if (methods.length === 0)
        throw new MimoError("not_found", "There is nothing at this path; /openapi.json lists what there is.");
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
  const request: ServerRequest = { server, incoming, id, keyId: undefined, params: c.req.param(), abort, log };
  watchConnection(request, outgoing, route);
  c.header("x-request-id", id);
  // Anthropic's name for the same.
  c.header("request-id", id);
  try {
    checkHost(headers, server.options);
    for (const [name, value] of Object.entries(originHeaders(headers, server.options))) c.header(name, value);
    const key = checkKey(headers, route.scope, server.keys);
    if (key !== undefined) request.log.setBindings({ key: key.id });
    return withHeaders(c, await route.handle({ ...request, keyId: key?.id }));
  } catch (thrown) {
    return withHeaders(c, errorResponse(request, route, thrown));
  }
}

/** Ends what a request started when its connection closes, and writes the one line of its life. */
function watchConnection({ server, abort, log }: ServerRequest, outgoing: ServerResponse, route: Route): void {
  const started = performance.now();
  outgoing.once("close", () => {
    const isComplete = outgoing.writableFinished;
    if (!isComplete) {
      server.metrics.aborted();
      abort.abort();
    }
    const status = isComplete ? outgoing.statusCode : 499;
    server.metrics.request(route.path, status);
    log.info(
      { method: route.method, path: route.path, status, ms: Math.round(performance.now() - started) },
      "request",
    );
  });
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
function withHeaders(c: Context, response: Response): Response {
  return c.newResponse(response.body, response.status as 200, Object.fromEntries(response.headers));
}
