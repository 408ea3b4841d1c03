// Errors as Anthropic's API spells them. A server that is loading or stopping is overloaded there, with a status of its
// own; one whose queue is full says 429, as everywhere.

import type { ErrorDialect } from "../errors.ts";
import type { MimoError } from "../../util/errors.ts";

const TYPES: Readonly<Record<number, string>> = {
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  529: "overloaded_error",
};

const ERROR_SCHEMA = {
  type: "object",
  required: ["type", "error", "request_id"],
  properties: {
    type: { const: "error" },
    error: {
      type: "object",
      required: ["type", "message"],
      properties: { type: { type: "string" }, message: { type: "string" } },
    },
    request_id: { type: "string" },
  },
} as const;

export const MESSAGES_ERRORS: ErrorDialect = {
  name: "AnthropicError",
  schema: ERROR_SCHEMA,
  status: statusOf,
  body: messagesErrorBody,
};

function statusOf({ code, status }: MimoError): number {
  return code === "loading" ? 529 : status;
}

export function messagesErrorBody(error: MimoError, requestId: string): object {
  const status = statusOf(error);
  const type = TYPES[status] ?? (status < 500 ? "invalid_request_error" : "api_error");
  return { type: "error", error: { type, message: error.message }, request_id: requestId };
}
