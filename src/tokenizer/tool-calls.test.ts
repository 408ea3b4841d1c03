import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ToolDefinition } from "./chat-request.ts";
import { formatToolCall, parseToolCall } from "./tool-calls.ts";

function tool(properties: Record<string, unknown>, definitions: Record<string, unknown> = {}): ToolDefinition {
  return {
    type: "function",
    function: { name: "f", parameters: { type: "object", properties, $defs: definitions } },
  };
}

function parseOne(text: string, schema?: unknown, definitions?: Record<string, unknown>): unknown {
  const tools = schema === undefined ? [] : [tool({ x: schema }, definitions)];
  const call = parseToolCall(`<function=f><parameter=x>${text}</parameter></function>`, tools);
  return "error" in call ? call : call.arguments["x"];
}

describe("parseToolCall", () => {
  it("reads calls with and without newlines", () => {
    const call = { name: "f", arguments: { a: "1 ", b: "two\n" } };
    const tools = [tool({ a: { type: "string" }, b: { type: "string" } })];
    const spread = "\n<function=f>\n<parameter=a>1 </parameter>\n<parameter=b>two\n</parameter>\n</function>\n";
    expect(parseToolCall(spread, tools)).toEqual(call);
    expect(
      parseToolCall("<function=f><parameter=a>1 </parameter><parameter=b>two\n</parameter></function>", tools),
    ).toEqual(call);
    expect(parseToolCall("<function=f></function>")).toEqual({ name: "f", arguments: {} });
  });

  it("keeps strings exact", () => {
    for (const text of [
      "null",
      "5",
      " padded ",
      "\n",
      "&lt;b&gt;",
      '"quoted"',
      "{}",
      "",
      "a</parameter>b",
      "</function>",
    ]) {
      expect(parseOne(text, { type: "string" })).toBe(text);
    }
  });

  it("reads other types as JSON", () => {
    expect(parseOne("5", { type: "integer" })).toBe(5);
    expect(parseOne("[1, 2]", { type: "array" })).toEqual([1, 2]);
    expect(parseOne("True", { type: "boolean" })).toBe(true);
    expect(parseOne("None", { type: ["object", "null"] })).toBe(null);
    expect(parseOne("many", { type: "integer" })).toBe("many");
    expect(parseOne("1.5", { type: "integer" })).toBe("1.5");
  });

  it("lets the text decide between the types of a union, and without a schema", () => {
    expect(parseOne("null", { type: ["string", "null"] })).toBe(null);
    expect(parseOne("5", { type: ["string", "null"] })).toBe("5");
    expect(parseOne("5", { anyOf: [{ type: "string" }, { type: "number" }] })).toBe(5);
    expect(parseOne("5", { enum: ["5", "6"] })).toBe("5");
    expect(parseOne("5", { $ref: "#/$defs/text" }, { text: { type: "string" } })).toBe("5");
    expect(parseOne("5")).toBe(5);
    expect(parseOne("five")).toBe("five");
    expect(parseOne('"five"')).toBe('"five"');
    expect(parseOne("True")).toBe("True");
  });

  it("survives schemas that refer to themselves", () => {
    const loop = { anyOf: Array.from({ length: 50 }, () => ({ $ref: "#/$defs/loop" })) };
    expect(parseOne("5", { $ref: "#/$defs/loop" }, { loop })).toBe(5);
  });

  it("makes own properties only", () => {
    const call = parseToolCall("<function=f><parameter=__proto__>{}</parameter></function>");
    expect(Object.keys((call as { arguments: object }).arguments)).toEqual(["__proto__"]);
  });

  it.each([
    ["", "begin with"],
    ["<function=f>", "end with </function>"],
    ["<function=f><parameter=x>1</function>", "x of the call to f is not closed"],
    ["<function=f>hello</function>", "parameters only"],
    ["<function=f></function>more", "end with </function>"],
  ])("says what is wrong with %j", (raw, message) => {
    expect(parseToolCall(raw)).toEqual({ error: expect.stringContaining(message) });
  });
});

describe("formatToolCall", () => {
  const schemas = {
    s: { type: "string" },
    n: { type: "number" },
    o: { type: "object" },
    b: { type: "boolean" },
  };
  const values = fc.record(
    {
      s: fc.oneof(fc.string(), fc.constantFrom("</parameter>", "</parameter>\n", "<parameter=x>", "null", "5")),
      n: fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true })).filter((n) => !Object.is(n, -0)),
      o: fc.dictionary(
        fc.string(),
        fc.jsonValue().filter((value) => !JSON.stringify(value).includes("-0")),
      ),
      b: fc.boolean(),
      any: fc.integer(),
    },
    { requiredKeys: [] },
  );

  it("is the inverse of parsing", () => {
    fc.assert(
      fc.property(values, (args) => {
        const call = {
          name: "f",
          arguments: JSON.parse(JSON.stringify(args)) as Record<string, unknown>,
        };
        expect(parseToolCall(formatToolCall(call, [tool(schemas)]), [tool(schemas)])).toEqual(call);
      }),
    );
  });

  it("refuses what the format cannot hold", () => {
    const write = (args: Record<string, unknown>, name = "f"): string =>
      formatToolCall({ name, arguments: args }, [tool(schemas)]);
    expect(() => write({}, "a>b")).toThrow("cannot name a function");
    expect(() => write({ s: "</parameter></function>" })).toThrow("cannot be written");
    expect(() => write({ s: 5 })).toThrow("cannot be written");
    expect(() => write({ free: "5" })).toThrow("cannot be written");
  });
});
