// Fields inside blocks, little-endian and unaligned: byte by byte, because block sizes keep no alignment.

import { f16ToF32, f32ToF16 } from "../../util/half.ts";

const F16_MAX = 65504;

export function u16At(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

/** An unsigned 32-bit field as an int32 of the same bits: take fields out of it with `>>>`. */
export function u32At(bytes: Uint8Array, at: number): number {
  return u16At(bytes, at) | (u16At(bytes, at + 2) << 16);
}

export function f16At(bytes: Uint8Array, at: number): number {
  return f16ToF32(u16At(bytes, at));
}

/** Stores a block's scale as f16, clamped to its range, and returns what a reader will find there. */
export function putScale(bytes: Uint8Array, at: number, scale: number): number {
  const bits = f32ToF16(clamp(scale, -F16_MAX, F16_MAX));
  bytes[at] = bits;
  bytes[at + 1] = bits >>> 8;
  return f16ToF32(bits);
}

/** What to multiply a value by to get its code; 0 for a scale of 0, under which every code means 0. */
export function inverseOf(scale: number): number {
  return scale === 0 ? 0 : 1 / scale;
}

/** The integer nearest to `value` within [low, high]; truncation of a positive number is faster than Math.round. */
export function nearestCode(value: number, low: number, high: number): number {
  return ((clamp(value, low, high) - low + 0.5) | 0) + low;
}

function clamp(value: number, low: number, high: number): number {
  return value < low ? low : value > high ? high : value;
}
