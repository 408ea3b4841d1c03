import fc from "fast-check";
import { expect, test } from "vitest";
import { calculate } from "./calculator.ts";

test.each([
  ["1 + 2 * 3", 7],
  ["(1 + 2) * 3", 9],
  ["2 ^ 3 ^ 2", 512],
  ["-2 ^ 2", -4],
  ["2 ** -1", 0.5],
  ["7 % 4 - -1.5e1", 18],
  ["6 × 7 ÷ 2 − 1", 20],
])("%s", (expression, value) => expect(calculate(expression)).toBe(value));

test.each(["", "1 +", "(1", "1 2", "alert(1)", "1; 2", "(".repeat(500)])("%s is told to be none", (expression) =>
  expect(() => calculate(expression)).toThrow(/Expected|closed|Did not expect|deeply/),
);

test("sums and products are those of the language", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 999 }), fc.integer({ min: 0, max: 999 }), fc.nat(99), (a, b, c) => {
      expect(calculate(`${a} - ${b} * (${c} + ${a}) / 8`)).toBe(a - (b * (c + a)) / 8);
    }),
  );
});
