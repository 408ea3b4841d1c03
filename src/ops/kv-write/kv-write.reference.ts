// The definition, row by row through the codecs: what every native kernel must store, byte for byte.

import type { HostArgs, HostTensor } from "../../backends/backend.ts";
import { encodeBlocks } from "../../tensor/codec/codec.ts";
import { DTYPES, rowBytes } from "../../tensor/dtype.ts";
import { defined } from "../../util/assert.ts";
import { hostF32, hostI32, hostScalars, hostTensor } from "../host.ts";

export function kvWriteReference(args: HostArgs): void {
  const slots = hostI32(args, 2);
  const [T, G, H, U, valueScale, places] = hostScalars(args, 6) as [number, number, number, number, number, number];
  writeRows(hostF32(args, 0), slots, hostTensor(args, 3), { T, G, width: H, scale: 1, places });
  writeRows(hostF32(args, 1), slots, hostTensor(args, 4), { T, G, width: U, scale: valueScale, places });
}

interface WriteSizes {
  readonly T: number;
  readonly G: number;
  readonly width: number;
  readonly scale: number;
  readonly places: number;
}

function writeRows(rows: Float32Array, slots: Int32Array, cache: HostTensor, sizes: WriteSizes): void {
  const { T, G, width, scale, places } = sizes;
  const { blockElements } = DTYPES[cache.dtype];
  const padded = new Float32Array(Math.ceil(width / blockElements) * blockElements);
  const bytes = defined(rowBytes(cache.dtype, padded.length), "row bytes");
  for (let t = 0; t < T; t++) {
    const slot = slots[t]!;
    if (slot < 0) continue;
    for (let g = 0; g < G; g++) {
      for (let i = 0; i < width; i++) padded[i] = rows[(t * G + g) * width + i]! * scale;
      const offset = cacheRow(slot, g, G, places) * bytes;
      encodeBlocks(cache.dtype, padded, cache.bytes.subarray(offset, offset + bytes));
    }
  }
}

/** Index of the row of head `g` at `slot` in a cache [blocks, G, places]. */
export function cacheRow(slot: number, g: number, G: number, places: number): number {
  return (Math.floor(slot / places) * G + g) * places + (slot % places);
}

export function kvCopyReference(args: HostArgs): void {
  const [R, G, kBytes, vBytes, from, to] = hostScalars(args, 6) as [number, number, number, number, number, number];
  const sourceSlots = hostI32(args, 4);
  const targetSlots = hostI32(args, 5);
  for (const [source, target, bytes] of [
    [hostTensor(args, 0).bytes, hostTensor(args, 2).bytes, kBytes],
    [hostTensor(args, 1).bytes, hostTensor(args, 3).bytes, vBytes],
  ] as const) {
    for (let r = 0; r < R; r++) {
      if (targetSlots[r]! < 0) continue;
      for (let g = 0; g < G; g++) {
        const start = cacheRow(sourceSlots[r]!, g, G, from) * bytes;
        target.set(source.subarray(start, start + bytes), cacheRow(targetSlots[r]!, g, G, to) * bytes);
      }
    }
  }
}
