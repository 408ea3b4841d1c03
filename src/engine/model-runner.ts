// Runs a plan through the model and brings logits to the host. Owns the model and the cache it was built for.

import type { Backend } from "../backends/backend.ts";
import type { CacheGeometry } from "../cache/geometry.ts";
import { HybridCache, type HybridCacheOptions } from "../cache/hybrid-cache.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { ModelConfig } from "../model/config.ts";
import { Model } from "../model/model.ts";
import type { BindOptions } from "../model/weight-binder.ts";
import type { Activations } from "../ops/linear/linear.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { defined } from "../util/assert.ts";
import type { PlannedRows } from "./scheduler.ts";

export interface ModelRunnerOptions extends HybridCacheOptions, BindOptions {
  readonly activations: Activations;
}

/** Rows whose logits are computed at once: enough for a step of several drafting sequences, small beside weights. */
const MAX_LOGIT_ROWS = 64;

export class ModelRunner implements Disposable {
  readonly model: Model;
  readonly cache: HybridCache;
  readonly backend: Backend;
  readonly options: ModelRunnerOptions;

  constructor(backend: Backend, checkpoint: Checkpoint, options: ModelRunnerOptions) {
    this.backend = backend;
    this.options = options;
    this.model = new Model(backend, checkpoint, {
      activations: options.activations,
      packing: options.packing,
      onPacked: options.onPacked,
      limits: { maxRows: options.maxRows, maxMtpRows: options.maxRows, maxLogitRows: MAX_LOGIT_ROWS },
    });
    try {
      this.cache = new HybridCache(backend, cacheGeometry(this.model.config, this.model.numMtpHeads), options);
    } catch (error) {
      this.model[Symbol.dispose]();
      throw error;
    }
  }

  /** One trunk pass over all planned rows. Returns their hidden states, valid until the next pass. */
  forward(planned: readonly PlannedRows[]): Tensor {
    const spans = planned.map(({ sequence, position, tokens }) => ({
      sequence: defined(sequence.cacheId, "a planned sequence's cache"),
      position,
      count: tokens.length,
    }));
    const tokens = Int32Array.from(planned.flatMap((rows) => rows.tokens));
    const { paged, ring } = this.cache.plan(spans);
    return this.model.forward({ tokens, paged, ring }, this.cache);
  }

  /** Logits of rows of a hidden state, one array [V] per row. */
  logits(hidden: Tensor, rows: readonly number[], head: "trunk" | number): Float32Array[] {
    const { vocabSize } = this.model.config;
    const result: Float32Array[] = [];
    for (let start = 0; start < rows.length; start += MAX_LOGIT_ROWS) {
      const part = Int32Array.from(rows.slice(start, start + MAX_LOGIT_ROWS));
      const values = new Float32Array(part.length * vocabSize);
      this.backend.download(this.model.logits(hidden, part, head), new Uint8Array(values.buffer));
      for (let i = 0; i < part.length; i++) result.push(values.subarray(i * vocabSize, (i + 1) * vocabSize));
    }
    return result;
  }

  [Symbol.dispose](): void {
    this.cache[Symbol.dispose]();
    this.model[Symbol.dispose]();
  }
}

export function cacheGeometry(config: ModelConfig, numMtpHeads: number): CacheGeometry {
  return {
    layers: config.layers.map(({ attention }) => ({
      ...config.attention[attention],
      sliding: attention === "sliding",
    })),
    numMtpHeads,
    window: Math.max(1, config.attention.sliding.window),
    hiddenSize: config.hiddenSize,
  };
}
