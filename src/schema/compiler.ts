// Compiles grammars away from everything that must not wait: in a thread of its own, one after another, with a time
// limit that ends the thread, and remembers the last ones by the hash of what they enforce.
//
// A refusal is remembered too: whoever asks again with the same impossible schema gets the same answer for nothing.

import { createHash } from "node:crypto";
import { Worker } from "node:worker_threads";
import type { Program } from "../grammar/program.ts";
import type { TokenTable, Vocabulary } from "../grammar/vocabulary.ts";
import { defined } from "../util/assert.ts";
import { fromSerializedError, MimoError } from "../util/errors.ts";
import { type CompileLimits, type GrammarSource, nameOf } from "./compile.ts";
import type { CompileResult, CompileTask, VocabularyTask } from "./compile-worker.ts";

export interface CompilerOptions {
  readonly limits: CompileLimits;
  /** Bytes of programs to remember. */
  readonly cacheBytes: number;
  /** Grammars that may wait for the thread. */
  readonly maxWaiting: number;
}

const DEFAULTS: CompilerOptions = {
  limits: { maxStates: 200_000, maxMs: 3000 },
  cacheBytes: 64 * 2 ** 20,
  maxWaiting: 64,
};
/** Beyond its own limit a thread that still runs is stuck where it does not count. */
const GRACE_MS = 2000;
/** What an entry costs beside its program. */
const ENTRY_BYTES = 1024;
const VOCABULARY_MS = 60_000;

interface Entry {
  readonly result: Promise<Program>;
  byteLength: number;
}

export class GrammarCompiler implements Disposable {
  readonly #options: CompilerOptions;
  /** By key, the last used last. */
  readonly #cache = new Map<string, Entry>();
  readonly #vocabularies = new WeakMap<TokenTable, Promise<Vocabulary>>();
  #worker: Worker | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #numWaiting = 0;
  #isClosed = false;

  constructor(options: Partial<CompilerOptions> = {}) {
    this.#options = { ...DEFAULTS, ...options };
  }

  /** What is remembered now: programs and refusals, and their bytes. */
  get cached(): { readonly entries: number; readonly bytes: number } {
    let bytes = 0;
    for (const entry of this.#cache.values()) bytes += entry.byteLength;
    return { entries: this.#cache.size, bytes };
  }

  /** Throws `invalid_argument` for what cannot be enforced, and `overloaded` where too many wait. */
  async compile(source: GrammarSource): Promise<Program> {
    const key = createHash("sha256").update(JSON.stringify(source)).digest("hex");
    const known = this.#cache.get(key);
    if (known === undefined && this.#numWaiting >= this.#options.maxWaiting) {
      throw new MimoError("overloaded", `${this.#numWaiting} schemas are waiting to be compiled; try again later.`);
    }
    this.#cache.delete(key);
    const entry = known ?? this.#enqueue(source, key);
    this.#cache.set(key, entry);
    return entry.result;
  }

  /** The tree of a vocabulary: once for each table, a second or less of sorting. */
  async vocabulary(table: TokenTable): Promise<Vocabulary> {
    const known = this.#vocabularies.get(table);
    if (known !== undefined) return known;
    const result = this.#queue.then(async () => {
      const made = await this.#ask({ type: "vocabulary", table }, VOCABULARY_MS);
      return defined("vocabulary" in made ? made.vocabulary : undefined, "a vocabulary");
    });
    this.#queue = result.catch(() => this.#vocabularies.delete(table));
    this.#vocabularies.set(table, result);
    return result;
  }

  /** Ends the thread; what still waits fails. */
  [Symbol.dispose](): void {
    this.#isClosed = true;
    void this.#worker?.terminate();
    this.#cache.clear();
  }

  #enqueue(source: GrammarSource, key: string): Entry {
    this.#numWaiting++;
    const { limits } = this.#options;
    const result = this.#queue.then(async () => {
      const made = await this.#ask({ type: "compile", source, key, limits }, limits.maxMs + GRACE_MS);
      return defined("program" in made ? made.program : undefined, "a program");
    });
    const entry: Entry = { result, byteLength: ENTRY_BYTES };
    this.#queue = result.then(
      (program) => this.#settle(entry, program.byteLength),
      (error: unknown) => {
        this.#settle(entry, 0);
        // Only what the schema itself is to blame for is worth remembering.
        const isFinal = error instanceof MimoError && error.code === "invalid_argument";
        if (!isFinal && this.#cache.get(key) === entry) this.#cache.delete(key);
      },
    );
    return entry;
  }

  #settle(entry: Entry, byteLength: number): void {
    this.#numWaiting--;
    entry.byteLength += byteLength;
    let { bytes } = this.cached;
    for (const [key, oldest] of this.#cache) {
      if (bytes <= this.#options.cacheBytes) break;
      this.#cache.delete(key);
      bytes -= oldest.byteLength;
    }
  }

  async #ask(task: CompileTask | VocabularyTask, ms: number): Promise<CompileResult> {
    if (this.#isClosed) throw new MimoError("disposed", "The model was closed.");
    const worker = (this.#worker ??= spawnWorker());
    const result = await answerOf(worker, task, ms);
    if (result !== undefined) {
      if ("error" in result) throw fromSerializedError(result.error);
      return result;
    }
    // Stuck, or gone: another thread takes its place.
    void worker.terminate();
    if (this.#worker === worker) this.#worker = undefined;
    if (this.#isClosed) throw new MimoError("disposed", "The model was closed.");
    if (task.type === "vocabulary") throw new MimoError("internal", "The vocabulary could not be sorted in time.");
    const param = nameOf(task.source);
    throw new MimoError("invalid_argument", `${param} is too complex to be compiled in time.`, { param });
  }
}

/** What the thread makes of a task; undefined where it does not answer in time, or ends. */
async function answerOf(
  worker: Worker,
  task: CompileTask | VocabularyTask,
  ms: number,
): Promise<CompileResult | undefined> {
  let timer: NodeJS.Timeout | undefined;
  // A thread that has nothing to do does not keep a program alive.
  worker.ref();
  try {
    return await new Promise<CompileResult | undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), ms);
      worker.once("message", resolve);
      worker.once("error", () => resolve(undefined));
      worker.once("exit", () => resolve(undefined));
      worker.postMessage(task);
    });
  } finally {
    clearTimeout(timer);
    for (const event of ["message", "error", "exit"]) worker.removeAllListeners(event);
    worker.unref();
  }
}

/** The worker beside this file: TypeScript in development, JavaScript once built. */
function spawnWorker(): Worker {
  const isSource = import.meta.url.endsWith(".ts");
  const file = new URL(isSource ? "./compile-worker.ts" : "./compile-worker.js", import.meta.url);
  const loader = new URL("../../scripts/ts-loader.mjs", import.meta.url);
  return new Worker(file, {
    resourceLimits: { maxOldGenerationSizeMb: 512 },
    ...(isSource ? { execArgv: ["--import", loader.href] } : {}),
  });
}
