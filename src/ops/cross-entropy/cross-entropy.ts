// Cross-entropy: how unlikely each row of logits makes its target, and the gradient of that in the logits' place.
//
//   losses[r]  = −log softmax(logits[r])[targets[r]]
//   dLogits[r] = coefficients[r] · (softmax(logits[r]) − onehot(targets[r]))
//
// logits [R, V] are overwritten by dLogits; targets, coefficients, losses [R]. A negative target is none: the row's loss and
// gradient are zero. The caller has checked targets[r] < V, and has put into the coefficients what the rows are divided
// by; the losses are without them. Infinite or NaN logits give NaN.
// Tolerance f32: losses 1e-6 of max(1, loss); dLogits 1e-6 · |coefficient|, for near the target 1 is subtracted.

import type { Backend, HostArgs, Kernel } from "../../backends/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { hostF32, hostI32, hostScalars } from "../host.ts";
import { bindShapes } from "../shapes.ts";

/** tensors [logits, targets, coefficients, losses] · scalars [R, V] */
export const CROSS_ENTROPY: Kernel = { name: "cross_entropy", reference: crossEntropyReference };

export function crossEntropy(
  backend: Backend,
  args: {
    readonly logits: Tensor;
    readonly targets: Tensor;
    readonly coefficients: Tensor;
    readonly losses: Tensor;
  },
): void {
  const { logits, targets, coefficients, losses } = args;
  const { R, V } = bindShapes<"R" | "V">("cross_entropy", [
    ["logits", logits, "f32", "R", "V"],
    ["targets", targets, "i32", "R"],
    ["coefficients", coefficients, "f32", "R"],
    ["losses", losses, "f32", "R"],
  ]);
  backend.run(CROSS_ENTROPY, { tensors: [logits, targets, coefficients, losses], scalars: [R, V] });
}

function crossEntropyReference(args: HostArgs): void {
  const logits = hostF32(args, 0);
  const targets = hostI32(args, 1);
  const coefficients = hostF32(args, 2);
  const losses = hostF32(args, 3);
  const [R, V] = hostScalars(args, 2) as [number, number];
  for (let r = 0; r < R; r++) {
    const row = logits.subarray(r * V, (r + 1) * V);
    const target = targets[r]!;
    losses[r] = 0;
    if (target < 0) {
      row.fill(0);
      continue;
    }
    const max = row.reduce((a, b) => Math.max(a, b), -Infinity);
    const exponentials = Float64Array.from(row, (logit) => Math.exp(logit - max));
    const sum = exponentials.reduce((a, b) => a + b, 0);
    losses[r] = Math.log(sum) + max - row[target]!;
    row.set(exponentials.map((value, v) => coefficients[r]! * (value / sum - (v === target ? 1 : 0))));
  }
}
