// What the bytes of every dtype mean: blocks to f32 and back. The project's scalar reference, in plain TypeScript.
//
// The decoders are exact: a value is its format's formula, rounded once to f32. They serve the reference backend,
// conversion, and the tests of the native kernels. Nothing here knows tensors, shapes or block scales kept outside
// (f8_e4m3): a call takes any whole number of blocks. Hosts are little-endian, as every platform of Node in use is.

import { MimoError } from "../../util/errors.ts";
import { F8_VALUES, f32ToF8 } from "../../util/fp8.ts";
import { bf16ToF32, f16ToF32, f32BitsToBf16, f32ToF16 } from "../../util/half.ts";
import { rowBytes, type DType } from "../dtype.ts";
import { decodeQ4_0, decodeQ4_1, decodeQ5_0, decodeQ5_1, decodeQ8_0, encodeQ4_0, encodeQ8_0 } from "./block32.ts";
import { decodeIq4Nl, decodeIq4Xs, decodeMxfp4 } from "./four-bit-levels.ts";
import { decodeIq2S, decodeIq2Xs, decodeIq2Xxs, decodeIq3S, decodeIq3Xxs } from "./iq.ts";
import { encodeQ4K, encodeQ5K, encodeQ6K } from "./k-quants-encode.ts";
import { decodeQ2K, decodeQ3K, decodeQ4K, decodeQ5K, decodeQ6K } from "./k-quants.ts";

/** Dtypes whose elements are real numbers. */
export type RealDType = Exclude<DType, "i32">;

const DECODERS: Readonly<Record<RealDType, (bytes: Uint8Array, out: Float32Array) => void>> = {
  f32: (bytes, out) => asBytes(out).set(bytes),
  f16: (bytes, out) => {
    for (let i = 0; i < out.length; i++) out[i] = f16ToF32(bytes[2 * i]! | (bytes[2 * i + 1]! << 8));
  },
  bf16: (bytes, out) => {
    for (let i = 0; i < out.length; i++) out[i] = bf16ToF32(bytes[2 * i]! | (bytes[2 * i + 1]! << 8));
  },
  f8_e4m3: (bytes, out) => {
    for (let i = 0; i < out.length; i++) out[i] = F8_VALUES[bytes[i]!]!;
  },
  q8_0: decodeQ8_0,
  q4_0: decodeQ4_0,
  q4_1: decodeQ4_1,
  q5_0: decodeQ5_0,
  q5_1: decodeQ5_1,
  q2_k: decodeQ2K,
  q3_k: decodeQ3K,
  q4_k: decodeQ4K,
  q5_k: decodeQ5K,
  q6_k: decodeQ6K,
  iq4_nl: decodeIq4Nl,
  iq4_xs: decodeIq4Xs,
  iq3_s: decodeIq3S,
  iq3_xxs: decodeIq3Xxs,
  iq2_xxs: decodeIq2Xxs,
  iq2_xs: decodeIq2Xs,
  iq2_s: decodeIq2S,
  mxfp4: decodeMxfp4,
};

/** Dtypes that `encodeBlocks` writes. */
export const ENCODABLE_DTYPES = [
  "f32",
  "f16",
  "bf16",
  "f8_e4m3",
  "q8_0",
  "q4_0",
  "q4_k",
  "q5_k",
  "q6_k",
] as const satisfies readonly RealDType[];
export type EncodableDType = (typeof ENCODABLE_DTYPES)[number];

const ENCODERS: Readonly<Record<EncodableDType, (values: Float32Array, out: Uint8Array) => void>> = {
  f32: (values, out) => out.set(asBytes(values)),
  f16: (values, out) => {
    for (let i = 0; i < values.length; i++) putU16(out, 2 * i, f32ToF16(values[i]!));
  },
  bf16: (values, out) => {
    const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
    for (let i = 0; i < bits.length; i++) putU16(out, 2 * i, f32BitsToBf16(bits[i]!));
  },
  f8_e4m3: (values, out) => {
    for (let i = 0; i < values.length; i++) out[i] = f32ToF8(values[i]!);
  },
  q8_0: encodeQ8_0,
  q4_0: encodeQ4_0,
  q4_k: encodeQ4K,
  q5_k: encodeQ5K,
  q6_k: encodeQ6K,
};

export function isEncodable(dtype: DType): dtype is EncodableDType {
  return Object.hasOwn(ENCODERS, dtype);
}

/**
 * Decodes whole blocks: `bytes` holds exactly the blocks of `out.length` elements. The values of `f8_e4m3` are those
 * of its codes, before block scales. Throws `invalid_argument` for i32 and where the lengths do not match.
 */
export function decodeBlocks(dtype: DType, bytes: Uint8Array, out: Float32Array): void {
  if (dtype === "i32") throw new MimoError("invalid_argument", "i32 holds integers, which do not decode to f32.");
  requireLengths(dtype, out.length, bytes.length);
  DECODERS[dtype](bytes, out);
}

/**
 * Encodes whole blocks: `out` takes exactly the blocks of `values.length` elements. Plain types round to nearest,
 * ties to even; f8_e4m3 clamps to ±448; block types need finite values and choose scales that keep the squared error
 * small. Throws `invalid_argument` for a dtype outside ENCODABLE_DTYPES, lengths that do not match, or a NaN or
 * infinity in a block type.
 */
export function encodeBlocks(dtype: DType, values: Float32Array, out: Uint8Array): void {
  if (!isEncodable(dtype)) {
    throw new MimoError("invalid_argument", `Expected a dtype that can be written, found ${dtype}.`, {
      remedy: `Choose one of ${ENCODABLE_DTYPES.join(", ")}.`,
    });
  }
  requireLengths(dtype, values.length, out.length);
  if (dtype.startsWith("q")) requireFinite(dtype, values);
  ENCODERS[dtype](values, out);
}

function requireLengths(dtype: DType, elements: number, bytes: number): void {
  const expected = rowBytes(dtype, elements);
  if (expected === bytes) return;
  const found = `${elements} elements and ${bytes} bytes`;
  throw new MimoError("invalid_argument", `Expected whole ${dtype} blocks of matching lengths, found ${found}.`);
}

function requireFinite(dtype: DType, values: Float32Array): void {
  // x − x is 0 for finite numbers and NaN otherwise: one sum tells whether any is not, without a branch per value.
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! - values[i]!;
  if (sum === 0) return;
  const index = values.findIndex((value) => !Number.isFinite(value));
  throw new MimoError("invalid_argument", `Expected finite values for ${dtype}, found ${values[index]} at ${index}.`);
}

function putU16(bytes: Uint8Array, at: number, bits: number): void {
  bytes[at] = bits;
  bytes[at + 1] = bits >>> 8;
}

function asBytes(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
