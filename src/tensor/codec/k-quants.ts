// Decoders of the K types: blocks of 256 elements in groups of 16 or 32 whose scales are themselves quantised.
//
//   q2_k  16 × (4-bit scale, 4-bit min), 64 × four 2-bit codes, f16 scale, f16 min      groups of 16
//   q3_k  32 bytes of third bits, 64 × four 2-bit codes, 16 × 6-bit scales in 12 bytes, f16 scale      groups of 16
//   q4_k  f16 scale, f16 min, 8 × (6-bit scale, 6-bit min) in 12 bytes, 128 × two nibbles      groups of 32
//   q5_k  as q4_k, with 32 bytes of fifth bits before the nibbles      groups of 32
//   q6_k  128 bytes of low nibbles, 64 × four upper 2-bit pairs, 16 × i8 scales, f16 scale      groups of 16
//
// value = scale · groupScale · code − min · groupMin for q2_k, q4_k and q5_k (codes from 0);
// value = scale · groupScale · code for q3_k and q6_k (signed codes and group scales). Layouts are ggml's.
// Every product is exact in a double, so a value is the exact formula rounded once to f32.

import { f16At } from "./bytes.ts";

export function decodeQ2K(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; at < bytes.length; at += 84, to += 256) {
    const scale = f16At(bytes, at + 80);
    const min = f16At(bytes, at + 82);
    for (let group = 0; group < 16; group++) {
      const packed = bytes[at + group]!;
      const groupScale = scale * (packed & 15);
      const groupMin = min * (packed >> 4);
      const codes = at + 16 + codeByteOf(group);
      const shift = codeShiftOf(group);
      for (let i = 0; i < 16; i++) {
        out[to + 16 * group + i] = groupScale * ((bytes[codes + i]! >> shift) & 3) - groupMin;
      }
    }
  }
}

export function decodeQ3K(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; at < bytes.length; at += 110, to += 256) {
    const scale = f16At(bytes, at + 108);
    for (let group = 0; group < 16; group++) {
      const low = (bytes[at + 96 + (group & 7)]! >> (4 * (group >> 3))) & 15;
      const high = (bytes[at + 104 + (group & 3)]! >> (2 * (group >> 2))) & 3;
      const groupScale = scale * ((low | (high << 4)) - 32);
      const codes = at + 32 + codeByteOf(group);
      const shift = codeShiftOf(group);
      const thirdBits = at + 16 * (group & 1);
      for (let i = 0; i < 16; i++) {
        const code = ((bytes[codes + i]! >> shift) & 3) | (((bytes[thirdBits + i]! >> (group >> 1)) & 1) << 2);
        out[to + 16 * group + i] = groupScale * (code - 4);
      }
    }
  }
}

export function decodeQ4K(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; at < bytes.length; at += 144, to += 256) {
    const scale = f16At(bytes, at);
    const min = f16At(bytes, at + 2);
    for (let group = 0; group < 8; group++) {
      const groupScale = scale * groupScaleOf(bytes, at + 4, group);
      const groupMin = min * groupMinOf(bytes, at + 4, group);
      const codes = at + 16 + 32 * (group >> 1);
      const shift = 4 * (group & 1);
      for (let i = 0; i < 32; i++) {
        out[to + 32 * group + i] = groupScale * ((bytes[codes + i]! >> shift) & 15) - groupMin;
      }
    }
  }
}

export function decodeQ5K(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; at < bytes.length; at += 176, to += 256) {
    const scale = f16At(bytes, at);
    const min = f16At(bytes, at + 2);
    for (let group = 0; group < 8; group++) {
      const groupScale = scale * groupScaleOf(bytes, at + 4, group);
      const groupMin = min * groupMinOf(bytes, at + 4, group);
      const codes = at + 48 + 32 * (group >> 1);
      const shift = 4 * (group & 1);
      for (let i = 0; i < 32; i++) {
        const code = ((bytes[codes + i]! >> shift) & 15) | (((bytes[at + 16 + i]! >> group) & 1) << 4);
        out[to + 32 * group + i] = groupScale * code - groupMin;
      }
    }
  }
}

export function decodeQ6K(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; at < bytes.length; at += 210, to += 256) {
    const scale = f16At(bytes, at + 208);
    for (let group = 0; group < 16; group++) {
      const groupScale = scale * ((bytes[at + 192 + group]! << 24) >> 24);
      const low = at + lowByteOfQ6K(group);
      const lowShift = 4 * ((group >> 2) & 1);
      const high = at + 128 + codeByteOf(group);
      const highShift = codeShiftOf(group);
      for (let i = 0; i < 16; i++) {
        const code = ((bytes[low + i]! >> lowShift) & 15) | (((bytes[high + i]! >> highShift) & 3) << 4);
        out[to + 16 * group + i] = groupScale * (code - 32);
      }
    }
  }
}

// Two-bit fields of q2_k, q3_k and q6_k: each half of a block (8 groups of 16) has 32 bytes; a byte holds the same
// position of four successive pairs of groups, the first in the low bits.

/** Offset of the first byte of a group of 16, within the 64 bytes of two-bit fields. */
export function codeByteOf(group: number): number {
  return 32 * (group >> 3) + 16 * (group & 1);
}

export function codeShiftOf(group: number): number {
  return 2 * ((group >> 1) & 3);
}

/** q6_k: offset of the first low nibble of a group of 16; groups 4 to 7 of each half use the high nibbles. */
export function lowByteOfQ6K(group: number): number {
  return 64 * (group >> 3) + 16 * (group & 3);
}

// The 12 bytes of group scales of q4_k and q5_k. Bytes 0–3 and 4–7 hold scales and mins of groups 0–3 in six bits;
// their two upper bits are the upper bits of groups 4–7, whose lower four bits are the nibbles of bytes 8–11.

function groupScaleOf(bytes: Uint8Array, at: number, group: number): number {
  if (group < 4) return bytes[at + group]! & 63;
  return (bytes[at + group + 4]! & 15) | ((bytes[at + group - 4]! >> 6) << 4);
}

function groupMinOf(bytes: Uint8Array, at: number, group: number): number {
  if (group < 4) return bytes[at + group + 4]! & 63;
  return (bytes[at + group + 4]! >> 4) | ((bytes[at + group]! >> 6) << 4);
}
