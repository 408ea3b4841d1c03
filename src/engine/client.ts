// The engine from outside: requests in, async iterators of outputs out; the worker thread stays hidden.
//
// Leaving an iterator early, aborting its signal or disposing the client frees the request's memory within one step.
// A dead worker fails every open request; none waits for ever.

import { Worker } from "node:worker_threads";
import { abortedError, fromSerializedError, MimoError } from "../util/errors.ts";
import { AsyncQueue } from "../util/async-queue.ts";
import type { FetchStats } from "../backends/backend.ts";
import type { PrefixCacheStats } from "../cache/prefix-cache.ts";
import type { EvaluatedRows, EvaluateRequest } from "./evaluate.ts";
import type { ClearedPrefixes, EngineInfo, FromWorker, ToWorker, WorkerOptions } from "./protocol.ts";
import type { SequenceOutput, SequenceRequest } from "./sequence.ts";

type Item = SequenceOutput | readonly EvaluatedRows[] | { readonly prefixes: PrefixCacheStats | undefined };

/** What is done to a sequence once a signal is aborted; its outputs go on, to one that has `finish`. */
export interface SequenceControls {
  readonly endThinking?: AbortSignal | undefined;
  readonly endAnswer?: AbortSignal | undefined;
}

export class EngineClient {
  readonly info: EngineInfo;
  readonly #worker: Worker;
  readonly #open = new Map<number, AsyncQueue<Item>>();
  #nextId = 1;
  #failure: MimoError | undefined;
  #expertReads: FetchStats | undefined;
  #kvUse = 0;
  #tokensWritten = 0;

  /** Loads a model in a worker. Throws what loading throws; an aborted signal ends the worker. */
  static async start(
    options: WorkerOptions,
    signal?: AbortSignal,
    onLoading?: (done: number, total: number) => void,
  ): Promise<EngineClient> {
    throwIfAborted(signal);
    const worker = spawnWorker(options);
    const stop = (): unknown => worker.terminate();
    signal?.addEventListener("abort", stop, { once: true });
    try {
      return new EngineClient(worker, await ready(worker, onLoading));
    } catch (error) {
      await worker.terminate();
      throw signal?.aborted === true ? abortedError(signal.reason) : error;
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  private constructor(worker: Worker, info: EngineInfo) {
    this.#worker = worker;
    this.info = info;
    worker.on("message", (message: FromWorker) => this.#receive(message));
    worker.on("error", (error) =>
      this.#fail(new MimoError("internal", `The engine stopped: ${error.message}`, { cause: error })),
    );
    worker.on("exit", () => this.#fail(new MimoError("disposed", "The model was closed.")));
    // An idle engine does not keep a program alive; an open request does.
    worker.unref();
  }

  /** Outputs of one sequence, step by step, ending with the one that has `finish`. */
  async *submit(
    request: Omit<SequenceRequest, "id">,
    signal?: AbortSignal,
    controls?: SequenceControls,
  ): AsyncGenerator<SequenceOutput> {
    const id = this.#nextId++;
    const message = { type: "submit", request: { ...request, id } } as const;
    for await (const item of this.#request(id, message, signal, controls)) {
      const output = item as SequenceOutput;
      yield output;
      if (output.finish !== undefined) return;
    }
  }

  /** Rows of logits or hidden states of a text, in order. */
  async *evaluate(request: EvaluateRequest, signal?: AbortSignal): AsyncGenerator<EvaluatedRows> {
    const id = this.#nextId++;
    for await (const item of this.#request(id, { type: "evaluate", id, request }, signal)) {
      yield* item as readonly EvaluatedRows[];
    }
  }

  /** Counters of the prefix cache; undefined where there is none. */
  async prefixCacheStats(): Promise<PrefixCacheStats | undefined> {
    return this.#askPrefixes(undefined);
  }

  /** Forgets cached prefixes, those of one namespace or all; running sequences keep what they use. */
  async clearPrefixes(namespace?: string): Promise<PrefixCacheStats | undefined> {
    return this.#askPrefixes({ namespace });
  }

  /** Uses and reads of experts in all steps so far; undefined before the first, and where all weights are used in place. */
  get expertReads(): FetchStats | undefined {
    return this.#expertReads;
  }

  /** Share of the KV cache that sequences hold, 0 to 1; what only the prefix cache holds is free. */
  get kvUse(): number {
    return this.#kvUse;
  }

  /** Of all answers so far, those that still run included. */
  get tokensWritten(): number {
    return this.#tokensWritten;
  }

  /** Why there is no engine any more; undefined while there is. */
  get failure(): MimoError | undefined {
    return this.#failure;
  }

  /** Ends the worker. Open requests fail with `disposed`. */
  async close(): Promise<void> {
    if (this.#failure !== undefined) return;
    const exited = new Promise((resolve) => this.#worker.once("exit", resolve));
    // Otherwise a program that has nothing else to do ends before this promise does.
    this.#worker.ref();
    this.#post({ type: "close" });
    this.#fail(new MimoError("disposed", "The model was closed."));
    await exited;
  }

  async *#request(
    id: number,
    message: ToWorker,
    signal: AbortSignal | undefined,
    { endThinking, endAnswer }: SequenceControls = {},
  ): AsyncGenerator<Item> {
    if (this.#failure !== undefined) throw this.#failure;
    throwIfAborted(signal);
    const queue = new AsyncQueue<Item>();
    const abort = (): void => queue.fail(abortedError(signal?.reason));
    signal?.addEventListener("abort", abort, { once: true });
    if (this.#open.size === 0) this.#worker.ref();
    this.#open.set(id, queue);
    const controls = [
      { control: endThinking, act: { type: "end_thinking", id } },
      // Its last output says so.
      { control: endAnswer, act: { type: "abort", id } },
    ] as const;
    // Together, so that no step is between them.
    this.#post(message, ...controls.filter(({ control }) => control?.aborted).map(({ act }) => act));
    const ignore = controls.map(({ control, act }) => onAbort(control, () => this.#post(act)));
    try {
      yield* queue;
    } finally {
      signal?.removeEventListener("abort", abort);
      for (const stop of ignore) stop();
      this.#open.delete(id);
      if (this.#open.size === 0) this.#worker.unref();
      // The worker ignores an abort of what has already ended.
      if (this.#failure === undefined) this.#post({ type: "abort", id });
    }
  }

  async #askPrefixes(clear: ClearedPrefixes | undefined): Promise<PrefixCacheStats | undefined> {
    const id = this.#nextId++;
    for await (const item of this.#request(id, { type: "prefixes", id, clear }, undefined)) {
      return (item as { readonly prefixes: PrefixCacheStats | undefined }).prefixes;
    }
    return undefined;
  }

  #post(...messages: readonly ToWorker[]): void {
    this.#worker.postMessage(messages);
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case "ready":
      case "loading":
        break;
      case "step":
        this.#expertReads = message.expertReads;
        this.#kvUse = message.kvUse;
        for (const output of message.outputs) {
          this.#tokensWritten += output.tokens.length;
          this.#open.get(output.id)?.push(output);
        }
        break;
      case "rows":
        this.#open.get(message.id)?.push(message.rows);
        if (message.done) this.#open.get(message.id)?.end();
        break;
      case "prefixes":
        this.#open.get(message.id)?.push({ prefixes: message.stats });
        break;
      case "failed":
        if (message.id === undefined) this.#fail(fromSerializedError(message.error));
        else this.#open.get(message.id)?.fail(fromSerializedError(message.error));
        break;
      default:
        message satisfies never;
    }
  }

  #fail(error: MimoError): void {
    this.#failure ??= error;
    for (const queue of this.#open.values()) queue.fail(this.#failure);
  }
}

/** Acts once the signal is aborted; what is returned makes it forget that. */
function onAbort(signal: AbortSignal | undefined, act: () => void): () => void {
  signal?.addEventListener("abort", act, { once: true });
  return () => signal?.removeEventListener("abort", act);
}

/** As the signal's own method, with this project's error. */
function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortedError(signal.reason);
}

/** The worker beside this file: TypeScript in development, JavaScript once built. */
function spawnWorker(options: WorkerOptions): Worker {
  const isSource = import.meta.url.endsWith(".ts");
  const file = new URL(isSource ? "./worker.ts" : "./worker.js", import.meta.url);
  const loader = new URL("../../scripts/ts-loader.mjs", import.meta.url);
  return new Worker(file, { workerData: options, ...(isSource ? { execArgv: ["--import", loader.href] } : {}) });
}

function ready(worker: Worker, onLoading?: (done: number, total: number) => void): Promise<EngineInfo> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      for (const event of ["message", "error", "exit"]) worker.removeAllListeners(event);
      act();
    };
    worker.on("message", (message: FromWorker) => {
      if (message.type === "ready") settle(() => resolve(message.info));
      else if (message.type === "loading") onLoading?.(message.done, message.total);
      else if (message.type === "failed") settle(() => reject(fromSerializedError(message.error)));
    });
    worker.on("error", (error) => settle(() => reject(error)));
    worker.on("exit", () =>
      settle(() => reject(new MimoError("internal", "The engine's worker ended while loading."))),
    );
  });
}
