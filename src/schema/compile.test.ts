// What strict decoding accepts, text by text, and what it refuses, by name and place.

import { describe, expect, test } from "vitest";
import { Matcher } from "../grammar/matcher.ts";
import { createVocabulary, tokenTable } from "../grammar/vocabulary.ts";
import { MimoError } from "../util/errors.ts";
import { compileGrammar, type GrammarSource } from "./compile.ts";

const LIMITS = { maxStates: 200_000, maxMs: 20_000 };
const BYTES = createVocabulary(tokenTable(Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte))));

function accepts(source: GrammarSource): (text: string) => boolean {
  const matcher = new Matcher(compileGrammar(source, "test", LIMITS), BYTES);
  return (text) => {
    let state: typeof matcher.start | undefined = matcher.start;
    for (const byte of Buffer.from(text)) state = state && matcher.advance(state, byte);
    return state?.isFinal === true;
  };
}

const json = (schema: unknown) => accepts({ kind: "json_schema", schema, path: "schema" });
const call = (parameters: Record<string, unknown>) =>
  accepts({ kind: "calls", tools: [{ name: "f", parameters, isStrict: true, path: "tool" }] });

describe("JSON", () => {
  test.each<[unknown, readonly string[], readonly string[]]>([
    [{ type: "integer", minimum: -3, maximum: 12 }, ["-3", "0", "9", "12"], ["-4", "13", "01", "-0", "1.0", ""]],
    [{ type: "number", minimum: 0, maximum: 1 }, ["0", "0.25", "1", "1.0"], ["1.1", "-0.1", "2"]],
    [{ type: "integer", multipleOf: 7, minimum: 10, maximum: 30 }, ["14", "21", "28"], ["7", "20", "35"]],
    [{ type: "string", minLength: 1, maxLength: 2 }, ['"a"', '"日本"', '"\\n\\u00e9"'], ['""', '"abc"', '"\\ud800"']],
    [{ type: "string", pattern: "^a+$", maxLength: 3 }, ['"aaa"'], ['"aaaa"', '"ab"']],
    [{ type: "string", pattern: "b" }, ['"abc"', '"b"'], ['"ac"']],
    [
      { type: "string", format: "date" },
      ['"2024-02-29"'],
      ['"2024-02-30"', '"2023-02-29"', '"1900-02-29"', '"2024-13-01"', '"x"'],
    ],
    [{ enum: ["a", 1, null, { k: [1] }] }, ['"a"', "1", "null", '{"k":[1]}'], ['"b"', "2"]],
    [{ type: "string", enum: ["a", 1] }, ['"a"'], ["1"]],
    [{ type: ["boolean", "null"] }, ["true", "null"], ["1"]],
    [
      { type: "array", items: { type: "null" }, minItems: 1, maxItems: 2 },
      ["[null]", "[null, null]"],
      ["[]", "[null,null,null]"],
    ],
    [{ prefixItems: [{ const: 1 }], items: { const: 2 } }, ["[]", "[1]", "[1,2,2]"], ["[2]", "[1,1]"]],
    [
      { properties: { a: { const: 1 }, b: { const: 2 } }, required: ["b"] },
      ['{"a":1,"b":2}', '{"b": 2}', '{\n  "a": 1, "b": 2}'],
      ['{"a":1}', '{"b":2,"a":1}', '{"b":2,"b":2}', '{"b":2,"c":1}'],
    ],
    [
      { properties: { a: { const: 1 } }, additionalProperties: { const: 2 } },
      ['{"a":1,"x":2}', '{"x":2}', "{}"],
      ['{"a":2}', '{"x":1}', '{"x":2,"a":1}'],
    ],
    [{ type: "object", additionalProperties: { type: "null" } }, ["{}", '{"x":null}'], ['{"x":1}']],
    [
      {
        $ref: "#/$defs/node",
        $defs: {
          node: { properties: { next: { anyOf: [{ $ref: "#/$defs/node" }, { type: "null" }] } }, required: ["next"] },
        },
      },
      ['{"next":null}', '{"next":{"next":null}}'],
      ["{}", '{"next":{}}'],
    ],
    [{ oneOf: [{ type: "string" }, { type: "integer" }] }, ['"a"', "1"], ["true"]],
    [true, ["1", "[{}]"], ["tru"]],
  ])("%j", (schema, right, wrong) => {
    const isAccepted = json(schema);
    expect(right.filter((text) => !isAccepted(text))).toEqual([]);
    expect(wrong.filter((text) => isAccepted(text))).toEqual([]);
  });
});

describe("calls", () => {
  const one = (value: string): string => `\n<function=f>\n<parameter=x>${value}</parameter>\n</function>\n`;
  test.each<[Record<string, unknown>, readonly string[], readonly string[]]>([
    [{ type: "string" }, ["", "a\n b", '"q"', "&lt;", "</param", "null", "日"], ["a</parameter>b"]],
    [{ type: "string", minLength: 2, maxLength: 3 }, ["ab", "</p", "日本"], ["a", "abcd", "</pa"]],
    [{ type: "string", enum: ["a b", "null"] }, ["a b", "null"], ["a", '"a b"']],
    [{ type: "string", pattern: "^<?[a-z]/*$" }, ["<a//", "b"], ["<", "<</"]],
    [{ type: "integer" }, ["12", "-3"], ["1.5", " 12", '"12"']],
    [{ type: ["string", "null"] }, ["null", "nulls", "12", '"a"'], [" null"]],
    [{ type: ["string", "integer"], minimum: 5 }, ["7", "7a"], ["3", "1e5", " 7"]],
    [{}, ["a", "12", '{"a":1}', "[1]"], ["{a", "[x"]],
    [{ type: "array", items: { type: "string" } }, ['["a", "b"]', "[]"], ["a", "[a]"]],
  ])("a parameter of %j", (schema, right, wrong) => {
    const isAccepted = call({ type: "object", properties: { x: schema }, required: ["x"] });
    expect(right.filter((text) => !isAccepted(one(text)))).toEqual([]);
    expect(wrong.filter((text) => isAccepted(one(text)))).toEqual([]);
  });

  test("required ones stand, optional ones may, in the schema's order, once, with or without newlines", () => {
    const isAccepted = call({
      type: "object",
      properties: { a: { type: "boolean" }, b: { type: "boolean" }, __proto__: {} },
      required: ["b"],
    });
    const written = (...keys: string[]): string =>
      `<function=f>${keys.map((key) => `<parameter=${key}>true</parameter>`).join("")}</function>`;
    expect(isAccepted(written("a", "b"))).toBe(true);
    expect(isAccepted(written("b"))).toBe(true);
    for (const keys of [["a"], ["b", "a"], ["b", "b"], ["b", "c"], []])
      expect(isAccepted(written(...keys))).toBe(false);
    expect(isAccepted(written("b").replace("=f>", "=g>"))).toBe(false);
  });
});

describe("refused, with keyword and place", () => {
  const deep = Array.from({ length: 70 }).reduce<unknown>((inner) => ({ items: inner }), {});
  test.each<[string, unknown, RegExp]>([
    ["a keyword", { properties: { x: { not: {} } } }, /schema\.properties\.x\.not /],
    ["uniqueItems", { type: "array", uniqueItems: true }, /uniqueItems/],
    ["an empty range", { type: "integer", minimum: 3, maximum: 2 }, /schema\.minimum/],
    ["lengths out of order", { type: "string", minLength: 3, maxLength: 2 }, /schema\.maxLength/],
    ["a pattern that no length allows", { type: "string", pattern: "^a{5}$", maxLength: 4 }, /schema\.pattern/],
    ["look-around", { type: "string", pattern: "^(?=a)" }, /schema\.pattern .*look-around/],
    ["a back-reference", { type: "string", pattern: "(a)\\1" }, /schema\.pattern/],
    ["an enum of the wrong type", { type: "string", enum: [1] }, /schema\.enum/],
    ["items out of order", { type: "array", minItems: 3, maxItems: 1 }, /schema\.minItems/],
    ["a required property that is false", { properties: { a: false }, required: ["a"] }, /schema\.required/],
    ["a reference to nothing", { $ref: "#/$defs/x" }, /schema\.\$ref/],
    ["a reference elsewhere", { $ref: "https://example.org/x" }, /schema\.\$ref/],
    ["a reference to itself", { $ref: "#" }, /itself/],
    ["a choice of itself", { anyOf: [{ $ref: "#" }, { type: "null" }] }, /itself/],
    ["an object that needs itself", { properties: { a: { $ref: "#" } }, required: ["a"] }, /without end/],
    ["oneOf that overlaps", { oneOf: [{ type: "number" }, { type: "integer" }] }, /schema\.oneOf\[1\]/],
    ["allOf", { allOf: [{ type: "string" }, { minLength: 1 }] }, /schema\.allOf/],
    ["an unknown type", { type: "text" }, /schema\.type/],
    ["too deep", deep, /deep/],
    ["too large", { enum: ["x".repeat(300_000)] }, /characters/],
    ["false", false, /schema/],
    ["a list", [], /schema/],
  ])("%s", (_, schema, message) => {
    const compile = () => compileGrammar({ kind: "json_schema", schema, path: "schema" }, "test", LIMITS);
    expect(compile).toThrow(MimoError);
    expect(compile).toThrow(message);
  });

  test.each<[string, string]>([
    ["an exponential pattern", "^(a|b)*a(a|b){30}$"],
    ["nested repetitions", "^((a{100}){100}){100}$"],
  ])("%s, in bounded time", (_, pattern) => {
    const started = performance.now();
    const compile = () =>
      compileGrammar({ kind: "json_schema", schema: { type: "string", pattern }, path: "schema" }, "test", {
        maxStates: 50_000,
        maxMs: 2000,
      });
    expect(compile).toThrow(/too complex/);
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  test("names that a call cannot spell", () => {
    expect(() => call({ type: "object", properties: { "a>b": {} } })).toThrow(/a>b/);
    expect(() => call({ type: "string" })).toThrow(/tool\.parameters\.type/);
  });
});
