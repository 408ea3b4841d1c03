// Experts: out[t] += Σ_k weights[t, k] · down_e(silu(gate_e x_t) ⊙ up_e x_t), e = ids[t, k].
//
// x, out [T, D]; ids, weights [T, K]; gate and up E × [F, D], down E × [D, F]. The K ids of a token differ, as the
// router's do. Rows are grouped by expert, so that a call reads each chosen expert once; a token's experts are summed in
// the order k = 0..K−1, whatever the grouping.
// `activations` as in ops/linear. With `fp8Block`, which training asks for together with f32 activations, x and the inner
// activation are rounded to E4M3 in blocks of so many columns before they meet weights (ops/fp8-round). Tolerance relative to the norm of the output: f32 2e-6 (two f32 products in a
// row); int16 and int8 1e-4, because an inner activation on the border between two codes may round either way (with
// int8 seldom, and then by up to 3e-3; with E4M3 seldom, and then by 1e-2).

import type { Backend, HostArgs, HostWeight, Kernel, Weight } from "../../backends/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { assert } from "../../util/assert.ts";
import { hostF32, hostI32, hostScalars, hostWeight } from "../host.ts";
import { roundTiles } from "../fp8-round/fp8-round.ts";
import { dot } from "../linear/linear.reference.ts";
import {
  ACTIVATION_DIGITS,
  type Activations,
  quantiseActivations,
  takesQuantisedActivations,
} from "../linear/quantise-activations.ts";
import { bindShapes } from "../shapes.ts";
import { silu } from "../swiglu/swiglu.ts";

/** tensors [x, ids, weights, out] · weights [gate, up, down] · scalars [T, D, F, K, digits of activations, fp8Block or 0] */
export const EXPERTS: Kernel = { name: "experts", reference: expertsReference };

export interface ExpertWeights {
  readonly gate: Weight;
  readonly up: Weight;
  readonly down: Weight;
}

export function experts(
  backend: Backend,
  args: {
    readonly x: Tensor;
    readonly ids: Tensor;
    readonly weights: Tensor;
    readonly experts: ExpertWeights;
    readonly out: Tensor;
    readonly activations?: Activations;
    readonly fp8Block?: number;
  },
): void {
  const { x, ids, weights, out, activations = "f32", fp8Block = 0 } = args;
  assert(fp8Block === 0 || activations === "f32", "experts: activations are rounded in one way at a time");
  const { gate, up, down } = args.experts;
  const D = gate.inFeatures;
  const F = gate.outFeatures;
  const fits = (w: Weight, rows: number, columns: number): boolean =>
    w.numMatrices === gate.numMatrices && w.outFeatures === rows && w.inFeatures === columns;
  assert(fits(up, F, D) && fits(down, D, F), "experts: gate, up and down disagree in shape");
  const { T, K } = bindShapes<"T" | "K">("experts", [
    ["x", x, "f32", "T", D],
    ["ids", ids, "i32", "T", "K"],
    ["weights", weights, "f32", "T", "K"],
    ["out", out, "f32", "T", D],
  ]);
  const scalars = [T, D, F, K, ACTIVATION_DIGITS[activations], fp8Block];
  backend.run(EXPERTS, { tensors: [x, ids, weights, out], weights: [gate, up, down], scalars });
}

function expertsReference(args: HostArgs): void {
  const x = hostF32(args, 0);
  const ids = hostI32(args, 1);
  const weights = hostF32(args, 2);
  const out = hostF32(args, 3);
  const [gate, up, down] = [hostWeight(args, 0), hostWeight(args, 1), hostWeight(args, 2)];
  const [T, D, F, K, digits, block] = hostScalars(args, 6) as [number, number, number, number, number, number];
  const rounded = (row: Float32Array): Float32Array =>
    block === 0 ? row : roundTiles(row, row.length, { rows: 1, columns: block });
  const inner = new Float32Array(F);
  for (let t = 0; t < T; t++) {
    const row = rounded(x.subarray(t * D, (t + 1) * D));
    const sum = new Float64Array(D);
    for (let k = 0; k < K; k++) {
      const e = ids[t * K + k]!;
      const g = multiply(gate, e, row, digits);
      const u = multiply(up, e, row, digits);
      for (let f = 0; f < F; f++) inner[f] = silu(g[f]!) * u[f]!;
      const y = multiply(down, e, rounded(inner), digits);
      for (let d = 0; d < D; d++) sum[d]! += weights[t * K + k]! * y[d]!;
    }
    for (let d = 0; d < D; d++) out[t * D + d]! += sum[d]!;
  }
}

function multiply(weight: HostWeight, matrix: number, x: Float32Array, digits: number): Float64Array {
  const input = digits > 0 && takesQuantisedActivations(weight.dtype) ? quantiseActivations(x, digits) : x;
  const w = new Float32Array(weight.inFeatures);
  return Float64Array.from({ length: weight.outFeatures }, (_, row) => {
    weight.decodeRow(matrix, row, w);
    return dot(input, w);
  });
}
