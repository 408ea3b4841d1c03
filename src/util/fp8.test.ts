import { expect, test } from "vitest";

import { F8_MAX, f32ToF8, f8ToF32 } from "./fp8.ts";

test("every code decodes and encodes back to itself", () => {
  for (let code = 0; code < 256; code++) {
    const value = f8ToF32(code);
    if ((code & 0x7f) === 0x7f) expect(value).toBeNaN();
    else expect(f32ToF8(value)).toBe(code);
  }
  expect(f32ToF8(NaN) & 0x7f).toBe(0x7f);
});

test("values known from the specification", () => {
  expect(f8ToF32(0x01)).toBe(2 ** -9);
  expect(f8ToF32(0x07)).toBe(0.875 * 2 ** -6);
  expect(f8ToF32(0x08)).toBe(2 ** -6);
  expect(f8ToF32(0x38)).toBe(1);
  expect(f8ToF32(0x7e)).toBe(F8_MAX);
  expect(f8ToF32(0xfe)).toBe(-F8_MAX);
});

test("a value between neighbours goes to the nearer, and half way to the even code", () => {
  for (let code = 0; code < 0x7e; code++) {
    const middle = (f8ToF32(code) + f8ToF32(code + 1)) / 2;
    expect(f32ToF8(middle)).toBe(code + (code & 1));
    expect(f32ToF8(-middle)).toBe((code + (code & 1)) | 0x80);
    expect(f32ToF8(middle * (1 - 2 ** -20))).toBe(code);
    expect(f32ToF8(middle * (1 + 2 ** -20))).toBe(code + 1);
  }
});

test("values beyond the range are clamped", () => {
  for (const value of [449, 464, 480, 1e30, Infinity]) {
    expect(f32ToF8(value)).toBe(0x7e);
    expect(f32ToF8(-value)).toBe(0xfe);
  }
});
