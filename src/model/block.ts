// One transformer block, the same for trunk layers and MTP heads: x += attention(norm(x)); x += feedForward(norm(x)).
//
// T rows, D hidden, N query heads, G KV heads, H key width, U value width, F feed-forward width, E experts, K chosen.

import type { Backend, Weight } from "../backends/backend.ts";
import { attention } from "../ops/attention/attention.ts";
import { experts, type ExpertWeights } from "../ops/experts/experts.ts";
import { type KvCache, kvCopy, kvWrite } from "../ops/kv-write/kv-write.ts";
import { linear, linears } from "../ops/linear/linear.ts";
import type { Activations } from "../ops/linear/quantise-activations.ts";
import { rmsNorm } from "../ops/rms-norm/rms-norm.ts";
import { rope } from "../ops/rope/rope.ts";
import { router } from "../ops/router/router.ts";
import { swiglu } from "../ops/swiglu/swiglu.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { attentionScale, type ModelConfig } from "./config.ts";
import type { BlockWeights, DenseWeights, MixtureWeights } from "./weights.ts";
import type { ActivationMemory, DeviceKvBatch } from "./workspace.ts";

/** What every block of a pass shares. */
export interface BlockContext {
  readonly backend: Backend;
  readonly config: ModelConfig;
  readonly workspace: ActivationMemory;
  readonly activations: Activations;
  readonly kv: DeviceKvBatch;
  /** Rotation table of this kind of attention, [T, rotaryDim]. */
  readonly ropeTable: Tensor;
  /** Stage and its identity slots for a sliding block; null for a global one. */
  readonly stage: { readonly cache: KvCache; readonly slots: Tensor } | null;
  /** Whether experts are read from files while the model runs, and the next layer's are worth guessing. */
  readonly guessesExperts: boolean;
}

export interface BlockIo {
  /** Residual stream [T, D], updated in place. */
  readonly x: Tensor;
  readonly weights: BlockWeights;
  readonly cache: KvCache;
  /** [T, K] int32: receives the chosen experts. Unused by dense blocks. */
  readonly expertIds: Tensor | null;
  /** The block that runs next on these rows; null where there is none. */
  readonly next: BlockWeights | null;
}

export function runBlock(context: BlockContext, io: BlockIo): void {
  attend(context, io);
  feedForward(context, io);
}

function attend(context: BlockContext, { x, weights, cache }: BlockIo): void {
  const { backend, config, workspace, activations, kv, stage } = context;
  const shape = config.attention[weights.kind];
  const { numHeads: N, valueDim: U } = shape;
  const T = x.shape[0] ?? 0;
  const { q, k, v } = project(context, x, weights, ["q", "k", "v"]);

  const write = { k, v, valueScale: config.valueScale };
  if (stage === null) kvWrite(backend, { ...write, slots: kv.slots, cache });
  else kvWrite(backend, { ...write, slots: stage.slots, cache: stage.cache });
  const attended = workspace.tensor("attended", "f32", [T, N, U]);
  attention(backend, {
    q,
    cache,
    stage: stage?.cache ?? null,
    sinks: weights.attention.sinks,
    layout: kv,
    window: shape.window,
    scale: attentionScale(shape),
    out: attended,
  });
  // Only now may the ring forget: older keys were needed above.
  if (stage !== null) {
    kvCopy(backend, { source: stage.cache, target: cache, sourceSlots: stage.slots, targetSlots: kv.slots });
  }
  const flat = workspace.tensor("attended", "f32", [T, N * U]);
  linear(backend, { x: flat, weight: weights.attention.o, out: x, activations, accumulate: true });
}

/** Rotated queries [T, N, H] and keys [T, G, H], and values [T, G, U], of x; only those named are computed. */
function project(
  context: BlockContext,
  x: Tensor,
  weights: BlockWeights,
  names: readonly ("q" | "k" | "v")[],
): Record<"q" | "k" | "v", Tensor> {
  const { backend, config, workspace, activations } = context;
  const { numHeads: N, numKvHeads: G, headDim: H, valueDim: U } = config.attention[weights.kind];
  const T = x.shape[0] ?? 0;
  const normed = workspace.tensor("attentionInput", "f32", x.shape);
  rmsNorm(backend, { x, weight: weights.inputNorm, out: normed, epsilon: config.rmsNormEpsilon });
  const products = names.map((name) => {
    const weight = weights.attention[name];
    return { weight, out: workspace.tensor(name, "f32", [T, weight.outFeatures]) };
  });
  linears(backend, { x: normed, products, activations });
  const q = workspace.tensor("q", "f32", [T, N, H]);
  const k = workspace.tensor("k", "f32", [T, G, H]);
  if (names.includes("q")) rope(backend, { x: q, table: context.ropeTable });
  rope(backend, { x: k, table: context.ropeTable });
  return { q, k, v: workspace.tensor("v", "f32", [T, G, U]) };
}

/** Keys and values alone, for rows whose output nobody reads: `x` is left as it is. */
export function writeKeysAndValues(context: BlockContext, { x, weights, cache }: BlockIo): void {
  const { backend, config, kv } = context;
  const { k, v } = project(context, x, weights, ["k", "v"]);
  kvWrite(backend, { k, v, slots: kv.slots, cache, valueScale: config.valueScale });
}

function feedForward(context: BlockContext, io: BlockIo): void {
  const { backend, config, workspace } = context;
  const { x, weights } = io;
  const normed = workspace.tensor("feedForwardInput", "f32", x.shape);
  rmsNorm(backend, { x, weight: weights.feedForwardNorm, out: normed, epsilon: config.rmsNormEpsilon });
  if (weights.feedForward.kind === "dense") {
    guessNextExperts(context, io);
    dense(context, normed, weights.feedForward, x);
  } else mixture(context, normed, weights.feedForward, io);
}

function dense(context: BlockContext, normed: Tensor, weights: DenseWeights, x: Tensor): void {
  const { backend, workspace, activations } = context;
  const T = x.shape[0] ?? 0;
  const F = weights.gate.outFeatures;
  const gate = workspace.tensor("gate", "f32", [T, F]);
  const up = workspace.tensor("up", "f32", [T, F]);
  const products = [
    { weight: weights.gate, out: gate },
    { weight: weights.up, out: up },
  ];
  linears(backend, { x: normed, products, activations });
  swiglu(backend, { gate, up, out: gate });
  linear(backend, { x: gate, weight: weights.down, out: x, activations, accumulate: true });
}

function mixture(context: BlockContext, normed: Tensor, weights: MixtureWeights, io: BlockIo): void {
  const { backend, config, workspace, activations } = context;
  const { numExperts: E, numExpertsPerToken: K, routedScale, normaliseWeights } = config.experts;
  const T = normed.shape[0] ?? 0;
  const logits = workspace.tensor("routerLogits", "f32", [T, E]);
  // Always exact: a rounded activation flips choices between near-equal experts.
  linear(backend, { x: normed, weight: weights.router, out: logits, activations: "f32" });
  const ids = io.expertIds ?? workspace.tensor("expertIds", "i32", [T, K]);
  const routed = workspace.tensor("expertWeights", "f32", [T, K]);
  router(backend, {
    logits,
    bias: weights.bias,
    ids,
    weights: routed,
    scale: routedScale,
    normalise: normaliseWeights,
  });
  backend.fetch(ids, fetchOrder(weights.experts));
  guessNextExperts(context, io);
  experts(backend, { x: normed, ids, weights: routed, experts: weights.experts, out: io.x, activations });
}

/** The product goes through gate and up once, expert by expert, but through down in columns of all experts. */
function fetchOrder({ gate, up, down }: ExpertWeights): Weight[] {
  return [down, gate, up];
}

/**
 * Starts to read the experts that the next block's router would choose here already, while this block's are multiplied
 * and the next one attends: what they add to the residual stream seldom changes every choice.
 */
function guessNextExperts(context: BlockContext, { x, next }: BlockIo): void {
  if (!context.guessesExperts || next === null || next.feedForward.kind === "dense") return;
  const { backend, config, workspace } = context;
  const { router: matrix, bias, experts: guessed } = next.feedForward;
  const { numExperts: E, numExpertsPerToken: K, routedScale: scale, normaliseWeights: normalise } = config.experts;
  const T = x.shape[0] ?? 0;
  const normed = workspace.tensor("guessNormed", "f32", x.shape);
  rmsNorm(backend, { x, weight: next.feedForwardNorm, out: normed, epsilon: config.rmsNormEpsilon });
  const logits = workspace.tensor("routerLogits", "f32", [T, E]);
  linear(backend, { x: normed, weight: matrix, out: logits, activations: "f32" });
  const ids = workspace.tensor("guessIds", "i32", [T, K]);
  const weights = workspace.tensor("guessWeights", "f32", [T, K]);
  router(backend, { logits, bias, ids, weights, scale, normalise });
  backend.fetch(ids, fetchOrder(guessed), true);
}
