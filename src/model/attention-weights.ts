// Binds the weights of an attention: views of the file where a projection's rows lie together, copies where not.

import { SCALE_COLUMNS, type Weight } from "../backends/backend.ts";
import { view } from "../tensor/tensor.ts";
import { type MatrixLayout, projectionLayouts, type ScaleLayout } from "./attention-layout.ts";
import type { AttentionKind, ModelConfig } from "./config.ts";
import { SCALE_ROWS } from "./tensor-lookup.ts";
import type { ScaleGrid, WeightBinder } from "./weight-binder.ts";
import type { AttentionNames } from "./weight-names.ts";
import type { AttentionWeights } from "./weights.ts";

export function bindAttention(
  binder: WeightBinder,
  names: AttentionNames,
  config: ModelConfig,
  kind: AttentionKind,
): AttentionWeights {
  const shape = config.attention[kind];
  const { q, k, v } = projectionLayouts(binder, names, config, kind);
  return {
    q: bindLayout(binder, q),
    k: bindLayout(binder, k),
    v: bindLayout(binder, v),
    o: binder.matrix(names.o, config.hiddenSize, shape.numHeads * shape.valueDim),
    sinks: shape.hasSinks ? binder.vector(names.sinks, shape.numHeads) : null,
  };
}

function bindLayout(binder: WeightBinder, layout: MatrixLayout): Weight {
  const { tensor, rows, columns, tensorRow, scales } = layout;
  const bytesPerRow = binder.bytesPerRow(tensor, columns);
  const first = tensorRow(0);
  const isContiguous = tensorRow(rows - 1) === first + rows - 1;
  const matrix = isContiguous
    ? binder.inFile(tensor, [rows, columns], first * bytesPerRow)
    : view(binder.own(packRows(binder.checkpoint.read(tensor), layout, bytesPerRow)), tensor.dtype, [rows, columns]);
  return binder.prepare([matrix], scales === undefined ? undefined : [scaleGrid(binder, scales, rows, columns)]);
}

function packRows(bytes: Uint8Array, { rows, tensorRow }: MatrixLayout, bytesPerRow: number): Uint8Array {
  const packed = new Uint8Array(rows * bytesPerRow);
  for (let row = 0; row < rows; row++) {
    const from = tensorRow(row) * bytesPerRow;
    packed.set(bytes.subarray(from, from + bytesPerRow), row * bytesPerRow);
  }
  return packed;
}

/** A grid in which aligned groups of rows share scales: as many rows as agree on them, up to the plain number. */
function scaleGrid(binder: WeightBinder, layout: ScaleLayout, rows: number, columns: number): ScaleGrid {
  const gridColumns = Math.ceil(columns / SCALE_COLUMNS);
  const gridRows = Array.from({ length: rows }, (_, row) => layout.gridRow(row));
  const groupsAgree = (size: number): boolean => gridRows.every((row, i) => row === gridRows[i - (i % size)]);
  let scaleRows = SCALE_ROWS;
  while (!groupsAgree(scaleRows)) scaleRows /= 2;
  const scales = binder.readFloats(layout.tensors);
  const grid = new Float32Array(Math.ceil(rows / scaleRows) * gridColumns);
  for (let group = 0; group * scaleRows < rows; group++) {
    const from = (gridRows[group * scaleRows] ?? 0) * gridColumns;
    grid.set(scales.subarray(from, from + gridColumns), group * gridColumns);
  }
  return { scales: binder.upload(grid, [grid.length / gridColumns, gridColumns]), scaleRows };
}
