// The definition, in float64: each weight row is decoded once and meets every input row.

import type { HostArgs, HostWeight } from "../../backends/backend.ts";
import { hostF32, hostScalars, hostWeight } from "../host.ts";
import { quantiseActivations, takesQuantisedActivations } from "./quantise-activations.ts";

export function linearReference(args: HostArgs): void {
  const x = hostF32(args, 0);
  const [T, K, count, accumulate, digits] = hostScalars(args, 5) as [number, number, number, number, number];
  for (let i = 0; i < count; i++) {
    multiply(x, hostWeight(args, i), hostF32(args, 1 + i), { T, K, accumulate, digits });
  }
}

function multiply(
  x: Float32Array,
  weight: HostWeight,
  out: Float32Array,
  { T, K, accumulate, digits }: Readonly<Record<"T" | "K" | "accumulate" | "digits", number>>,
): void {
  const N = weight.outFeatures;
  const round = digits > 0 && takesQuantisedActivations(weight.dtype);
  const rows = Array.from({ length: T }, (_, t) => {
    const row = x.subarray(t * K, (t + 1) * K);
    return round ? quantiseActivations(row, digits) : row;
  });
  const w = new Float32Array(K);
  for (let n = 0; n < N; n++) {
    weight.decodeRow(0, n, w);
    for (let t = 0; t < T; t++) {
      const sum = dot(rows[t]!, w);
      out[t * N + n] = accumulate === 1 ? out[t * N + n]! + sum : sum;
    }
  }
}

/** Σ a·b in float64. */
export function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
