// Our check of values against ajv's, on random schemas and values near them.

import { Ajv2020 } from "ajv/dist/2020.js";
import { expect, test } from "vitest";
import { randomParameters } from "../../test/random-schema.ts";
import { randomKey, randomUnit } from "../util/random.ts";
import { validateValue } from "./validate.ts";

const VALUES: readonly unknown[] = [
  null,
  true,
  0,
  7,
  -3,
  1.5,
  1e9,
  "",
  "a",
  "red",
  "abc",
  "123-45",
  "foo",
  "日本",
  "x y z",
  "null",
  [],
  [1, 2],
  ["a", "b", "c"],
  [true, null],
  {},
  { k: 1 },
  { a: 1, city: "x" },
  { city: "red", n_1: 3 },
];
const AJV = new Ajv2020({ strict: false, logger: false, ownProperties: true });

test("agrees with ajv", () => {
  let right = 0;
  for (let seed = 0; seed < 250; seed++) {
    const schema = randomParameters(seed);
    const isValid = AJV.compile(schema);
    const properties = Object.keys(schema["properties"] as object);
    for (let n = 0; n < 20; n++) {
      const key = randomKey(seed, n);
      const pick = (i: number): unknown => VALUES[Math.floor(randomUnit(key, i) * VALUES.length)];
      const value =
        n === 0
          ? pick(0)
          : Object.fromEntries(
              properties.filter((_, i) => randomUnit(key, 100 + i) < 0.8).map((name, i) => [name, pick(i)]),
            );
      expect(validateValue(value, schema).length === 0, JSON.stringify([schema, value])).toBe(isValid(value));
      if (isValid(value)) right++;
    }
  }
  expect(right).toBeGreaterThan(100);
});

test("says where and what", () => {
  const schema = {
    properties: { a: { items: { type: "integer", maximum: 3 } }, b: { enum: ["x"] }, c: {} },
    required: ["c"],
    additionalProperties: false,
  };
  expect(validateValue({ a: [1, 4, "5"], b: "y", d: 1 }, schema)).toEqual([
    "c is missing.",
    "a[1] is above 3.",
    "a[2] must be integer, not string.",
    'b must be one of "x".',
    "d is not allowed.",
  ]);
});

test("keywords that strict decoding refuses are checked all the same", () => {
  expect(validateValue([1, 1], { uniqueItems: true })).toEqual(["The value has an item twice."]);
  expect(validateValue(1, { not: { type: "integer" } })).toHaveLength(1);
  const conditional = JSON.parse('{ "if": { "required": ["a"] }, "then": { "required": ["b"] } }') as object;
  expect(validateValue({ a: 1 }, { ...conditional })).toEqual(["b is missing."]);
});

test("a check without end ends", () => {
  expect(validateValue(1, { $ref: "#" })).toHaveLength(1);
  const wide = { anyOf: Array.from({ length: 40 }, () => ({ $ref: "#/$defs/x" })) };
  const x = { anyOf: Array.from({ length: 40 }, () => ({ $ref: "#/$defs/y" })) };
  const y = { anyOf: Array.from({ length: 40 }, () => ({ type: "string" })) };
  expect(validateValue(1, { ...wide, $defs: { x, y } })).toHaveLength(1);
  expect(validateValue("a".repeat(50_000), { type: "string", pattern: "^(a+)+$" })).toEqual([]);
});
