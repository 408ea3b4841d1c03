// The weights of an open checkpoint as jobs: rows read from the file where they lie, with the scales they need.
//
// Invariants: every parameter is found with its shape, and every tensor of the file is used, before anything is
// written; bytes of the wanted type pass unchanged. Knows layouts and names, not what a target looks like.

import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { type MatrixLayout, matrixLayout, projectionLayouts } from "../model/attention-layout.ts";
import type { ModelConfig } from "../model/config.ts";
import type { Parameter } from "../model/parameters.ts";
import { refuseUnused, TensorLookup } from "../model/tensor-lookup.ts";
import { dialectOf } from "../model/weights.ts";
import { type DType, rowBytes } from "../tensor/dtype.ts";
import { defined } from "../util/assert.ts";
import { CHUNK_ELEMENTS, type ChunkJob, type RowScales, SCALE_BLOCK } from "./chunk-job.ts";
import type { KnownScales, WeightSupply } from "./tensors.ts";

/** Throws `checkpoint_invalid` where tensors are missing, misshaped or unknown. */
export function checkpointSupply(
  checkpoint: Checkpoint,
  config: ModelConfig,
  parameters: readonly Parameter[],
): WeightSupply {
  const lookup = new TensorLookup(checkpoint, dialectOf(checkpoint));
  const layouts = new Map(
    parameters.map((parameter) => [
      parameter,
      Array.from({ length: parameter.count }, (_, index) => layoutOf(lookup, config, parameter, index)),
    ]),
  );
  refuseUnused([lookup]);
  const layoutAt = (parameter: Parameter, index: number): MatrixLayout =>
    defined(layouts.get(parameter)?.[index], "a parameter's layout");
  return {
    jobs: (parameter, index, dtype) => matrixJobs(lookup, layoutAt(parameter, index), dtype),
    scales: (parameter, index) => ownScales(lookup, layoutAt(parameter, index)),
  };
}

function layoutOf(lookup: TensorLookup, config: ModelConfig, parameter: Parameter, index: number): MatrixLayout {
  const { projection, shape, count, isExperts } = parameter;
  const { dialect } = lookup;
  if (projection !== undefined) {
    return projectionLayouts(lookup, projection.names(dialect), config, projection.attention)[projection.which];
  }
  const names = parameter.names(dialect, index);
  const name = defined(names.find((candidate) => lookup.has(candidate)) ?? names[0], "a name");
  const [rows, columns] = shape.length === 1 ? [1, shape[0] as number] : (shape as [number, number]);
  if (isExperts && dialect.stackedExperts) {
    const tensor = lookup.take(name, [count, ...shape]);
    return { tensor, rows, columns, tensorRow: (row) => index * rows + row, scales: undefined };
  }
  if (shape.length === 2) return matrixLayout(lookup, name, rows, columns);
  return { tensor: lookup.take(name, shape), rows, columns, tensorRow: (row) => row, scales: undefined };
}

/** The scales of FP8 codes that pass unchanged: those of a matrix that is a tensor of its own. */
function ownScales(lookup: TensorLookup, layout: MatrixLayout): KnownScales | undefined {
  if (!isOwnFp8Tensor(layout)) return undefined;
  const tensor = lookup.takeScales(layout.tensor.name);
  return { shape: tensor.shape, values: () => lookup.readFloats([tensor]) };
}

function isOwnFp8Tensor({ tensor, rows }: MatrixLayout): boolean {
  return tensor.dtype === "f8_e4m3" && tensor.shape[0] === rows;
}

function* matrixJobs(lookup: TensorLookup, layout: MatrixLayout, dtype: DType): Generator<ChunkJob> {
  const { tensor, rows, columns } = layout;
  const isCopy = tensor.dtype === dtype && (dtype !== "f8_e4m3" || isOwnFp8Tensor(layout));
  const scalesOf = isCopy ? undefined : rowScales(lookup, layout);
  // FP8 scales are computed chunk by chunk, so chunks start at whole scale blocks.
  const rowsPerChunk = Math.ceil(CHUNK_ELEMENTS / columns / SCALE_BLOCK) * SCALE_BLOCK;
  for (let begin = 0; begin < rows; begin += rowsPerChunk) {
    const end = Math.min(begin + rowsPerChunk, rows);
    const bytes = readRows(lookup, layout, begin, end);
    if (isCopy) yield { kind: "copy", bytes };
    else yield { kind: "transcode", from: tensor.dtype, bytes, columns, scales: scalesOf?.(begin, end), to: dtype };
  }
}

/** Gives the scales of rows `begin` to `end`; undefined for a matrix without any. */
function rowScales(
  lookup: TensorLookup,
  { scales }: MatrixLayout,
): ((begin: number, end: number) => RowScales) | undefined {
  if (scales === undefined) return undefined;
  const grid = lookup.readFloats(scales.tensors);
  return (begin, end) => ({
    grid,
    rows: Int32Array.from({ length: end - begin }, (_, i) => scales.gridRow(begin + i)),
  });
}

/** Rows of a matrix, gathered from the runs in which they lie. */
function readRows(lookup: TensorLookup, layout: MatrixLayout, begin: number, end: number): Uint8Array {
  const { tensor, columns, tensorRow } = layout;
  const bytesPerRow =
    rowBytes(tensor.dtype, columns) ??
    lookup.fail(`${tensor.name}: ${columns} columns are no whole blocks of ${tensor.dtype}`);
  const read = (row: number, count: number): Uint8Array =>
    lookup.checkpoint.read(tensor, tensorRow(row) * bytesPerRow, (tensorRow(row) + count) * bytesPerRow);
  const bytes = new Uint8Array((end - begin) * bytesPerRow);
  for (let row = begin; row < end;) {
    let count = 1;
    while (row + count < end && tensorRow(row + count) === tensorRow(row) + count) count++;
    bytes.set(read(row, count), (row - begin) * bytesPerRow);
    row += count;
  }
  return bytes;
}
