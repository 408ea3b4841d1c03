// The engine's thread: loads the model, steps while there is work, and takes messages between steps.
//
// A failed request answers for itself; a failed step is the engine's own bug or a lost device, ends the worker, and
// fails every request. Nothing here waits for the client.

import { parentPort, workerData } from "node:worker_threads";
import { availableMemory } from "../backends/available-memory.ts";
import type { Backend, Weight } from "../backends/backend.ts";
import { createCpuBackend } from "../backends/cpu/native.ts";
import { createReferenceBackend } from "../backends/reference/reference.ts";
import { cacheSizes } from "../cache/geometry.ts";
import { type Checkpoint, openCheckpoint } from "../checkpoint/checkpoint.ts";
import { choosePacking, packedBytes, weightSizes } from "../model/packing.ts";
import { parseConfig } from "../model/parse-config.ts";
import { defined } from "../util/assert.ts";
import { toMimoError } from "../util/errors.ts";
import { Engine } from "./engine.ts";
import { type EvaluatedRows, evaluate } from "./evaluate.ts";
import { placeWeights } from "./place-weights.ts";
import { DEFAULT_CONTEXT, type EngineInfo, type FromWorker, type ToWorker, type WorkerOptions } from "./protocol.ts";
import type { SequenceOutput } from "./sequence.ts";

/** Floats of evaluated rows in one message. */
const ROWS_PER_MESSAGE = 1 << 20;

const port = defined(parentPort, "a parent port");
const send = (message: FromWorker, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);

class EngineWorker {
  readonly #backend: Backend;
  readonly #checkpoint: Checkpoint;
  readonly #engine: Engine;
  readonly #evaluations = new Map<number, Generator<EvaluatedRows>>();
  #scheduled = false;
  #closed = false;

  constructor(options: WorkerOptions) {
    const started = performance.now();
    const { threads, variant } = options;
    this.#backend =
      options.backend === "cpu"
        ? createCpuBackend({
            ...(threads === undefined ? {} : { threads }),
            ...(variant === undefined ? {} : { variant }),
          })
        : createReferenceBackend();
    this.#checkpoint = openCheckpoint(options.path);
    const { config } = parseConfig(this.#checkpoint);
    const maxTokens = options.engine.maxTokens ?? Math.min(config.contextLength, DEFAULT_CONTEXT);
    const availableBytes = availableMemory();
    const sizes = weightSizes(this.#checkpoint, config);
    const packing = choosePacking(sizes, availableBytes, options);
    const total = packing === "all" ? sizes.dense + sizes.experts : sizes.dense;
    let done = 0;
    const onPacked = ({ dtype, byteLength }: Weight): void =>
      send({ type: "loading", done: (done = Math.min(total, done + packedBytes(dtype, byteLength))), total });
    this.#engine = new Engine(this.#backend, this.#checkpoint, { ...options.engine, maxTokens, packing, onPacked });
    const warnings = placeWeights(this.#backend, this.#engine.runner.model.weights, {
      expertMemory: options.expertMemory,
      // Unlimited snapshots take what is left, as everything does.
      availableBytes: availableBytes - (Number.isFinite(this.#engine.snapshotBytes) ? this.#engine.snapshotBytes : 0),
      onProgress: (read, of) => send({ type: "loading", done: read, total: of }),
    });
    send({ type: "ready", info: this.#info(performance.now() - started, warnings) });
  }

  receive(message: ToWorker): void {
    switch (message.type) {
      case "submit":
        this.#attempt(message.request.id, () => this.#engine.submit(message.request));
        break;
      case "abort":
        this.#abort(message.id);
        break;
      case "end_thinking":
        this.#engine.endThinking(message.id);
        return;
      case "evaluate":
        this.#evaluations.set(message.id, evaluate(this.#engine.runner, message.request));
        break;
      case "prefixes":
        if (message.clear !== undefined) this.#engine.clearPrefixes(message.clear.namespace);
        send({ type: "prefixes", id: message.id, stats: this.#engine.prefixCacheStats });
        return;
      case "close":
        this.#close();
        return;
      default:
        message satisfies never;
    }
    this.#schedule();
  }

  /** One turn of work, then back to the event loop, so that messages are seen between steps. */
  #turn(): void {
    this.#scheduled = false;
    if (this.#closed) return;
    try {
      if (!this.#engine.isIdle) {
        const outputs = this.#engine.step();
        if (outputs.length > 0) this.#sendStep(outputs);
        if (this.#engine.isIdle) this.#engine.checkIntegrity();
      }
      const [next] = this.#evaluations;
      if (next !== undefined) this.#attempt(next[0], () => this.#evaluateSome(...next));
    } catch (error) {
      send({ type: "failed", error: toMimoError(error).toJSON() });
      this.#close();
      throw error;
    }
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#closed || (this.#engine.isIdle && this.#evaluations.size === 0)) return;
    this.#scheduled = true;
    setImmediate(() => this.#turn());
  }

  #sendStep(outputs: readonly SequenceOutput[]): void {
    const { expertReads, kvUse } = this.#engine;
    send({ type: "step", outputs, kvUse, expertReads: expertReads?.total });
  }

  #attempt(id: number, action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#evaluations.delete(id);
      send({ type: "failed", id, error: toMimoError(error).toJSON() });
    }
  }

  #abort(id: number): void {
    const output = this.#engine.abort(id);
    if (output !== undefined) this.#sendStep([output]);
    this.#evaluations.get(id)?.return(undefined);
    this.#evaluations.delete(id);
  }

  #evaluateSome(id: number, evaluation: Generator<EvaluatedRows>): void {
    const rows: EvaluatedRows[] = [];
    let floats = 0;
    let done = false;
    while (!done && floats < ROWS_PER_MESSAGE) {
      const next = evaluation.next();
      done = next.done === true;
      if (next.done === true) break;
      rows.push({ ...next.value, values: next.value.values.slice() });
      floats += next.value.values.length;
    }
    if (done) this.#evaluations.delete(id);
    send(
      { type: "rows", id, rows, done },
      rows.map(({ values }) => values.buffer as ArrayBuffer),
    );
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const evaluation of this.#evaluations.values()) evaluation.return(undefined);
    this.#engine[Symbol.dispose]();
    this.#checkpoint[Symbol.dispose]();
    this.#backend[Symbol.dispose]();
    port.close();
  }

  #info(loadMs: number, warnings: readonly string[]): EngineInfo {
    const { model, cache } = this.#engine.runner;
    return {
      config: model.config,
      numMtpHeads: model.numMtpHeads,
      backend: this.#backend.description,
      packing: this.#engine.options.packing,
      contextLength: this.#engine.contextLength,
      cacheSizes: cacheSizes(cache.geometry, cache.options.dtype),
      warnings: [...model.warnings, ...warnings],
      loadMs,
    };
  }
}

try {
  const worker = new EngineWorker(workerData as WorkerOptions);
  port.on("message", (messages: readonly ToWorker[]) => messages.forEach((message) => worker.receive(message)));
} catch (error) {
  send({ type: "failed", error: toMimoError(error).toJSON() });
  port.close();
}
