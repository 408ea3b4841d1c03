// Gradients of attention over whole documents (training): every segment's rows are consecutive in the batch at
// positions 0, 1, 2, …, all its keys are in the cache, and no two segments share a block.
//
// With a_j, s_j and sinks as in attention.ts, δ[t, n] = Σ_u dOut[t, n, u] · out[t, n, u], and
// dS_j = a_j · (dOut[t, n] · v_j − δ[t, n]):
//
//   dQ[t, n] = scale · Σ_j dS_j · k_j              dV_j += Σ_{t, n} a_j · dOut[t, n]
//   dK_j += scale · Σ_{t, n} dS_j · q[t, n]         dSink_n += −Σ_t a_sink · δ[t, n]
//
// over the rows t and the heads n of a KV head's group that see key j. dQ is overwritten, the others gain. A document's
// gradients depend on that document alone: not on the batch, on paging, or on the number of threads; dSinks sum the
// rows of the batch in order.
// Tolerance f32: 2e-6 relative to the norm of each gradient; sums run over up to thousands of rows in one order.

import type { Backend, Kernel } from "../../backends/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { assert } from "../../util/assert.ts";
import type { KvCache } from "../kv-write/kv-write.ts";
import { bindShapes } from "../shapes.ts";
import { attentionBackwardReference } from "./attention.backward.reference.ts";
import type { KvLayout } from "./attention.ts";

/**
 * tensors [q, k, v, sinks?, rows, segments, tables, out, dOut, dQ, dK, dV, dSinks?]
 * scalars [T, N, G, H, U, scale, window, places]
 */
export const ATTENTION_BACKWARD: Kernel = { name: "attention_backward", reference: attentionBackwardReference };

export function attentionBackward(
  backend: Backend,
  args: {
    readonly q: Tensor;
    /** f32. */
    readonly cache: KvCache;
    /** [N], or null where the layer has none. */
    readonly sinks: Tensor | null;
    readonly layout: KvLayout;
    /** Keys a query sees, itself included; 0 means all. */
    readonly window: number;
    readonly scale: number;
    /** What the forward wrote. */
    readonly out: Tensor;
    readonly dOut: Tensor;
    /** Overwritten. */
    readonly dQ: Tensor;
    /** Gains; of the cache's shape. */
    readonly dCache: KvCache;
    /** Gains; null where there are no sinks. */
    readonly dSinks: Tensor | null;
  },
): void {
  const { q, cache, sinks, layout, window, scale, out, dOut, dQ, dCache, dSinks } = args;
  const { T, N, H, G, U, places } = bindShapes<"T" | "N" | "H" | "G" | "U" | "places">("attention_backward", [
    ["q", q, "f32", "T", "N", "H"],
    ["dQ", dQ, "f32", "T", "N", "H"],
    ["out", out, "f32", "T", "N", "U"],
    ["dOut", dOut, "f32", "T", "N", "U"],
    ["k", cache.k, "f32", "blocks", "G", "places", "H"],
    ["v", cache.v, "f32", "blocks", "G", "places", "U"],
    ["dK", dCache.k, "f32", "blocks", "G", "places", "H"],
    ["dV", dCache.v, "f32", "blocks", "G", "places", "U"],
    ["rows", layout.rows, "i32", "T", 2],
    ["segments", layout.segments, "i32", "S", 4],
    ["tables", layout.tables, "i32", "B"],
  ]);
  assert(N % G === 0, `attention_backward: ${N} query heads do not divide among ${G} KV heads`);
  assert((sinks === null) === (dSinks === null), "attention_backward: sinks without dSinks, or dSinks without sinks");
  for (const [name, tensor] of Object.entries({ sinks, dSinks })) {
    if (tensor !== null) bindShapes("attention_backward", [[name, tensor, "f32", N]]);
  }
  backend.run(ATTENTION_BACKWARD, {
    tensors: [
      q,
      cache.k,
      cache.v,
      sinks,
      layout.rows,
      layout.segments,
      layout.tables,
      out,
      dOut,
      dQ,
      dCache.k,
      dCache.v,
      dSinks,
    ],
    scalars: [T, N, G, H, U, scale, window, places],
  });
}
