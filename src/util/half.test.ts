import { describe, expect, test } from "vitest";

import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "./half.ts";

const FORMATS = [
  { name: "f16", decode: f16ToF32, encode: f32ToF16, infinity: 0x7c00, max: 65504 },
  {
    name: "bf16",
    decode: bf16ToF32,
    encode: f32ToBf16,
    infinity: 0x7f80,
    max: 3.3895313892515355e38,
  },
];

describe.each(FORMATS)("$name", ({ decode, encode, infinity, max }) => {
  test("every code decodes and encodes back to itself", () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = decode(bits);
      if (Number.isNaN(value)) expect(encode(value) & 0x7fff).toBeGreaterThan(infinity);
      else if (encode(value) !== bits) expect.fail(`${bits} became ${encode(value)}`);
    }
  });

  test("a value between neighbours goes to the nearer, and half way to the even code", () => {
    for (let bits = 0; bits < infinity - 1; bits++) {
      const middle = (decode(bits) + decode(bits + 1)) / 2;
      const even = bits + (bits & 1);
      const below = Math.fround(middle * (1 - 2 ** -20));
      const above = Math.fround(middle * (1 + 2 ** -20));
      if (encode(middle) !== even) expect.fail(`half way after ${bits} became ${encode(middle)}`);
      if (encode(-middle) !== (even | 0x8000)) expect.fail(`half way after -${bits} became ${encode(-middle)}`);
      // Below the range of normal f32 a relative step of 2^-20 rounds away.
      if (middle < 2 ** -120) continue;
      if (encode(below) !== bits) expect.fail(`below half way after ${bits} became ${encode(below)}`);
      if (encode(above) !== bits + 1) expect.fail(`above half way after ${bits} became ${encode(above)}`);
    }
  });

  test("infinities, overflow and signed zero", () => {
    expect(encode(Infinity)).toBe(infinity);
    expect(encode(-Infinity)).toBe(infinity | 0x8000);
    expect(decode(encode(max))).toBe(max);
    expect(encode(3.4028234663852886e38)).toBe(infinity);
    expect(encode(-0)).toBe(0x8000);
    expect(Object.is(decode(0x8000), -0)).toBe(true);
  });
});

test("f16 rounds to infinity from half a step above its largest value", () => {
  expect(f32ToF16(65519)).toBe(0x7bff);
  expect(f32ToF16(65520)).toBe(0x7c00);
});

test("f16 values known from the standard", () => {
  expect(f16ToF32(0x3c00)).toBe(1);
  expect(f16ToF32(0x0001)).toBe(2 ** -24);
  expect(f16ToF32(0x0400)).toBe(2 ** -14);
  expect(f16ToF32(0xc000)).toBe(-2);
  expect(f32ToF16(1 / 3)).toBe(0x3555);
});
