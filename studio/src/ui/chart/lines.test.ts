import { expect, test } from "vitest";
import { joinLines, smooth, spread, thin } from "./lines.ts";

const line = (x: readonly number[], y: readonly number[]) => ({ label: "", colour: "--series-1", x, y });

test("lines of different places share an axis, and what is missing is a gap", () => {
  const joined = joinLines([line([1, 2, 4], [10, Number.NaN, 40]), line([2, 3], [5, 6])]);
  expect(joined).toEqual([
    [1, 2, 3, 4],
    [10, null, null, 40],
    [null, 5, 6, null],
  ]);
});

test("smoothing keeps a constant, and none changes nothing", () => {
  expect(smooth([3, 3, 3], 0.9).map((value) => Number(value.toFixed(9)))).toEqual([3, 3, 3]);
  expect(smooth([1, 5, 2], 0)).toEqual([1, 5, 2]);
  const [first, second] = smooth([1, 2], 0.5);
  expect(first).toBe(1);
  expect(second).toBeCloseTo(5 / 3);
});

test("a long line is thinned to means, up to its end", () => {
  const x = Array.from({ length: 1001 }, (_, i) => i);
  const thinned = thin(line(x, x), 100);
  expect(thinned.x.length).toBeLessThanOrEqual(100);
  expect(thinned.x.at(-1)).toBe(1000);
  expect(thinned.y[0]).toBe(5);
  expect(thin(line([1, 2], [3, 4]), 100).y).toEqual([3, 4]);
});

test("a table has few rows, and the last one", () => {
  expect(spread(3, 10)).toEqual([0, 1, 2]);
  expect(spread(0, 10)).toEqual([]);
  const rows = spread(1001, 30);
  expect(rows.length).toBeLessThanOrEqual(30);
  expect(rows.at(-1)).toBe(1000);
});
