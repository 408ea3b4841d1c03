// The block types of 32 elements with a uniform step: q8_0, q4_0, q4_1, q5_0, q5_1. Layouts are ggml's.
//
//   q8_0  f16 scale, 32 × i8                                      value = scale · code
//   q4_0  f16 scale, 16 × two nibbles                             value = scale · (code − 8)
//   q4_1  f16 scale, f16 offset, 16 × two nibbles                 value = scale · code + offset
//   q5_0  f16 scale, u32 fifth bits, 16 × two nibbles             value = scale · (code − 16)
//   q5_1  f16 scale, f16 offset, u32 fifth bits, 16 × two nibbles value = scale · code + offset
//
// A byte of nibbles holds elements i (low) and i + 16 (high). Lengths are whole blocks: the caller has checked.

import { f16At, inverseOf, nearestCode, putScale, u32At } from "./bytes.ts";
import { fitSymmetric } from "./scale-search.ts";

export function decodeQ8_0(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; at < bytes.length; at += 34, to += 32) {
    const scale = f16At(bytes, at);
    for (let i = 0; i < 32; i++) out[to + i] = scale * ((bytes[at + 2 + i]! << 24) >> 24);
  }
}

export function decodeQ4_0(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; at < bytes.length; at += 18, to += 32) {
    const scale = f16At(bytes, at);
    for (let i = 0; i < 16; i++) {
      const pair = bytes[at + 2 + i]!;
      out[to + i] = scale * ((pair & 15) - 8);
      out[to + i + 16] = scale * ((pair >> 4) - 8);
    }
  }
}

export function decodeQ4_1(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; at < bytes.length; at += 20, to += 32) {
    const scale = f16At(bytes, at);
    const offset = f16At(bytes, at + 2);
    for (let i = 0; i < 16; i++) {
      const pair = bytes[at + 4 + i]!;
      out[to + i] = scale * (pair & 15) + offset;
      out[to + i + 16] = scale * (pair >> 4) + offset;
    }
  }
}

export function decodeQ5_0(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; at < bytes.length; at += 22, to += 32) {
    const scale = f16At(bytes, at);
    const fifthBits = u32At(bytes, at + 2);
    for (let i = 0; i < 16; i++) {
      const pair = bytes[at + 6 + i]!;
      out[to + i] = scale * (((pair & 15) | (((fifthBits >>> i) & 1) << 4)) - 16);
      out[to + i + 16] = scale * (((pair >> 4) | (((fifthBits >>> (i + 16)) & 1) << 4)) - 16);
    }
  }
}

export function decodeQ5_1(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; at < bytes.length; at += 24, to += 32) {
    const scale = f16At(bytes, at);
    const offset = f16At(bytes, at + 2);
    const fifthBits = u32At(bytes, at + 4);
    for (let i = 0; i < 16; i++) {
      const pair = bytes[at + 8 + i]!;
      out[to + i] = scale * ((pair & 15) | (((fifthBits >>> i) & 1) << 4)) + offset;
      out[to + i + 16] = scale * ((pair >> 4) | (((fifthBits >>> (i + 16)) & 1) << 4)) + offset;
    }
  }
}

export function encodeQ8_0(values: Float32Array, out: Uint8Array): void {
  for (let from = 0, at = 0; from < values.length; from += 32, at += 34) {
    let extreme = 0;
    for (let i = from; i < from + 32; i++) extreme = Math.max(extreme, Math.abs(values[i]!));
    const inverse = inverseOf(putScale(out, at, extreme / 127));
    for (let i = 0; i < 32; i++) out[at + 2 + i] = nearestCode(inverse * values[from + i]!, -127, 127);
  }
}

export function encodeQ4_0(values: Float32Array, out: Uint8Array): void {
  for (let from = 0, at = 0; from < values.length; from += 32, at += 18) {
    const inverse = inverseOf(putScale(out, at, fitSymmetric(values, from, 32, 8)));
    for (let i = 0; i < 16; i++) {
      const low = nearestCode(inverse * values[from + i]!, -8, 7) + 8;
      const high = nearestCode(inverse * values[from + i + 16]!, -8, 7) + 8;
      out[at + 2 + i] = low | (high << 4);
    }
  }
}
