// One piece of a matrix and how to make its bytes: the unit of work of initialisation and conversion.
//
// A job is plain data and its result a pure function of it, so that it runs here or on a worker thread alike.
// Knows element types and blocks. Refuses to know names, files and what a matrix is for.

import { decodeBlocks, encodeBlocks, type RealDType } from "../tensor/codec/codec.ts";
import { type DType, DTYPES, rowBytes } from "../tensor/dtype.ts";
import { assert, defined } from "../util/assert.ts";
import { MimoError } from "../util/errors.ts";
import { F8_MAX, f8Scale } from "../util/fp8.ts";
import { isPlain, MAX_DEVIATION, normalElements, type NormalTable, normalTable, type PlainDType } from "./normal.ts";
import { randomBlocks } from "./random-blocks.ts";

/** Rows and columns of an FP8 matrix that share a scale in what is written here. */
export const SCALE_BLOCK = 128;

/** Elements of a chunk, more or less: whole blocks of every type, and some megabytes. */
export const CHUNK_ELEMENTS = 1 << 20;

export type ChunkJob = CopyJob | RandomJob | TranscodeJob;

/** Bytes that are right as they are. */
export interface CopyJob {
  readonly kind: "copy";
  readonly bytes: Uint8Array;
}

/** Random weights: elements `begin` to `begin + count` of a matrix, whole blocks. */
export interface RandomJob {
  readonly kind: "random";
  readonly dtype: DType;
  readonly key: number;
  readonly mean: number;
  readonly deviation: number;
  readonly begin: number;
  readonly count: number;
  /** Draw the bits of blocks instead of quantising floats. */
  readonly drawsBlocks: boolean;
}

/** Rows of a matrix in another type. The buffer of `bytes` goes with the job. */
export interface TranscodeJob {
  readonly kind: "transcode";
  readonly from: DType;
  readonly bytes: Uint8Array;
  readonly columns: number;
  /** Scales of FP8 rows: a grid, and the row of the grid that each row uses. */
  readonly scales: RowScales | undefined;
  readonly to: DType;
}

export interface RowScales {
  /** [grid rows, ⌈columns/128⌉] */
  readonly grid: Float32Array;
  readonly rows: Int32Array;
}

export interface Chunk {
  readonly bytes: Uint8Array;
  /** Scales [⌈rows/128⌉, ⌈columns/128⌉] of FP8 codes made from floats; chunks start at whole scale blocks. */
  readonly scales?: Float32Array;
}

export function runJob(job: ChunkJob): Chunk {
  switch (job.kind) {
    case "copy":
      return { bytes: job.bytes };
    case "random":
      return { bytes: randomChunk(job) };
    case "transcode":
      return transcode(job);
    default:
      return job satisfies never;
  }
}

/** Scale of every block of random FP8 codes: the largest random weight takes the largest code. */
export function randomFp8Scale(deviation: number): number {
  return Math.fround((deviation * MAX_DEVIATION) / F8_MAX);
}

function randomChunk(job: RandomJob): Uint8Array {
  const { dtype, key, begin, count, deviation } = job;
  assert(dtype !== "i32", "weights are no integers");
  if (isPlain(dtype)) return normalElements(tableOf(dtype, job), key, begin, count);
  if (job.drawsBlocks) {
    const { blockElements } = DTYPES[dtype];
    return randomBlocks(dtype, deviation, key, begin / blockElements, count / blockElements);
  }
  const floats = normalElements(tableOf("f32", job), key, begin, count);
  return encode(dtype, asFloats(floats));
}

const tables = new Map<string, NormalTable>();

/** Tables are few: one per type and deviation. */
function tableOf(dtype: PlainDType, { mean, deviation }: RandomJob): NormalTable {
  const id = `${dtype} ${mean} ${deviation}`;
  const known = tables.get(id);
  if (known !== undefined) return known;
  const scale = dtype === "f8_e4m3" ? randomFp8Scale(deviation) : 1;
  const table = normalTable(dtype, mean / scale, deviation / scale);
  tables.set(id, table);
  return table;
}

function transcode(job: TranscodeJob): Chunk {
  const { from, to, bytes, columns } = job;
  assert(from !== "i32", "weights are no integers");
  const values = decode(from, bytes, columns);
  if (job.scales !== undefined) applyScales(values, columns, job.scales);
  return to === "f8_e4m3" ? encodeFp8(values, columns) : { bytes: encode(to, values) };
}

function decode(dtype: RealDType, bytes: Uint8Array, columns: number): Float32Array {
  const rows = bytes.length / defined(rowBytes(dtype, columns), "whole blocks");
  const values = new Float32Array(rows * columns);
  decodeBlocks(dtype, bytes, values);
  return values;
}

function encode(dtype: DType, values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(defined(rowBytes(dtype, values.length), "whole blocks"));
  encodeBlocks(dtype, values, bytes);
  return bytes;
}

function applyScales(values: Float32Array, columns: number, scales: RowScales): void {
  const { grid, rows } = scales;
  const gridColumns = Math.ceil(columns / SCALE_BLOCK);
  forEachSpan(values, columns, (span, row, block) => {
    const scale = grid[rows[row]! * gridColumns + block]!;
    for (let i = 0; i < span.length; i++) span[i]! *= scale;
  });
}

/** Codes and scales of whole scale blocks: the largest value of a block takes the largest code. */
function encodeFp8(values: Float32Array, columns: number): Chunk {
  const gridColumns = Math.ceil(columns / SCALE_BLOCK);
  const scales = new Float32Array(Math.ceil(values.length / columns / SCALE_BLOCK) * gridColumns);
  const placeOf = (row: number, block: number): number => Math.floor(row / SCALE_BLOCK) * gridColumns + block;
  forEachSpan(values, columns, (span, row, block) => {
    const place = placeOf(row, block);
    let max = scales[place]!;
    for (let i = 0; i < span.length; i++) max = Math.max(max, Math.abs(span[i]!));
    scales[place] = max;
  });
  if (!scales.every(Number.isFinite)) throw new MimoError("invalid_argument", "Expected finite values for fp8.");
  for (let i = 0; i < scales.length; i++) scales[i] = f8Scale(scales[i]!);
  forEachSpan(values, columns, (span, row, block) => {
    const scale = scales[placeOf(row, block)]!;
    // Divided, not multiplied by an inverse: the codes are those that training in FP8 rounded to.
    for (let i = 0; i < span.length; i++) span[i]! /= scale;
  });
  return { bytes: encode("f8_e4m3", values), scales };
}

/** The elements of each row in runs that share a scale. */
function forEachSpan(
  values: Float32Array,
  columns: number,
  visit: (span: Float32Array, row: number, block: number) => void,
): void {
  for (let row = 0; row * columns < values.length; row++) {
    for (let begin = 0, block = 0; begin < columns; begin += SCALE_BLOCK, block++) {
      const end = Math.min(begin + SCALE_BLOCK, columns);
      visit(values.subarray(row * columns + begin, row * columns + end), row, block);
    }
  }
}

function asFloats(bytes: Uint8Array): Float32Array {
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}
