// Gradients of a linear layer, out = x · Wᵀ:
//
//   linearBackwardInput    dX[t, k] += Σ_n dOut[t, n] · weight[n, k]
//   linearBackwardWeight   dWeight[n, k] += Σ_t dOut[t, n] · x[t, k]
//
// x, dX [T, K], dOut [T, N], weight, dWeight [N, K], all float32. An element's sum starts from what it holds and goes on
// in the order of n, or of t: a batch in several calls gives the bits of one. Tolerance relative to the norms of the two
// vectors that meet, plus what the element held: 1e-6, as the chain rounds once per step.

import type { Backend, HostArgs, Kernel } from "../../backends/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { hostF32, hostScalars } from "../host.ts";
import { bindShapes } from "../shapes.ts";

/** tensors [dOut, weight, dX] · scalars [T, N, K] */
export const LINEAR_BACKWARD_INPUT: Kernel = { name: "linear_backward_input", reference: backwardInputReference };

/** tensors [x, dOut, dWeight] · scalars [T, N, K] */
export const LINEAR_BACKWARD_WEIGHT: Kernel = { name: "linear_backward_weight", reference: backwardWeightReference };

export function linearBackwardInput(
  backend: Backend,
  args: { readonly dOut: Tensor; readonly weight: Tensor; readonly dX: Tensor },
): void {
  const { dOut, weight, dX } = args;
  const { T, N, K } = bindShapes<"T" | "N" | "K">("linear_backward_input", [
    ["dOut", dOut, "f32", "T", "N"],
    ["weight", weight, "f32", "N", "K"],
    ["dX", dX, "f32", "T", "K"],
  ]);
  backend.run(LINEAR_BACKWARD_INPUT, { tensors: [dOut, weight, dX], scalars: [T, N, K] });
}

export function linearBackwardWeight(
  backend: Backend,
  args: { readonly x: Tensor; readonly dOut: Tensor; readonly dWeight: Tensor },
): void {
  const { x, dOut, dWeight } = args;
  const { T, N, K } = bindShapes<"T" | "N" | "K">("linear_backward_weight", [
    ["x", x, "f32", "T", "K"],
    ["dOut", dOut, "f32", "T", "N"],
    ["dWeight", dWeight, "f32", "N", "K"],
  ]);
  backend.run(LINEAR_BACKWARD_WEIGHT, { tensors: [x, dOut, dWeight], scalars: [T, N, K] });
}

function backwardInputReference(args: HostArgs): void {
  const [dOut, weight, dX] = [hostF32(args, 0), hostF32(args, 1), hostF32(args, 2)];
  const [T, N, K] = hostScalars(args, 3) as [number, number, number];
  for (let t = 0; t < T; t++) {
    const sums = Float64Array.from(dX.subarray(t * K, (t + 1) * K));
    for (let n = 0; n < N; n++) {
      for (let k = 0; k < K; k++) sums[k]! += dOut[t * N + n]! * weight[n * K + k]!;
    }
    dX.set(sums, t * K);
  }
}

function backwardWeightReference(args: HostArgs): void {
  const [x, dOut, dWeight] = [hostF32(args, 0), hostF32(args, 1), hostF32(args, 2)];
  const [T, N, K] = hostScalars(args, 3) as [number, number, number];
  for (let n = 0; n < N; n++) {
    const sums = Float64Array.from(dWeight.subarray(n * K, (n + 1) * K));
    for (let t = 0; t < T; t++) {
      for (let k = 0; k < K; k++) sums[k]! += dOut[t * N + n]! * x[t * K + k]!;
    }
    dWeight.set(sums, n * K);
  }
}
