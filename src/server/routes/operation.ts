// What operators and load balancers ask: is it alive, is it ready, what has it done, what can it do.

import { MimoError } from "../../util/errors.ts";
import { openApiDocument } from "../openapi.ts";
import type { Route } from "../route.ts";
import { studioFile } from "../studio.ts";

const NO_STUDIO = "The web studio is not built here: run `npm run setup` in the package, then load this page again.";

export function operationRoutes(others: readonly Route[]): readonly Route[] {
  const routes: readonly Route[] = [
    {
      method: "GET",
      path: "/",
      scope: undefined,
      summary: "The studio, or that there is a server.",
      handle: async ({ server: { options } }) =>
        (await studioFile(options.studioFolder, "/")) ??
        Response.json({ name: "mimo-flash", version: options.version, studio: NO_STUDIO }),
    },
    {
      method: "GET",
      path: "/health",
      scope: undefined,
      summary: "Ready to answer: 200, or 503 while the model is loading and while the server stops.",
      handle: ({ server }) => {
        server.model();
        return Response.json({ status: "ok" });
      },
    },
    {
      method: "GET",
      path: "/health/live",
      scope: undefined,
      summary: "Alive: 200 from start to end.",
      handle: () => Response.json({ status: "ok" }),
    },
    {
      method: "GET",
      path: "/metrics",
      scope: "metrics",
      summary: "Measurements for Prometheus.",
      handle: async ({ server: { metrics } }) =>
        new Response(await metrics.text(), { headers: { "content-type": metrics.contentType } }),
    },
    {
      method: "GET",
      path: "/version",
      scope: undefined,
      summary: "The server's version.",
      handle: ({ server }) => Response.json({ version: server.options.version }),
    },
    {
      method: "GET",
      path: "/openapi.json",
      scope: undefined,
      summary: "This document.",
      handle: ({ server }) => Response.json(openApiDocument([...others, ...routes], server.options.version)),
    },
    {
      method: "POST",
      path: "/embeddings",
      scope: "inference",
      summary: "Not implemented: the model writes text.",
      handle: () => {
        throw new MimoError("not_implemented", "This model gives no embeddings.");
      },
    },
  ];
  return routes;
}
