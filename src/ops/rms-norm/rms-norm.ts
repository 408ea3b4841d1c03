// RMS norm: out[t, d] = x[t, d] / √(mean_d(x[t, d]²) + ε) · weight[d].   (Zhang & Sennrich 2019, arXiv 1910.07467)
//
// x [T, D], weight [D], out [T, S] with S ≥ D: the result is written to columns [outColumn, outColumn + D), so that
// two norms can fill the two halves of an MTP head's input without a copy.
// Tolerance f32: 1e-6 relative; the mean is a sum of D squares in one fixed order.

import type { Backend, Kernel } from "../../backends/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { assert } from "../../util/assert.ts";
import { bindShapes } from "../shapes.ts";
import { rmsNormReference } from "./rms-norm.reference.ts";

/** tensors [x, weight, out] · scalars [T, D, epsilon, S, outColumn] */
export const RMS_NORM: Kernel = { name: "rms_norm", reference: rmsNormReference };

export function rmsNorm(
  backend: Backend,
  args: {
    readonly x: Tensor;
    readonly weight: Tensor;
    readonly out: Tensor;
    readonly epsilon: number;
    readonly outColumn?: number;
  },
): void {
  const { x, weight, out, epsilon, outColumn = 0 } = args;
  const { T, D, S } = bindShapes<"T" | "D" | "S">("rms_norm", [
    ["x", x, "f32", "T", "D"],
    ["weight", weight, "f32", "D"],
    ["out", out, "f32", "T", "S"],
  ]);
  assert(outColumn + D <= S, `rms_norm: columns ${outColumn}..${outColumn + D} exceed the output's ${S}`);
  backend.run(RMS_NORM, { tensors: [x, weight, out], scalars: [T, D, epsilon, S, outColumn] });
}
