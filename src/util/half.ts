// IEEE binary16 (f16) and bfloat16 (bf16): their bits as numbers, and numbers as their bits.
//
// Decoding is exact. Encoding rounds an f32 once, to nearest with ties to even; overflow gives infinity, subnormals
// are kept, a NaN stays a NaN of the same sign and becomes quiet, as the conversion instructions of CPUs do it.
// A number that is no f32 is rounded to f32 first.

const scratchFloat = new Float32Array(1);
const scratchBits = new Uint32Array(scratchFloat.buffer);

const F16_VALUES = decodeAllF16();

/** The value of 16 bits of an f16. */
export function f16ToF32(bits: number): number {
  return F16_VALUES[bits & 0xffff] as number;
}

/** The 16 bits of the f16 nearest to `value`. */
export function f32ToF16(value: number): number {
  scratchFloat[0] = value;
  const bits = scratchBits[0] as number;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff);
  if (magnitude >= 0x47800000) return sign | 0x7c00;
  // Below the smallest normal f16 the code counts steps of 2^-24: adding 2^52 rounds to a whole step, ties to even.
  if (magnitude < 0x38800000) return sign | (Math.abs(scratchFloat[0]) * 2 ** 24 + 2 ** 52 - 2 ** 52);
  // Moves the exponent's bias from 127 to 15; a carry out of the mantissa correctly raises the exponent, up to infinity.
  const rebiased = magnitude - (112 << 23);
  return sign | ((rebiased + 0xfff + ((rebiased >>> 13) & 1)) >>> 13);
}

/** The value of 16 bits of a bf16, which are the upper half of an f32. */
export function bf16ToF32(bits: number): number {
  scratchBits[0] = bits << 16;
  return scratchFloat[0] as number;
}

/** The 16 bits of the bf16 nearest to `value`. */
export function f32ToBf16(value: number): number {
  scratchFloat[0] = value;
  return f32BitsToBf16(scratchBits[0] as number);
}

/** `f32ToBf16` of an f32 given as its 32 bits. */
export function f32BitsToBf16(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

function decodeAllF16(): Float32Array {
  const values = new Float32Array(0x10000);
  for (let bits = 0; bits < values.length; bits++) values[bits] = decodeF16(bits);
  return values;
}

function decodeF16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const mantissa = bits & 0x3ff;
  if (exponent === 0x1f) return mantissa === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  return sign * (0x400 + mantissa) * 2 ** (exponent - 25);
}
