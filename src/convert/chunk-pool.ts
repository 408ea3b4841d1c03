// Runs chunk jobs on worker threads and gives their results in order.
//
// Invariants: at most a few jobs per thread are under way, so that memory stays small however long the list is; the
// results do not depend on the number of threads. Without threads jobs run where they are asked for: small models are
// done before a thread has started. Disposing ends the threads.

import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { defined } from "../util/assert.ts";
import { fromSerializedError, MimoError, type SerializedError } from "../util/errors.ts";
import { type Chunk, type ChunkJob, runJob } from "./chunk-job.ts";

export interface ToChunkWorker {
  readonly id: number;
  readonly job: ChunkJob;
}

export type FromChunkWorker =
  | { readonly id: number; readonly chunk: Chunk }
  | { readonly id: number; readonly error: SerializedError };

export interface ChunkPool extends Disposable {
  /** The result of each job, in the order of the jobs. */
  readonly map: (jobs: Iterable<ChunkJob>) => AsyncGenerator<Chunk>;
}

/** Starting a thread costs about as much as encoding this many weights. */
const MIN_WEIGHTS_FOR_THREADS = 1 << 24;
/** More threads than this wait for the disk. */
const MAX_THREADS = 16;
const JOBS_PER_THREAD = 2;

export function openChunkPool(numWeights: number): ChunkPool {
  const numThreads = numWeights < MIN_WEIGHTS_FOR_THREADS ? 0 : Math.min(availableParallelism(), MAX_THREADS);
  return new ThreadPool(numThreads);
}

interface Waiting {
  readonly resolve: (chunk: Chunk) => void;
  readonly reject: (error: MimoError) => void;
}

class ThreadPool implements ChunkPool {
  readonly #workers: readonly Worker[];
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 0;
  #failure: MimoError | undefined;

  constructor(numThreads: number) {
    this.#workers = Array.from({ length: numThreads }, () => this.#spawn());
  }

  async *map(jobs: Iterable<ChunkJob>): AsyncGenerator<Chunk> {
    const limit = Math.max(1, this.#workers.length * JOBS_PER_THREAD);
    const running: Promise<Chunk>[] = [];
    for (const job of jobs) {
      const chunk = this.#run(job);
      // Who leaves early never awaits the rest; their rejection is no failure of the process.
      chunk.catch(() => {});
      running.push(chunk);
      if (running.length >= limit) yield await defined(running.shift(), "a running job");
    }
    for (const chunk of running) yield await chunk;
  }

  [Symbol.dispose](): void {
    this.#fail(new MimoError("disposed", "The conversion was ended."));
    for (const worker of this.#workers) void worker.terminate();
  }

  #run(job: ChunkJob): Promise<Chunk> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (job.kind === "copy" || this.#workers.length === 0) return Promise.resolve(runJob(job));
    const id = this.#nextId++;
    const worker = defined(this.#workers[id % this.#workers.length], "a worker");
    const result = new Promise<Chunk>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    worker.postMessage(
      { id, job } satisfies ToChunkWorker,
      job.kind === "transcode" ? [job.bytes.buffer as ArrayBuffer] : [],
    );
    return result;
  }

  #spawn(): Worker {
    const isSource = import.meta.url.endsWith(".ts");
    const file = new URL(isSource ? "./chunk-worker.ts" : "./chunk-worker.js", import.meta.url);
    const loader = new URL("../../scripts/ts-loader.mjs", import.meta.url);
    const worker = new Worker(file, isSource ? { execArgv: ["--import", loader.href] } : {});
    worker.on("message", (message: FromChunkWorker) => this.#receive(message));
    worker.on("error", (error) =>
      this.#fail(new MimoError("internal", `A thread of the conversion failed: ${error.message}`, { cause: error })),
    );
    return worker;
  }

  #receive(message: FromChunkWorker): void {
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if ("chunk" in message) waiting?.resolve(message.chunk);
    else waiting?.reject(fromSerializedError(message.error));
  }

  #fail(error: MimoError): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#failure);
    this.#waiting.clear();
  }
}
