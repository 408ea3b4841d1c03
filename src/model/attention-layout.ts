// Where the rows of q, k and v lie in a checkpoint, in every layout that published files use. Pure description: binding
// maps it, conversion reads along it.
//
//  - three matrices: V2-Flash, and GGUF files that keep them apart
//  - FP8 with fused K/V scales (global layers of V2-Flash): per KV head, [K rows | V rows] were quantised as one
//    matrix and split afterwards, so a V head's first rows share the scale row of the K head's last rows
//  - one qkv matrix, rows [q | k | v]: GGUF
//  - one qkv matrix in ranks, each [q | k | v] of its share of the heads with block scales of its own: V2.5 and
//    later; the published files have one rank per global KV head

import { SCALE_COLUMNS } from "../backends/backend.ts";
import type { TensorInfo } from "../checkpoint/tensor-info.ts";
import { sameShape } from "../tensor/shape.ts";
import type { AttentionKind, AttentionShape, ModelConfig } from "./config.ts";
import { SCALE_ROWS, type TensorLookup } from "./tensor-lookup.ts";
import type { AttentionNames } from "./weight-names.ts";

/** Where the rows of one matrix lie. */
export interface MatrixLayout {
  readonly tensor: TensorInfo;
  readonly rows: number;
  readonly columns: number;
  /** The row of `tensor`, all its outer dimensions flattened, that holds a row of the matrix. It grows with the row. */
  readonly tensorRow: (row: number) => number;
  /** Of FP8 matrices only. */
  readonly scales: ScaleLayout | undefined;
}

export interface ScaleLayout {
  /** Tensors whose rows of scales count as one grid, the first one's rows first. */
  readonly tensors: readonly TensorInfo[];
  /** The row of the grid that scales a row of the matrix. */
  readonly gridRow: (row: number) => number;
}

export interface ProjectionLayouts {
  readonly q: MatrixLayout;
  readonly k: MatrixLayout;
  readonly v: MatrixLayout;
}

/** A matrix that is a tensor of its own. Throws `checkpoint_invalid`, as everything here. */
export function matrixLayout(lookup: TensorLookup, name: string, rows: number, columns: number): MatrixLayout {
  const tensor = lookup.take(name, [rows, columns]);
  const scales =
    tensor.dtype === "f8_e4m3"
      ? {
          tensors: [lookup.takePlainScales(name, rows, columns)],
          gridRow: (row: number) => Math.floor(row / SCALE_ROWS),
        }
      : undefined;
  return { tensor, rows, columns, tensorRow: (row) => row, scales };
}

export function projectionLayouts(
  lookup: TensorLookup,
  names: AttentionNames,
  config: ModelConfig,
  kind: AttentionKind,
): ProjectionLayouts {
  const shape = config.attention[kind];
  const D = config.hiddenSize;
  if (!lookup.has(names.q)) return fusedLayouts(lookup, names, shape, D, config.attention.global.numKvHeads);
  const rows = projectionRows(shape);
  const q = matrixLayout(lookup, names.q, rows.q, D);
  if (hasFusedKvScales(lookup, names, shape, D)) return { q, ...fusedScaleLayouts(lookup, names, shape, D) };
  return { q, k: matrixLayout(lookup, names.k, rows.k, D), v: matrixLayout(lookup, names.v, rows.v, D) };
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
function hasFusedKvScales(lookup: TensorLookup, names: AttentionNames, shape: AttentionShape, D: number): boolean {
  const name = lookup.dialect.scales(names.k);
  if (!lookup.has(name)) return false;
  const perHead = Math.ceil(shape.headDim / SCALE_ROWS);
  const fused = shape.numKvHeads * perHead;
  const plain = Math.ceil(projectionRows(shape).k / SCALE_ROWS);
  return fused !== plain && sameShape(lookup.take(name).shape, [fused, Math.ceil(D / SCALE_COLUMNS)]);
}

/** K and V whose scales are rows of one grid, K's first. */
function fusedScaleLayouts(
  lookup: TensorLookup,
  names: AttentionNames,
  shape: AttentionShape,
  D: number,
): Pick<ProjectionLayouts, "k" | "v"> {
  const { headDim, valueDim, numKvHeads } = shape;
  const rows = projectionRows(shape);
  const kBlocks = Math.ceil(headDim / SCALE_ROWS);
  const vBlocks = Math.ceil((headDim + valueDim) / SCALE_ROWS) - kBlocks;
  const tensors = [lookup.takeScales(names.k), lookup.takeScales(names.v)] as const;
  const [, vScales] = tensors;
  if (!sameShape(vScales.shape, [numKvHeads * vBlocks, Math.ceil(D / SCALE_COLUMNS)])) {
    lookup.fail(
      `${vScales.name}: expected ${numKvHeads * vBlocks} scale rows beside fused K/V scales, found ${vScales.shape[0]}`,
    );
  }
  const kRow = (row: number): number => Math.floor(row / headDim) * kBlocks + Math.floor((row % headDim) / SCALE_ROWS);
  const vRow = (row: number): number => {
    const head = Math.floor(row / valueDim);
    const block = Math.floor((headDim + (row % valueDim)) / SCALE_ROWS);
    return block < kBlocks ? head * kBlocks + block : kBlocks * numKvHeads + head * vBlocks + block - kBlocks;
  };
  const layout = (name: string, count: number, gridRow: (row: number) => number): MatrixLayout => ({
    tensor: lookup.take(name, [count, D]),
    rows: count,
    columns: D,
    tensorRow: (row) => row,
    scales: { tensors, gridRow },
  });
  return { k: layout(names.k, rows.k, kRow), v: layout(names.v, rows.v, vRow) };
}

function fusedLayouts(
  lookup: TensorLookup,
  names: AttentionNames,
  shape: AttentionShape,
  D: number,
  publishedRanks: number,
): ProjectionLayouts {
  const rows = projectionRows(shape);
  const total = rows.q + rows.k + rows.v;
  const tensor = lookup.take(names.qkv, [total, D]);
  const scales = tensor.dtype === "f8_e4m3" ? lookup.takeScales(names.qkv) : undefined;
  const ranks = lookup.dialect.stackedExperts ? 1 : fusedRanks(lookup, scales, shape, total, publishedRanks);
  const rankRows = total / ranks;
  const blocksPerRank = Math.ceil(rankRows / SCALE_ROWS);
  const gridRow = (row: number): number =>
    Math.floor(row / rankRows) * blocksPerRank + Math.floor((row % rankRows) / SCALE_ROWS);
  const part = (count: number, before: number): MatrixLayout => {
    const perRank = count / ranks;
    const start = before / ranks;
    const tensorRow = (row: number): number => Math.floor(row / perRank) * rankRows + start + (row % perRank);
    return {
      tensor,
      rows: count,
      columns: D,
      tensorRow,
      scales: scales === undefined ? undefined : { tensors: [scales], gridRow: (row) => gridRow(tensorRow(row)) },
    };
  };
  return { q: part(rows.q, 0), k: part(rows.k, rows.q), v: part(rows.v, rows.q + rows.k) };
}

/**
 * Ranks of a fused qkv matrix of the Hugging Face format. FP8 scale grids show them where a rank is no whole number
 * of blocks; otherwise the published layout is taken, because both layouts have the same shapes.
 */
function fusedRanks(
  lookup: TensorLookup,
  scales: TensorInfo | undefined,
  shape: AttentionShape,
  total: number,
  publishedRanks: number,
): number {
  const divides = shape.numHeads % publishedRanks === 0 && shape.numKvHeads % publishedRanks === 0;
  const candidates = divides ? [publishedRanks, 1] : [1];
  if (scales === undefined) return candidates[0] ?? 1;
  const ranks = candidates.find((count) => count * Math.ceil(total / count / SCALE_ROWS) === scales.shape[0]);
  if (ranks !== undefined) return ranks;
  return lookup.fail(`${scales.name}: ${scales.shape[0]} scale rows fit no layout of ${total} fused rows`);
}
