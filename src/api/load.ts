// Loads a checkpoint: validates options, chooses a backend, starts the engine's worker.

import type { BackendName } from "../backends/backend.ts";
import { cpuBackendStatus } from "../backends/cpu/addon.ts";
import { openCheckpoint } from "../checkpoint/checkpoint.ts";
import { EngineClient } from "../engine/client.ts";
import type { MtpMode } from "../engine/speculator.ts";
import type { Packing } from "../model/packing.ts";
import type { Activations } from "../ops/linear/quantise-activations.ts";
import { KV_DTYPES, type KvDType } from "../tensor/dtype.ts";
import { MimoError } from "../util/errors.ts";
import { loadGenerationDefaults } from "./generation-defaults.ts";
import { loadTokenizer } from "./load-tokenizer.ts";
import { Mimo } from "./mimo.ts";
import { checkFlag, checkSpeculation, refuseUnknownKeys } from "./request.ts";

export interface LoadOptions {
  /** Default: cpu where the addon is built, otherwise reference, with a warning. */
  readonly backend?: BackendName | undefined;
  /** Threads of the cpu backend. Default: all cores. */
  readonly threads?: number | undefined;
  /** Tokens, prompt and answer, that all sequences together can hold. Default: the model's context, at most 32768. */
  readonly contextLength?: number | undefined;
  /** Sequences that run at once; more wait. Default 8. */
  readonly maxSequences?: number | undefined;
  /** Rows of a step, and so the largest chunk of a prompt. Default 512. */
  readonly chunkSize?: number | undefined;
  /** Element type of the KV cache. Default f16. */
  readonly kvDType?: KvDType | undefined;
  /**
   * How activations meet quantised weights: rounded to 15 bits ("int16", the default: logits as exact as with "f32",
   * and faster), to 8 ("int8": as llama.cpp rounds them; faster still where several tokens meet a weight), or not.
   */
  readonly activations?: Activations | undefined;
  /** MTP tokens to draft per step where a request does not say. Default "auto": as many as pay. */
  readonly speculation?: number | "auto" | undefined;
  /** What MTP heads after the first read: the trunk's hidden state, or the head before. Default "parallel". */
  readonly mtp?: MtpMode | undefined;
  /**
   * Weights to copy into the layout that kernels read fastest: "all", "dense" for all but the experts, "none" to use
   * them in the file. Default: as much as fits into memory. Results are the same.
   */
  readonly packing?: Packing | undefined;
  /**
   * Bytes of memory for experts that are not packed when the model is loaded: the most used stay there, packed, the
   * others are read when they are chosen. Infinity uses them in the mapped file. Default: what is free; with a number, experts are not packed.
   */
  readonly expertMemory?: number | undefined;
  /** Keep what was computed for the requests that begin with it. Default true; results are the same. */
  readonly prefixCache?: boolean | undefined;
  /**
   * Bytes of memory for the snapshots of sliding layers that prefixes are continued from. Where one is missing, a few
   * tokens are processed again. Default: as much as the KV cache of global layers has.
   */
  readonly snapshotMemory?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Receives bytes of weights that are packed or read while loading. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Receives what had to be assumed, as sentences. */
  readonly onWarning?: ((warning: string) => void) | undefined;
}

const LOAD_KEYS: readonly (keyof LoadOptions)[] = [
  "backend",
  "threads",
  "contextLength",
  "maxSequences",
  "chunkSize",
  "kvDType",
  "activations",
  "speculation",
  "mtp",
  "packing",
  "expertMemory",
  "prefixCache",
  "snapshotMemory",
  "signal",
  "onProgress",
  "onWarning",
];

/** More is no machine's, and would be searched for at length before it failed. */
const LIMITS = { contextLength: 2 ** 28, maxSequences: 2 ** 12, chunkSize: 2 ** 16 } as const;

/**
 * Loads a Hugging Face folder or a GGUF file. Throws `not_found`, `checkpoint_invalid`, `checkpoint_unsupported`,
 * `backend_unavailable`, `out_of_memory`, `invalid_argument`, `aborted`.
 */
export async function load(path: string, options: LoadOptions = {}): Promise<Mimo> {
  refuseUnknownKeys(options, LOAD_KEYS);
  checkChoices(options);
  const { prefixCache = true, speculation = "auto" } = options;
  checkFlag("prefixCache", prefixCache);
  checkSpeculation(speculation);
  const { contextLength, maxSequences = 8, chunkSize = 512, mtp = "parallel", signal } = options;
  const warn = options.onWarning ?? ((): void => {});
  const backend = options.backend ?? defaultBackend(warn);
  // Opened here for its tokenizer; the worker maps the weights itself.
  using checkpoint = openCheckpoint(path);
  const { tokenizer, problem } = loadTokenizer(checkpoint);
  const defaults = loadGenerationDefaults(checkpoint, warn);
  const client = await EngineClient.start(
    {
      path,
      backend,
      threads: options.threads,
      packing: options.packing,
      expertMemory: checkedBytes("expertMemory", options),
      engine: {
        maxTokens: limited("contextLength", contextLength),
        maxSequences: limited("maxSequences", maxSequences),
        maxRows: limited("chunkSize", chunkSize),
        kvDType: options.kvDType ?? "f16",
        activations: options.activations ?? "int16",
        mtpMode: mtp,
        numTokens: tokenizer?.numTokens,
        prefixCache: prefixCache ? { snapshotBytes: checkedBytes("snapshotMemory", options) } : undefined,
      },
    },
    signal,
    options.onProgress,
  );
  for (const warning of client.info.warnings) warn(warning);
  if (problem !== undefined) warn(problem);
  return new Mimo(client, tokenizer, { mtp, speculation, defaults });
}

function defaultBackend(warn: (warning: string) => void): BackendName {
  const status = cpuBackendStatus();
  if (status.isAvailable) return "cpu";
  warn(
    `${status.reason} The reference backend is used instead; it gives the same results, about a hundred times slower. ${status.remedy}`,
  );
  return "reference";
}

function checkChoices(options: LoadOptions): void {
  const choices: readonly (readonly [keyof LoadOptions, readonly string[]])[] = [
    ["backend", ["cpu", "reference"]],
    ["kvDType", KV_DTYPES],
    ["activations", ["f32", "int16", "int8"]],
    ["mtp", ["parallel", "chained"]],
    ["packing", ["all", "dense", "none"]],
  ];
  for (const [key, allowed] of choices) {
    const value = options[key];
    if (value === undefined || (typeof value === "string" && allowed.includes(value))) continue;
    throw new MimoError(
      "invalid_argument",
      `${key} must be one of ${allowed.join(", ")}, found ${JSON.stringify(value)}.`,
      {
        param: key,
      },
    );
  }
}

function checkedBytes(param: "expertMemory" | "snapshotMemory", options: LoadOptions): number | undefined {
  const bytes = options[param];
  if (bytes === undefined || bytes === Infinity || (Number.isSafeInteger(bytes) && bytes >= 0)) return bytes;
  throw new MimoError("invalid_argument", `${param} must be a number of bytes or Infinity, found ${bytes}.`, { param });
}

function limited<T extends number | undefined>(param: keyof typeof LIMITS, value: T): T {
  const most = LIMITS[param];
  if (value === undefined || (Number.isInteger(value) && value > 0 && value <= most)) return value;
  throw new MimoError("invalid_argument", `${param} must be an integer from 1 to ${most}, found ${value}.`, { param });
}
