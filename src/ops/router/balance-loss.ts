// Balance loss: the sequence-wise auxiliary loss that keeps any one sequence from using few experts.
// (DeepSeek-V3 technical report, arXiv 2412.19437, equations 17 to 20)
//
// A sequence has n rows from row `first`. With s = sigmoid(logit) and p_t,e = s_t,e / (Σ_j s_t,j + 1e-20),
//   f_e = E / (K n) · number of rows that chose e,   loss = α / n · Σ_t Σ_e f_e p_t,e,
// which is α where routing is balanced and α E / K where all rows choose, and score, the same K experts.
// The objective is the mean of the losses over the sequences that have rows; one without has loss 0 and does not count.
// Its gradient goes through p only, for f counts:
//   dLogits_t,e += α / (sequences · n) · p_t,e (1 − s_t,e) (f_e − Σ_j f_j p_t,j).
//
// logits, dLogits [T, E], ids [T, K], sequences [S, 2] (first row, number of rows) without overlap, loss [S]. dLogits of rows
// in no sequence stay as they are. Tolerance f32: loss 1e-6 relative; gradients 1e-6 · α E / K / (sequences · n).

import type { Backend, HostArgs, Kernel } from "../../backends/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { hostF32, hostI32, hostScalars } from "../host.ts";
import { bindShapes } from "../shapes.ts";

/** tensors [logits, ids, sequences, loss, dLogits] · scalars [T, E, K, S, alpha] */
export const BALANCE_LOSS: Kernel = { name: "balance_loss", reference: balanceLossReference };

export function balanceLoss(
  backend: Backend,
  args: {
    readonly logits: Tensor;
    readonly ids: Tensor;
    readonly sequences: Tensor;
    readonly alpha: number;
    readonly loss: Tensor;
    readonly dLogits: Tensor;
  },
): void {
  const { logits, ids, sequences, alpha, loss, dLogits } = args;
  const { T, E, K, S } = bindShapes<"T" | "E" | "K" | "S">("balance_loss", [
    ["logits", logits, "f32", "T", "E"],
    ["ids", ids, "i32", "T", "K"],
    ["sequences", sequences, "i32", "S", 2],
    ["loss", loss, "f32", "S"],
    ["dLogits", dLogits, "f32", "T", "E"],
  ]);
  backend.run(BALANCE_LOSS, { tensors: [logits, ids, sequences, loss, dLogits], scalars: [T, E, K, S, alpha] });
}

function balanceLossReference(args: HostArgs): void {
  const logits = hostF32(args, 0);
  const ids = hostI32(args, 1);
  const sequences = hostI32(args, 2);
  const loss = hostF32(args, 3);
  const dLogits = hostF32(args, 4);
  const [, E, K, S, alpha] = hostScalars(args, 5) as [number, number, number, number, number];
  const numCounted = sequences.filter((rows, i) => i % 2 === 1 && rows > 0).length;
  for (let s = 0; s < S; s++) {
    const [first, n] = [sequences[2 * s]!, sequences[2 * s + 1]!];
    const shares = new Float64Array(E);
    for (const e of ids.subarray(first * K, (first + n) * K)) shares[e]! += E / (K * n);
    let total = 0;
    for (let t = first; t < first + n; t++) {
      const scores = Float64Array.from(logits.subarray(t * E, (t + 1) * E), (logit) => 1 / (1 + Math.exp(-logit)));
      const sum = scores.reduce((a, b) => a + b, 1e-20);
      const mean = scores.reduce((a, score, e) => a + (shares[e]! * score) / sum, 0);
      total += mean;
      scores.forEach((score, e) => {
        dLogits[t * E + e]! += (alpha / (numCounted * n)) * (score / sum) * (1 - score) * (shares[e]! - mean);
      });
    }
    loss[s] = n > 0 ? (alpha / n) * total : 0;
  }
}
