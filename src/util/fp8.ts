// FP8 E4M3FN: one byte of sign, 4 exponent bits (bias 7) and 3 mantissa bits, without infinities. The largest value
// is 448; the codes 0x7f and 0xff are NaN. Source: OCP 8-bit Floating Point Specification, revision 1.0.
//
// Decoding is exact. Encoding rounds an f32 once, to nearest with ties to even, and clamps to ±448: weights are
// scaled to fit before they are encoded, so a value beyond the range is a rounding excess, not an overflow to report.

export const F8_MAX = 448;

/**
 * What values are divided by before they are encoded, so that the largest of them takes the largest code. Never so small
 * that it could not be divided by; of zeros 1.
 */
export function f8Scale(largest: number): number {
  return largest === 0 ? 1 : Math.max(Math.fround(largest / F8_MAX), 2 ** -126);
}

/** The value of each of the 256 codes. */
export const F8_VALUES: Float32Array = Float32Array.from({ length: 256 }, (_, code) => decodeF8(code));

const scratchFloat = new Float32Array(1);
const scratchBits = new Uint32Array(scratchFloat.buffer);

export function f8ToF32(code: number): number {
  return F8_VALUES[code & 0xff] as number;
}

/** The code of the E4M3FN value nearest to `value`. */
export function f32ToF8(value: number): number {
  scratchFloat[0] = value;
  const bits = scratchBits[0] as number;
  const sign = (bits >>> 24) & 0x80;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7f;
  if (magnitude >= 0x43e00000) return sign | 0x7e;
  // Below 2^-6 the code counts steps of 2^-9: adding 2^52 rounds to a whole step, ties to even.
  if (magnitude < 0x3c800000) return sign | (Math.abs(scratchFloat[0]) * 2 ** 9 + 2 ** 52 - 2 ** 52);
  // Moves the exponent's bias from 127 to 7; a carry out of the mantissa correctly raises the exponent.
  const rebiased = magnitude - (120 << 23);
  return sign | ((rebiased + 0x7ffff + ((rebiased >>> 20) & 1)) >>> 20);
}

function decodeF8(code: number): number {
  const sign = code & 0x80 ? -1 : 1;
  const exponent = (code >>> 3) & 0xf;
  const mantissa = code & 0x7;
  if (exponent === 0xf && mantissa === 0x7) return NaN;
  if (exponent === 0) return sign * mantissa * 2 ** -9;
  return sign * (8 + mantissa) * 2 ** (exponent - 10);
}
