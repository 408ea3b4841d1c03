// Router: which experts a token visits, and with what weight.   (report section 2; DeepSeek-V3's "noaux_tc")
//
// logits [T, E] are float32 products of the router matrix. score = sigmoid(logit). The K experts with the largest
// score + bias are chosen (ties: the lower index), listed in descending order; the bias never enters the weights:
// weight = score of the chosen, divided by their sum + 1e-20 where `normalise`, times `scale`.
// ids, weights [T, K]. Tolerance: weights 1e-6; ids exact unless two biased scores differ by less than 1e-6.

import type { Backend, HostArgs, Kernel } from "../../backends/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { hostF32, hostI32, hostScalars } from "../host.ts";
import { bindShapes } from "../shapes.ts";

/** tensors [logits, bias, ids, weights] · scalars [T, E, K, scale, normalise] */
export const ROUTER: Kernel = { name: "router", reference: routerReference };

export function router(
  backend: Backend,
  args: {
    readonly logits: Tensor;
    readonly bias: Tensor;
    readonly ids: Tensor;
    readonly weights: Tensor;
    readonly scale: number;
    readonly normalise: boolean;
  },
): void {
  const { logits, bias, ids, weights, scale, normalise } = args;
  const { T, E, K } = bindShapes<"T" | "E" | "K">("router", [
    ["logits", logits, "f32", "T", "E"],
    ["bias", bias, "f32", "E"],
    ["ids", ids, "i32", "T", "K"],
    ["weights", weights, "f32", "T", "K"],
  ]);
  backend.run(ROUTER, { tensors: [logits, bias, ids, weights], scalars: [T, E, K, scale, normalise ? 1 : 0] });
}

function routerReference(args: HostArgs): void {
  const logits = hostF32(args, 0);
  const bias = hostF32(args, 1);
  const ids = hostI32(args, 2);
  const weights = hostF32(args, 3);
  const [T, E, K, scale, normalise] = hostScalars(args, 5) as [number, number, number, number, number];
  for (let t = 0; t < T; t++) {
    const scores = Float64Array.from(logits.subarray(t * E, (t + 1) * E), (logit) => 1 / (1 + Math.exp(-logit)));
    const order = Array.from({ length: E }, (_, e) => e);
    order.sort((a, b) => scores[b]! + bias[b]! - (scores[a]! + bias[a]!) || a - b);
    const chosen = order.slice(0, K);
    const sum = chosen.reduce((total, e) => total + scores[e]!, 0);
    chosen.forEach((e, k) => {
      ids[t * K + k] = e;
      weights[t * K + k] = (normalise === 1 ? scores[e]! / (sum + 1e-20) : scores[e]!) * scale;
    });
  }
}
