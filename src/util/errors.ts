// The one error class of the project and its closed set of codes.
//
// Every failure a caller can meet is a `MimoError`: a sentence that says what was expected, what was found and
// what to do, plus a code that programs branch on. The table maps each code to an HTTP status and to the error
// type of the OpenAI API, so that a server needs no second list. Bugs of our own use `assert` instead.

/** HTTP status, OpenAI error type and process exit code of every error code. */
export const ERROR_TABLE = {
  invalid_argument: { status: 400, type: "invalid_request_error", exitCode: 2 },
  context_length_exceeded: { status: 400, type: "invalid_request_error", exitCode: 2 },
  template_failed: { status: 400, type: "invalid_request_error", exitCode: 2 },
  not_supported: { status: 400, type: "invalid_request_error", exitCode: 2 },
  invalid_api_key: { status: 401, type: "authentication_error", exitCode: 2 },
  permission_denied: { status: 403, type: "permission_error", exitCode: 2 },
  not_found: { status: 404, type: "not_found_error", exitCode: 3 },
  model_not_found: { status: 404, type: "not_found_error", exitCode: 3 },
  method_not_allowed: { status: 405, type: "invalid_request_error", exitCode: 2 },
  request_timeout: { status: 408, type: "invalid_request_error", exitCode: 2 },
  request_too_large: { status: 413, type: "invalid_request_error", exitCode: 2 },
  media_type_unsupported: { status: 415, type: "invalid_request_error", exitCode: 2 },
  host_not_allowed: { status: 421, type: "invalid_request_error", exitCode: 2 },
  headers_too_large: { status: 431, type: "invalid_request_error", exitCode: 2 },
  checkpoint_invalid: { status: 500, type: "server_error", exitCode: 4 },
  checkpoint_unsupported: { status: 500, type: "server_error", exitCode: 4 },
  kernel_missing: { status: 500, type: "server_error", exitCode: 5 },
  backend_unavailable: { status: 503, type: "server_error", exitCode: 5 },
  out_of_memory: { status: 503, type: "server_error", exitCode: 6 },
  overloaded: { status: 429, type: "rate_limit_error", exitCode: 6 },
  io_failed: { status: 500, type: "server_error", exitCode: 7 },
  not_implemented: { status: 501, type: "not_supported_error", exitCode: 2 },
  loading: { status: 503, type: "unavailable_error", exitCode: 5 },
  aborted: { status: 499, type: "invalid_request_error", exitCode: 130 },
  disposed: { status: 500, type: "server_error", exitCode: 1 },
  internal: { status: 500, type: "server_error", exitCode: 1 },
} as const;

export type ErrorCode = keyof typeof ERROR_TABLE;

export interface MimoErrorOptions {
  /** What the reader can do about it, as a sentence. Shown after the message. */
  readonly remedy?: string;
  /** The request field or option at fault, for example `temperature`. */
  readonly param?: string;
  readonly cause?: unknown;
}

export class MimoError extends Error {
  override readonly name = "MimoError";
  readonly code: ErrorCode;
  readonly remedy: string | undefined;
  readonly param: string | undefined;

  constructor(code: ErrorCode, message: string, options: MimoErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.remedy = options.remedy;
    this.param = options.param;
  }

  get status(): number {
    return ERROR_TABLE[this.code].status;
  }

  /** The plain form that crosses thread boundaries. */
  toJSON(): SerializedError {
    return { code: this.code, message: this.message, remedy: this.remedy, param: this.param };
  }
}

export interface SerializedError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly remedy?: string | undefined;
  readonly param?: string | undefined;
}

/** Anything thrown, as a `MimoError`: unknown errors become `internal` and keep their cause. */
export function toMimoError(thrown: unknown): MimoError {
  if (thrown instanceof MimoError) return thrown;
  if (thrown instanceof Error && thrown.name === "AbortError") return abortedError(thrown);
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new MimoError("internal", message, { cause: thrown });
}

export function fromSerializedError(error: SerializedError): MimoError {
  return new MimoError(error.code, error.message, {
    ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
    ...(error.param === undefined ? {} : { param: error.param }),
  });
}

export function abortedError(cause?: unknown): MimoError {
  return new MimoError("aborted", "The request was aborted before it finished.", { cause });
}
