// The definition of quantised activations, shared by the reference of every op that multiplies by weights.

import { DTYPES, type DType } from "../../tensor/dtype.ts";

/** Activations that share one scale. */
export const ACTIVATION_BLOCK = 32;

/** Whether a weight dtype meets quantised activations at all: only types that are themselves integer codes do. */
export function takesQuantisedActivations(dtype: DType): boolean {
  return DTYPES[dtype].blockElements > 1;
}

/** Largest code: two int8 digits, 127 · 128. */
const MAX_CODE = 16256;
/** Blocks with a smaller scale become zero: its inverse could overflow. */
const SMALLEST_NORMAL = 2 ** -126;

/**
 * Rounds `row` [K] to 15-bit codes with one scale per 32 elements and back: x ≈ scale · code, scale = max|x| / 16256.
 * K is a multiple of 32, as it is for every block dtype. Codes round to the nearest integer, ties to even.
 */
export function quantiseActivations(row: Float32Array): Float32Array {
  const out = new Float32Array(row.length);
  for (let start = 0; start < row.length; start += ACTIVATION_BLOCK) {
    let max = 0;
    for (let i = start; i < start + ACTIVATION_BLOCK; i++) max = Math.max(max, Math.abs(row[i]!));
    const scale = Math.fround(max / MAX_CODE);
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
