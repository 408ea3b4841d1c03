// A tensor is a typed, shaped view into memory that a backend owns: a handle, an offset, no bytes.
//
// Views are cheap values; making or dropping one allocates nothing on the device and frees nothing there.
// Rows are contiguous: the last dimension varies fastest. Bounds are checked once, when a view is made.

import { assert } from "../util/assert.ts";
import { type DType, rowBytes } from "./dtype.ts";
import { formatShape, numElements, type Shape } from "./shape.ts";

/** Names a block of memory inside one backend. Never an address. */
export type Handle = number;

export interface Memory {
  readonly handle: Handle;
  readonly byteLength: number;
}

export interface Tensor {
  readonly memory: Memory;
  readonly byteOffset: number;
  readonly dtype: DType;
  readonly shape: Shape;
}

/** Bytes a tensor takes, or undefined where its rows are no whole number of blocks or its size overflows. */
export function tensorBytes(dtype: DType, shape: Shape): number | undefined {
  const columns = shape.at(-1) ?? 1;
  const elements = numElements(shape);
  const row = rowBytes(dtype, columns);
  if (elements === undefined || row === undefined) return undefined;
  const bytes = columns === 0 ? 0 : (elements / columns) * row;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** A view of `memory`. The caller has validated sizes that come from outside; a view out of bounds is a bug. */
export function view(memory: Memory, dtype: DType, shape: Shape, byteOffset = 0): Tensor {
  const bytes = tensorBytes(dtype, shape);
  assert(
    bytes !== undefined && byteOffset >= 0 && byteOffset + bytes <= memory.byteLength,
    () => `view ${dtype} ${formatShape(shape)} at byte ${byteOffset} exceeds its memory of ${memory.byteLength} bytes`,
  );
  return { memory, byteOffset, dtype, shape };
}

/** The first `rows` rows of a tensor. */
export function firstRows(tensor: Tensor, rows: number): Tensor {
  const [size, ...rest] = tensor.shape;
  assert(size !== undefined && rows <= size, `first ${rows} rows of ${formatShape(tensor.shape)}`);
  return { ...tensor, shape: [rows, ...rest] };
}
