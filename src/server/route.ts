// What a route is: a new one is an object in one of the lists of routes/, and needs nothing else.
//
// Paths are written without `/v1` and without a slash at the end; the app takes both spellings for the same.

import type { IncomingMessage } from "node:http";
import type { Logger } from "pino";
import type { z } from "zod";
import type { Mimo } from "../api/mimo.ts";
import type { McpServers } from "../mcp/servers.ts";
import type { Admission } from "./admission.ts";
import type { ErrorDialect } from "./errors.ts";
import type { FrameLog } from "./frame-log.ts";
import type { KeyRing, Scope, StoredKey } from "./keys.ts";
import type { Memory } from "./memory.ts";
import type { Metrics } from "./metrics.ts";
import type { ServerOptions } from "./options.ts";
import type { Ledger } from "./usage/ledger.ts";
import type { Amounts } from "./usage/usage.ts";

/** What all requests share. */
export interface ServerContext {
  readonly options: ServerOptions;
  readonly admission: Admission;
  readonly metrics: Metrics;
  readonly memory: Memory;
  readonly ledger: Ledger;
  readonly log: Logger;
  /** The last lines of requests in the log, as values. */
  readonly requests: FrameLog;
  /** Seconds since 1970. */
  readonly startedAt: number;
  /** Undefined where no keys are asked for. */
  readonly keys: KeyRing | undefined;
  /** Undefined where none are configured. */
  readonly mcp: McpServers | undefined;
  /** The model. Throws `loading` until it is there and once the server stops, and what has ended the engine. */
  readonly model: () => Mimo;
}

/** What is known of a request when it ends, for its line in the log. */
export interface RequestRecord {
  /** On the monotonic clock. */
  readonly startedAt: number;
  key?: string;
  firstOutputMs?: number;
  amounts?: Amounts;
  /** Of an answer that goes on without its connection: pulled at its end. */
  background?: AbortSignal;
  /** Why its choices ended. */
  readonly finish: Set<string>;
}

export interface ServerRequest {
  readonly server: ServerContext;
  readonly incoming: IncomingMessage;
  /** Names the request in logs and in its reply; the client's own where it sent a sound one. */
  readonly id: string;
  /**
   * The key it came with; undefined where none is asked for. Requests of one key reuse what was computed for each other,
   * and share the machine evenly.
   */
  readonly key: StoredKey | undefined;
  /** Parts of the path, decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** Aborted when the client goes away; aborting it ends the request's sequences. */
  readonly abort: AbortController;
  readonly record: RequestRecord;
  readonly log: Logger;
}

/** What stands behind the path. */
export function queryOf({ incoming }: ServerRequest): URLSearchParams {
  return new URL(incoming.url ?? "", "http://localhost").searchParams;
}

export interface Route {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  /** What a key must allow; undefined is open to everyone. */
  readonly scope: Scope | undefined;
  /** One line for the OpenAPI document. */
  readonly summary: string;
  readonly body?: z.ZodType;
  /** How errors are told; default: as OpenAI does. */
  readonly errors?: ErrorDialect;
  readonly handle: (request: ServerRequest) => Response | Promise<Response>;
}
