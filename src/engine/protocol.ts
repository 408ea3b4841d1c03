// Messages between a client and the engine's worker. Plain data only; at most one message per step towards the client.

import type { CacheSizes } from "../cache/geometry.ts";
import type { PrefixCacheStats } from "../cache/prefix-cache.ts";
import type { BackendName, FetchStats } from "../backends/backend.ts";
import type { Packing } from "../model/packing.ts";
import type { ModelConfig } from "../model/config.ts";
import type { SerializedError } from "../util/errors.ts";
import type { EngineOptions } from "./engine.ts";
import type { EvaluatedRows, EvaluateRequest } from "./evaluate.ts";
import type { SequenceOutput, SequenceRequest } from "./sequence.ts";

/** What the worker is started with. */
export interface WorkerOptions {
  readonly path: string;
  readonly backend: BackendName;
  readonly threads?: number | undefined;
  readonly variant?: string | undefined;
  /** Undefined: as much as fits into memory. */
  readonly packing: Packing | undefined;
  /** See PlacementOptions. */
  readonly expertMemory?: number | undefined;
  readonly engine: Omit<EngineOptions, "maxTokens" | "packing" | "onPacked"> & {
    /** Undefined: the model's own context, as far as DEFAULT_CONTEXT. */
    readonly maxTokens: number | undefined;
  };
}

/** Tokens of cache where the caller does not say: a long conversation, small beside the weights. */
export const DEFAULT_CONTEXT = 32_768;

/** What is known once the model is loaded. */
export interface EngineInfo {
  readonly config: ModelConfig;
  readonly numMtpHeads: number;
  readonly backend: string;
  readonly packing: Packing;
  readonly contextLength: number;
  readonly cacheSizes: CacheSizes;
  readonly warnings: readonly string[];
  readonly loadMs: number;
}

export type ToWorker =
  | { readonly type: "submit"; readonly request: SequenceRequest }
  | { readonly type: "abort"; readonly id: number }
  | { readonly type: "end_thinking"; readonly id: number }
  | { readonly type: "evaluate"; readonly id: number; readonly request: EvaluateRequest }
  /** Counters of the prefix cache, after forgetting what `clear` says. */
  | { readonly type: "prefixes"; readonly id: number; readonly clear?: ClearedPrefixes | undefined }
  | { readonly type: "close" };

/** All prefixes, or those of one namespace. */
export interface ClearedPrefixes {
  readonly namespace: string | undefined;
}

export type FromWorker =
  | { readonly type: "ready"; readonly info: EngineInfo }
  /** Bytes of weights that were packed, or are being read where that takes long. */
  | { readonly type: "loading"; readonly done: number; readonly total: number }
  | {
      readonly type: "step";
      readonly outputs: readonly SequenceOutput[];
      readonly kvUse: number;
      readonly expertReads?: FetchStats | undefined;
    }
  | { readonly type: "rows"; readonly id: number; readonly rows: readonly EvaluatedRows[]; readonly done: boolean }
  | { readonly type: "prefixes"; readonly id: number; readonly stats: PrefixCacheStats | undefined }
  /** One request failed; without an id, the engine did, and with it every request. */
  | { readonly type: "failed"; readonly id?: number; readonly error: SerializedError };
