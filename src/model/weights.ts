// Binds a checkpoint's tensors to the fields of the model, once; after this nothing mentions a string.
//
// Invariants: every field is bound with exactly the shape the configuration implies, and every tensor of the file is
// either bound or on the dialect's list of tensors to ignore. The packing says which matrices stay in the file; vectors,
// FP8 scales of q, k and v, and rank-interleaved qkv matrices are copied in any case.

import type { Backend, Weight } from "../backends/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { ExpertWeights } from "../ops/experts/experts.ts";
import { inEightBits } from "../tensor/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { MimoError } from "../util/errors.ts";
import { bindAttention } from "./attention-weights.ts";
import type { AttentionKind, ModelConfig } from "./config.ts";
import { refuseUnused } from "./tensor-lookup.ts";
import { type BindOptions, WeightBinder } from "./weight-binder.ts";
import {
  type AttentionNames,
  type BlockNames,
  type DenseNames,
  type Dialect,
  GGUF,
  HUGGING_FACE,
} from "./weight-names.ts";

export interface DenseWeights {
  readonly kind: "dense";
  readonly gate: Weight;
  readonly up: Weight;
  readonly down: Weight;
}

export interface MixtureWeights {
  readonly kind: "experts";
  readonly router: Weight;
  /** Selection bias [E], float32. */
  readonly bias: Tensor;
  readonly experts: ExpertWeights;
}

export interface AttentionWeights {
  readonly q: Weight;
  readonly k: Weight;
  readonly v: Weight;
  readonly o: Weight;
  /** One logit per query head, float32; null where the layer has none. */
  readonly sinks: Tensor | null;
}

/** One transformer block: norm, attention, norm, feed-forward. */
export interface BlockWeights {
  readonly kind: AttentionKind;
  readonly inputNorm: Tensor;
  readonly attention: AttentionWeights;
  readonly feedForwardNorm: Tensor;
  readonly feedForward: DenseWeights | MixtureWeights;
}

/** One multi-token-prediction head. Embedding and LM head are the trunk's. */
export interface MtpWeights {
  readonly embeddingNorm: Tensor;
  readonly hiddenNorm: Tensor;
  /** [D, 2D]: the normed embedding first, the normed hidden state second. */
  readonly projection: Weight;
  readonly block: BlockWeights;
  readonly finalNorm: Tensor;
}

/**
 * What drafts are computed with: float matrices in blocks of q8_0, half of what a draft reads, the LM head first of all.
 * The trunk verifies drafts, so that no output depends on it.
 */
export type DraftingWeights = Pick<ModelWeights, "lmHead" | "mtp">;

export interface ModelWeights extends Disposable {
  readonly embedding: Weight;
  readonly layers: readonly BlockWeights[];
  readonly finalNorm: Tensor;
  readonly lmHead: Weight;
  readonly mtp: readonly MtpWeights[];
  readonly drafting: DraftingWeights;
  /** Every weight that a step reads, once. */
  readonly all: readonly Weight[];
}

export function dialectOf(checkpoint: Checkpoint): Dialect {
  return checkpoint.format === "gguf" ? GGUF : HUGGING_FACE;
}

/** MTP heads in the file, from its tensor names: V2-Flash's configuration does not say. */
export function countMtpHeads(checkpoint: Checkpoint, config: ModelConfig): number {
  const dialect = dialectOf(checkpoint);
  let heads = 0;
  while (checkpoint.tensors.has(dialect.mtp(heads, config.layers.length).projection)) heads++;
  return heads;
}

/** Where parameters come from, by name: a checkpoint, or the memory in which they are trained. */
export interface ParameterSource {
  readonly dialect: Dialect;
  readonly has: (name: string) => boolean;
  readonly vector: (name: string, size: number) => Tensor;
  readonly matrix: (name: string, rows: number, columns: number) => Weight;
  /** A matrix of which single rows are read. */
  readonly table: (name: string, rows: number, columns: number) => Weight;
  readonly experts: (names: (expert: number) => string, count: number, rows: number, columns: number) => Weight;
  readonly attention: (names: AttentionNames, kind: AttentionKind) => AttentionWeights;
}

/** What a model computes with. */
export type Parameters = Omit<ModelWeights, "drafting" | "all" | typeof Symbol.dispose>;

export function bindParameters(source: ParameterSource, config: ModelConfig, numMtpHeads: number): Parameters {
  const { dialect } = source;
  const { vocabSize, hiddenSize } = config;
  return {
    embedding: source.table(dialect.embedding, vocabSize, hiddenSize),
    lmHead: bindLmHead(source, config),
    finalNorm: source.vector(dialect.finalNorm, hiddenSize),
    layers: config.layers.map((plan, i) => bindBlock(source, config, dialect.layer(i), plan)),
    mtp: bindHeads(source, config, numMtpHeads),
  };
}

export interface WeightOptions extends BindOptions {
  /** Whether drafts may be computed with eight bits of matrices that have more. */
  readonly eightBitDrafts: boolean;
}

/** Throws `checkpoint_invalid` or `checkpoint_unsupported`, and then holds nothing. */
export function bindWeights(
  backend: Backend,
  checkpoint: Checkpoint,
  config: ModelConfig,
  options: WeightOptions,
): ModelWeights {
  const binders: WeightBinder[] = [];
  const open = (bindOptions: BindOptions): WeightBinder => {
    const binder = new WeightBinder(backend, checkpoint, dialectOf(checkpoint), bindOptions);
    binders.push(binder);
    return binder;
  };
  const dispose = (): void => binders.forEach((binder) => binder[Symbol.dispose]());
  try {
    const numMtpHeads = countMtpHeads(checkpoint, config);
    const copiesDrafts = options.eightBitDrafts && options.packing !== "none" && numMtpHeads > 0;
    const binder = open(options);
    const trunk = bindParameters(sourceOf(binder, config), config, copiesDrafts ? 0 : numMtpHeads);
    let weights = { ...trunk, drafting: trunk as DraftingWeights, all: binder.weights };
    if (copiesDrafts) {
      const { lmHead } = trunk;
      // As they are, heads are only evaluated: they stay in the file, and no step reads them.
      const mtp = bindHeads(sourceOf(open({ packing: "none" }), config), config, numMtpHeads);
      const copies = open({ ...options, eightBit: true });
      const source = sourceOf(copies, config);
      const drafting = {
        lmHead: inEightBits(lmHead.dtype) === lmHead.dtype ? lmHead : bindLmHead(source, config),
        mtp: bindHeads(source, config, numMtpHeads),
      };
      weights = { ...trunk, mtp, drafting, all: [...binder.weights, ...copies.weights] };
    }
    refuseUnused(binders);
    return { ...weights, [Symbol.dispose]: dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}

function sourceOf(binder: WeightBinder, config: ModelConfig): ParameterSource {
  const { dialect } = binder;
  return {
    dialect,
    has: (name) => binder.has(name),
    vector: (name, size) => binder.vector(name, size),
    matrix: (name, rows, columns) => binder.matrix(name, rows, columns),
    table: (name, rows, columns) => binder.table(name, rows, columns),
    experts: (names, count, rows, columns) =>
      dialect.stackedExperts
        ? binder.stack(names(0), count, rows, columns)
        : binder.matrices(names, count, rows, columns),
    attention: (names, kind) => bindAttention(binder, names, config, kind),
  };
}

function bindLmHead({ dialect, matrix }: ParameterSource, config: ModelConfig): Weight {
  const { vocabSize, hiddenSize, tieWordEmbeddings } = config;
  return matrix(tieWordEmbeddings ? dialect.embedding : dialect.lmHead, vocabSize, hiddenSize);
}

function bindHeads(source: ParameterSource, config: ModelConfig, numMtpHeads: number): MtpWeights[] {
  return Array.from({ length: numMtpHeads }, (_, head) => bindMtp(source, config, head));
}

function bindMtp(source: ParameterSource, config: ModelConfig, head: number): MtpWeights {
  const names = source.dialect.mtp(head, config.layers.length);
  const { hiddenSize } = config;
  const finalNorm = names.finalNorm.find((name) => source.has(name)) ?? names.finalNorm[0] ?? "";
  return {
    embeddingNorm: source.vector(names.embeddingNorm, hiddenSize),
    hiddenNorm: source.vector(names.hiddenNorm, hiddenSize),
    projection: source.matrix(names.projection, hiddenSize, 2 * hiddenSize),
    block: bindBlock(source, config, names, { attention: "sliding", feedForward: "dense" }),
    finalNorm: source.vector(finalNorm, hiddenSize),
  };
}

function bindBlock(
  source: ParameterSource,
  config: ModelConfig,
  names: BlockNames,
  plan: ModelConfig["layers"][number],
): BlockWeights {
  const { hiddenSize } = config;
  return {
    kind: plan.attention,
    inputNorm: source.vector(names.inputNorm, hiddenSize),
    attention: source.attention(names.attention, plan.attention),
    feedForwardNorm: source.vector(names.feedForwardNorm, hiddenSize),
    feedForward:
      plan.feedForward === "dense" ? bindDense(source, names.dense, config) : bindMixture(source, names, config),
  };
}

function bindDense(source: ParameterSource, names: DenseNames, config: ModelConfig): DenseWeights {
  const { hiddenSize, intermediateSize } = config;
  return {
    kind: "dense",
    gate: source.matrix(names.gate, intermediateSize, hiddenSize),
    up: source.matrix(names.up, intermediateSize, hiddenSize),
    down: source.matrix(names.down, hiddenSize, intermediateSize),
  };
}

function bindMixture(source: ParameterSource, names: BlockNames, config: ModelConfig): MixtureWeights {
  const { hiddenSize } = config;
  const { numExperts, intermediateSize } = config.experts;
  const matrices = (which: keyof DenseNames, rows: number, columns: number): Weight =>
    source.experts((expert) => names.expert(expert)[which], numExperts, rows, columns);
  return {
    kind: "experts",
    router: source.matrix(names.router, numExperts, hiddenSize),
    bias: source.vector(names.routerBias, numExperts),
    experts: {
      gate: matrices("gate", intermediateSize, hiddenSize),
      up: matrices("up", intermediateSize, hiddenSize),
      down: matrices("down", hiddenSize, intermediateSize),
    },
  };
}

/** Refuses a checkpoint whose announced number of MTP heads is not the number it holds. */
export function checkMtpHeads(checkpoint: Checkpoint, announced: number | undefined, found: number): void {
  // Files without MTP tensors are published too (converters drop them): they run without speculation.
  if (announced === undefined || found === 0 || announced === found) return;
  throw new MimoError("checkpoint_invalid", `${checkpoint.path}: expected ${announced} MTP heads, found ${found}.`);
}
