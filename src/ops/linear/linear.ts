// Linear: out[t, n] (+)= Σ_k x[t, k] · weight[n, k].
//
// x [T, K], weight [N, K] of any weight dtype, out [T, N]. With `accumulate` the product is added to out, which is
// how blocks add to the residual stream.
// `activations` says how x meets a quantised weight:
//   exact      f32 activations times decoded weights; always so for f32, f16, bf16 and f8_e4m3 weights.
//   quantised  x is rounded per row to 15-bit codes of two int8 digits with one f32 scale per 32 elements; products
//              are exact integers within a group of 16. About 2e-5 relative noise, for integer dot instructions.
// Tolerance: 1e-6 relative to ‖x‖‖w‖ (f32 sums over K in several lanes), for both: each against its own reference, and
// tight enough to tell which of the two a kernel computed.

import type { Backend, Kernel, Weight } from "../../backends/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { assert } from "../../util/assert.ts";
import { bindShapes } from "../shapes.ts";
import { linearReference } from "./linear.reference.ts";

export type Activations = "exact" | "quantised";

/** tensors [x, out] · weights [weight] · scalars [T, K, N, accumulate, quantisedActivations] */
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
  const { x, weight, out, activations = "exact", accumulate = false } = args;
  assert(weight.numMatrices === 1, `linear: the weight holds ${weight.numMatrices} matrices, expected 1`);
  const K = weight.inFeatures;
  const N = weight.outFeatures;
  const { T } = bindShapes<"T">("linear", [
    ["x", x, "f32", "T", K],
    ["out", out, "f32", "T", N],
  ]);
  const scalars = [T, K, N, accumulate ? 1 : 0, activations === "quantised" ? 1 : 0];
  backend.run(LINEAR, { tensors: [x, out], weights: [weight], scalars });
}
