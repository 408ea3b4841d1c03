// Attention over cached keys and values, with an optional window, learned sinks, and K and V of different widths.
//
//   out[t, n] = Σ_j a_j · v_j,   a_j = exp(s_j − m) / (Σ_j exp(s_j − m) + exp(sink_n − m)),   s_j = scale · q[t, n] · k_j
//
// over keys j of KV head ⌊n / (N/G)⌋ with max(0, p − window + 1) ≤ j ≤ p, p the position of row t; m is the maximum
// of all s_j and the sink. A sink joins the denominator and gives no value.   (report section 2; gpt-oss sinks)
//
// Where key j lies: a row belongs to a segment (tableStart, tableLength, stagedFrom, stagedRow). Keys j ≥ stagedFrom
// lie in the stage, place stagedRow + j − stagedFrom. Others lie in block tables[tableStart + ⌊j / places⌋ mod
// tableLength], place j mod places. A paged global layer has a table as long as its sequence; a sliding layer's ring
// is a table of one block, used cyclically.
//
// Reduction order: keys are taken in chunks aligned at absolute positions, chunks in splits aligned at absolute
// positions, splits merged in ascending order, the sink last. So a result depends on positions alone: not on the
// batch, on how a prompt was chunked, on paging, or on the number of threads.
// Tolerance f32: 1e-5 absolute on values of order one.

import type { Backend, Kernel } from "../../backends/backend.ts";
import { KV_DTYPES } from "../../tensor/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { assert } from "../../util/assert.ts";
import type { KvCache } from "../kv-write/kv-write.ts";
import { bindShapes } from "../shapes.ts";
import { attentionReference } from "./attention.reference.ts";

/**
 * tensors [q, kCache, vCache, kStage?, vStage?, sinks?, rows, segments, tables, out]
 * scalars [T, N, G, H, U, scale, window, places, stagePlaces]
 */
export const ATTENTION: Kernel = { name: "attention", reference: attentionReference };

/** Where the rows of a batch find their keys. All int32. */
export interface KvLayout {
  /** [T, 2]: segment, position. */
  readonly rows: Tensor;
  /** [S, 4]: tableStart, tableLength, stagedFrom, stagedRow. */
  readonly segments: Tensor;
  /** Block ids of all segments, end to end. */
  readonly tables: Tensor;
}

export function attention(
  backend: Backend,
  args: {
    readonly q: Tensor;
    readonly cache: KvCache;
    /** Keys and values of the batch's own rows, [1, G, stagePlaces, width]; null where they are in the cache already. */
    readonly stage: KvCache | null;
    /** [N], or null where the layer has none. */
    readonly sinks: Tensor | null;
    readonly layout: KvLayout;
    /** Keys a query sees, itself included; 0 means all. */
    readonly window: number;
    readonly scale: number;
    readonly out: Tensor;
  },
): void {
  const { q, cache, stage, sinks, layout, window, scale, out } = args;
  const { T, N, H, G, U, places } = bindShapes<"T" | "N" | "H" | "G" | "U" | "places">("attention", [
    ["q", q, "f32", "T", "N", "H"],
    ["out", out, "f32", "T", "N", "U"],
    ["kCache", cache.k, KV_DTYPES, "blocks", "G", "places", "H′"],
    ["vCache", cache.v, KV_DTYPES, "blocks", "G", "places", "U′"],
    ["rows", layout.rows, "i32", "T", 2],
    ["segments", layout.segments, "i32", "S", 4],
    ["tables", layout.tables, "i32", "B"],
  ]);
  assert(N % G === 0, `attention: ${N} query heads do not divide among ${G} KV heads`);
  let stagePlaces = 0;
  if (stage !== null) {
    ({ stagePlaces } = bindShapes<"stagePlaces">("attention", [
      ["kStage", stage.k, cache.k.dtype, 1, G, "stagePlaces", "H′"],
      ["vStage", stage.v, cache.v.dtype, 1, G, "stagePlaces", "U′"],
    ]));
  }
  if (sinks !== null) bindShapes("attention", [["sinks", sinks, "f32", N]]);
  backend.run(ATTENTION, {
    tensors: [
      q,
      cache.k,
      cache.v,
      stage?.k ?? null,
      stage?.v ?? null,
      sinks,
      layout.rows,
      layout.segments,
      layout.tables,
      out,
    ],
    scalars: [T, N, G, H, U, scale, window, places, stagePlaces],
  });
}
