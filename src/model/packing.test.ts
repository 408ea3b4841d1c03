import { describe, expect, test } from "vitest";
import { choosePacking } from "./packing.ts";

const GB = 1e9;

describe("choosePacking", () => {
  test.each([
    ["a model that fits with room to spare", 100, "all"],
    ["a model that would leave nothing for anything else", 40, "dense"],
    ["memory for all but the experts", 12, "dense"],
    ["memory for a part of the dense weights", 9, "none"],
  ])("%s", (_, available, packing) => {
    expect(choosePacking({ experts: 30 * GB, dense: 10 * GB }, available * GB)).toBe(packing);
  });
});
