// q, k and v in every layout that published checkpoints use.
//
//  - three matrices: V2-Flash, and GGUF files that keep them apart
//  - FP8 with fused K/V scales (global layers of V2-Flash): per KV head, [K rows | V rows] were quantised as one
//    matrix and split afterwards, so a V head's first rows share the scale row of the K head's last rows
//  - one qkv matrix, rows [q | k | v]: GGUF
//  - one qkv matrix in ranks, each [q | k | v] of its share of the heads with block scales of its own: V2.5 and
//    later; the published files have one rank per global KV head

import { SCALE_COLUMNS, type Weight } from "../backends/backend.ts";
import type { TensorInfo } from "../checkpoint/tensor-info.ts";
import { sameShape } from "../tensor/shape.ts";
import { view } from "../tensor/tensor.ts";
import type { AttentionKind, AttentionShape, ModelConfig } from "./config.ts";
import { SCALE_ROWS, type ScaleGrid, type WeightBinder } from "./weight-binder.ts";
import type { AttentionNames } from "./weight-names.ts";
import type { AttentionWeights } from "./weights.ts";

type Projections = Pick<AttentionWeights, "q" | "k" | "v">;

export function bindAttention(
  binder: WeightBinder,
  names: AttentionNames,
  config: ModelConfig,
  kind: AttentionKind,
): AttentionWeights {
  const shape = config.attention[kind];
  const { hiddenSize } = config;
  const projections = binder.has(names.q)
    ? bindSeparate(binder, names, shape, hiddenSize)
    : bindFused(binder, names, shape, hiddenSize, config.attention.global.numKvHeads);
  return {
    ...projections,
    o: binder.matrix(names.o, hiddenSize, shape.numHeads * shape.valueDim),
    sinks: shape.hasSinks ? binder.vector(names.sinks, shape.numHeads) : null,
  };
}

function bindSeparate(binder: WeightBinder, names: AttentionNames, shape: AttentionShape, D: number): Projections {
  const rows = projectionRows(shape);
  const q = binder.matrix(names.q, rows.q, D);
  if (!hasFusedKvScales(binder, names, shape, rows.k, D)) {
    return { q, k: binder.matrix(names.k, rows.k, D), v: binder.matrix(names.v, rows.v, D) };
  }
  const k = binder.take(names.k, [rows.k, D]);
  const v = binder.take(names.v, [rows.v, D]);
  const { kRow, vRow, scales } = fusedKvScales(binder, names, shape, D);
  return {
    q,
    k: binder.prepare([binder.inFile(k, k.shape)], [gridOfRows(binder, scales, D, Array.from({ length: rows.k }, (_, r) => kRow(r)))]),
    v: binder.prepare([binder.inFile(v, v.shape)], [gridOfRows(binder, scales, D, Array.from({ length: rows.v }, (_, r) => vRow(r)))]),
  };
}

/** Rows of the three projections. */
function projectionRows(shape: AttentionShape): { readonly q: number; readonly k: number; readonly v: number } {
  return {
    q: shape.numHeads * shape.headDim,
    k: shape.numKvHeads * shape.headDim,
    v: shape.numKvHeads * shape.valueDim,
  };
}

/** Recognised by its shape alone: K has a whole number of scale rows per head, and that is not the plain number. */
function hasFusedKvScales(
  binder: WeightBinder,
  names: AttentionNames,
  shape: AttentionShape,
  kRows: number,
  D: number,
): boolean {
  const name = binder.dialect.scales(names.k);
  if (!binder.has(name)) return false;
  const perHead = Math.ceil(shape.headDim / SCALE_ROWS);
  const fused = shape.numKvHeads * perHead;
  const found = binder.take(name).shape;
  return fused !== Math.ceil(kRows / SCALE_ROWS) && sameShape(found, [fused, Math.ceil(D / SCALE_COLUMNS)]);
}

/** Scale rows of K and V in one grid (K's first), and which of them each matrix row uses. */
function fusedKvScales(binder: WeightBinder, names: AttentionNames, shape: AttentionShape, D: number) {
  const { headDim, valueDim, numKvHeads } = shape;
  const kBlocks = Math.ceil(headDim / SCALE_ROWS);
  const vBlocks = Math.ceil((headDim + valueDim) / SCALE_ROWS) - kBlocks;
  const columns = Math.ceil(D / SCALE_COLUMNS);
  const kScales = binder.takeScales(names.k);
  const vScales = binder.takeScales(names.v);
  if (!sameShape(vScales.shape, [numKvHeads * vBlocks, columns])) {
    binder.fail(
      `${vScales.name}: expected ${numKvHeads * vBlocks} scale rows beside fused K/V scales, found ${vScales.shape[0]}`,
    );
  }
  const scales = new Float32Array((kBlocks + vBlocks) * numKvHeads * columns);
  scales.set(floats(binder.read(kScales)));
  scales.set(floats(binder.read(vScales)), kBlocks * numKvHeads * columns);
  return {
    scales,
    kRow: (row: number): number =>
      Math.floor(row / headDim) * kBlocks + Math.floor((row % headDim) / SCALE_ROWS),
    vRow: (row: number): number => {
      const head = Math.floor(row / valueDim);
      const block = Math.floor((headDim + (row % valueDim)) / SCALE_ROWS);
      return block < kBlocks ? head * kBlocks + block : kBlocks * numKvHeads + head * vBlocks + block - kBlocks;
    },
  };
}

function bindFused(
  binder: WeightBinder,
  names: AttentionNames,
  shape: AttentionShape,
  D: number,
  publishedRanks: number,
): Projections {
  const rows = projectionRows(shape);
  const total = rows.q + rows.k + rows.v;
  const info = binder.take(names.qkv, [total, D]);
  const ranks = binder.dialect.stackedExperts ? 1 : fusedRanks(binder, info, shape, total, publishedRanks);
  const starts = { q: 0, k: rows.q / ranks, v: (rows.q + rows.k) / ranks };
  const part = (which: "q" | "k" | "v"): Weight => bindRanks(binder, info, { ranks, start: starts[which], rows: rows[which] / ranks });
  return { q: part("q"), k: part("k"), v: part("v") };
}

/**
 * Ranks of a fused qkv matrix of the Hugging Face format. FP8 scale grids show them where a rank is no whole number
 * of blocks; otherwise the published layout is taken, because both layouts have the same shapes.
 */
function fusedRanks(
  binder: WeightBinder,
  info: TensorInfo,
  shape: AttentionShape,
  total: number,
  publishedRanks: number,
): number {
  const divides = shape.numHeads % publishedRanks === 0 && shape.numKvHeads % publishedRanks === 0;
  const candidates = divides ? [publishedRanks, 1] : [1];
  if (info.dtype !== "f8_e4m3") return candidates[0] ?? 1;
  const scales = binder.takeScales(info.name);
  const ranks = candidates.find((count) => count * Math.ceil(total / count / SCALE_ROWS) === scales.shape[0]);
  if (ranks !== undefined) return ranks;
  return binder.fail(`${scales.name}: ${scales.shape[0]} scale rows fit no layout of ${total} fused rows`);
}

interface RankPart {
  readonly ranks: number;
  /** First row of the part inside a rank. */
  readonly start: number;
  /** Rows of the part inside a rank. */
  readonly rows: number;
}

/** One of q, k, v out of a fused matrix: a view where its rows lie together, a copy where ranks scatter them. */
function bindRanks(binder: WeightBinder, info: TensorInfo, part: RankPart): Weight {
  const [total, D] = info.shape as [number, number];
  const { ranks, start, rows } = part;
  const bytesPerRow = binder.bytesPerRow(info, D);
  const rankRows = total / ranks;
  const sourceRow = (row: number): number => Math.floor(row / rows) * rankRows + start + (row % rows);
  const matrix = () => {
    if (ranks === 1) return binder.inFile(info, [rows, D], start * bytesPerRow);
    const bytes = binder.read(info);
    const packed = new Uint8Array(ranks * rows * bytesPerRow);
    for (let rank = 0; rank < ranks; rank++) {
      const from = sourceRow(rank * rows) * bytesPerRow;
      packed.set(bytes.subarray(from, from + rows * bytesPerRow), rank * rows * bytesPerRow);
    }
    return view(binder.own(packed), info.dtype, [ranks * rows, D]);
  };
  if (info.dtype !== "f8_e4m3") return binder.prepare([matrix()]);
  const blocksPerRank = Math.ceil(rankRows / SCALE_ROWS);
  const scales = floats(binder.read(binder.takeScales(info.name)));
  const scaleRow = Array.from({ length: ranks * rows }, (_, row) => {
    const source = sourceRow(row);
    return Math.floor(source / rankRows) * blocksPerRank + Math.floor((source % rankRows) / SCALE_ROWS);
  });
  return binder.prepare([matrix()], [gridOfRows(binder, scales, D, scaleRow)]);
}

/** A grid in which aligned groups of rows share scales, from the scale row of each matrix row. */
function gridOfRows(binder: WeightBinder, scales: Float32Array, D: number, scaleRow: readonly number[]): ScaleGrid {
  const columns = Math.ceil(D / SCALE_COLUMNS);
  const uniform = (size: number): boolean => scaleRow.every((row, i) => row === scaleRow[i - (i % size)]);
  let scaleRows = SCALE_ROWS;
  while (!uniform(scaleRows)) scaleRows /= 2;
  const grid = new Float32Array(Math.ceil(scaleRow.length / scaleRows) * columns);
  for (let group = 0; group * scaleRows < scaleRow.length; group++) {
    const from = (scaleRow[group * scaleRows] ?? 0) * columns;
    grid.set(scales.subarray(from, from + columns), group * columns);
  }
  return { scales: binder.upload(grid, [grid.length / columns, columns]), scaleRows };
}

function floats(bytes: Uint8Array): Float32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
}
