// What rounding to the E4M3 grid does with values that are known beforehand, and where tiles begin and end.

import { describe, expect, test } from "vitest";
import { Machine } from "../../../test/conformance/machine.ts";
import { randomFloats } from "../../../test/conformance/material.ts";
import { allBackends } from "../../../test/support.ts";
import type { Backend } from "../../backends/backend.ts";
import { F8_VALUES } from "../../util/fp8.ts";
import { fp8Round, type Tile } from "./fp8-round.ts";

function round(backend: Backend, values: readonly number[], shape: readonly number[], tile: Tile): number[] {
  using machine = new Machine(backend);
  const x = machine.floats(shape, Float32Array.from(values));
  fp8Round(backend, { x, out: x, tile });
  return [...machine.readFloats(x)];
}

describe.each(allBackends.filter(({ available }) => available))("on the $name backend", ({ create }) => {
  /** In one block with 448, so that the scale is one. */
  const beside448 = (values: readonly number[]): number[] => {
    using backend = create();
    return round(backend, [448, ...values], [1, values.length + 1], { rows: 1, columns: values.length + 1 }).slice(1);
  };

  test.each([
    ["the largest value", 448, 448],
    ["a tie, to the even code", 432, 448],
    ["a tie, to the even code below", 400, 384],
    ["the smallest normal value", 2 ** -6, 2 ** -6],
    ["the smallest value", 2 ** -9, 2 ** -9],
    ["half of it, a tie, to zero", 2 ** -10, 0],
    ["a little more than half of it", 1.001 * 2 ** -10, 2 ** -9],
    ["one and a half of it, a tie, to two", 1.5 * 2 ** -9, 2 ** -8],
    ["a tie where steps become longer", 15.5, 16],
    ["zero", 0, 0],
    ["negative zero", -0, -0],
    ["what is nearly zero, with its sign", -(2 ** -20), -0],
    ["a negative value", -1.06, -1],
  ])("%s", (_, value, expected) => {
    expect(beside448([value])).toEqual([expected]);
  });

  test("keeps every value of the grid, and takes what lies between to the nearer", () => {
    const values = [...F8_VALUES].filter(Number.isFinite);
    expect(beside448(values)).toEqual(values);
    const between = values.map((value) => value * (1 + 2 ** -5));
    beside448(between.map((value) => Math.max(-448, Math.min(448, value)))).forEach((value, i) => {
      expect(Math.abs(value)).toBe(Math.abs(values[i]!));
    });
  });

  test("a block of zeros stays zero, a largest value of 449 or 464 stays what it is", () => {
    using backend = create();
    const tile = { rows: 1, columns: 4 };
    expect(round(backend, [0, 0, -0, 0], [1, 4], tile)).toEqual([0, 0, -0, 0]);
    for (const largest of [449, 464, 1e-30, 3e30]) {
      const [first, ...others] = round(backend, [largest, 0, 0, 0], [1, 4], tile);
      expect(Math.abs(first! / largest - 1)).toBeLessThan(2 ** -22);
      expect(others).toEqual([0, 0, 0]);
    }
  });

  test("an outlier of a thousand times costs small neighbours their digits, and other blocks nothing", () => {
    using backend = create();
    const values = randomFloats(1, 64).map((value, i) => (i % 4 === 0 ? value / 100 : value));
    const tile = { rows: 1, columns: 32 };
    const alone = round(backend, [...values], [1, 64], tile);
    values[5] = 1000;
    const beside = round(backend, [...values], [1, 64], tile);
    expect(beside.slice(32)).toEqual(alone.slice(32));
    const scale = 1000 / 448;
    beside.slice(0, 32).forEach((value, i) => {
      const error = Math.abs(value - values[i]!);
      // Three digits where the code is normal, half a step of 2⁻⁹ where it is not.
      expect(error).toBeLessThanOrEqual(Math.max(Math.abs(values[i]!) * 2 ** -4, scale * 2 ** -10) * 1.0001);
      if (i % 4 !== 0) return;
      expect(Math.abs((value / scale) * 2 ** 9 - Math.round((value / scale) * 2 ** 9))).toBeLessThan(1e-4);
      expect(Math.abs(alone[i]! - values[i]!)).toBeLessThan(Math.abs(values[i]!) * 2 ** -4 * 1.0001);
    });
  });

  test("NaN stays NaN and harms no other value", () => {
    using backend = create();
    expect(round(backend, [448, NaN, -9], [1, 3], { rows: 1, columns: 3 })).toEqual([448, NaN, -9]);
    expect(round(backend, [1, Infinity], [1, 2], { rows: 1, columns: 2 })).toEqual([NaN, NaN]);
  });

  test("tiles are rows, columns or squares of each matrix", () => {
    using backend = create();
    // Where the scale is 448, one becomes 448 · 2⁻⁹, which is 0.875: who shares it can be seen.
    const [M, N] = [5, 5];
    const values = Array.from({ length: 2 * M * N }, (_, i) => (i === 6 ? 448 ** 2 : 1));
    const moved = (tile: Tile): string[] => {
      const out = round(backend, values, [2, M, N], tile).map((value, i) => (value === values[i] ? "." : "x"));
      return Array.from({ length: 2 * M }, (_, row) => out.slice(row * N, (row + 1) * N).join(""));
    };
    const still = [".....", ".....", ".....", ".....", "....."];
    expect(moved({ rows: 1, columns: 3 })).toEqual([".....", "x.x..", ".....", ".....", ".....", ...still]);
    expect(moved({ rows: 3, columns: 1 })).toEqual([".x...", ".....", ".x...", ".....", ".....", ...still]);
    expect(moved({ rows: 2, columns: 2 })).toEqual(["xx...", "x....", ".....", ".....", ".....", ...still]);
  });
});
