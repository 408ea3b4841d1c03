// What a server is told, with every default and every limit in one place. Times are milliseconds, sizes bytes.

import { DEFAULT_MAX_REPETITION, DEFAULT_MAX_TOOL_CALLS } from "../api/request.ts";
import type { PromptLanguage } from "../tokenizer/system-prompt.ts";
import type { Prices } from "./usage/usage.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const LOG_FORMATS = ["pretty", "json"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

export interface ServerOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Names, beside loopback's and the bound one, that a Host header may have. */
  readonly allowedHosts: readonly string[];
  /** Origins, beside the server's own, whose pages may call. */
  readonly allowedOrigins: readonly string[];
  /** What clients may call the model; the first is what replies say. */
  readonly modelNames: readonly string[];
  /** File of hashed API keys; undefined asks for none. */
  readonly keyFile: string | undefined;
  /** Where keys are made over HTTP while none are asked for; undefined: nowhere. */
  readonly keyStore: string | undefined;
  /** Sequences that run at once; choices beyond wait. */
  readonly maxRunning: number;
  /** Sequences that may wait; more are refused with 429. */
  readonly maxQueue: number;
  /** Longest wait before a request is refused with 429. */
  readonly maxQueueMs: number;
  /** Requests of one API key at once, running and waiting; more are refused with 429. A key may have its own number. */
  readonly maxRequestsPerKey: number;
  /** Share of the queue, 0 to 1, that one API key may fill. */
  readonly queueSharePerKey: number;
  /** Where tokens are counted by API key and day; undefined counts them in memory only. */
  readonly usageFile: string | undefined;
  /** How often that file is written, at most. */
  readonly usageFlushMs: number;
  readonly prices: Prices;
  readonly maxBodyBytes: number;
  /** From the first byte of a request to the last of its body. */
  readonly requestTimeoutMs: number;
  readonly headerTimeoutMs: number;
  /** Connections from one address at once; more are refused with 429. */
  readonly maxConnectionsPerAddress: number;
  /** Silence in a stream after which a comment keeps it alive. */
  readonly pingMs: number;
  /** How long a client may leave its stream unread before it counts as gone. */
  readonly stallMs: number;
  /** How long the stream of a background answer can be read again after its end. */
  readonly keepStreamsMs: number;
  /** How long running requests may take to finish once the server stops. */
  readonly drainMs: number;
  /** Most calls of an answer; 0 is no limit. */
  readonly maxToolCalls: number;
  /** The library's option, where a request does not say. */
  readonly maxRepetition: number;
  /** Language of the recommended prompt for conversations without a system message; undefined: none. */
  readonly systemPrompt: PromptLanguage | undefined;
  /** Folder of the built studio; undefined where there is none. */
  readonly studioFolder: string | undefined;
  /** Folder of runs of training; undefined shows none. */
  readonly runsFolder: string | undefined;
  /** Refuse fields that are not known instead of ignoring them. */
  readonly strictFields: boolean;
  readonly version: string;
}

export const DEFAULT_SERVER_OPTIONS = {
  host: "127.0.0.1",
  port: 9001,
  allowedHosts: [],
  allowedOrigins: [],
  keyFile: undefined,
  keyStore: undefined,
  maxRunning: 8,
  maxQueue: 256,
  maxQueueMs: 60_000,
  maxRequestsPerKey: 64,
  queueSharePerKey: 0.5,
  usageFile: undefined,
  usageFlushMs: 5000,
  prices: { input: 0.1, cachedInput: 0.01, output: 0.3 },
  maxBodyBytes: 32 * 2 ** 20,
  requestTimeoutMs: 120_000,
  headerTimeoutMs: 10_000,
  maxConnectionsPerAddress: 1024,
  pingMs: 15_000,
  stallMs: 60_000,
  keepStreamsMs: 600_000,
  drainMs: 30_000,
  maxToolCalls: DEFAULT_MAX_TOOL_CALLS,
  maxRepetition: DEFAULT_MAX_REPETITION,
  systemPrompt: undefined,
  studioFolder: undefined,
  runsFolder: undefined,
  strictFields: false,
} as const satisfies Partial<ServerOptions>;

/** Limits that keep one request from being another's problem. */
export const LIMITS = {
  headerBytes: 16_384,
  jsonDepth: 64,
  choices: 8,
  topLogprobs: 20,
  stops: 16,
  stopLength: 256,
  stopTokenIds: 256,
  biasedTokens: 1024,
  prompts: 256,
  tools: 512,
  schemaBytes: 262_144,
  schemaDepth: 32,
  loggedRequests: 1000,
} as const;

const LOOPBACK = new Set(["localhost", "127.0.0.1", "::1", "[::1]"]);

export function isLoopback(host: string): boolean {
  return LOOPBACK.has(host.toLowerCase());
}
