// The forward pass of training: the trunk and its MTP heads over one batch, on a tape.
//
// Blocks are the model's own and kernels the engine's, so a log-probability in training is bit by bit the one that
// sampling reports. Every activation has memory of its own, as gradients need.
//
// T rows, D hidden, G KV heads, H key width, U value width, K experts per token.

import type { Weight } from "../backends/backend.ts";
import type { AttentionKind, ModelConfig } from "../model/config.ts";
import { type BlockContext, runBlock } from "../model/block.ts";
import type { BlockWeights, MtpWeights } from "../model/weights.ts";
import type { ActivationMemory, DeviceKvBatch } from "../model/workspace.ts";
import { embedding } from "../ops/embedding/embedding.ts";
import type { KvCache } from "../ops/kv-write/kv-write.ts";
import { linear } from "../ops/linear/linear.ts";
import { rmsNorm } from "../ops/rms-norm/rms-norm.ts";
import { ropeTable } from "../ops/rope/rope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Arena } from "./arena.ts";
import { numBlocks, placeKeys, tokensAt, type TrainingBatch } from "./batch.ts";
import type { TrainedParameters } from "./parameters.ts";
import type { Tape } from "./tape.ts";

export interface ForwardOptions {
  readonly mtpMode: "parallel" | "chained";
  /** Documents that a batch may have at most. */
  readonly maxDocuments: number;
}

/** Where a pass runs: a tape, or a device alone where nothing is to be taken back. */
export type Runner = Pick<Tape, "backend" | "device">;

export interface Forwarded {
  /** Trunk's and then each MTP head's output after its final norm, [T, D]. */
  readonly normed: readonly Tensor[];
  /** Experts chosen in each layer, [T, K] int32; null for dense layers. */
  readonly expertIds: readonly (Tensor | null)[];
}

export function forward(
  tape: Runner,
  arena: Arena,
  parameters: Pick<TrainedParameters, "config" | "bound">,
  batch: TrainingBatch,
  options: ForwardOptions,
): Forwarded {
  const { config, bound } = parameters;
  const pass = new Pass(tape, arena, config, batch, options.maxDocuments);
  const T = batch.tokens.length;
  const input = arena.scope("input");
  const x = input.tensor("x", "f32", [T, config.hiddenSize]);
  embedding(tape.backend, { ids: pass.integers("tokens", batch.tokens), weight: bound.embedding, out: x });
  const expertIds = bound.layers.map((weights, layer) => pass.block(`layer ${layer}`, x, weights));
  const normed = [pass.finalNorm("trunk", x, bound.finalNorm)];
  let hidden = x;
  bound.mtp.forEach((weights, head) => {
    const ids = pass.integers(`tokens ${head + 1} on`, tokensAt(batch, head + 1));
    const out = pass.mtpHead(head, weights, bound.embedding, ids, hidden);
    normed.push(pass.finalNorm(`head ${head}`, out, weights.finalNorm));
    if (options.mtpMode === "chained") hidden = out;
  });
  return { normed, expertIds };
}

class Pass {
  readonly #tape: Runner;
  readonly #arena: Arena;
  readonly #config: ModelConfig;
  readonly #rows: number;
  readonly #input: ActivationMemory;
  readonly #kv: DeviceKvBatch;
  readonly #places: number;
  readonly #numBlocks: number;
  readonly #tables: Readonly<Record<AttentionKind, Tensor>>;

  constructor(tape: Runner, arena: Arena, config: ModelConfig, batch: TrainingBatch, maxDocuments: number) {
    this.#tape = tape;
    this.#arena = arena;
    this.#config = config;
    this.#rows = batch.tokens.length;
    this.#input = arena.scope("input");
    const { rows, segments, tables, slots, places } = placeKeys(batch);
    this.#places = places;
    this.#numBlocks = numBlocks(this.#rows, maxDocuments + 1);
    this.#kv = {
      rows: this.integers("rows", rows, [this.#rows, 2]),
      segments: this.integers("segments", segments, [segments.length / 4, 4], 4 * (maxDocuments + 1)),
      tables: this.integers("tables", tables, [tables.length], this.#numBlocks),
      slots: this.integers("slots", slots),
    };
    const positions = this.integers(
      "positions",
      rows.filter((_, i) => i % 2 === 1),
    );
    const table = (kind: AttentionKind): Tensor => {
      const { rotaryDim, ropeTheta: theta } = config.attention[kind];
      const out = this.#input.tensor(`rope ${kind}`, "f32", [this.#rows, rotaryDim]);
      ropeTable(tape.backend, { positions, theta, out });
      return out;
    };
    this.#tables = { global: table("global"), sliding: table("sliding") };
  }

  /** Uploads integers; `capacity` is the largest number of them that any batch has. */
  integers(name: string, values: Int32Array, shape: readonly number[] = [values.length], capacity = 0): Tensor {
    const memory = this.#input.tensor(name, "i32", [Math.max(capacity, values.length)]);
    const tensor = { ...memory, shape };
    this.#tape.device.upload(tensor, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    return tensor;
  }

  /** Runs a block on `x` in place; returns the experts it chose. */
  block(name: string, x: Tensor, weights: BlockWeights): Tensor | null {
    const workspace = this.#arena.scope(name);
    const { numExpertsPerToken: K } = this.#config.experts;
    const isMixture = weights.feedForward.kind === "experts";
    const expertIds = isMixture ? workspace.tensor("expertIds", "i32", [this.#rows, K]) : null;
    runBlock(this.#context(workspace, weights.kind), {
      x,
      weights,
      cache: this.#cache(workspace, weights.kind),
      expertIds,
      next: null,
    });
    return expertIds;
  }

  /** eh_proj(concat(enorm(embedding), hnorm(hidden))) through the head's block: [T, D] before its final norm. */
  mtpHead(head: number, weights: MtpWeights, embeddingWeight: Weight, ids: Tensor, hidden: Tensor): Tensor {
    const { hiddenSize: D, rmsNormEpsilon: epsilon } = this.#config;
    const { backend } = this.#tape;
    const memory = this.#arena.scope(`head ${head} input`);
    const embedded = memory.tensor("embedded", "f32", [this.#rows, D]);
    const both = memory.tensor("both", "f32", [this.#rows, 2 * D]);
    const x = memory.tensor("x", "f32", [this.#rows, D]);
    embedding(backend, { ids, weight: embeddingWeight, out: embedded });
    rmsNorm(backend, { x: hidden, weight: weights.hiddenNorm, out: both, epsilon, outColumn: D });
    rmsNorm(backend, { x: embedded, weight: weights.embeddingNorm, out: both, epsilon });
    linear(backend, { x: both, weight: weights.projection, out: x, activations: "f32" });
    this.block(`head ${head}`, x, weights.block);
    return x;
  }

  finalNorm(name: string, x: Tensor, weight: Tensor): Tensor {
    const out = this.#arena.scope(name).tensor("normed", "f32", x.shape);
    rmsNorm(this.#tape.backend, { x, weight, out, epsilon: this.#config.rmsNormEpsilon });
    return out;
  }

  #context(workspace: ActivationMemory, kind: AttentionKind): BlockContext {
    return {
      backend: this.#tape.backend,
      config: this.#config,
      workspace,
      activations: "f32",
      kv: this.#kv,
      ropeTable: this.#tables[kind],
      // All keys of a batch stay: a sliding layer's window is a matter of which it reads.
      stage: null,
      guessesExperts: false,
    };
  }

  #cache(workspace: ActivationMemory, kind: AttentionKind): KvCache {
    const { numKvHeads: G, headDim: H, valueDim: U } = this.#config.attention[kind];
    const place = [this.#numBlocks, G, this.#places];
    return {
      k: workspace.tensor("kCache", "f32", [...place, H]),
      v: workspace.tensor("vCache", "f32", [...place, U]),
    };
  }
}
