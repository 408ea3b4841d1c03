// Deterministic material for kernels: activations, and weights of every dtype.
//
// Block types are random bytes with finite scales, not encoded values: so every code, sign and sub-scale occurs,
// also those that no encoder of this project writes.

import { decodeBlocks, encodeBlocks } from "../../src/tensor/codec/codec.ts";
import { type DType, DTYPES, rowBytes } from "../../src/tensor/dtype.ts";
import { defined } from "../../src/util/assert.ts";
import { f32ToF16 } from "../../src/util/half.ts";
import { randomKey, randomUnit } from "../../src/util/random.ts";
import type { WeightData } from "./machine.ts";

/** Numbers in (−scale, scale). */
export function randomFloats(seed: number, count: number, scale = 1): Float32Array {
  const key = randomKey(seed, 1);
  return Float32Array.from({ length: count }, (_, i) => scale * (2 * randomUnit(key, i) - 1));
}

/** Integers from 0 to limit − 1. */
export function randomIntegers(seed: number, count: number, limit: number): number[] {
  const key = randomKey(seed, 2);
  return Array.from({ length: count }, (_, i) => Math.floor(limit * randomUnit(key, i)));
}

/** `count` different integers from 0 to limit − 1, in any order. */
export function distinct(seed: number, count: number, limit: number): number[] {
  const order = randomFloats(seed, limit);
  return Array.from({ length: limit }, (_, i) => i)
    .toSorted((a, b) => order[a]! - order[b]!)
    .slice(0, count);
}

/** Row by row: a row of the first, then a row of the second and so on. */
export function besideEachOther(rows: number, ...parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (let row = 0; row < rows; row++) {
    for (const part of parts) {
      const width = part.length / rows;
      out.set(part.subarray(row * width, (row + 1) * width), offset);
      offset += width;
    }
  }
  return out;
}

function randomBytes(seed: number, count: number): Uint8Array {
  return Uint8Array.from(randomIntegers(seed, count, 256));
}

/** Byte offsets of the f16 scales and minima in a block; the rest of a block may be any bytes. */
const F16_FIELDS: Partial<Record<DType, readonly number[]>> = {
  q8_0: [0],
  q4_0: [0],
  q4_1: [0, 2],
  q5_0: [0],
  q5_1: [0, 2],
  q2_k: [80, 82],
  q3_k: [108],
  q4_k: [0, 2],
  q5_k: [0, 2],
  q6_k: [208],
  iq4_nl: [0],
  iq4_xs: [0],
  iq3_s: [0],
  iq3_xxs: [0],
  iq2_xxs: [0],
  iq2_xs: [0],
  iq2_s: [0],
};

function randomMatrix(dtype: DType, seed: number, elements: number): Uint8Array {
  const bytes = new Uint8Array(defined(rowBytes(dtype, elements), `whole blocks of ${dtype}`));
  if (dtype === "f32" || dtype === "f16" || dtype === "bf16") {
    encodeBlocks(dtype, randomFloats(seed, elements), bytes);
    return bytes;
  }
  bytes.set(randomBytes(seed, bytes.length));
  // E4M3FN's two NaN codes are no weights.
  if (dtype === "f8_e4m3") return bytes.map((code) => ((code & 0x7f) === 0x7f ? code ^ 1 : code));
  const { blockBytes } = DTYPES[dtype];
  const scales = randomFloats(seed + 1, bytes.length, 0.02);
  for (let block = 0; block < bytes.length; block += blockBytes) {
    for (const field of F16_FIELDS[dtype] ?? []) {
      const bits = f32ToF16(scales[block + field]!);
      bytes[block + field] = bits & 255;
      bytes[block + field + 1] = bits >>> 8;
    }
    // The exponent of an MXFP4 block: 2^−4 to 2^3 around one.
    if (dtype === "mxfp4") bytes[block] = 123 + (bytes[block]! & 7);
  }
  return bytes;
}

export interface WeightSizes {
  readonly outFeatures: number;
  readonly inFeatures: number;
  readonly numMatrices?: number;
  readonly scaleRows?: number;
}

export function randomWeight(dtype: DType, seed: number, sizes: WeightSizes): WeightData {
  const { outFeatures, inFeatures, numMatrices = 1, scaleRows = 128 } = sizes;
  const indices = Array.from({ length: numMatrices }, (_, i) => i);
  const matrices = indices.map((i) => randomMatrix(dtype, seed + 10 * i, outFeatures * inFeatures));
  if (dtype !== "f8_e4m3") return { dtype, outFeatures, inFeatures, matrices };
  const numScales = Math.ceil(outFeatures / scaleRows) * Math.ceil(inFeatures / 128);
  const scales = indices.map((i) => randomFloats(seed + 10 * i + 5, numScales, 0.01));
  return { dtype, outFeatures, inFeatures, matrices, scales, scaleRows };
}

/** Euclidean norm of each row of matrix 0. */
export function rowNorms({
  dtype,
  outFeatures,
  inFeatures,
  matrices,
  scales,
  scaleRows = 128,
}: WeightData): Float64Array {
  const values = new Float32Array(outFeatures * inFeatures);
  decodeBlocks(dtype, defined(matrices[0], "a matrix"), values);
  const columns = Math.ceil(inFeatures / 128);
  return Float64Array.from({ length: outFeatures }, (_, row) => {
    let sum = 0;
    for (let i = 0; i < inFeatures; i++) {
      const scale = scales?.[0]?.[Math.floor(row / scaleRows) * columns + Math.floor(i / 128)] ?? 1;
      sum += (values[row * inFeatures + i]! * scale) ** 2;
    }
    return Math.sqrt(sum);
  });
}
