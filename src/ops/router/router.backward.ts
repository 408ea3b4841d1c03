// Backward of the router: gradients of the weights become gradients of the logits, for a choice that is fixed.
//
// With s = sigmoid(logit) of the chosen and S = their sum + 1e-20, a weight is scale · s / S where `normalise`, so that
//   dLogit = scale · (s / S) · (1 − s) · (dWeight − Σ over the chosen of dWeight · s / S),
// and otherwise scale · s, so that dLogit = scale · s · (1 − s) · dWeight. The choice and its bias have no gradient: dLogits
// of the experts that were not chosen are zero.
// logits, dLogits [T, E]; ids, dWeights [T, K]; ids of a row are distinct. Tolerance: 1e-6 · scale · the largest |dWeight|.

import type { Backend, HostArgs, Kernel } from "../../backends/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { hostF32, hostI32, hostScalars } from "../host.ts";
import { bindShapes } from "../shapes.ts";

/** tensors [logits, ids, dWeights, dLogits] · scalars [T, E, K, scale, normalise] */
export const ROUTER_BACKWARD: Kernel = { name: "router_backward", reference: routerBackwardReference };

export function routerBackward(
  backend: Backend,
  args: {
    readonly logits: Tensor;
    readonly ids: Tensor;
    readonly dWeights: Tensor;
    readonly scale: number;
    readonly normalise: boolean;
    readonly dLogits: Tensor;
  },
): void {
  const { logits, ids, dWeights, scale, normalise, dLogits } = args;
  const { T, E, K } = bindShapes<"T" | "E" | "K">("router_backward", [
    ["logits", logits, "f32", "T", "E"],
    ["ids", ids, "i32", "T", "K"],
    ["dWeights", dWeights, "f32", "T", "K"],
    ["dLogits", dLogits, "f32", "T", "E"],
  ]);
  backend.run(ROUTER_BACKWARD, {
    tensors: [logits, ids, dWeights, dLogits],
    scalars: [T, E, K, scale, normalise ? 1 : 0],
  });
}

function routerBackwardReference(args: HostArgs): void {
  const logits = hostF32(args, 0);
  const ids = hostI32(args, 1);
  const dWeights = hostF32(args, 2);
  const dLogits = hostF32(args, 3);
  const [T, E, K, scale, normalise] = hostScalars(args, 5) as [number, number, number, number, number];
  for (let t = 0; t < T; t++) {
    const chosen = Array.from(ids.subarray(t * K, (t + 1) * K), (e) => {
      const logit = logits[t * E + e]!;
      return { e, score: 1 / (1 + Math.exp(-logit)), rest: 1 / (1 + Math.exp(logit)) };
    });
    const sum = normalise === 1 ? chosen.reduce((total, { score }) => total + score, 1e-20) : 1;
    const dWeight = (k: number): number => dWeights[t * K + k]!;
    const mean = normalise === 1 ? chosen.reduce((total, { score }, k) => total + dWeight(k) * (score / sum), 0) : 0;
    dLogits.fill(0, t * E, (t + 1) * E);
    chosen.forEach(({ e, score, rest }, k) => {
      dLogits[t * E + e] = scale * (score / sum) * rest * (dWeight(k) - mean);
    });
  }
}
