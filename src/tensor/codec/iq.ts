// Decoders of the code-book types iq2_xxs, iq2_xs, iq2_s, iq3_xxs and iq3_s: blocks of 256 elements in 8 groups of 32.
//
// An index selects a row of magnitudes from a grid (8 of them in IQ2, 4 in IQ3), a sign pattern negates some, a group
// scale s of a few bits multiplies: value = scale · (a + b·s) · ±magnitude. Layouts are ggml's:
//
//   iq2_xxs  f16, 8 × [4 × u8 index, u32: 4 × 7-bit sign code, 4-bit s]                       (1 + 2s) / 8
//   iq2_xs   f16, 32 × u16 [9-bit index, 7-bit sign code], 8 × two 4-bit s                    (1 + 2s) / 8
//   iq2_s    f16, 32 × u8 index, 32 × u8 signs, 8 × four 2-bit upper index bits, 8 × two 4-bit s   (1 + 2s) / 8
//   iq3_xxs  f16, 64 × u8 index, 8 × u32 [4 × 7-bit sign code, 4-bit s]                       (1 + 2s) / 4
//   iq3_s    f16, 64 × u8 index, 8 × eight ninth index bits, 32 × u8 signs, 4 × two 4-bit s    1 + 2s
//
// All products are exact in f32.

import { f16At, u16At, u32At } from "./bytes.ts";
import { IQ2_S_GRID, IQ2_XS_GRID, IQ2_XXS_GRID, IQ3_S_GRID, IQ3_XXS_GRID, IQ_SIGNS } from "./iq-tables.ts";

export function decodeIq2Xxs(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; at < bytes.length; at += 66, to += 256) {
    const scale = f16At(bytes, at) / 8;
    for (let group = 0; group < 8; group++) {
      const indices = at + 2 + 8 * group;
      const word = u32At(bytes, indices + 4);
      const groupScale = scale * (1 + 2 * (word >>> 28));
      for (let eight = 0; eight < 4; eight++) {
        const signs = IQ_SIGNS[(word >>> (7 * eight)) & 127]!;
        decodeRow(IQ2_XXS_GRID, 8 * bytes[indices + eight]!, 8, signs, groupScale, out, to + 32 * group + 8 * eight);
      }
    }
  }
}

export function decodeIq2Xs(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; at < bytes.length; at += 74, to += 256) {
    const scale = f16At(bytes, at) / 8;
    for (let eight = 0; eight < 32; eight++) {
      const word = u16At(bytes, at + 2 + 2 * eight);
      const groupScale = scale * (1 + 2 * halfGroupScaleOf(bytes, at + 66, eight));
      decodeRow(IQ2_XS_GRID, 8 * (word & 511), 8, IQ_SIGNS[word >> 9]!, groupScale, out, to + 8 * eight);
    }
  }
}

export function decodeIq2S(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; at < bytes.length; at += 82, to += 256) {
    const scale = f16At(bytes, at) / 8;
    for (let eight = 0; eight < 32; eight++) {
      const upper = (bytes[at + 66 + (eight >> 2)]! >> (2 * (eight & 3))) & 3;
      const index = bytes[at + 2 + eight]! | (upper << 8);
      const signs = bytes[at + 34 + eight]!;
      const groupScale = scale * (1 + 2 * halfGroupScaleOf(bytes, at + 74, eight));
      decodeRow(IQ2_S_GRID, 8 * index, 8, signs, groupScale, out, to + 8 * eight);
    }
  }
}

export function decodeIq3Xxs(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; at < bytes.length; at += 98, to += 256) {
    const scale = f16At(bytes, at) / 4;
    for (let eight = 0; eight < 32; eight++) {
      const word = u32At(bytes, at + 66 + 4 * (eight >> 2));
      const groupScale = scale * (1 + 2 * (word >>> 28));
      const signs = IQ_SIGNS[(word >>> (7 * (eight & 3))) & 127]!;
      const indices = at + 2 + 2 * eight;
      decodeRow(IQ3_XXS_GRID, 4 * bytes[indices]!, 4, signs, groupScale, out, to + 8 * eight);
      decodeRow(IQ3_XXS_GRID, 4 * bytes[indices + 1]!, 4, signs >> 4, groupScale, out, to + 8 * eight + 4);
    }
  }
}

export function decodeIq3S(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; at < bytes.length; at += 110, to += 256) {
    const scale = f16At(bytes, at);
    for (let four = 0; four < 64; four++) {
      const group = four >> 3;
      const ninth = (bytes[at + 66 + group]! >> (four & 7)) & 1;
      const index = bytes[at + 2 + four]! | (ninth << 8);
      const signs = bytes[at + 74 + (four >> 1)]! >> (4 * (four & 1));
      const groupScale = scale * (1 + 2 * ((bytes[at + 106 + (group >> 1)]! >> (4 * (group & 1))) & 15));
      decodeRow(IQ3_S_GRID, 4 * index, 4, signs, groupScale, out, to + 4 * four);
    }
  }
}

/** The 4-bit scale of the 16 elements that hold elements 8·eight to 8·eight + 7. */
function halfGroupScaleOf(bytes: Uint8Array, at: number, eight: number): number {
  return (bytes[at + (eight >> 2)]! >> (4 * ((eight >> 1) & 1))) & 15;
}

/** One row of a grid, `length` magnitudes from `row` on; bit i of `signs` negates the i-th. */
function decodeRow(
  grid: Uint8Array,
  row: number,
  length: number,
  signs: number,
  scale: number,
  out: Float32Array,
  to: number,
): void {
  for (let i = 0; i < length; i++) {
    const magnitude = scale * grid[row + i]!;
    out[to + i] = (signs >> i) & 1 ? -magnitude : magnitude;
  }
}
