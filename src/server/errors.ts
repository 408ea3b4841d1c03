// Errors as OpenAI's API spells them: status, headers and body of every failure, from the one table of codes.
//
// What went wrong inside stays inside: an error that is not the client's gets a sentence without paths or stacks, and
// the log has the rest. Clients retry 429 and 5xx by themselves; the headers say when that is of use.

import { ERROR_TABLE, type ErrorCode, MimoError, toMimoError } from "../util/errors.ts";

/** Failures of ours that tell a client what it can do about them. */
const OPEN_CODES: ReadonlySet<ErrorCode> = new Set(["loading", "not_implemented", "out_of_memory", "disposed"]);
/** Failures that another try may not meet. */
const PASSING_CODES: ReadonlySet<ErrorCode> = new Set(["overloaded", "loading", "request_timeout"]);

/** Body of an error, as clients of OpenAI's API read it; all four keys are always there. */
export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string;
  };
}

/** How an API tells of errors. */
export interface ErrorDialect {
  /** What the OpenAPI document calls their form, and that form as JSON Schema. */
  readonly name: string;
  readonly schema: object;
  readonly status: (error: MimoError) => number;
  /** Gets an error that may be told, and the name of the request. */
  readonly body: (error: MimoError, requestId: string) => object;
}

const ERROR_SCHEMA = {
  type: "object",
  required: ["error"],
  properties: {
    error: {
      type: "object",
      required: ["message", "type", "param", "code"],
      properties: {
        message: { type: "string" },
        type: { type: "string" },
        param: { type: ["string", "null"] },
        code: { type: ["string", "null"] },
      },
    },
  },
} as const;

export const OPENAI_ERRORS: ErrorDialect = {
  name: "Error",
  schema: ERROR_SCHEMA,
  status: ({ status }) => status,
  body: errorBody,
};

/** What of a failure is told to the client. */
export function publicError(thrown: unknown): MimoError {
  const error = toMimoError(thrown);
  if (error.status < 500 || OPEN_CODES.has(error.code)) return error;
  return new MimoError(error.code, "The server failed to answer this request. Its log says why.");
}

export function errorBody(thrown: unknown): ErrorBody {
  const { code, message, param } = publicError(thrown);
  return { error: { message, type: ERROR_TABLE[code].type, param: fieldName(param), code } };
}

export function errorHeaders({ code, status }: MimoError, retryAfterSeconds: number): Record<string, string> {
  const isPassing = PASSING_CODES.has(code);
  return {
    ...(status === 429 || status >= 500 ? { "x-should-retry": String(isPassing) } : {}),
    ...(isPassing ? { "retry-after": String(retryAfterSeconds) } : {}),
    ...(code === "invalid_api_key" ? { "www-authenticate": "Bearer" } : {}),
    // What is left of a body nobody reads must not be taken for the next request.
    ...(status === 413 || status === 408 ? { connection: "close" } : {}),
  };
}

/** The library's `maxTokens` is `max_tokens` here. */
function fieldName(param: string | undefined): string | null {
  return (
    param?.replace(/^[a-z]+(?:[A-Z][a-z]+)+$/, (name) => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)) ?? null
  );
}

/** What `make` gives; its errors name fields by `rename`, as the client spelled them. */
export function inFieldNames<T>(rename: (field: string) => string, make: () => T): T {
  try {
    return make();
  } catch (thrown) {
    throw renamed(rename, thrown);
  }
}

/** What was thrown, naming its field by `rename`. */
export function renamed(rename: (field: string) => string, thrown: unknown): unknown {
  if (!(thrown instanceof MimoError) || thrown.param === undefined) return thrown;
  const { code, message, param, cause } = thrown;
  const named = rename(param);
  return new MimoError(code, message.replaceAll(param, named), { param: named, cause });
}

export function invalid(param: string, problem: string): MimoError {
  return new MimoError("invalid_argument", `${param}: ${problem}`, { param });
}

export function notSupported(param: string, problem: string): MimoError {
  return new MimoError("not_supported", problem, { param });
}
