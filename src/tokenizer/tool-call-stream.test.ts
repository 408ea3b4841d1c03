// Pieces of a call, however its text was cut, are those of the whole; and they mean what `parseToolCall` says.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ToolDefinition } from "./chat-request.ts";
import { ToolCallStream } from "./tool-call-stream.ts";
import { parseToolCall } from "./tool-calls.ts";

const TOOLS: readonly ToolDefinition[] = [
  {
    type: "function",
    function: {
      name: "write",
      parameters: {
        type: "object",
        properties: {
          text: { type: "string" },
          count: { type: "integer" },
          either: { type: ["string", "number"] },
          list: { type: "array" },
          flag: { type: "boolean" },
        },
      },
    },
  },
];

function stream(pieces: readonly string[], complete = true): { name: string; json: string; fragments: string[] } {
  const call = new ToolCallStream(TOOLS);
  const all = [...pieces.flatMap((piece) => call.push(piece)), ...call.finish(complete)];
  const fragments = all.flatMap((piece) => (piece.type === "arguments" ? [piece.json] : []));
  const names = all.flatMap((piece) => (piece.type === "name" ? [piece.name] : []));
  expect(names.length).toBeLessThan(2);
  return { name: names[0] ?? "", json: fragments.join(""), fragments };
}

describe("ToolCallStream", () => {
  test("strings are handed on while they are written, exactly", () => {
    const { fragments } = stream([
      "\n<function=write>\n<parameter=te",
      "xt>  Hi ",
      '"you" &lt;\n',
      "there </param",
      "eter> no </parameter",
      ">\n</function>\n",
    ]);
    expect(fragments).toEqual(["{", '"text":"  Hi ', '\\"you\\" &lt;\\n', "there ", "</parameter> no ", '"', "}"]);
  });

  test("other kinds are read by their schema, and numbers keep their digits", () => {
    const raw =
      "<function=write><parameter=count> 12345678901234567890 </parameter><parameter=flag>True</parameter>" +
      "<parameter=either>12</parameter><parameter=list>[1, null]</parameter><parameter=count>null</parameter></function>";
    expect(stream([raw]).json).toBe(
      '{"count":12345678901234567890,"flag":true,"either":12,"list":[1, null],"count":"null"}',
    );
  });

  test("a call without parameters is an empty object", () => {
    expect(stream(["<function=write>\n</function>"])).toMatchObject({ name: "write", json: "{}" });
  });

  test.each([
    ["<function=write><parameter=text>rm -rf /ho", false],
    ["<function=write><parameter=text>whole</parameter></function>", false],
    ["<function=write><parameter=text>x</parameter></function> and more", true],
    ["<function=write>words</function>", true],
    ["no call", true],
  ])("what is no whole call is never closed: %s", (raw, complete) => {
    expect(() => JSON.parse(stream([raw], complete).json) as unknown).toThrow();
  });

  test("any text, cut anywhere", () => {
    const word = fc.constantFrom(
      "<function=write>", "<function=", "</function>", "</function", "<parameter=text>", "<parameter=count>",
      "<parameter=either>", "</parameter>", "</param", "\n", " ", '"', "\\", "12", "-1.50", "true", "None", '{"a":[]}',
      "<", ">", "é😀", "text", "__proto__", "<parameter=__proto__>",
    ); // prettier-ignore
    const call = fc.oneof(
      fc.array(word, { maxLength: 14 }),
      fc
        .array(word, { maxLength: 10 })
        .map((words) => ["<function=write>\n", "<parameter=text>", ...words, "</parameter></function>"]),
    );
    fc.assert(
      fc.property(call, fc.infiniteStream(fc.nat(5)), (words, cuts) => {
        const raw = words.join("");
        const characters = Array.from(raw);
        const pieces: string[] = [];
        while (characters.length > 0) pieces.push(characters.splice(0, 1 + (cuts.next().value as number)).join(""));
        const { name, json } = stream(pieces);
        expect({ name, json }).toEqual((({ name, json }) => ({ name, json }))(stream([raw])));
        const parsed = parseToolCall(raw, TOOLS);
        if ("error" in parsed) expect(() => JSON.parse(json) as unknown).toThrow();
        else expect({ name, arguments: JSON.parse(json) as unknown }).toEqual(parsed);
      }),
      { numRuns: 500 },
    );
  });
});
