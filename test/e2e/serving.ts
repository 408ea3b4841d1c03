// What tests of the server share: a server in this process over any model, and a model that says what it is told.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { constraintOf } from "../../src/api/constrain.ts";
import type { GenerationEvent } from "../../src/api/events.ts";
import { generationEvents } from "../../src/api/generation.ts";
import { load as loadModel, type LoadOptions } from "../../src/api/load.ts";
import type { AnswerDemands, Mimo } from "../../src/api/mimo.ts";
import type { AnswerOptions, CompleteOptions } from "../../src/api/request.ts";
import { initCheckpoint } from "../../src/convert/init.ts";
import type { SequenceOutput, SequenceStats } from "../../src/engine/sequence.ts";
import { GrammarCompiler } from "../../src/schema/compiler.ts";
import type { McpServers } from "../../src/mcp/servers.ts";
import { createKey } from "../../src/server/keys.ts";
import { createLog } from "../../src/server/log.ts";
import { DEFAULT_SERVER_OPTIONS, type ServerOptions } from "../../src/server/options.ts";
import { type RunningServer, startServer } from "../../src/server/server.ts";
import { createByteTokenizer } from "../../src/tokenizer/byte-tokenizer.ts";
import { type EncodedChat, encodeChat } from "../../src/tokenizer/chat.ts";
import { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { abortedError } from "../../src/util/errors.ts";

export interface Serving extends AsyncDisposable {
  readonly url: string;
  readonly server: RunningServer;
  /** Lines of the log. */
  readonly log: string[];
  readonly get: (path: string, init?: RequestInit) => Promise<Reply>;
  readonly post: (path: string, body: unknown, init?: RequestInit) => Promise<Reply>;
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body, where it is JSON. */
  readonly json: any;
}

/** A server over `mimo`; without one it goes on loading. */
export async function serveModel(
  mimo: Mimo | undefined,
  options: Partial<ServerOptions> = {},
  mcp?: McpServers,
): Promise<Serving> {
  const log: string[] = [];
  const server = await startServer(
    { ...DEFAULT_SERVER_OPTIONS, port: 0, modelNames: ["tiny"], version: "0.0.0", drainMs: 2000, ...options },
    createLog("info", { write: (line) => void log.push(line) }),
    mcp,
  );
  if (mimo !== undefined) server.serve(mimo);
  const get = async (path: string, init?: RequestInit): Promise<Reply> =>
    readReply(await fetch(server.url + path, init));
  return {
    url: server.url,
    server,
    log,
    get,
    post: (path, body, init = {}) =>
      get(path, {
        method: "POST",
        body: typeof body === "string" ? body : JSON.stringify(body),
        ...init,
        headers: { "content-type": "application/json", ...(init.headers as Record<string, string>) },
      }),
    [Symbol.asyncDispose]: () => server.stop(),
  };
}

async function readReply(response: Response): Promise<Reply> {
  const text = await response.text();
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // Not every reply is.
  }
  return { status: response.status, headers: response.headers, text, json };
}

export interface TinyServing extends Serving {
  readonly mimo: Mimo;
}

/** A server over a tiny model, loaded for it and closed with it. */
export async function serveTiny(options: Partial<ServerOptions> = {}, load: LoadOptions = {}): Promise<TinyServing> {
  const tiny = await tinyModel();
  const mimo = await loadModel(tiny.path, { contextLength: 1024, maxSequences: 4, threads: 1, ...load });
  const serving = await serveModel(mimo, { maxRunning: 4, ...options });
  return {
    ...serving,
    mimo,
    [Symbol.asyncDispose]: async () => {
      await serving[Symbol.asyncDispose]();
      await mimo.close();
      tiny[Symbol.dispose]();
    },
  };
}

export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of stream) all.push(one);
  return all;
}

/** Values of a stream's `data` lines. */
export function framesOf(text: string): any[] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("data: "))
    .map((line) => line.slice("data: ".length))
    .filter((data) => data !== "[DONE]")
    .map((data) => JSON.parse(data) as unknown);
}

interface TinyModel extends Disposable {
  readonly path: string;
}

/** A checkpoint with random weights. */
async function tinyModel(): Promise<TinyModel> {
  const folder = mkdtempSync(join(tmpdir(), "mimo-serving-"));
  const path = join(folder, "tiny");
  await initCheckpoint({ preset: "tiny", out: path, seed: 1 });
  return { path, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

const files = createByteTokenizer({ vocabSize: 300 });
export const TOKENIZER = Tokenizer.fromJson(files.tokenizerJson, files.tokenizerConfig);

const STATS: SequenceStats = {
  promptTokens: 10,
  cachedTokens: 4,
  replayedTokens: 0,
  cacheMiss: "cold",
  decodeSteps: 3,
  accepted: [2],
  drafts: [3],
  queueMs: 1,
  prefillMs: 2,
  decodeMs: 3,
};

/** Outputs of an engine that says a text, in steps of the given sizes, over and over. */
export async function* scriptedOutputs(
  text: string,
  sizes: readonly number[] = [1],
  finish: "stop" | "length" = "stop",
): AsyncGenerator<SequenceOutput> {
  const tokens = TOKENIZER.encodeWithSpecials(text);
  if (finish === "stop") tokens.push(TOKENIZER.eosIds[0]!);
  for (let at = 0, step = 0; at < tokens.length; step++) {
    const piece = tokens.slice(at, at + sizes[step % sizes.length]!);
    at += piece.length;
    const logprobs = piece.map((token) => ({ token, logprob: -0.5, top: [{ token, logprob: -0.5 }] }));
    yield { id: 1, tokens: piece, logprobs, stats: STATS, ...(at < tokens.length ? {} : { finish }) };
  }
}

/** Events of a chat in which the model says a text with its markers spelled out. */
export function scriptedEvents(
  text: string,
  options: AnswerOptions = {},
  outputs: AsyncIterable<SequenceOutput> = scriptedOutputs(text),
): AsyncGenerator<GenerationEvent> {
  const plain = async function* (): AsyncGenerator<SequenceOutput> {
    for await (const { logprobs, ...output } of outputs)
      yield options.logprobs === undefined || logprobs === undefined ? output : { ...output, logprobs };
  };
  return generationEvents(plain(), {
    tokenizer: TOKENIZER,
    structured: true,
    thinking: false,
    tools: options.tools ?? [],
    maxToolCalls: options.maxToolCalls ?? Infinity,
    stop: options.stop ?? [],
    stopTokens: new Set(TOKENIZER.eosIds),
    promptTokens: STATS.promptTokens,
    seed: options.seed ?? 0,
  });
}

const COMPILER = new GrammarCompiler();

/** What cannot be kept is refused, although a script keeps nothing. */
async function prepare(prompt: EncodedChat, demands: AnswerDemands): Promise<void> {
  const { tools = [], toolChoice = "auto", parallelToolCalls = true, responseFormat = { type: "text" } } = demands;
  const options = { tools, toolChoice, parallelToolCalls, responseFormat };
  await constraintOf(options, { tokenizer: TOKENIZER, prompt, endTokens: TOKENIZER.eosIds, compiler: COMPILER });
}

/** A model that answers every chat with one text, or with none until it is aborted; `calls` is what it was asked. */
export function scriptedModel(
  script: string | undefined,
): Mimo & { readonly calls: (AnswerOptions | CompleteOptions)[] } {
  const calls: (AnswerOptions | CompleteOptions)[] = [];
  const silence = async function* ({ signal }: AnswerOptions): AsyncGenerator<GenerationEvent> {
    yield { type: "text", text: "…" };
    await new Promise((_, reject) => signal?.addEventListener("abort", () => reject(abortedError()), { once: true }));
  };
  const answer = (options: AnswerOptions): AsyncGenerator<GenerationEvent> => {
    calls.push(options);
    return script === undefined ? silence(options) : scriptedEvents(script, options);
  };
  const model = {
    calls,
    tokenizer: TOKENIZER,
    hasTokenizer: true,
    failure: undefined,
    samplingDefaults: {},
    info: {
      contextLength: 4096,
      numMtpHeads: 0,
      backend: "script",
      config: { vocabSize: 300, layers: [], experts: {}, attention: { sliding: {} } },
      cacheSizes: {},
    },
    encodeChat: ({ thinking, ...chat }: Parameters<Mimo["encodeChat"]>[0]): EncodedChat =>
      encodeChat(TOKENIZER, { ...chat, enableThinking: thinking }),
    prepare,
    answer: (_: EncodedChat, options: AnswerOptions = {}) => answer(options),
    complete: answer,
  };
  return model as unknown as Mimo & { readonly calls: (AnswerOptions | CompleteOptions)[] };
}

export interface Keys extends Disposable {
  readonly path: string;
  /** Of two keys that may both ask for answers. */
  readonly secrets: readonly [string, string];
}

export function twoKeys(): Keys {
  const folder = mkdtempSync(join(tmpdir(), "mimo-keys-"));
  const path = join(folder, "keys.json");
  const secretOf = (name: string): string => createKey(path, name, ["inference"]).secret;
  return {
    path,
    secrets: [secretOf("a"), secretOf("b")],
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Prompts that the model is given from now on, as text. */
export function promptsOf(model: Mimo): string[] {
  const prompts: string[] = [];
  const encode = model.encodeChat.bind(model);
  model.encodeChat = (request) => {
    const encoded = encode(request);
    prompts.push(encoded.prompt);
    return encoded;
  };
  return prompts;
}

/** What a call that must fail throws. */
export async function failureOf(call: PromiseLike<unknown>): Promise<any> {
  try {
    await call;
  } catch (error) {
    return error;
  }
  throw new Error("The call was accepted.");
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits for what must come, and fails where it does not. */
export async function eventually(
  check: () => boolean | Promise<boolean>,
  what: string,
  withinMs = 10_000,
): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await check())) {
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`);
    await sleep(5);
  }
}
