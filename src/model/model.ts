// The model: one forward for the trunk, one for each MTP head, one LM head for all.
//
// It sees a Batch and key-value memory, never a sequence. It owns its weights and its workspace; caches are the
// caller's. Results lie in the workspace and are valid until the next pass of the same kind.

import type { Backend, Kernel, Weight } from "../backends/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { ATTENTION } from "../ops/attention/attention.ts";
import { COPY_ROWS, copyRows } from "../ops/copy-rows/copy-rows.ts";
import { EMBEDDING, embedding } from "../ops/embedding/embedding.ts";
import { EXPERTS } from "../ops/experts/experts.ts";
import { KV_COPY, KV_WRITE } from "../ops/kv-write/kv-write.ts";
import { LINEAR, linear } from "../ops/linear/linear.ts";
import type { Activations } from "../ops/linear/quantise-activations.ts";
import { RMS_NORM, rmsNorm } from "../ops/rms-norm/rms-norm.ts";
import { ROPE, ROPE_TABLE, ropeTable } from "../ops/rope/rope.ts";
import { ROUTER } from "../ops/router/router.ts";
import { SWIGLU } from "../ops/swiglu/swiglu.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { assert, defined } from "../util/assert.ts";
import type { Batch, ModelCaches, MtpBatch } from "./batch.ts";
import { type BlockContext, runBlock, writeKeysAndValues } from "./block.ts";
import { type AttentionKind, expertLayers, type ModelConfig } from "./config.ts";
import { parseConfig } from "./parse-config.ts";
import type { BindOptions } from "./weight-binder.ts";
import { bindWeights, checkMtpHeads, type DraftingWeights, type ModelWeights, type MtpWeights } from "./weights.ts";
import { MAX_GUESS_ROWS, Workspace, type WorkspaceLimits } from "./workspace.ts";

const KERNELS: readonly Kernel[] = [
  EMBEDDING,
  RMS_NORM,
  LINEAR,
  ROPE_TABLE,
  ROPE,
  KV_WRITE,
  KV_COPY,
  ATTENTION,
  ROUTER,
  EXPERTS,
  SWIGLU,
  COPY_ROWS,
];

export interface ModelOptions extends BindOptions {
  readonly limits: WorkspaceLimits;
  /** How activations meet quantised weights; see ops/linear. */
  readonly activations: Activations;
}

/** Where the hidden states come from that an MTP pass reads. */
export interface HiddenSource {
  /** [*, D] */
  readonly tensor: Tensor;
  /** [T]: the row of `tensor` that each row of the pass reads. */
  readonly rows: Int32Array;
}

/** What a head made of a pass. */
export interface Drafts {
  /** [T, D], before the head's final norm. */
  readonly out: Tensor;
  /** [R, V] */
  readonly logits: Tensor;
}

/** What a pass is put together from, besides its name and its number of rows. */
interface PassInputs {
  readonly caches?: ModelCaches;
  /** The hidden states that an MTP head or the LM head reads. */
  readonly hidden?: Tensor;
}

interface RecordedPass extends PassInputs {
  readonly generation: number;
  readonly replay: () => void;
}

/** Rows of the largest pass that is worth recording: steps that decode, not chunks of prompts. */
const MAX_RECORDED_ROWS = 32;

export class Model implements Disposable {
  readonly config: ModelConfig;
  readonly backend: Backend;
  readonly numMtpHeads: number;
  readonly warnings: readonly string[];
  readonly #weights: ModelWeights;
  readonly #workspace: Workspace;
  readonly #activations: Activations;
  /** Passes that were recorded, by name and number of rows. */
  readonly #passes = new Map<string, RecordedPass>();
  readonly #expertLayers: readonly number[];

  /** Throws what `parseConfig` and `bindWeights` throw. */
  constructor(backend: Backend, checkpoint: Checkpoint, options: ModelOptions) {
    const { config, numMtpHeads, warnings } = parseConfig(checkpoint);
    backend.require(KERNELS);
    this.backend = backend;
    this.config = config;
    this.warnings = warnings;
    this.#expertLayers = expertLayers(config);
    this.#activations = options.activations;
    // Where activations are to stay as they are, so are the weights that meet them.
    const eightBitDrafts = options.activations !== "f32";
    this.#weights = bindWeights(backend, checkpoint, config, { ...options, eightBitDrafts });
    this.numMtpHeads = this.#weights.mtp.length;
    try {
      checkMtpHeads(checkpoint, numMtpHeads, this.numMtpHeads);
      this.#workspace = new Workspace(backend, config, options.limits);
    } catch (error) {
      this.#weights[Symbol.dispose]();
      throw error;
    }
  }

  get weights(): readonly Weight[] {
    return this.#weights.all;
  }

  /** Hidden states [T, D] of the trunk, before the final norm. Writes the batch's keys and values into `caches`. */
  forward(batch: Batch, caches: ModelCaches): Tensor {
    const T = batch.tokens.length;
    const workspace = this.#workspace;
    assert(T > 0 && T <= workspace.limits.maxRows, `a pass of ${T} rows`);
    const x = workspace.tensor("hidden", "f32", [T, this.config.hiddenSize]);
    workspace.put("tokens", batch.tokens);
    workspace.putKvBatch("global", batch.paged);
    workspace.putKvBatch("sliding", batch.ring);
    this.#enqueue("trunk", T, { caches }, () => {
      const contexts: Record<AttentionKind, BlockContext> = {
        global: this.#context("global", T, null),
        sliding: this.#context("sliding", T, caches),
      };
      embedding(this.backend, { ids: workspace.integers("tokens"), weight: this.#weights.embedding, out: x });
      this.#weights.layers.forEach((weights, layer) => {
        const cache = defined(caches.layers[layer], `cache of layer ${layer}`);
        const next = this.#weights.layers[layer + 1] ?? null;
        runBlock(contexts[weights.kind], { x, weights, cache, expertIds: this.#expertIds(layer, T), next });
      });
    });
    return x;
  }

  /** A pass of few rows comes again and again with other contents of the same memory: it is put together once. */
  #enqueue(name: string, T: number, inputs: PassInputs, build: () => void): void {
    if (T > MAX_RECORDED_ROWS) return build();
    const { generation } = this.#workspace;
    const key = `${name}, ${T}`;
    const known = this.#passes.get(key);
    if (known?.generation === generation && isSame(known, inputs)) return known.replay();
    this.#passes.set(key, { generation, ...inputs, replay: this.backend.record(build) });
  }

  /** Experts chosen by the last trunk pass, of T rows, in each layer that has some: [expert layers, T, K]. */
  routedExperts(T: number): Int32Array {
    const shape = [this.#expertLayers.length, T, this.config.experts.numExpertsPerToken];
    const out = new Int32Array(shape.reduce((a, b) => a * b));
    this.backend.download(this.#workspace.tensor("expertIds", "i32", shape), new Uint8Array(out.buffer));
    return out;
  }

  /** Output [T, D] of MTP head `head` before its final norm. Writes the head's keys and values into `caches`. */
  mtpForward(head: number, batch: MtpBatch, hidden: HiddenSource, caches: ModelCaches): Tensor {
    const x = this.#putMtp(batch, hidden);
    this.#enqueue(`head ${head}`, batch.tokens.length, { caches, hidden: hidden.tensor }, () => {
      this.#runMtp(head, headOf(this.#weights, head), hidden.tensor, caches, x);
    });
    return x;
  }

  /** The same with the weights for drafting, and what the head drafts behind `rows` of it. */
  draft(head: number, batch: MtpBatch, hidden: HiddenSource, caches: ModelCaches, rows: Int32Array): Drafts {
    const { lmHead } = this.#weights.drafting;
    const weights = headOf(this.#weights.drafting, head);
    const out = this.#putMtp(batch, hidden);
    const logits = this.#putLogitRows("draftRows", rows, lmHead);
    this.#enqueue(`draft ${head} ${rows.length}`, batch.tokens.length, { caches, hidden: hidden.tensor }, () => {
      this.#runMtp(head, weights, hidden.tensor, caches, out);
      this.#project(out, "draftRows", weights.finalNorm, lmHead, logits);
    });
    return { out, logits };
  }

  /** For drafting, only the keys and values of head `head`: of rows that are drafted from later but not themselves. */
  mtpAbsorb(head: number, batch: MtpBatch, hidden: HiddenSource, caches: ModelCaches): void {
    const x = this.#putMtp(batch, hidden);
    const weights = headOf(this.#weights.drafting, head);
    this.#runMtpInput(weights, hidden.tensor, x);
    const cache = defined(caches.mtp[head], `cache of MTP head ${head}`);
    const context = this.#context("sliding", batch.tokens.length, null);
    writeKeysAndValues(context, { x, weights: weights.block, cache, expertIds: null, next: null });
  }

  /** Logits [R, V] of the given rows of `hidden`, through the trunk's final norm or an MTP head's. */
  logits(hidden: Tensor, rows: Int32Array, head: "trunk" | number): Tensor {
    const { finalNorm, lmHead } = this.#weights;
    const norm = head === "trunk" ? finalNorm : headOf(this.#weights, head).finalNorm;
    const logits = this.#putLogitRows("logitRows", rows, lmHead);
    this.#enqueue(`logits ${head} ${rows.length}`, hidden.shape[0]!, { hidden }, () => {
      this.#project(hidden, "logitRows", norm, lmHead, logits);
    });
    return logits;
  }

  /** Keeps rows of a hidden state elsewhere: target[targetRows[r]] = hidden[r]; negative rows are dropped. */
  saveHidden(hidden: Tensor, target: Tensor, targetRows: Int32Array): void {
    this.#workspace.put("saveTarget", targetRows);
    copyRows(this.backend, {
      source: hidden,
      sourceRows: this.#workspace.iota(targetRows.length),
      target,
      targetRows: this.#workspace.integers("saveTarget"),
    });
  }

  [Symbol.dispose](): void {
    this.#workspace[Symbol.dispose]();
    this.#weights[Symbol.dispose]();
  }

  /** Uploads what a head's pass reads; the place of its output [T, D]. */
  #putMtp(batch: MtpBatch, hidden: HiddenSource): Tensor {
    const T = batch.tokens.length;
    assert(T > 0 && T <= this.#workspace.limits.maxMtpRows, `an MTP pass of ${T} rows`);
    this.#workspace.put("mtpTokens", batch.tokens);
    this.#workspace.put("mtpSource", hidden.rows);
    this.#workspace.putKvBatch("sliding", batch.ring);
    return this.#workspace.tensor("mtpOut", "f32", [T, this.config.hiddenSize]);
  }

  #runMtp(head: number, weights: MtpWeights, hidden: Tensor, caches: ModelCaches, x: Tensor): void {
    this.#runMtpInput(weights, hidden, x);
    const cache = defined(caches.mtp[head], `cache of MTP head ${head}`);
    const context = this.#context("sliding", x.shape[0]!, caches);
    runBlock(context, { x, weights: weights.block, cache, expertIds: null, next: null });
  }

  /** eh_proj(concat(enorm(embedding(token)), hnorm(hidden))) to x [T, D]. */
  #runMtpInput(weights: MtpWeights, hidden: Tensor, x: Tensor): void {
    const backend = this.backend;
    const { hiddenSize: D, rmsNormEpsilon: epsilon } = this.config;
    const [T] = x.shape as [number];
    const both = this.#workspace.tensor("mtpInput", "f32", [T, 2 * D]);
    const half = this.#workspace.tensor("mtpHidden", "f32", [T, D]);
    // The hidden rows first: they may lie in x, which this pass overwrites.
    this.#gather(hidden, "mtpSource", half);
    rmsNorm(backend, { x: half, weight: weights.hiddenNorm, out: both, epsilon, outColumn: D });
    const ids = this.#workspace.integers("mtpTokens");
    embedding(backend, { ids, weight: this.#weights.embedding, out: half });
    rmsNorm(backend, { x: half, weight: weights.embeddingNorm, out: both, epsilon });
    linear(backend, { x: both, weight: weights.projection, out: x, activations: this.#activations });
  }

  /** Uploads which rows of a hidden state are wanted; the place of their logits. */
  #putLogitRows(name: string, rows: Int32Array, weight: Weight): Tensor {
    assert(rows.length > 0 && rows.length <= this.#workspace.limits.maxLogitRows, `logits of ${rows.length} rows`);
    this.#workspace.put(name, rows);
    return this.#workspace.tensor("logits", "f32", [rows.length, weight.outFeatures]);
  }

  #project(hidden: Tensor, rows: string, norm: Tensor, weight: Weight, logits: Tensor): void {
    const { hiddenSize, rmsNormEpsilon: epsilon } = this.config;
    const x = this.#workspace.tensor("selected", "f32", [logits.shape[0]!, hiddenSize]);
    this.#gather(hidden, rows, x);
    rmsNorm(this.backend, { x, weight: norm, out: x, epsilon });
    linear(this.backend, { x, weight, out: logits, activations: this.#activations });
  }

  /** How blocks of a kind find their keys; fills the kind's rotation table, which all of them share. */
  #context(kind: AttentionKind, T: number, staged: ModelCaches | null): BlockContext {
    const { positions, ...kv } = this.#workspace.kvBatch(kind);
    const { rotaryDim, ropeTheta: theta } = this.config.attention[kind];
    const table = this.#workspace.tensor(kind === "global" ? "ropeGlobal" : "ropeSliding", "f32", [T, rotaryDim]);
    ropeTable(this.backend, { positions, theta, out: table });
    return {
      backend: this.backend,
      config: this.config,
      workspace: this.#workspace,
      activations: this.#activations,
      kv,
      ropeTable: table,
      stage: staged === null ? null : { cache: staged.stage, slots: this.#workspace.iota(T) },
      guessesExperts: T <= MAX_GUESS_ROWS && this.backend.fetchStats() !== undefined,
    };
  }

  /** Copies the rows that were put last under a name. */
  #gather(source: Tensor, name: string, target: Tensor): void {
    const sourceRows = this.#workspace.integers(name);
    copyRows(this.backend, { source, sourceRows, target, targetRows: this.#workspace.iota(target.shape[0]!) });
  }

  /** Layer after layer, so that those of a pass are brought to the host at once. */
  #expertIds(layer: number, T: number): Tensor | null {
    const index = this.#expertLayers.indexOf(layer);
    const K = this.config.experts.numExpertsPerToken;
    return index < 0 ? null : this.#workspace.tensor("expertIds", "i32", [T, K], index * T * K * 4);
  }
}

function headOf({ mtp }: DraftingWeights, head: number): MtpWeights {
  return defined(mtp[head], `MTP head ${head}`);
}

function isSame(a: PassInputs, b: PassInputs): boolean {
  const isSameHidden = a.hidden?.memory === b.hidden?.memory && a.hidden?.byteOffset === b.hidden?.byteOffset;
  return a.caches === b.caches && isSameHidden;
}
