// Embedding: out[t] = weight[ids[t]].
//
// ids [T], weight [V, D], out [T, D]. The caller has checked 0 ≤ ids[t] < V.
// Tolerance: exact for every dtype; a row is only decoded.

import type { Backend, Kernel, Weight } from "../../backends/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { bindShapes } from "../shapes.ts";
import { embeddingReference } from "./embedding.reference.ts";

/** tensors [ids, out] · weights [weight] · scalars [T, D] */
export const EMBEDDING: Kernel = { name: "embedding", reference: embeddingReference };

export function embedding(
  backend: Backend,
  args: { readonly ids: Tensor; readonly weight: Weight; readonly out: Tensor },
): void {
  const { ids, weight, out } = args;
  const { T } = bindShapes<"T">("embedding", [
    ["ids", ids, "i32", "T"],
    ["out", out, "f32", "T", weight.inFeatures],
  ]);
  backend.run(EMBEDDING, { tensors: [ids, out], weights: [weight], scalars: [T, weight.inFeatures] });
}
