// Numbers, tables and text as they are shown.

import { expect, test } from "vitest";
import {
  formatAmount,
  formatBytes,
  formatContext,
  formatCount,
  formatDuration,
  formatTable,
  significant,
} from "./format.ts";
import { spread } from "./measure.ts";
import { visibleControls } from "./output.ts";

test("numbers have three significant digits", () => {
  expect([0, 0.01234, 1.234, 12.34, 123.4, 1234.5].map(significant)).toEqual([
    "0",
    "0.0123",
    "1.23",
    "12.3",
    "123",
    "1235",
  ]);
  expect([309e9, 15.43e9, 512].map(formatCount)).toEqual(["309B", "15.4B", "512"]);
  expect([640, 25_559_040, 6.04e9].map(formatBytes)).toEqual(["640 B", "25.6 MB", "6.04 GB"]);
  expect(formatAmount(114e9, "FLOP/s")).toBe("114 GFLOP/s");
  expect([12.3, 1500, 61_000, 3_660_000].map(formatDuration)).toEqual(["12 ms", "1.5 s", "1 min 1 s", "1 h 1 min"]);
  expect([500, 4096, 262_144].map(formatContext)).toEqual(["500", "4K", "256K"]);
});

test("columns of a table line up", () => {
  expect(
    formatTable([
      ["name", "n"],
      ["a", "100"],
    ]),
  ).toEqual(["name    n", "a     100"]);
});

test("control characters of a model cannot reach a terminal", () => {
  expect(visibleControls("a\tb\nc\u001b[2J\u0007\u009b")).toBe("a\tb\nc␛[2J␇\ufffd");
});

test("the median of an even number lies between", () => {
  expect(spread([4, 1, 3, 2])).toEqual({ median: 2.5, min: 1, max: 4 });
});
