// The definition, expert by expert, in float64; each result is rounded once, when all is added. With FP8, operands of
// products are rounded where they meet.

import type { HostArgs } from "../../backends/backend.ts";
import { roundTiles, type Tile } from "../fp8-round/fp8-round.ts";
import { hostF32, hostI32, hostScalars } from "../host.ts";

export function expertsBackwardReference(args: HostArgs): void {
  const [T, E, D, F, K, block] = hostScalars(args, 6) as [number, number, number, number, number, number];
  const [ids, weights, dWeights] = [hostI32(args, 1), hostF32(args, 2), hostF32(args, 8)];
  const results = [7, 9, 10, 11].map((i) => ({ out: hostF32(args, i), sums: Float64Array.from(hostF32(args, i)) }));
  const [dX, dGate, dUp, dDown] = results.map(({ sums }) => sums) as [Sums, Sums, Sums, Sums];
  const rounded = (values: Vector, columns: number, tile: Tile): Vector =>
    block === 0 ? values : roundTiles(values, columns, tile);
  const byRow = (values: Vector, columns: number) => rounded(values, columns, { rows: 1, columns: block });
  const byToken = (values: Vector, columns: number) => rounded(values, columns, { rows: block, columns: 1 });
  for (let e = 0; e < E; e++) {
    const choices = Array.from({ length: T * K }, (_, i) => i).filter((i) => ids[i] === e);
    const tokens = choices.map((i) => Math.floor(i / K));
    const shareOf = (at: number): number => weights[choices[Math.floor(at / F)]!]!;
    const matrix = <V extends Vector>(values: V): V => values.subarray(e * F * D, (e + 1) * F * D) as V;
    const [x, dOut] = [0, 6].map((i) => gather(hostF32(args, i), tokens, D)) as [Vector, Vector];
    const [gate, up, down] = [3, 4, 5].map((i) => matrix(hostF32(args, i))) as [Vector, Vector, Vector];

    const g = timesTransposed(byRow(x, D), gate, D);
    const u = timesTransposed(byRow(x, D), up, D);
    const dInner = new Float64Array(g.length);
    addProduct(dInner, byRow(dOut, D), down, F);
    const sigma = g.map((value) => 1 / (1 + Math.exp(-value)));
    const inner = u.map((value, i) => value * g[i]! * sigma[i]!);
    const dU = dInner.map((value, i) => shareOf(i) * value * g[i]! * sigma[i]!);
    const dG = dInner.map((value, i) => shareOf(i) * value * u[i]! * sigma[i]! * (1 + g[i]! * (1 - sigma[i]!)));
    const given = inner.map((value, i) => shareOf(i) * value);

    const dInput = new Float64Array(x.length);
    addProduct(dInput, byRow(dG, F), gate, D);
    addProduct(dInput, byRow(dU, F), up, D);
    dInput.forEach((value, i) => (dX[tokens[Math.floor(i / D)]! * D + (i % D)]! += value));
    choices.forEach((choice, slot) => {
      const dots = inner.subarray(slot * F, (slot + 1) * F).map((value, f) => value * dInner[slot * F + f]!);
      dWeights[choice] = dots.reduce((sum, value) => sum + value, 0);
    });
    addOuterProducts(matrix(dGate), byToken(dG, F), byToken(x, D), F, D);
    addOuterProducts(matrix(dUp), byToken(dU, F), byToken(x, D), F, D);
    addOuterProducts(matrix(dDown), byToken(dOut, D), byToken(given, F), D, F);
  }
  for (const { out, sums } of results) out.set(sums);
}

type Sums = Float64Array<ArrayBuffer>;
type Vector = Float32Array | Float64Array;

function gather(rows: Vector, indices: readonly number[], columns: number): Float64Array {
  return Float64Array.from(
    { length: indices.length * columns },
    (_, i) => rows[indices[Math.floor(i / columns)]! * columns + (i % columns)]!,
  );
}

/** left [S, R] · rightᵀ, right [N, R]. */
function timesTransposed(left: Vector, right: Vector, R: number): Float64Array {
  const N = right.length / R;
  return Float64Array.from({ length: (left.length / R) * N }, (_, i) => {
    const [l, r] = [Math.floor(i / N) * R, (i % N) * R];
    let sum = 0;
    for (let k = 0; k < R; k++) sum += left[l + k]! * right[r + k]!;
    return sum;
  });
}

/** sums [S, N] += left [S, R] · right [R, N]. */
function addProduct(sums: Float64Array, left: Vector, right: Vector, N: number): void {
  const R = right.length / N;
  for (let i = 0; i < left.length; i++) {
    const [at, row] = [Math.floor(i / R) * N, (i % R) * N];
    for (let n = 0; n < N; n++) sums[at + n]! += left[i]! * right[row + n]!;
  }
}

/** sums [M, N] += leftᵀ · right, left [S, M], right [S, N]. */
function addOuterProducts(sums: Float64Array, left: Vector, right: Vector, M: number, N: number): void {
  for (let i = 0; i < left.length; i++) {
    const [slot, at] = [Math.floor(i / M) * N, (i % M) * N];
    for (let n = 0; n < N; n++) sums[at + n]! += left[i]! * right[slot + n]!;
  }
}
