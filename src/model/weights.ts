// Binds a checkpoint's tensors to the fields of the model, once; after this nothing mentions a string.
//
// Invariants: every field is bound with exactly the shape the configuration implies, and every tensor of the file is
// either bound or on the dialect's list of tensors to ignore. The packing says which matrices stay in the file; vectors,
// FP8 scales of q, k and v, and rank-interleaved qkv matrices are copied in any case.

import type { Backend, Weight } from "../backends/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { ExpertWeights } from "../ops/experts/experts.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { MimoError } from "../util/errors.ts";
import { bindAttention } from "./attention-weights.ts";
import type { AttentionKind, ModelConfig } from "./config.ts";
import { type BindOptions, WeightBinder } from "./weight-binder.ts";
import { type BlockNames, type DenseNames, type Dialect, GGUF, HUGGING_FACE } from "./weight-names.ts";

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

export interface ModelWeights extends Disposable {
  readonly embedding: Weight;
  readonly layers: readonly BlockWeights[];
  readonly finalNorm: Tensor;
  readonly lmHead: Weight;
  readonly mtp: readonly MtpWeights[];
  /** Every weight above, once. */
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

/** Throws `checkpoint_invalid` or `checkpoint_unsupported`, and then holds nothing. */
export function bindWeights(
  backend: Backend,
  checkpoint: Checkpoint,
  config: ModelConfig,
  options: BindOptions,
): ModelWeights {
  const dialect = dialectOf(checkpoint);
  const binder = new WeightBinder(backend, checkpoint, dialect, options);
  try {
    const { vocabSize, hiddenSize } = config;
    const embedding = binder.table(dialect.embedding, vocabSize, hiddenSize);
    const lmHeadName = config.tieWordEmbeddings ? dialect.embedding : dialect.lmHead;
    const lmHead = binder.matrix(lmHeadName, vocabSize, hiddenSize);
    const finalNorm = binder.vector(dialect.finalNorm, hiddenSize);
    const layers = config.layers.map((plan, i) => bindBlock(binder, config, dialect.layer(i), plan));
    const mtp = Array.from({ length: countMtpHeads(checkpoint, config) }, (_, k) => bindMtp(binder, config, k));
    binder.refuseUnused();
    const release = (): void => binder[Symbol.dispose]();
    return { embedding, layers, finalNorm, lmHead, mtp, all: binder.weights, [Symbol.dispose]: release };
  } catch (error) {
    binder[Symbol.dispose]();
    throw error;
  }
}

function bindMtp(binder: WeightBinder, config: ModelConfig, head: number): MtpWeights {
  const names = binder.dialect.mtp(head, config.layers.length);
  const { hiddenSize } = config;
  const finalNorm = names.finalNorm.find((name) => binder.has(name)) ?? names.finalNorm[0] ?? "";
  return {
    embeddingNorm: binder.vector(names.embeddingNorm, hiddenSize),
    hiddenNorm: binder.vector(names.hiddenNorm, hiddenSize),
    projection: binder.matrix(names.projection, hiddenSize, 2 * hiddenSize),
    block: bindBlock(binder, config, names, { attention: "sliding", feedForward: "dense" }),
    finalNorm: binder.vector(finalNorm, hiddenSize),
  };
}

function bindBlock(
  binder: WeightBinder,
  config: ModelConfig,
  names: BlockNames,
  plan: ModelConfig["layers"][number],
): BlockWeights {
  const { hiddenSize } = config;
  return {
    kind: plan.attention,
    inputNorm: binder.vector(names.inputNorm, hiddenSize),
    attention: bindAttention(binder, names.attention, config, plan.attention),
    feedForwardNorm: binder.vector(names.feedForwardNorm, hiddenSize),
    feedForward:
      plan.feedForward === "dense" ? bindDense(binder, names.dense, config) : bindMixture(binder, names, config),
  };
}

function bindDense(binder: WeightBinder, names: DenseNames, config: ModelConfig): DenseWeights {
  const { hiddenSize, intermediateSize } = config;
  return {
    kind: "dense",
    gate: binder.matrix(names.gate, intermediateSize, hiddenSize),
    up: binder.matrix(names.up, intermediateSize, hiddenSize),
    down: binder.matrix(names.down, hiddenSize, intermediateSize),
  };
}

function bindMixture(binder: WeightBinder, names: BlockNames, config: ModelConfig): MixtureWeights {
  const { hiddenSize } = config;
  const { numExperts, intermediateSize } = config.experts;
  const matrices = (which: keyof DenseNames, rows: number, columns: number): Weight => {
    if (binder.dialect.stackedExperts) return binder.stack(names.expert(0)[which], numExperts, rows, columns);
    return binder.matrices((expert) => names.expert(expert)[which], numExperts, rows, columns);
  };
  return {
    kind: "experts",
    router: binder.matrix(names.router, numExperts, hiddenSize),
    bias: binder.vector(names.routerBias, numExperts),
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
