// A running server: listens at once, answers once its model is there, stops without cutting anyone off.
//
// Stopping: no new connections, 503 to new requests, streams finish or are ended when their time is up.

import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { getRequestListener } from "@hono/node-server";
import type { Logger } from "pino";
import type { Mimo } from "../api/mimo.ts";
import type { McpServers } from "../mcp/servers.ts";
import { ERROR_TABLE, type ErrorCode, MimoError } from "../util/errors.ts";
import { Admission } from "./admission.ts";
import { createApp } from "./app.ts";
import { errorBody } from "./errors.ts";
import { FrameLog } from "./frame-log.ts";
import { KeyRing } from "./keys.ts";
import { Memory } from "./memory.ts";
import { Metrics } from "./metrics.ts";
import { isLoopback, LIMITS, type ServerOptions } from "./options.ts";
import { Ledger } from "./usage/ledger.ts";

export interface RunningServer {
  readonly url: string;
  /** From now on requests are answered. */
  readonly serve: (mimo: Mimo) => void;
  /** Ends the server, once what runs has finished or its time is up. */
  readonly stop: () => Promise<void>;
}

/**
 * MCP servers stay the caller's, who starts and ends them. Throws `invalid_argument` for an address that strangers reach
 * without keys, `io_failed` where it is taken.
 */
export async function startServer(options: ServerOptions, log: Logger, mcp?: McpServers): Promise<RunningServer> {
  const keys = options.keyFile === undefined ? undefined : new KeyRing(options.keyFile);
  if (!isLoopback(options.host) && (keys === undefined || keys.isEmpty)) {
    throw new MimoError("invalid_argument", `Others can reach ${options.host}, and there are no API keys.`, {
      param: "host",
      remedy: "Make one with `mimo keys create NAME`, or serve on 127.0.0.1.",
    });
  }
  const admission = new Admission(options);
  let mimo: Mimo | undefined;
  const metrics = new Metrics(admission, options.modelNames[0] ?? "", () => mimo);
  let isStopping = false;
  const model = (): Mimo => {
    if (isStopping) throw new MimoError("loading", "The server is stopping.");
    if (mimo === undefined) throw new MimoError("loading", "The model is loading.");
    if (mimo.failure !== undefined)
      throw new MimoError("loading", "The engine has stopped; the server must be started again.");
    return mimo;
  };
  const startedAt = Math.floor(Date.now() / 1000);
  const memory = new Memory(options);
  const ledger = new Ledger({ path: options.usageFile, flushMs: options.usageFlushMs, log });
  const requests = new FrameLog(LIMITS.loggedRequests);
  const app = createApp({ options, admission, metrics, memory, ledger, log, requests, keys, mcp, model, startedAt });
  const http = createHttpServer(options, app.fetch.bind(app));
  try {
    await listen(http, options);
  } catch (error) {
    await ledger.close();
    throw error;
  }
  return {
    url: urlOf(http, options.host),
    serve: (loaded) => (mimo = loaded),
    stop: async () => {
      isStopping = true;
      // Its readers would stay for ever.
      requests.end();
      admission.refuseWaiting(new MimoError("loading", "The server is stopping."));
      await close(http, options.drainMs);
      // Nobody can read them any more.
      memory.streams.endAll();
      await ledger.close();
    },
  };
}

type Fetch = Parameters<typeof getRequestListener>[0];

function createHttpServer(options: ServerOptions, fetch: Fetch): Server {
  const listener = getRequestListener(fetch, {
    // The process is the caller's: its globals stay as they are.
    overrideGlobalObjects: false,
    errorHandler: () => errorReply("invalid_argument", "The request's address or Host header is malformed."),
  });
  const http = createServer(
    {
      maxHeaderSize: LIMITS.headerBytes,
      headersTimeout: options.headerTimeoutMs,
      requestTimeout: options.requestTimeoutMs,
      // Longer than clients keep theirs, so that none writes to a connection that is just being closed.
      keepAliveTimeout: 65_000,
      connectionsCheckingInterval: Math.min(1000, options.headerTimeoutMs),
    },
    (incoming, outgoing) => void listener(incoming, outgoing),
  );
  http.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => refuseConnection(error, socket));
  limitConnections(http, options.maxConnectionsPerAddress);
  return http;
}

/** One address that opens connections and says little on each leaves some to the others. */
function limitConnections(http: Server, max: number): void {
  const counts = new Map<string, number>();
  http.on("connection", (socket: Socket) => {
    const address = socket.remoteAddress ?? "";
    const count = (counts.get(address) ?? 0) + 1;
    counts.set(address, count);
    socket.once("close", () => {
      const left = (counts.get(address) ?? 1) - 1;
      if (left === 0) counts.delete(address);
      else counts.set(address, left);
    });
    if (count > max) answerConnection(socket, new MimoError("overloaded", `More than ${max} connections are open.`));
  });
}

function errorReply(code: ErrorCode, message: string): Response {
  return Response.json(errorBody(new MimoError(code, message)), { status: ERROR_TABLE[code].status });
}

/** What is no HTTP gets its error object, too. */
function refuseConnection({ code }: NodeJS.ErrnoException, socket: Socket): void {
  if (code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  answerConnection(socket, connectionError(code));
}

function answerConnection(socket: Socket, error: MimoError): void {
  const body = JSON.stringify(errorBody(error));
  socket.end(
    `HTTP/1.1 ${error.status} Error\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `${error.status === 429 ? "Retry-After: 1\r\n" : ""}Connection: close\r\n\r\n${body}`,
    // Whoever does not close its side keeps no place.
    () => socket.destroy(),
  );
}

function connectionError(code: string | undefined): MimoError {
  if (code === "ERR_HTTP_REQUEST_TIMEOUT")
    return new MimoError("request_timeout", "The request took too long to arrive.");
  if (code === "HPE_HEADER_OVERFLOW") return new MimoError("headers_too_large", "The request's headers are too large.");
  return new MimoError("invalid_argument", "This is not valid HTTP.");
}

async function listen(http: Server, { host, port }: ServerOptions): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    http.once("error", (cause: NodeJS.ErrnoException) => {
      const isTaken = cause.code === "EADDRINUSE";
      reject(
        new MimoError("io_failed", `${host}:${port}: ${isTaken ? "another program listens there" : cause.message}.`, {
          remedy: "Choose another address with --host and --port.",
          cause,
        }),
      );
    });
    http.listen(port, host, resolve);
  });
}

function urlOf(http: Server, host: string): string {
  const { port } = http.address() as AddressInfo;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

async function close(http: Server, drainMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => http.close(() => resolve()));
  http.closeIdleConnections();
  const timer = setTimeout(() => http.closeAllConnections(), drainMs);
  // Connections that a client keeps open fall idle one by one.
  const sweep = setInterval(() => http.closeIdleConnections(), 100);
  await closed;
  clearTimeout(timer);
  clearInterval(sweep);
}
