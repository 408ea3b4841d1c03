// Gradients of kv-write: dK[t] = the cache's dK at slots[t], dV[t] = valueScale · the cache's dV at slots[t].
//
// A row that was not kept (slot < 0) has gradient 0. The slots of one call are distinct. Tolerance: exact.

import type { Backend, HostArgs, Kernel } from "../../backends/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { hostF32, hostI32, hostScalars } from "../host.ts";
import { bindShapes } from "../shapes.ts";
import { cacheRow } from "./kv-write.reference.ts";
import type { KvCache } from "./kv-write.ts";

/** tensors [slots, dKCache, dVCache, dK, dV] · scalars [T, G, H, U, valueScale, places] */
export const KV_WRITE_BACKWARD: Kernel = { name: "kv_write_backward", reference: kvWriteBackwardReference };

export function kvWriteBackward(
  backend: Backend,
  args: {
    /** f32. */
    readonly dCache: KvCache;
    readonly slots: Tensor;
    readonly valueScale: number;
    /** Overwritten. */
    readonly dK: Tensor;
    /** Overwritten. */
    readonly dV: Tensor;
  },
): void {
  const { dCache, slots, valueScale, dK, dV } = args;
  const { T, G, H, U, places } = bindShapes<"T" | "G" | "H" | "U" | "places">("kv_write_backward", [
    ["slots", slots, "i32", "T"],
    ["dK", dK, "f32", "T", "G", "H"],
    ["dV", dV, "f32", "T", "G", "U"],
    ["dKCache", dCache.k, "f32", "blocks", "G", "places", "H"],
    ["dVCache", dCache.v, "f32", "blocks", "G", "places", "U"],
  ]);
  backend.run(KV_WRITE_BACKWARD, {
    tensors: [slots, dCache.k, dCache.v, dK, dV],
    scalars: [T, G, H, U, valueScale, places],
  });
}

function kvWriteBackwardReference(args: HostArgs): void {
  const slots = hostI32(args, 0);
  const [T, G, H, U, valueScale, places] = hostScalars(args, 6) as [number, number, number, number, number, number];
  for (const [from, out, width, factor] of [
    [hostF32(args, 1), hostF32(args, 3), H, 1],
    [hostF32(args, 2), hostF32(args, 4), U, Math.fround(valueScale)],
  ] as const) {
    for (let row = 0; row < T * G; row++) {
      const slot = slots[Math.floor(row / G)]!;
      const source = slot < 0 ? 0 : cacheRow(slot, row % G, G, places) * width;
      for (let i = 0; i < width; i++) out[row * width + i] = slot < 0 ? 0 : from[source + i]! * factor;
    }
  }
}
