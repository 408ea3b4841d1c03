// Weights of a bell shape at the speed of a table look-up: the normal distribution in 65 536 steps of equal
// probability. A weight is a pure function of its matrix's key and its place in it, so that files of every type,
// format and order hold the same values.

import { encodeBlocks } from "../tensor/codec/codec.ts";
import type { DType } from "../tensor/dtype.ts";
import { mix } from "../util/random.ts";

const STEPS = 1 << 16;

// Coefficients of the quantile function, from the highest power down.
const CENTRE_NUMERATOR = [
  -39.69683028665376, 220.9460984245205, -275.9285104469687, 138.357751867269, -30.66479806614716, 2.506628277459239,
];
const CENTRE_DENOMINATOR = [
  -54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572, 1,
];
const TAIL_NUMERATOR = [
  -0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968,
  2.938163982698783,
];
const TAIL_DENOMINATOR = [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416, 1];

/** Quantiles of the standard normal distribution at the middle of each step, in ascending order. */
const QUANTILES = Float32Array.from({ length: STEPS }, (_, i) => normalQuantile((i + 0.5) / STEPS));

/** The largest of all values, in standard deviations. */
export const MAX_DEVIATION = QUANTILES[STEPS - 1] as number;

/** Types whose blocks are single elements. */
export type PlainDType = Extract<DType, "f32" | "f16" | "bf16" | "f8_e4m3">;

const ELEMENT_ARRAYS = { f32: Uint32Array, f16: Uint16Array, bf16: Uint16Array, f8_e4m3: Uint8Array } as const;

export function isPlain(dtype: DType): dtype is PlainDType {
  return Object.hasOwn(ELEMENT_ARRAYS, dtype);
}

/** mean + deviation × normal, already encoded: one element per step. */
export interface NormalTable {
  readonly dtype: PlainDType;
  readonly elements: InstanceType<(typeof ELEMENT_ARRAYS)[PlainDType]>;
}

export function normalTable(dtype: PlainDType, mean: number, deviation: number): NormalTable {
  const values = QUANTILES.map((quantile) => mean + deviation * quantile);
  const elements = new ELEMENT_ARRAYS[dtype](STEPS);
  encodeBlocks(dtype, values, new Uint8Array(elements.buffer));
  return { dtype, elements };
}

/** Elements `begin` to `begin + count` of the matrix with that key; `begin` is even. */
export function normalElements(
  { dtype, elements }: NormalTable,
  key: number,
  begin: number,
  count: number,
): Uint8Array {
  const out = new ELEMENT_ARRAYS[dtype](count);
  // Two elements per draw: the halves of a well-mixed word are independent.
  for (let i = 0; i < count; i += 2) {
    const word = mix(key, (begin + i) >>> 1);
    out[i] = elements[word & 0xffff]!;
    out[i + 1] = elements[word >>> 16]!;
  }
  return new Uint8Array(out.buffer);
}

/** Inverse of the normal distribution function. Source: P. Acklam's rational approximation, relative error 1.2e-9. */
function normalQuantile(probability: number): number {
  if (probability > 0.5) return -normalQuantile(1 - probability);
  if (probability < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(probability));
    return polynomial(TAIL_NUMERATOR, q) / polynomial(TAIL_DENOMINATOR, q);
  }
  const q = probability - 0.5;
  return (q * polynomial(CENTRE_NUMERATOR, q * q)) / polynomial(CENTRE_DENOMINATOR, q * q);
}

function polynomial(coefficients: readonly number[], x: number): number {
  return coefficients.reduce((sum, coefficient) => sum * x + coefficient, 0);
}
