// Any beginning of JSON can be closed, and holds only what was whole in it.

import fc from "fast-check";
import { expect, test } from "vitest";
import { closeJson } from "./close-json.ts";

test.each([
  ["", "{}"],
  ["{", "{}"],
  ['{"a', "{}"],
  ['{"a":', "{}"],
  ['{"a":1', "{}"],
  ['{"a":1,', '{"a":1}'],
  ['{"a":"x', "{}"],
  ['{"a":"x\\"', "{}"],
  ['{"a":"x\\', "{}"],
  ['{"a":"x","b', '{"a":"x"}'],
  ['{"a":[1,{"b":"c","d', '{"a":[1,{"b":"c"}]}'],
  ['{"a":tru', "{}"],
  ['{"a":"}]","b":[', '{"a":"}]","b":[]}'],
])("%s is %s", (text, closed) => {
  expect(closeJson(text)).toBe(closed);
});

test("every beginning of every object", () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })),
      fc.nat(),
      fc.boolean(),
      (value, cut, wide) => {
        const text = JSON.stringify(value, undefined, wide ? 2 : 0);
        const whole = JSON.parse(text) as typeof value;
        const closed = JSON.parse(closeJson(text.slice(0, cut % (text.length + 1)))) as object;
        for (const [key, inner] of Object.entries(closed).slice(0, -1)) expect(inner).toEqual(whole[key]);
        expect(JSON.parse(closeJson(text))).toEqual(whole);
      },
    ),
    { numRuns: 500 },
  );
});
