// The definition of quantised activations, shared by the reference of every op that multiplies by weights.

import { DTYPES, type DType } from "../../tensor/dtype.ts";

/** Activations that share one scale. */
export const ACTIVATION_BLOCK = 32;

/** Whether a weight dtype meets quantised activations at all: only types that are themselves integer codes do. */
export function takesQuantisedActivations(dtype: DType): boolean {
  return DTYPES[dtype].blockElements > 1;
}

/**
 * How activations meet a quantised weight: as they are, or rounded to codes of 15 bits (two int8 digits) or of 8.
 * Weights that are floats meet f32 whatever is asked for.
 */
export const ACTIVATIONS = ["f32", "int16", "int8"] as const;
export type Activations = (typeof ACTIVATIONS)[number];

/** What kernels are told. */
export const ACTIVATION_DIGITS: Readonly<Record<Activations, number>> = { f32: 0, int8: 1, int16: 2 };

/** Largest code of one int8 digit, and of two. */
const MAX_CODES = [0, 127, 127 * 128];
/** Blocks with a smaller scale become zero: its inverse could overflow. */
const SMALLEST_NORMAL = 2 ** -126;

/**
 * Rounds `row` [K] to codes with one scale per 32 elements and back: x ≈ scale · code, scale = max|x| / largest code.
 * K is a multiple of 32, as it is for every block dtype. Codes round to the nearest integer, ties to even.
 */
export function quantiseActivations(row: Float32Array, digits: number): Float32Array {
  const maxCode = MAX_CODES[digits]!;
  const out = new Float32Array(row.length);
  for (let start = 0; start < row.length; start += ACTIVATION_BLOCK) {
    let max = 0;
    for (let i = start; i < start + ACTIVATION_BLOCK; i++) max = Math.max(max, Math.abs(row[i]!));
    const scale = Math.fround(max / maxCode);
    const inverse = scale < SMALLEST_NORMAL ? 0 : Math.fround(1 / scale);
    for (let i = start; i < start + ACTIVATION_BLOCK; i++) {
      out[i] = scale * roundToEven(Math.fround(row[i]! * inverse));
    }
  }
  return out;
}

function roundToEven(x: number): number {
  const floor = Math.floor(x);
  const fraction = x - floor;
  if (fraction !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}
