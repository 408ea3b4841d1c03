// Random blocks of the quantised types, written directly: code bits are random, scales are fixed. For types that no
// encoder here writes, and for models so large that quantising random floats would take an hour.
//
// Invariants: weights have mean 0 and the asked-for deviation, and are a pure function of key and place. The sign of
// each block's scale is random, because codes of an even number of levels are not centred and a mean common to all
// weights would outweigh everything else in a product. How far a type's codes spread is measured by its decoder.

import { decodeBlocks } from "../tensor/codec/codec.ts";
import { type DType, DTYPES } from "../tensor/dtype.ts";
import { f32ToF16 } from "../util/half.ts";
import { mix } from "../util/random.ts";
import type { PlainDType } from "./normal.ts";

export type BlockDType = Exclude<DType, PlainDType | "i32">;

/** Where a block keeps what must not be random. */
interface BlockLayout {
  /** Byte of the f16 scale. */
  readonly scale: number;
  /** A second f16 that shifts all weights, so that codes from 0 on are centred: its byte, and its value in scales. */
  readonly offset?: { readonly at: number; readonly inScales: number };
  /** Scales of sub-blocks, set to one value: first byte, and the bytes. */
  readonly subScales?: { readonly at: number; readonly bytes: readonly number[] };
}

const repeated = (byte: number, count: number): number[] => Array.from({ length: count }, () => byte);

/** Six-bit scales and minima of eight sub-blocks, all 32, in the packing of q4_k and q5_k. */
const K_SUB_SCALES = [...repeated(0xa0, 8), ...repeated(0, 4)];

const LAYOUTS: Readonly<Record<Exclude<BlockDType, "mxfp4">, BlockLayout>> = {
  q8_0: { scale: 0 },
  q4_0: { scale: 0 },
  q4_1: { scale: 0, offset: { at: 2, inScales: -7.5 } },
  q5_0: { scale: 0 },
  q5_1: { scale: 0, offset: { at: 2, inScales: -15.5 } },
  q2_k: { scale: 80, offset: { at: 82, inScales: 1.5 }, subScales: { at: 0, bytes: repeated(0x88, 16) } },
  q3_k: { scale: 108 },
  q4_k: { scale: 0, offset: { at: 2, inScales: 7.5 }, subScales: { at: 4, bytes: K_SUB_SCALES } },
  q5_k: { scale: 0, offset: { at: 2, inScales: 15.5 }, subScales: { at: 4, bytes: K_SUB_SCALES } },
  q6_k: { scale: 208 },
  iq4_nl: { scale: 0 },
  iq4_xs: { scale: 0 },
  iq3_s: { scale: 0 },
  iq3_xxs: { scale: 0 },
  iq2_xxs: { scale: 0 },
  iq2_xs: { scale: 0 },
  iq2_s: { scale: 0 },
};

/** Blocks `begin` to `begin + count` of the matrix with that key. */
export function randomBlocks(
  dtype: BlockDType,
  deviation: number,
  key: number,
  begin: number,
  count: number,
): Uint8Array {
  const bytes = randomBytes(key, begin * DTYPES[dtype].blockBytes, count * DTYPES[dtype].blockBytes);
  setScales(dtype, deviation / unitDeviation(dtype), bytes);
  return bytes;
}

function setScales(dtype: BlockDType, scale: number, bytes: Uint8Array): void {
  const { blockBytes } = DTYPES[dtype];
  if (dtype === "mxfp4") {
    // The scale of a block is a power of two in its first byte, and its codes have signs of their own.
    const exponent = 127 + Math.round(Math.log2(scale));
    for (let block = 0; block < bytes.length; block += blockBytes) bytes[block] = exponent;
    return;
  }
  const { scale: at, offset, subScales } = LAYOUTS[dtype];
  const scaleBits = f32ToF16(scale);
  const offsetBits = offset === undefined ? 0 : f32ToF16(scale * offset.inScales);
  for (let block = 0; block < bytes.length; block += blockBytes) {
    const sign = bytes[block + at + 1]! & 0x80;
    bytes[block + at] = scaleBits;
    bytes[block + at + 1] = (scaleBits >>> 8) ^ sign;
    if (offset !== undefined) {
      bytes[block + offset.at] = offsetBits;
      bytes[block + offset.at + 1] = (offsetBits >>> 8) ^ sign;
    }
    if (subScales !== undefined) bytes.set(subScales.bytes, block + subScales.at);
  }
}

const SAMPLE_BLOCKS = 1024;
const unitDeviations = new Map<BlockDType, number>();

/** Deviation of weights whose scale is 1, measured on random blocks. */
function unitDeviation(dtype: BlockDType): number {
  const known = unitDeviations.get(dtype);
  if (known !== undefined) return known;
  const { blockBytes, blockElements } = DTYPES[dtype];
  const sample = randomBytes(0, 0, SAMPLE_BLOCKS * blockBytes);
  setScales(dtype, 1, sample);
  const values = new Float32Array(SAMPLE_BLOCKS * blockElements);
  decodeBlocks(dtype, sample, values);
  const measured = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
  unitDeviations.set(dtype, measured);
  return measured;
}

/** Bytes `begin` to `begin + count` of an endless random run. */
function randomBytes(key: number, begin: number, count: number): Uint8Array {
  const words = new Int32Array(Math.ceil(count / 4) + 1);
  const skipped = begin % 4;
  const first = (begin - skipped) / 4;
  for (let i = 0; i < words.length; i++) words[i] = mix(key, first + i);
  return new Uint8Array(words.buffer, skipped, count);
}
