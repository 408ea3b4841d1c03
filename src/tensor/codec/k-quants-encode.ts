// Encoders of q4_k, q5_k and q6_k; k-quants.ts describes the layouts.
//
// Three stages per block of 256: the best scale (and min) of every group, their quantisation against the block's own
// f16 scale, and last the codes, assigned with the scales a reader will find. The scratch arrays are shared by all
// calls, so that a block allocates nothing; no call outlives another.

import { inverseOf, nearestCode, putScale } from "./bytes.ts";
import { codeByteOf, codeShiftOf, lowByteOfQ6K } from "./k-quants.ts";
import { fitAffine, fitSymmetric } from "./scale-search.ts";

const fit = new Float64Array(3);
const groupScales = new Float64Array(16);
const groupMins = new Float64Array(8);
const codes = new Uint8Array(256);

export function encodeQ4K(values: Float32Array, out: Uint8Array): void {
  for (let from = 0, at = 0; from < values.length; from += 256, at += 144) {
    encodeAffineBlock(values, from, 15, out, at);
    packNibbles(out, at + 16);
  }
}

export function encodeQ5K(values: Float32Array, out: Uint8Array): void {
  for (let from = 0, at = 0; from < values.length; from += 256, at += 176) {
    encodeAffineBlock(values, from, 31, out, at);
    for (let i = 0; i < 32; i++) {
      let fifthBits = 0;
      for (let group = 0; group < 8; group++) fifthBits |= (codes[32 * group + i]! >> 4) << group;
      out[at + 16 + i] = fifthBits;
    }
    packNibbles(out, at + 48);
  }
}

export function encodeQ6K(values: Float32Array, out: Uint8Array): void {
  for (let from = 0, at = 0; from < values.length; from += 256, at += 210) {
    let extreme = 0;
    for (let group = 0; group < 16; group++) {
      const scale = fitSymmetric(values, from + 16 * group, 16, 32);
      groupScales[group] = scale;
      if (Math.abs(scale) > Math.abs(extreme)) extreme = scale;
    }
    // The group scale of largest magnitude takes −128, the one code without a positive counterpart.
    const blockScale = putScale(out, at + 208, -extreme / 128);
    const inverse = inverseOf(blockScale);
    out.fill(0, at, at + 192);
    for (let group = 0; group < 16; group++) {
      const groupScale = nearestCode(inverse * groupScales[group]!, -128, 127);
      out[at + 192 + group] = groupScale;
      packQ6Group(values, from + 16 * group, inverseOf(blockScale * groupScale), group, out, at);
    }
  }
}

function packQ6Group(
  values: Float32Array,
  from: number,
  inverse: number,
  group: number,
  out: Uint8Array,
  at: number,
): void {
  const low = at + lowByteOfQ6K(group);
  const lowShift = 4 * ((group >> 2) & 1);
  const high = at + 128 + codeByteOf(group);
  const highShift = codeShiftOf(group);
  for (let i = 0; i < 16; i++) {
    const code = nearestCode(inverse * values[from + i]!, -32, 31) + 32;
    out[low + i]! |= (code & 15) << lowShift;
    out[high + i]! |= (code >> 4) << highShift;
  }
}

/** Writes the 16 bytes of scales that q4_k and q5_k share, and leaves the 256 codes in `codes`. */
function encodeAffineBlock(values: Float32Array, from: number, maxCode: number, out: Uint8Array, at: number): void {
  let maxScale = 0;
  let maxMin = 0;
  for (let group = 0; group < 8; group++) {
    fitAffine(values, from + 32 * group, 32, maxCode, fit);
    groupScales[group] = fit[0]!;
    groupMins[group] = fit[1]!;
    maxScale = Math.max(maxScale, fit[0]!);
    maxMin = Math.max(maxMin, fit[1]!);
  }
  const blockScale = putScale(out, at, maxScale / 63);
  const blockMin = putScale(out, at + 2, maxMin / 63);
  const inverseScale = inverseOf(blockScale);
  const inverseMin = inverseOf(blockMin);
  out.fill(0, at + 4, at + 16);
  for (let group = 0; group < 8; group++) {
    const scale = nearestCode(inverseScale * groupScales[group]!, 0, 63);
    const min = nearestCode(inverseMin * groupMins[group]!, 0, 63);
    putGroupScale(out, at + 4, group, scale, min);
    assignCodes(values, from, 32 * group, inverseOf(blockScale * scale), blockMin * min, maxCode);
  }
}

function assignCodes(
  values: Float32Array,
  from: number,
  group: number,
  inverse: number,
  min: number,
  maxCode: number,
): void {
  for (let i = group; i < group + 32; i++) {
    codes[i] = nearestCode(inverse * (values[from + i]! + min), 0, maxCode);
  }
}

/** The inverse of groupScaleOf and groupMinOf in k-quants.ts; the 12 bytes must start as zeros. */
function putGroupScale(out: Uint8Array, at: number, group: number, scale: number, min: number): void {
  if (group < 4) {
    out[at + group]! |= scale;
    out[at + group + 4]! |= min;
  } else {
    out[at + group + 4] = (scale & 15) | ((min & 15) << 4);
    out[at + group - 4]! |= (scale >> 4) << 6;
    out[at + group]! |= (min >> 4) << 6;
  }
}

/** Lower four bits of 256 codes: a byte holds the same position of two successive groups of 32. */
function packNibbles(out: Uint8Array, at: number): void {
  for (let i = 0; i < 128; i++) {
    const first = 64 * (i >> 5) + (i & 31);
    out[at + i] = (codes[first]! & 15) | ((codes[first + 32]! & 15) << 4);
  }
}
