// The definition, one row and one head at a time, in float64 and without splits.

import type { HostArgs, HostTensor } from "../../backends/backend.ts";
import { decodeBlocks } from "../../tensor/codec/codec.ts";
import { DTYPES, rowBytes } from "../../tensor/dtype.ts";
import { defined } from "../../util/assert.ts";
import { hostF32, hostI32, hostScalars, hostTensor } from "../host.ts";
import { cacheRow } from "../kv-write/kv-write.reference.ts";
import { dot } from "../linear/linear.reference.ts";

export function attentionReference(args: HostArgs): void {
  const q = hostF32(args, 0);
  const sinks = args.tensors[5] === null ? null : hostF32(args, 5);
  const rows = hostI32(args, 6);
  const out = hostF32(args, 9);
  const scalars = hostScalars(args, 9) as [number, number, number, number, number, number, number, number, number];
  const [T, N, G, H, U, scale, window] = scalars;
  const group = N / G;
  for (let t = 0; t < T; t++) {
    const segment = rows[2 * t]!;
    const position = rows[2 * t + 1]!;
    const first = window > 0 ? Math.max(0, position - window + 1) : 0;
    const count = position - first + 1;
    for (let g = 0; g < G; g++) {
      const keys = readRows(args, "k", { segment, first, count, head: g, G, width: H });
      const values = readRows(args, "v", { segment, first, count, head: g, G, width: U });
      for (let n = g * group; n < (g + 1) * group; n++) {
        const query = q.subarray((t * N + n) * H, (t * N + n + 1) * H);
        const probabilities = softmaxWithSink(
          keys.map((key) => scale * dot(query, key)),
          sinks?.[n],
        );
        const target = out.subarray((t * N + n) * U, (t * N + n + 1) * U);
        for (let u = 0; u < U; u++) {
          let sum = 0;
          for (let j = 0; j < count; j++) sum += probabilities[j]! * values[j]![u]!;
          target[u] = sum;
        }
      }
    }
  }
}

function softmaxWithSink(scores: readonly number[], sink: number | undefined): number[] {
  const max = scores.reduce((a, b) => Math.max(a, b), sink ?? -Infinity);
  const exps = scores.map((score) => Math.exp(score - max));
  const sum = exps.reduce((a, b) => a + b, sink === undefined ? 0 : Math.exp(sink - max));
  return exps.map((e) => e / sum);
}

interface RowRange {
  readonly segment: number;
  readonly first: number;
  readonly count: number;
  readonly head: number;
  readonly G: number;
  readonly width: number;
}

function readRows(args: HostArgs, which: "k" | "v", range: RowRange): Float32Array[] {
  const [cacheIndex, stageIndex] = which === "k" ? [1, 3] : [2, 4];
  const [places, stagePlaces] = hostScalars(args, 9).slice(7) as [number, number];
  const [tableStart, tableLength, stagedFrom, stagedRow] = hostI32(args, 7).subarray(4 * range.segment) as unknown as [
    number,
    number,
    number,
    number,
  ];
  const tables = hostI32(args, 8);
  return Array.from({ length: range.count }, (_, i) => {
    const j = range.first + i;
    if (j >= stagedFrom) {
      const row = cacheRow(stagedRow + j - stagedFrom, range.head, range.G, stagePlaces);
      return decodeRow(hostTensor(args, stageIndex), row, range.width);
    }
    const block = tables[tableStart + (Math.floor(j / places) % tableLength)]!;
    const row = cacheRow(block * places + (j % places), range.head, range.G, places);
    return decodeRow(hostTensor(args, cacheIndex), row, range.width);
  });
}

function decodeRow(cache: HostTensor, row: number, width: number): Float32Array {
  const { blockElements } = DTYPES[cache.dtype];
  const padded = new Float32Array(Math.ceil(width / blockElements) * blockElements);
  const bytes = defined(rowBytes(cache.dtype, padded.length), "row bytes");
  decodeBlocks(cache.dtype, cache.bytes.subarray(row * bytes, (row + 1) * bytes), padded);
  return padded.subarray(0, width);
}
