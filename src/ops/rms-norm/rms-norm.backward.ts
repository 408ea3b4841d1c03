// Gradients of RMS norm. With r_t = 1 / √(mean_d(x[t, d]²) + ε) and g[t, d] = dOut[t, outColumn + d] · weight[d]:
//
//   dX[t, d] += r_t · g[t, d] − r_t³ · x[t, d] · mean_e(g[t, e] · x[t, e])
//   dWeight[d] += Σ_t dOut[t, outColumn + d] · x[t, d] · r_t
//
// x, dX [T, D], weight, dWeight [D], dOut [T, S] with S ≥ D. dX[t] depends on row t alone.
// Tolerance f32: 2e-6 relative to the norm of a row of dX, and of dWeight.

import type { Backend, HostArgs, Kernel } from "../../backends/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { assert } from "../../util/assert.ts";
import { hostF32, hostScalars } from "../host.ts";
import { bindShapes } from "../shapes.ts";

/** tensors [x, weight, dOut, dX, dWeight] · scalars [T, D, epsilon, S, outColumn] */
export const RMS_NORM_BACKWARD: Kernel = { name: "rms_norm_backward", reference: rmsNormBackwardReference };

export function rmsNormBackward(
  backend: Backend,
  args: {
    readonly x: Tensor;
    readonly weight: Tensor;
    readonly epsilon: number;
    readonly dOut: Tensor;
    readonly outColumn?: number;
    /** Gains. */
    readonly dX: Tensor;
    /** Gains. */
    readonly dWeight: Tensor;
  },
): void {
  const { x, weight, epsilon, dOut, outColumn = 0, dX, dWeight } = args;
  const { T, D, S } = bindShapes<"T" | "D" | "S">("rms_norm_backward", [
    ["x", x, "f32", "T", "D"],
    ["weight", weight, "f32", "D"],
    ["dOut", dOut, "f32", "T", "S"],
    ["dX", dX, "f32", "T", "D"],
    ["dWeight", dWeight, "f32", "D"],
  ]);
  assert(outColumn + D <= S, `rms_norm_backward: columns ${outColumn}..${outColumn + D} exceed the gradient's ${S}`);
  backend.run(RMS_NORM_BACKWARD, { tensors: [x, weight, dOut, dX, dWeight], scalars: [T, D, epsilon, S, outColumn] });
}

function rmsNormBackwardReference(args: HostArgs): void {
  const [x, weight, dOut] = [hostF32(args, 0), hostF32(args, 1), hostF32(args, 2)];
  const [dX, dWeight] = [hostF32(args, 3), hostF32(args, 4)];
  const [T, D, epsilon, S, outColumn] = hostScalars(args, 5) as [number, number, number, number, number];
  const sums = new Float64Array(D);
  for (let t = 0; t < T; t++) {
    const row = x.subarray(t * D, (t + 1) * D);
    const gradient = dOut.subarray(t * S + outColumn, t * S + outColumn + D);
    let squares = 0;
    let products = 0;
    for (let d = 0; d < D; d++) {
      squares += row[d]! ** 2;
      products += gradient[d]! * weight[d]! * row[d]!;
    }
    const scale = 1 / Math.sqrt(squares / D + epsilon);
    for (let d = 0; d < D; d++) {
      dX[t * D + d]! += scale * gradient[d]! * weight[d]! - (scale ** 3 * row[d]! * products) / D;
      sums[d]! += gradient[d]! * row[d]! * scale;
    }
  }
  for (let d = 0; d < D; d++) dWeight[d]! += sums[d]!;
}
