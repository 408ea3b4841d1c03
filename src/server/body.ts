// A request's body: read with a limit, parsed, checked by a schema. What is refused is refused before it is held.

import type { IncomingMessage } from "node:http";
import type { z } from "zod";
import { abortedError, MimoError } from "../util/errors.ts";
import { notSupported } from "./errors.ts";
import { parseJson } from "./json.ts";
import { LIMITS } from "./options.ts";
import type { ServerRequest } from "./route.ts";

/** Fields that would change what an answer means, and that cannot be honoured; with the value that means nothing. */
export type UnsupportedFields = Readonly<
  Record<string, { readonly why: string; readonly neutral?: readonly unknown[] }>
>;

export interface BodySchema<Shape extends z.ZodRawShape> {
  readonly schema: z.ZodObject<Shape>;
  readonly unsupported?: UnsupportedFields;
}

/** The checked body. Throws `invalid_argument` or `not_supported` naming the field, and what reading throws. */
export async function readBody<Shape extends z.ZodRawShape>(
  { server, incoming }: ServerRequest,
  { schema, unsupported = {} }: BodySchema<Shape>,
): Promise<z.output<z.ZodObject<Shape>>> {
  const { maxBodyBytes, strictFields } = server.options;
  checkMediaType(incoming);
  const value = parseJson(await readBytes(incoming, maxBodyBytes), LIMITS.jsonDepth);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new MimoError("invalid_argument", "The request's body must be a JSON object.");
  refuseUnsupported(value as Readonly<Record<string, unknown>>, unsupported);
  const parsed = (strictFields ? schema.strict() : schema).safeParse(value);
  if (parsed.success) return parsed.data as z.output<z.ZodObject<Shape>>;
  throw schemaError(parsed.error);
}

function refuseUnsupported(body: Readonly<Record<string, unknown>>, fields: UnsupportedFields): void {
  for (const [field, { why, neutral = [] }] of Object.entries(fields)) {
    const value = body[field];
    if (value !== undefined && value !== null && !neutral.includes(value))
      throw notSupported(field, `${field}: ${why}`);
  }
}

function schemaError({ issues: [issue] }: z.ZodError): MimoError {
  if (issue === undefined) return new MimoError("invalid_argument", "The request's body is not valid.");
  const isUnknown = issue.code === "unrecognized_keys";
  const path = isUnknown ? [...issue.path, issue.keys[0] ?? ""] : issue.path;
  const param = path.reduce<string>(
    (name, part) => (typeof part === "number" ? `${name}[${part}]` : `${name}${name === "" ? "" : "."}${String(part)}`),
    "",
  );
  return new MimoError("invalid_argument", `${param}: ${isUnknown ? "is not a known field." : issue.message}`, {
    param,
  });
}

function checkMediaType({ headers }: IncomingMessage): void {
  const encoding = headers["content-encoding"] ?? "identity";
  if (encoding !== "identity")
    throw new MimoError("media_type_unsupported", "The body must not be compressed: leave out Content-Encoding.");
  const type = headers["content-type"]?.split(";")[0]?.trim().toLowerCase();
  if (type === undefined || type === "application/json" || type.endsWith("+json")) return;
  throw new MimoError("media_type_unsupported", "The body must be JSON: send Content-Type: application/json.");
}

function readBytes(incoming: IncomingMessage, limit: number): Promise<Uint8Array> {
  const tooLarge = new MimoError("request_too_large", `The request's body is larger than ${limit} bytes.`);
  if (Number(incoming.headers["content-length"] ?? 0) > limit) return Promise.reject(tooLarge);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    incoming.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length > limit) {
        chunks.length = 0;
        reject(tooLarge);
      } else chunks.push(chunk);
    });
    incoming.on("end", () => resolve(Buffer.concat(chunks)));
    incoming.on("error", (error) => reject(abortedError(error)));
    incoming.on("close", () => reject(abortedError()));
  });
}
