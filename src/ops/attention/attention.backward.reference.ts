// The definition, one row and one head at a time, in float64. δ is computed from the weights, not from `out`: it is
// exact even where the forward's result was rounded.

import type { HostArgs } from "../../backends/backend.ts";
import { hostF32, hostI32, hostScalars } from "../host.ts";
import { cacheRow } from "../kv-write/kv-write.reference.ts";

export function attentionBackwardReference(args: HostArgs): void {
  const [q, k, v] = [hostF32(args, 0), hostF32(args, 1), hostF32(args, 2)];
  const sinks = args.tensors[3] === null ? null : hostF32(args, 3);
  const rows = hostI32(args, 4);
  const dOut = hostF32(args, 8);
  const dQ = hostF32(args, 9);
  const [T, N, G, H, U, scale, window] = hostScalars(args, 8) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const dK = new Float64Array(k.length);
  const dV = new Float64Array(v.length);
  const dSinks = new Float64Array(N);
  for (let t = 0; t < T; t++) {
    const keysOf = Array.from({ length: G }, (_, g) => visibleRows(args, rows[2 * t]!, rows[2 * t + 1]!, g, window));
    for (let n = 0; n < N; n++) {
      const keys = keysOf[Math.floor(n / (N / G))]!;
      const query = q.subarray((t * N + n) * H, (t * N + n + 1) * H);
      const gradient = dOut.subarray((t * N + n) * U, (t * N + n + 1) * U);
      const scores = keys.map((row) => scale * dotAt(query, k, row * H));
      const { weights, sinkWeight } = softmaxWithSink(scores, sinks?.[n]);
      const products = keys.map((row) => dotAt(gradient, v, row * U));
      const delta = products.reduce((sum, product, j) => sum + weights[j]! * product, 0);
      const target = new Float64Array(H);
      keys.forEach((row, j) => {
        const dScore = scale * weights[j]! * (products[j]! - delta);
        for (let h = 0; h < H; h++) {
          target[h]! += dScore * k[row * H + h]!;
          dK[row * H + h]! += dScore * query[h]!;
        }
        for (let u = 0; u < U; u++) dV[row * U + u]! += weights[j]! * gradient[u]!;
      });
      dQ.set(target, (t * N + n) * H);
      dSinks[n]! -= sinkWeight * delta;
    }
  }
  gain(hostF32(args, 10), dK);
  gain(hostF32(args, 11), dV);
  if (sinks !== null) gain(hostF32(args, 12), dSinks);
}

/** Cache rows of the keys that a query at `position` sees. */
function visibleRows(args: HostArgs, segment: number, position: number, head: number, window: number): number[] {
  const [tableStart, tableLength] = hostI32(args, 5).subarray(4 * segment) as unknown as [number, number];
  const tables = hostI32(args, 6);
  const scalars = hostScalars(args, 8);
  const [G, places] = [scalars[2]!, scalars[7]!];
  const first = window > 0 ? Math.max(0, position - window + 1) : 0;
  return Array.from({ length: position - first + 1 }, (_, i) => {
    const key = first + i;
    const block = tables[tableStart + (Math.floor(key / places) % tableLength)]!;
    return cacheRow(block * places + (key % places), head, G, places);
  });
}

function dotAt(a: Float32Array, b: Float32Array, offset: number): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[offset + i]!;
  return sum;
}

function softmaxWithSink(
  scores: readonly number[],
  sink: number | undefined,
): { weights: number[]; sinkWeight: number } {
  const max = scores.reduce((a, b) => Math.max(a, b), sink ?? -Infinity);
  const exps = scores.map((score) => Math.exp(score - max));
  const sinkExp = sink === undefined ? 0 : Math.exp(sink - max);
  const sum = exps.reduce((a, b) => a + b, sinkExp);
  return { weights: exps.map((e) => e / sum), sinkWeight: sinkExp / sum };
}

function gain(target: Float32Array, by: Float64Array): void {
  for (let i = 0; i < target.length; i++) target[i]! += by[i]!;
}
