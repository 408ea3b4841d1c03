import { describe, expect, test } from "vitest";
import { depthOf, parseJson } from "./json.ts";

const parse = (text: string, depth = 64): unknown => parseJson(new TextEncoder().encode(text), depth);

describe("parseJson", () => {
  test.each([
    '{"a":[1,2.5e3,true,null,"\\u00e9\\n"],"b":{"a":{"a":""}}}',
    '["}{][\\"",{"\\\\":"\\\\\\\\"}]',
    '{"constructor":{"prototype":1},"text":"\\u0000\\ud83d\\ude00 \u2028 é"}',
    "7",
  ])("reads %s", (text) => {
    expect(parse(text)).toEqual(JSON.parse(text));
  });

  test.each([
    ["", "not valid JSON"],
    ["{", "not valid JSON"],
    ['{"a":1,}', "not valid JSON"],
    ['"\\', "not valid JSON"],
    ["\ufeff{}", "not valid JSON"],
    ['{"a":1,"b":2,"a":3}', "twice"],
    ['{"a":1,"\\u0061":3}', "twice"],
    ['[{"x":{"k":[],"k":0}}]', "twice"],
    ['{"__proto__":{"polluted":true}}', "__proto__"],
    ['{"a":{"\\u005f_proto__":1}}', "__proto__"],
    ['{"a":"\\ud800"}', "surrogate"],
    ['["\\udc00\\ud800"]', "surrogate"],
    ['{"\\ud83d":1}', "surrogate"],
    ["[".repeat(100_000), "deep"],
    ['{"a":'.repeat(65), "deep"],
  ])("refuses %.40s", (text, problem) => {
    expect(() => parse(text)).toThrow(problem);
    expect(Object.getPrototypeOf({})).not.toHaveProperty("polluted");
  });

  test("refuses bytes that are no text", () => {
    expect(() => parseJson(Uint8Array.of(0x22, 0xff, 0x22), 64)).toThrow("UTF-8");
  });

  test("long strings and many objects are no trouble", () => {
    const value = { a: "\\".repeat(1_000_000), b: Array.from({ length: 20_000 }, (_, i) => ({ i })) };
    expect(parse(JSON.stringify(value))).toEqual(value);
  });
});

test("depthOf", () => {
  expect([1, {}, [[]], { a: [1, { b: "" }] }].map(depthOf)).toEqual([0, 1, 2, 3]);
});
