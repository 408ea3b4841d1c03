// The types whose 4-bit code selects a level from a table instead of a multiple of a step: iq4_nl, iq4_xs, mxfp4.
//
//   iq4_nl  32 elements: f16 scale, 16 × two nibbles                  value = scale · IQ4 level
//   iq4_xs  256 elements: f16 scale, 8 × 6-bit scales (two high bits each in a u16, then four low bits each in
//           4 bytes), 128 × two nibbles                               value = scale · (scale6 − 32) · IQ4 level
//   mxfp4   32 elements: u8 exponent, 16 × two nibbles                value = 2^(exponent − 127) · E2M1 level
//
// A byte of nibbles holds elements i (low) and i + 16 (high) of 32. Layouts are ggml's; mxfp4 is the OCP Microscaling
// format with the exception that ggml reads exponent 255 as 2^128, where OCP has NaN.

import { f16At, u16At } from "./bytes.ts";
import { IQ4_LEVELS, MXFP4_LEVELS } from "./iq-tables.ts";

export function decodeIq4Nl(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; at < bytes.length; at += 18, to += 32) {
    decodeLevels(IQ4_LEVELS, f16At(bytes, at), bytes, at + 2, out, to);
  }
}

export function decodeIq4Xs(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; at < bytes.length; at += 136, to += 256) {
    const scale = f16At(bytes, at);
    const highBits = u16At(bytes, at + 2);
    for (let group = 0; group < 8; group++) {
      const low = (bytes[at + 4 + (group >> 1)]! >> (4 * (group & 1))) & 15;
      const groupScale = (low | (((highBits >> (2 * group)) & 3) << 4)) - 32;
      decodeLevels(IQ4_LEVELS, scale * groupScale, bytes, at + 8 + 16 * group, out, to + 32 * group);
    }
  }
}

export function decodeMxfp4(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; at < bytes.length; at += 17, to += 32) {
    // The table holds doubled values, hence one more in the bias.
    decodeLevels(MXFP4_LEVELS, 2 ** (bytes[at]! - 128), bytes, at + 1, out, to);
  }
}

/** 32 elements from 16 bytes of nibbles. */
function decodeLevels(
  levels: Int8Array,
  scale: number,
  bytes: Uint8Array,
  at: number,
  out: Float32Array,
  to: number,
): void {
  for (let i = 0; i < 16; i++) {
    const pair = bytes[at + i]!;
    out[to + i] = scale * levels[pair & 15]!;
    out[to + i + 16] = scale * levels[pair >> 4]!;
  }
}
