// Runs a plan through the model and samples from its logits, or brings them to the host where those are what is asked
// for. Owns the model, the cache it was built for, and the memory in which sampled tokens reach the host.

import type { Backend } from "../backends/backend.ts";
import type { CacheGeometry } from "../cache/geometry.ts";
import { HybridCache, type HybridCacheOptions } from "../cache/hybrid-cache.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { ModelConfig } from "../model/config.ts";
import type { MtpBatch } from "../model/batch.ts";
import { type HiddenSource, Model } from "../model/model.ts";
import type { BindOptions } from "../model/weight-binder.ts";
import type { Activations } from "../ops/linear/quantise-activations.ts";
import { LOGPROB_ROWS, logprobRows, readLogprobs } from "../ops/sample/logprob-rows.ts";
import type { Logprobs } from "../ops/sample/logprobs.ts";
import { maskWords, type RowSampling, SAMPLE_ROWS, sampleRows } from "../ops/sample/sample-rows.ts";
import { type Memory, type Tensor, view } from "../tensor/tensor.ts";
import { defined } from "../util/assert.ts";
import type { PlannedRows } from "./scheduler.ts";

export interface ModelRunnerOptions extends HybridCacheOptions, BindOptions {
  readonly activations: Activations;
  /** Tokens of the tokenizer; ids from here to the model's vocabulary size are padding. Default: all are real. */
  readonly numTokens?: number | undefined;
}

export interface SampleRequest extends RowSampling {
  /** Row of the pass to sample from. */
  readonly row: number;
  /** Alternatives to report; undefined reports no log-probabilities at all. */
  readonly topLogprobs?: number | undefined;
}

export interface Sample {
  readonly token: number;
  readonly logprobs?: Logprobs;
}

/** Rows whose logits are computed at once: enough for a step of several drafting sequences, small beside weights. */
export const MAX_LOGIT_ROWS = 64;

export class ModelRunner implements Disposable {
  readonly model: Model;
  readonly cache: HybridCache;
  readonly backend: Backend;
  readonly options: ModelRunnerOptions;
  readonly numTokens: number;
  /** Grows with the largest report of log-probabilities. */
  #samples: Memory | undefined;

  constructor(backend: Backend, checkpoint: Checkpoint, options: ModelRunnerOptions) {
    this.backend = backend;
    this.options = options;
    backend.require([SAMPLE_ROWS, LOGPROB_ROWS]);
    this.model = new Model(backend, checkpoint, {
      activations: options.activations,
      packing: options.packing,
      onPacked: options.onPacked,
      limits: { maxRows: options.maxRows, maxMtpRows: options.maxRows, maxLogitRows: MAX_LOGIT_ROWS },
    });
    const { vocabSize } = this.model.config;
    this.numTokens = Math.min(options.numTokens ?? vocabSize, vocabSize);
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

  /** Samples from the logits of rows of the trunk's hidden states; the logits stay where they are. */
  sample(hidden: Tensor, requests: readonly SampleRequest[]): Sample[] {
    const result: Sample[] = [];
    for (let start = 0; start < requests.length; start += MAX_LOGIT_ROWS) {
      const part = requests.slice(start, start + MAX_LOGIT_ROWS);
      result.push(...this.#sampleFrom(this.model.logits(hidden, rowsOf(part), "trunk"), part));
    }
    return result;
  }

  /** One pass of an MTP head over at most MAX_LOGIT_ROWS sequences, and a sample from each row that is asked for. */
  draft(
    head: number,
    batch: MtpBatch,
    hidden: HiddenSource,
    requests: readonly SampleRequest[],
  ): { readonly out: Tensor; readonly samples: Sample[] } {
    const { out, logits } = this.model.draft(head, batch, hidden, this.cache, rowsOf(requests));
    return { out, samples: this.#sampleFrom(logits, requests) };
  }

  [Symbol.dispose](): void {
    if (this.#samples !== undefined) this.backend.free(this.#samples);
    this.cache[Symbol.dispose]();
    this.model[Symbol.dispose]();
  }

  /** One token for each row of `logits`: [tokens, then ids and log-probabilities of the rows that report them]. */
  #sampleFrom(logits: Tensor, requests: readonly SampleRequest[]): Sample[] {
    const { backend, numTokens } = this;
    const R = requests.length;
    const reported: number[] = [];
    const maskParts: Uint32Array[] = [];
    let columns = 1;
    for (const [row, { topLogprobs, mask }] of requests.entries()) {
      if (topLogprobs !== undefined) reported.push(row);
      if (mask !== undefined) maskParts.push(mask);
      columns = Math.max(columns, 1 + (topLogprobs ?? 0));
    }
    const size = reported.length * columns;
    const numWords = maskWords(numTokens);
    const memory = this.#reserveSamples(4 * (R + 2 * size + maskParts.length * numWords));
    const tokens = view(memory, "i32", [R]);
    const masksAt = 4 * (R + 2 * size);
    const masks = maskParts.length === 0 ? undefined : view(memory, "i32", [maskParts.length, numWords], masksAt);
    maskParts.forEach((part, i) => {
      const row = view(memory, "i32", [numWords], masksAt + 4 * i * numWords);
      backend.upload(row, new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
    });
    sampleRows(backend, { logits, numTokens, rows: requests, tokens, masks });
    if (size > 0) {
      const ids = view(memory, "i32", [reported.length, columns], 4 * R);
      const logprobs = view(memory, "f32", [reported.length, columns], 4 * (R + size));
      logprobRows(backend, { logits, numTokens, tokens, rows: reported, ids, logprobs });
    }
    const words = new Int32Array(R + 2 * size);
    backend.download(view(memory, "i32", [words.length]), new Uint8Array(words.buffer));
    const floats = new Float32Array(words.buffer);
    let at = R;
    return requests.map(({ topLogprobs }, row): Sample => {
      const token = words[row]!;
      if (topLogprobs === undefined) return { token };
      const [start, end] = [at, (at += columns)];
      return {
        token,
        logprobs: readLogprobs(words.subarray(start, end), floats.subarray(start + size, end + size), topLogprobs),
      };
    });
  }

  #reserveSamples(byteLength: number): Memory {
    if (this.#samples !== undefined && this.#samples.byteLength >= byteLength) return this.#samples;
    if (this.#samples !== undefined) this.backend.free(this.#samples);
    this.#samples = undefined;
    return (this.#samples = this.backend.alloc(Math.max(4096, 2 * byteLength)));
  }
}

function rowsOf(requests: readonly SampleRequest[]): Int32Array {
  return Int32Array.from(requests, ({ row }) => row);
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
