// Backward of embedding: dWeight[ids[t]] += dOut[t].
//
// ids [T], dOut [T, D], dWeight [V, D]. The rows of one id are added one by one in ascending t. The caller has checked
// 0 ≤ ids[t] < V. Tolerance f32: 1e-7 of the sum of magnitudes for each row added, as float32 sums have it.

import type { Backend, HostArgs, Kernel } from "../../backends/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { hostF32, hostI32, hostScalars } from "../host.ts";
import { bindShapes } from "../shapes.ts";

/** tensors [ids, dOut, dWeight] · scalars [T, D] */
export const EMBEDDING_BACKWARD: Kernel = { name: "embedding_backward", reference: embeddingBackwardReference };

export function embeddingBackward(
  backend: Backend,
  args: { readonly ids: Tensor; readonly dOut: Tensor; readonly dWeight: Tensor },
): void {
  const { ids, dOut, dWeight } = args;
  const { T, D } = bindShapes<"T" | "D">("embedding_backward", [
    ["ids", ids, "i32", "T"],
    ["dOut", dOut, "f32", "T", "D"],
    ["dWeight", dWeight, "f32", "V", "D"],
  ]);
  backend.run(EMBEDDING_BACKWARD, { tensors: [ids, dOut, dWeight], scalars: [T, D] });
}

function embeddingBackwardReference(args: HostArgs): void {
  const ids = hostI32(args, 0);
  const dOut = hostF32(args, 1);
  const dWeight = hostF32(args, 2);
  const [T, D] = hostScalars(args, 2) as [number, number];
  const sums = Float64Array.from(dWeight);
  for (let t = 0; t < T; t++) {
    for (let d = 0; d < D; d++) sums[ids[t]! * D + d]! += dOut[t * D + d]!;
  }
  dWeight.set(sums);
}
