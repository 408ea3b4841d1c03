import { describe, expect, test } from "vitest";
import { choosePacking } from "./packing.ts";

const GB = 1e9;
const SIZES = { experts: 30 * GB, dense: 10 * GB };

describe("choosePacking", () => {
  test.each([
    ["a model that fits with room to spare", 100, "all"],
    ["a model that would leave nothing for anything else", 40, "dense"],
    ["memory for all but the experts", 12, "dense"],
    ["memory for a part of the dense weights", 9, "none"],
  ])("%s", (_, available, packing) => {
    expect(choosePacking(SIZES, available * GB, { backend: "cpu" })).toBe(packing);
  });

  test("leaves experts alone that are given memory of their own, and does what it is told", () => {
    expect(choosePacking(SIZES, 100 * GB, { backend: "cpu", expertMemory: 5 * GB })).toBe("dense");
    expect(choosePacking(SIZES, 100 * GB, { backend: "cpu", expertMemory: Infinity })).toBe("none");
    expect(choosePacking(SIZES, 9 * GB, { backend: "cpu", packing: "all" })).toBe("all");
    expect(choosePacking(SIZES, 100 * GB, { backend: "reference" })).toBe("none");
  });
});
