// The OpenAPI document, made of the routes themselves: it cannot say what they do not.

import { z } from "zod";
import { OPENAI_ERRORS } from "./errors.ts";
import type { Route } from "./route.ts";

export function openApiDocument(routes: readonly Route[], version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, "{$1}");
    (paths[path] ??= {})[route.method.toLowerCase()] = operation(route);
  }
  return {
    openapi: "3.1.0",
    info: { title: "mimo-flash", version, description: "Every path is there with and without /v1 before it." },
    servers: [{ url: "/v1" }, { url: "/" }],
    paths,
    components: {
      schemas: Object.fromEntries(
        [OPENAI_ERRORS, ...routes.flatMap(({ errors }) => errors ?? [])].map(({ name, schema }) => [name, schema]),
      ),
      securitySchemes: { key: { type: "http", scheme: "bearer" } },
    },
  };
}

function operation({ path, summary, scope, body, errors = OPENAI_ERRORS }: Route): object {
  const parameters = [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  const error = {
    description: "Error",
    content: { "application/json": { schema: { $ref: `#/components/schemas/${errors.name}` } } },
  };
  return {
    summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(scope === undefined ? {} : { security: [{ key: [] }] }),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { "application/json": { schema: z.toJSONSchema(body, { io: "input" }) } },
          },
        }),
    responses: { "200": { description: "OK" }, default: error },
  };
}
