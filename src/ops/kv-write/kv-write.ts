// KV write: places the keys and values of new tokens into a cache, in the cache's own dtype.
//
// k [T, G, H], v [T, G, U] (G KV heads; K and V may differ in width), slots [T]. A cache is [blocks, G, places, row
// bytes]: heads outside places, so that the keys of one head lie together. slot s ≥ 0 is block ⌊s / places⌋, place
// s mod places; s < 0 writes nothing. v is multiplied by `valueScale` (attention_value_scale) before it is encoded.
// q8_0 rows are ⌈H / 32⌉ ggml Q8_0 blocks, the last one padded with zeros.
//
// `kvCopy` moves encoded rows from one cache to another, byte for byte: a sliding layer attends to a chunk's own
// keys in a stage first, and only then may the ring forget older ones.
// Tolerance: exact. f16 and bf16 round to nearest even.

import type { Backend, Kernel } from "../../backends/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { DTYPES, KV_DTYPES, rowBytes, type KvDType } from "../../tensor/dtype.ts";
import { assert } from "../../util/assert.ts";
import { bindShapes } from "../shapes.ts";
import { kvCopyReference, kvWriteReference } from "./kv-write.reference.ts";

/** tensors [k, v, slots, kCache, vCache] · scalars [T, G, H, U, valueScale, places] */
export const KV_WRITE: Kernel = { name: "kv_write", reference: kvWriteReference };
/** tensors [kSource, vSource, kTarget, vTarget, sourceSlots, targetSlots] · scalars [R, G, kRowBytes, vRowBytes, sourcePlaces, targetPlaces] */
export const KV_COPY: Kernel = { name: "kv_copy", reference: kvCopyReference };

/** Keys and values of one layer: k [blocks, G, places, H′], v [blocks, G, places, U′]; q8_0 pads H to H′, U to U′. */
export interface KvCache {
  readonly k: Tensor;
  readonly v: Tensor;
}

export function kvWrite(
  backend: Backend,
  args: {
    readonly k: Tensor;
    readonly v: Tensor;
    readonly slots: Tensor;
    readonly cache: KvCache;
    readonly valueScale: number;
  },
): void {
  const { k, v, slots, cache, valueScale } = args;
  const { T, G, H, U } = bindShapes<"T" | "G" | "H" | "U">("kv_write", [
    ["k", k, "f32", "T", "G", "H"],
    ["v", v, "f32", "T", "G", "U"],
    ["slots", slots, "i32", "T"],
  ]);
  const { places } = bindShapes<"places">("kv_write", [
    ["kCache", cache.k, KV_DTYPES, "blocks", G, "places", "H′"],
    ["vCache", cache.v, KV_DTYPES, "blocks", G, "places", "U′"],
  ]);
  backend.run(KV_WRITE, { tensors: [k, v, slots, cache.k, cache.v], scalars: [T, G, H, U, valueScale, places] });
}

export function kvCopy(
  backend: Backend,
  args: {
    readonly source: KvCache;
    readonly target: KvCache;
    readonly sourceSlots: Tensor;
    readonly targetSlots: Tensor;
  },
): void {
  const { source, target, sourceSlots, targetSlots } = args;
  const sizes = bindShapes<"R" | "G" | "sourcePlaces" | "targetPlaces">("kv_copy", [
    ["sourceSlots", sourceSlots, "i32", "R"],
    ["targetSlots", targetSlots, "i32", "R"],
    ["kSource", source.k, KV_DTYPES, "blocks", "G", "sourcePlaces", "H"],
    ["vSource", source.v, KV_DTYPES, "blocks", "G", "sourcePlaces", "U"],
    ["kTarget", target.k, source.k.dtype, "targetBlocks", "G", "targetPlaces", "H"],
    ["vTarget", target.v, source.v.dtype, "targetBlocks", "G", "targetPlaces", "U"],
  ]);
  const { R, G, sourcePlaces, targetPlaces } = sizes;
  backend.run(KV_COPY, {
    tensors: [source.k, source.v, target.k, target.v, sourceSlots, targetSlots],
    scalars: [R, G, kvRowBytes(source.k), kvRowBytes(source.v), sourcePlaces, targetPlaces],
  });
}

/** Bytes of one key or value row of a cache tensor [blocks, G, places, width]. */
export function kvRowBytes(cache: Tensor): number {
  const bytes = rowBytes(cache.dtype, cache.shape.at(-1) ?? 0);
  assert(bytes !== undefined, `kv cache rows of ${cache.shape.at(-1)} are no whole blocks of ${cache.dtype}`);
  return bytes;
}

/** Width of a cached row: q8_0 pads to whole blocks. */
export function kvRowWidth(dtype: KvDType, width: number): number {
  const { blockElements } = DTYPES[dtype];
  return Math.ceil(width / blockElements) * blockElements;
}
