// Linear: out[t, n] (+)= Σ_k x[t, k] · weight[n, k].
//
// x [T, K], weight [N, K] of any weight dtype, out [T, N]. `linears` takes one x through several weights in one command:
// threads share the work of all, and x is rounded once. With `accumulate` the product is added to out, which is
// how blocks add to the residual stream.
// `activations` says how x meets a quantised weight:
//   f32    f32 activations times decoded weights; always so for f32, f16, bf16 and f8_e4m3 weights.
//   int16  x is rounded per row to 15-bit codes of two int8 digits with one f32 scale per 32 elements; products are
//          exact integers within a group of 16. About 2e-5 relative noise, for integer dot instructions.
//   int8   the same with one digit, for half of the instructions: about 3e-3 relative noise.
// Tolerance: 1e-6 relative to ‖x‖‖w‖ (f32 sums over K in several lanes), for all: each against its own reference, and
// tight enough to tell which of them a kernel computed.

import type { Backend, Kernel, Weight } from "../../backends/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { assert } from "../../util/assert.ts";
import { bindShapes } from "../shapes.ts";
import { linearReference } from "./linear.reference.ts";
import { ACTIVATION_DIGITS, type Activations } from "./quantise-activations.ts";

/** tensors [x, out…] · weights [weight…] · scalars [T, K, number of weights, accumulate, digits of activations] */
export const LINEAR: Kernel = { name: "linear", reference: linearReference };

export function linear(
  backend: Backend,
  args: {
    readonly x: Tensor;
    readonly weight: Weight;
    readonly out: Tensor;
    readonly activations?: Activations;
    readonly accumulate?: boolean;
  },
): void {
  const { weight, out, ...rest } = args;
  linears(backend, { ...rest, products: [{ weight, out }] });
}

export function linears(
  backend: Backend,
  args: {
    readonly x: Tensor;
    readonly products: readonly { readonly weight: Weight; readonly out: Tensor }[];
    readonly activations?: Activations;
    readonly accumulate?: boolean;
  },
): void {
  const { x, products, activations = "f32", accumulate = false } = args;
  const outs = products.map(({ out }) => out);
  const weights = products.map(({ weight }) => weight);
  const odd = weights.find(({ numMatrices }) => numMatrices !== 1);
  assert(odd === undefined, () => `linear: a weight holds ${odd?.numMatrices} matrices, expected 1`);
  const { T, K } = bindShapes<"T" | "K">("linear", [
    ["x", x, "f32", "T", "K"],
    ...outs.map((out, i) => ["out", out, "f32", "T", weights[i]?.outFeatures ?? 0] as const),
  ]);
  assert(
    weights.every(({ inFeatures }) => inFeatures === K),
    () => `linear: x has ${K} columns, a weight ${weights.map(({ inFeatures }) => inFeatures).join(", ")}`,
  );
  const scalars = [T, K, weights.length, accumulate ? 1 : 0, ACTIVATION_DIGITS[activations]];
  backend.run(LINEAR, { tensors: [x, ...outs], weights, scalars });
}
