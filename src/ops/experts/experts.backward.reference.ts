// The definition, one choice of one token at a time, in float64; each result is rounded once, when all is added.

import type { HostArgs } from "../../backends/backend.ts";
import { hostF32, hostI32, hostScalars } from "../host.ts";

export function expertsBackwardReference(args: HostArgs): void {
  const ids = hostI32(args, 1);
  const weights = hostF32(args, 2);
  const dWeights = hostF32(args, 8);
  const [T, , D, F, K] = hostScalars(args, 5) as [number, number, number, number, number];
  const results = [7, 9, 10, 11].map((i) => ({ out: hostF32(args, i), sums: Float64Array.from(hostF32(args, i)) }));
  const [dX, dGate, dUp, dDown] = results.map(({ sums }) => sums) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const rows = (i: number, t: number): Float32Array => hostF32(args, i).subarray(t * D, (t + 1) * D);
  const matrix = (values: Float64Array | Float32Array, e: number) => values.subarray(e * F * D, (e + 1) * F * D);
  for (let t = 0; t < T; t++) {
    const x = rows(0, t);
    const dOut = rows(6, t);
    for (let k = 0; k < K; k++) {
      const e = ids[t * K + k]!;
      const weight = weights[t * K + k]!;
      const [gate, up, down] = [3, 4, 5].map((i) => matrix(hostF32(args, i), e)) as [
        Float32Array,
        Float32Array,
        Float32Array,
      ];
      const g = multiply(gate, x, F);
      const u = multiply(up, x, F);
      const dInner = new Float64Array(F);
      addTransposed(dInner, down, dOut);
      const sigma = g.map((value) => 1 / (1 + Math.exp(-value)));
      const inner = u.map((value, f) => value * g[f]! * sigma[f]!);
      dWeights[t * K + k] = inner.reduce((sum, value, f) => sum + value * dInner[f]!, 0);
      const dU = dInner.map((value, f) => weight * value * g[f]! * sigma[f]!);
      const dG = dInner.map((value, f) => weight * value * u[f]! * sigma[f]! * (1 + g[f]! * (1 - sigma[f]!)));
      const sums = dX.subarray(t * D, (t + 1) * D);
      addTransposed(sums, gate, dG);
      addTransposed(sums, up, dU);
      addOuter(matrix(dGate, e) as Float64Array, dG, x);
      addOuter(matrix(dUp, e) as Float64Array, dU, x);
      addOuter(
        matrix(dDown, e) as Float64Array,
        dOut,
        inner.map((value) => weight * value),
      );
    }
  }
  for (const { out, sums } of results) out.set(sums);
}

type Vector = Float32Array | Float64Array;

/** matrix [rows, x] · x. */
function multiply(matrix: Vector, x: Vector, rows: number): Float64Array {
  return Float64Array.from({ length: rows }, (_, row) =>
    (x as Float32Array).reduce((sum, value, i) => sum + value * matrix[row * x.length + i]!, 0),
  );
}

/** sums += matrixᵀ · x, matrix [x, sums]. */
function addTransposed(sums: Float64Array, matrix: Vector, x: Vector): void {
  for (let row = 0; row < x.length; row++) {
    for (let i = 0; i < sums.length; i++) sums[i]! += x[row]! * matrix[row * sums.length + i]!;
  }
}

/** sums [left, right] += left ⊗ right. */
function addOuter(sums: Float64Array, left: Vector, right: Vector): void {
  for (let row = 0; row < left.length; row++) {
    for (let i = 0; i < right.length; i++) sums[row * right.length + i]! += left[row]! * right[i]!;
  }
}
