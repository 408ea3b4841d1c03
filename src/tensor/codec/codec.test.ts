import { describe, expect, test } from "vitest";

import { MimoError } from "../../util/errors.ts";
import { DTYPES, rowBytes, type DType } from "../dtype.ts";
import { decodeBlocks, ENCODABLE_DTYPES, encodeBlocks } from "./codec.ts";
import golden from "./golden-blocks.json" with { type: "json" };

const DTYPE_NAMES = Object.keys(DTYPES) as DType[];
const F16_ONE = [0x00, 0x3c];
const F16_TWO = [0x00, 0x40];

function decode(dtype: DType, bytes: Uint8Array): Float32Array {
  const { blockElements, blockBytes } = DTYPES[dtype];
  const out = new Float32Array((bytes.length / blockBytes) * blockElements);
  decodeBlocks(dtype, bytes, out);
  return out;
}

function encode(dtype: DType, values: Float32Array): Uint8Array {
  const out = new Uint8Array(rowBytes(dtype, values.length) ?? 0);
  encodeBlocks(dtype, values, out);
  return out;
}

/** One block of zeros with some bytes set: offset → bytes. */
function block(dtype: DType, fields: Record<number, readonly number[]>): Uint8Array {
  const bytes = new Uint8Array(DTYPES[dtype].blockBytes);
  for (const [at, field] of Object.entries(fields)) bytes.set(field, Number(at));
  return bytes;
}

/** Deterministic values of a bell shape, as weights have. */
function weights(length: number, deviation = 0.02): Float32Array {
  let state = 12345;
  const uniform = () => (state = (Math.imul(state, 1103515245) + 12345) >>> 1) / 2 ** 31;
  return Float32Array.from({ length }, () => deviation * (uniform() + uniform() + uniform() + uniform() - 2) * 1.7);
}

describe("decoders", () => {
  test.each(Object.entries(golden.blocks))(
    "%s agrees bit by bit with an independent decoder",
    (dtype, { bytes, values }) => {
      const decoded = decode(dtype as DType, Buffer.from(bytes, "base64"));
      expect(Buffer.from(decoded.buffer).toString("base64")).toBe(values);
    },
  );

  test("the golden blocks cover every block type", () => {
    const blockTypes = DTYPE_NAMES.filter((dtype) => DTYPES[dtype].blockElements > 1);
    expect(Object.keys(golden.blocks).toSorted()).toEqual(blockTypes.toSorted());
  });

  test("plain types", () => {
    expect([...decode("f32", Uint8Array.of(0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0))]).toEqual([1, -2]);
    expect([...decode("f16", Uint8Array.of(0x00, 0x3c, 0x00, 0xc0))]).toEqual([1, -2]);
    expect([...decode("bf16", Uint8Array.of(0x80, 0x3f, 0x00, 0xc0))]).toEqual([1, -2]);
    expect([...decode("f8_e4m3", Uint8Array.of(0x38, 0xc0))]).toEqual([1, -2]);
  });

  test("views that are not aligned to their elements", () => {
    const bytes = new Uint8Array(9);
    bytes.set([0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0], 1);
    expect([...decode("f32", bytes.subarray(1))]).toEqual([1, -2]);
  });
});

// Blocks worked out by hand from the layouts: every field set once, next to its neighbours at zero.
describe("hand-made blocks", () => {
  test("q8_0: scale 2, codes -128 and 127", () => {
    const values = decode("q8_0", block("q8_0", { 0: F16_TWO, 2: [0x80], 33: [0x7f] }));
    expect([values[0], values[1], values[31]]).toEqual([-256, 0, 254]);
  });

  test("q5_0 and q5_1: the fifth bits of elements 1 and 16", () => {
    const fifthBits = [0x02, 0x00, 0x01, 0x00];
    const q5_0 = decode("q5_0", block("q5_0", { 0: F16_ONE, 2: fifthBits, 6: [0x21, 0x03] }));
    expect([q5_0[0], q5_0[1], q5_0[16], q5_0[17]]).toEqual([1 - 16, 3, 2, -16]);
    const q5_1 = decode("q5_1", block("q5_1", { 0: F16_ONE, 2: F16_TWO, 4: fifthBits, 8: [0x21, 0x03] }));
    expect([q5_1[0], q5_1[1], q5_1[16], q5_1[17]]).toEqual([3, 21, 20, 2]);
  });

  test("q4_k: scale and min of a group in the split upper bits", () => {
    // Group 5: scale 0b110001 = 49, min 0b100010 = 34. Element 160 is in the high nibble of byte 64.
    const bytes = block("q4_k", {
      0: F16_ONE,
      2: F16_TWO,
      5: [0b11000000],
      9: [0b10000000],
      13: [0x21],
      80: [0x70],
    });
    expect(decode("q4_k", bytes)[160]).toBe(49 * 7 - 2 * 34);
  });

  test("q6_k: both parts of a code, the sign of a group scale", () => {
    // Element 64 is in group 4: high nibble of low byte 0, bits 4-5 of high byte 0.
    const bytes = block("q6_k", { 0: [0x50], 128: [0x20], 196: [0xfe], 208: F16_ONE });
    expect(decode("q6_k", bytes)[64]).toBe(-2 * (0x25 - 32));
  });

  test("mxfp4: exponents and doubled levels", () => {
    const values = decode("mxfp4", block("mxfp4", { 0: [127], 1: [0x71, 0xf9] }));
    expect([values[0], values[16], values[1], values[17]]).toEqual([0.5, 6, -0.5, -6]);
    expect(decode("mxfp4", block("mxfp4", { 0: [0], 1: [0x02] }))[0]).toBe(2 ** -127);
  });

  test("iq4_xs: the six bits of a group scale", () => {
    // Group 3: low bits 0b0101 in the high nibble of byte 5, high bits 0b10 in bits 6-7 of the u16: 37 − 32.
    const bytes = block("iq4_xs", { 0: F16_ONE, 2: [0b10000000], 5: [0x50], 56: [0x0f] });
    const values = decode("iq4_xs", bytes);
    expect([values[96], values[97]]).toEqual([5 * 113, 5 * -127]);
  });

  test("iq2_xxs: index, sign code, group scale", () => {
    // Group 1, second eight: row 1 is 43 and seven 8s; sign code 1 negates elements 0 and 7; s = 3 gives 7/8.
    const word = (1 << 7) | (3 << 28);
    const fields = {
      0: F16_ONE,
      11: [1],
      14: [word & 255, (word >> 8) & 255, 0, (word >>> 24) & 255],
    };
    const values = decode("iq2_xxs", block("iq2_xxs", fields));
    expect([...values.subarray(40, 48)]).toEqual([-43, 8, 8, 8, 8, 8, 8, -8].map((x) => (x * 7) / 8));
    expect([...values.subarray(32, 34)]).toEqual([7, 7]);
    expect(values[0]).toBe(1);
  });

  test("iq2_xs: nine bits of index, seven of sign, a scale per 16", () => {
    // Eight 2: row 511 is all 43, sign code 2 negates elements 1 and 7; the second half of group 0 has s = 5.
    const values = decode("iq2_xs", block("iq2_xs", { 0: F16_ONE, 6: [0xff, 0x05], 66: [0x50] }));
    const magnitude = (43 * 11) / 8;
    expect([...values.subarray(16, 19)]).toEqual([magnitude, -magnitude, magnitude]);
    expect(values[23]).toBe(-magnitude);
    expect([values[0], values[24]]).toEqual([1, 11]);
  });

  test("iq2_s: ten bits of index, eight free signs, a scale per 16", () => {
    // Eight 5 (group 1, second): index 0x300 | 0xff selects the last row, all 43; signs 0x81; s = 1 below.
    const fields = { 0: F16_ONE, 7: [0xff], 39: [0x81], 67: [0b00001100], 75: [0x01] };
    const values = decode("iq2_s", block("iq2_s", fields));
    const magnitude = (43 * 3) / 8;
    expect([...values.subarray(40, 42)]).toEqual([-magnitude, magnitude]);
    expect(values[47]).toBe(-magnitude);
    expect([values[32], values[48]]).toEqual([3, 1]);
  });

  test("iq3_xxs: two rows of four under one sign code", () => {
    // Group 7, last eight: rows 0 (all 4) and 1 (20 and three 4s); sign code 0x10 negates elements 4 and 7; s = 2.
    const word = (0x10 << 21) | (2 << 28);
    const fields = { 0: F16_ONE, 65: [1], 94: [0, 0, (word >> 16) & 255, (word >>> 24) & 255] };
    const values = decode("iq3_xxs", block("iq3_xxs", fields));
    expect([...values.subarray(248)]).toEqual([4, 4, 4, 4, -20, 4, 4, -4].map((x) => (x * 5) / 4));
    expect(values[0]).toBe(1);
  });

  test("iq3_s: nine bits of index, free signs, a scale per group", () => {
    // Four 9 (group 1): row 1 | ninth bit = 257; sign bit 5 of eight 4 negates its second element; s = 6.
    const fields = { 0: F16_ONE, 11: [1], 67: [0b10], 78: [0b00100000], 106: [0x60] };
    const values = decode("iq3_s", block("iq3_s", fields));
    const row = decode("iq3_s", block("iq3_s", { 0: F16_ONE, 2: [1], 66: [1] })).subarray(0, 4);
    expect([...values.subarray(36, 40)]).toEqual([...row].map((x, i) => 13 * (i === 1 ? -x : x)));
    expect([values[0], values[32]]).toEqual([1, 13]);
  });
});

describe("encoders", () => {
  // Root mean square error in units of the weights' own; uniform steps over a bell shape give about these.
  const BOUNDS = {
    f32: 0,
    f16: 3e-4,
    bf16: 2.5e-3,
    f8_e4m3: 0.04,
    q8_0: 0.006,
    q4_0: 0.09,
    q4_k: 0.075,
    q5_k: 0.037,
    q6_k: 0.02,
  };

  test.each(ENCODABLE_DTYPES)("%s keeps the error of a round trip small", (dtype) => {
    const values = weights(64 * 256, dtype === "f8_e4m3" ? 10 : 0.02);
    const decoded = decode(dtype, encode(dtype, values));
    const error = Math.sqrt(values.reduce((sum, x, i) => sum + (x - decoded[i]!) ** 2, 0));
    const size = Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));
    expect(error / size).toBeLessThanOrEqual(BOUNDS[dtype]);
  });

  test.each(ENCODABLE_DTYPES)("%s keeps zeros, constants and single spikes", (dtype) => {
    const zeros = new Float32Array(256);
    expect(decode(dtype, encode(dtype, zeros)).every((x) => x === 0)).toBe(true);
    for (const constant of [3, -3]) {
      const decoded = decode(
        dtype,
        encode(
          dtype,
          zeros.map(() => constant),
        ),
      );
      expect(Math.max(...decoded.map((x) => Math.abs(x - constant)))).toBeLessThan(0.06);
    }
    for (const spike of [5, -5]) {
      const decoded = decode(dtype, encode(dtype, zeros.with(100, spike)));
      expect(decoded[100]).toBeCloseTo(spike, 1);
      expect(decoded.every((x, i) => i === 100 || Math.abs(x) < 0.01)).toBe(true);
    }
  });

  test.each(ENCODABLE_DTYPES)("%s stays finite for the largest and smallest numbers", (dtype) => {
    for (const size of [3e38, 1e-7, 1e-40]) {
      const decoded = decode(
        dtype,
        encode(
          dtype,
          weights(256, 1).map((x) => x * size * 0.2),
        ),
      );
      if (dtype !== "f16") expect(decoded.every(Number.isFinite)).toBe(true);
    }
  });

  test.each(ENCODABLE_DTYPES)("%s: encoding what was decoded changes little", (dtype) => {
    const once = decode(dtype, encode(dtype, weights(4 * 256, 1)));
    const twice = decode(dtype, encode(dtype, once));
    const step = Math.max(...once.map(Math.abs)) / 7;
    expect(Math.max(...twice.map((x, i) => Math.abs(x - once[i]!)))).toBeLessThan(step);
  });

  test.each(ENCODABLE_DTYPES.filter((dtype) => dtype.startsWith("q")))("%s refuses what it cannot hold", (dtype) => {
    for (const value of [NaN, Infinity, -Infinity]) {
      expect(() => encode(dtype, new Float32Array(256).with(77, value))).toThrow(/found (NaN|-?Infinity) at 77/);
    }
  });
});

describe("arguments", () => {
  test("dtypes without an encoder name those that have one", () => {
    for (const dtype of DTYPE_NAMES) {
      if ((ENCODABLE_DTYPES as readonly string[]).includes(dtype)) continue;
      const attempt = () => encode(dtype, new Float32Array(256));
      expect(attempt).toThrow(MimoError);
      expect(attempt).toThrow(expect.objectContaining({ remedy: expect.stringContaining("q4_k") }));
    }
  });

  test("i32 does not decode", () => {
    expect(() => decodeBlocks("i32", new Uint8Array(4), new Float32Array(1))).toThrow(MimoError);
  });

  test("lengths must match and be whole blocks", () => {
    expect(() => decodeBlocks("q8_0", new Uint8Array(34), new Float32Array(31))).toThrow(/whole q8_0 blocks/);
    expect(() => decodeBlocks("q8_0", new Uint8Array(33), new Float32Array(32))).toThrow(/whole q8_0 blocks/);
    expect(() => encodeBlocks("f32", new Float32Array(2), new Uint8Array(7))).toThrow(/whole f32 blocks/);
    decodeBlocks("q8_0", new Uint8Array(0), new Float32Array(0));
  });
});
