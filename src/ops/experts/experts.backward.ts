// Gradients of the experts, out[t] = Σ_k weights[t, k] · down_e(inner), inner = silu(gate_e x_t) ⊙ up_e x_t, e = ids[t, k]:
//
//   dInner        = downᵀ_e dOut[t]
//   dWeights[t,k] = inner · dInner                     (= down_e(inner) · dOut[t], without that product)
//   dUp           = weights[t,k] · dInner ⊙ silu(g)               g = gate_e x_t, u = up_e x_t
//   dGate         = weights[t,k] · dInner ⊙ u ⊙ silu′(g)          silu′(g) = σ(g) · (1 + g · (1 − σ(g)))
//   dX[t]        += gateᵀ_e dGate + upᵀ_e dUp
//   dGate_e      += dGate ⊗ x_t       dUp_e += dUp ⊗ x_t       dDown_e += dOut[t] ⊗ weights[t,k] · inner
//
// x, dOut, dX [T, D]; ids, weights, dWeights [T, K]; gate, up and their gradients [E, F, D], down and dDown [E, D, F]; all
// float32 but ids (int32). dWeights is overwritten, the others are added to. g, u and inner are computed again. A
// choice's part of dX is one chain over F, first gate's, then up's; the parts are added in the order k = 0..K−1. A
// gradient of weights is one chain over the expert's tokens in order, which starts from what is there: a batch in
// several calls gives the bits of one. Scratch: (3F + D) · K floats for each token of a round, at most 64 MB.
//
// With `fp8Block` both operands of every product are on the E4M3 grid (ops/fp8-round): the caller has rounded gate, up and
// down; x, dOut, dGate and dUp are rounded here along D or F, and where a product sums over tokens, x, dOut, dGate, dUp and
// weights[t,k] · inner in tiles of so many of the expert's tokens. dWeights takes inner and dInner as they are. A call's
// tokens then pass in one round, with 2D · K + 2D floats more for each: tiles run through all that an expert has.
// Tolerance relative to the norm of a row, as four products follow on each other: 4e-6; with E4M3 1e-3, because a
// value on the border between two codes may round either way.

import type { Backend, Kernel } from "../../backends/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { bindShapes } from "../shapes.ts";
import { expertsBackwardReference } from "./experts.backward.reference.ts";

/**
 * tensors [x, ids, weights, gate, up, down, dOut, dX, dWeights, dGate, dUp, dDown]
 * scalars [T, E, D, F, K, fp8Block or 0]
 */
export const EXPERTS_BACKWARD: Kernel = { name: "experts_backward", reference: expertsBackwardReference };

export function expertsBackward(
  backend: Backend,
  args: {
    readonly x: Tensor;
    readonly ids: Tensor;
    readonly weights: Tensor;
    readonly gate: Tensor;
    readonly up: Tensor;
    readonly down: Tensor;
    readonly dOut: Tensor;
    readonly dX: Tensor;
    readonly dWeights: Tensor;
    readonly dGate: Tensor;
    readonly dUp: Tensor;
    readonly dDown: Tensor;
    readonly fp8Block?: number;
  },
): void {
  const { x, ids, weights, gate, up, down, dOut, dX, dWeights, dGate, dUp, dDown, fp8Block = 0 } = args;
  const { T, E, D, F, K } = bindShapes<"T" | "E" | "D" | "F" | "K">("experts_backward", [
    ["x", x, "f32", "T", "D"],
    ["ids", ids, "i32", "T", "K"],
    ["weights", weights, "f32", "T", "K"],
    ["gate", gate, "f32", "E", "F", "D"],
    ["up", up, "f32", "E", "F", "D"],
    ["down", down, "f32", "E", "D", "F"],
    ["dOut", dOut, "f32", "T", "D"],
    ["dX", dX, "f32", "T", "D"],
    ["dWeights", dWeights, "f32", "T", "K"],
    ["dGate", dGate, "f32", "E", "F", "D"],
    ["dUp", dUp, "f32", "E", "F", "D"],
    ["dDown", dDown, "f32", "E", "D", "F"],
  ]);
  const tensors = [x, ids, weights, gate, up, down, dOut, dX, dWeights, dGate, dUp, dDown];
  backend.run(EXPERTS_BACKWARD, { tensors, scalars: [T, E, D, F, K, fp8Block] });
}
