import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createByteTokenizer } from "./byte-tokenizer.ts";
import { createTokenizerJson } from "./gguf-tokenizer.ts";
import { BYTE_CHARS } from "./byte-level.ts";
import { OutputParser, type OutputEvent } from "./output-parser.ts";
import { Tokenizer } from "./tokenizer.ts";

const files = createByteTokenizer({ vocabSize: 300 });
const tokenizer = Tokenizer.fromJson(files.tokenizerJson, files.tokenizerConfig);
const bytesOnly = Tokenizer.fromJson(
  createTokenizerJson(Object.fromEntries(BYTE_CHARS.map((char, id) => [char, id])), [], []),
);

/** Events with neighbouring pieces of one kind joined. */
function parse(ids: readonly number[], thinking = false, by: Tokenizer = tokenizer): OutputEvent[] {
  const parser = new OutputParser(by, { thinking });
  const events = [...ids.flatMap((id) => parser.push(id)), ...parser.finish()];
  const joined: OutputEvent[] = [];
  for (const event of events) {
    const last = joined.at(-1);
    if ("text" in event && last !== undefined && "text" in last && last.type === event.type) {
      joined[joined.length - 1] = { ...event, text: last.text + event.text };
    } else joined.push(event);
  }
  return joined;
}

const parseText = (text: string, thinking = false): OutputEvent[] => {
  const events = parse(tokenizer.encodeWithSpecials(text), thinking);
  expect(parse(bytesOnly.encode(text), thinking, bytesOnly)).toEqual(events);
  return events;
};
const call = (index: number, raw: string, complete = true): OutputEvent[] => [
  { type: "tool_call_start", index },
  ...(raw === "" ? [] : [{ type: "tool_call", index, text: raw } as const]),
  { type: "tool_call_end", index, raw, complete },
];
const said = (text: string): OutputEvent => ({ type: "text", text });
const thought = (text: string): OutputEvent => ({ type: "reasoning", text });

describe("OutputParser", () => {
  it("tells reasoning, text and calls apart", () => {
    expect(parseText("Hello")).toEqual([said("Hello")]);
    expect(parseText("<think>Why?</think>So.")).toEqual([thought("Why?"), said("So.")]);
    expect(parseText("Why?</think>So.", true)).toEqual([thought("Why?"), said("So.")]);
    expect(parseText("A<tool_call>one</tool_call><tool_call>two</tool_call>B")).toEqual([
      said("A"),
      ...call(0, "one"),
      ...call(1, "two"),
      said("B"),
    ]);
  });

  it("starts a call that is written inside thinking", () => {
    expect(parseText("<think>Use it<tool_call>one</tool_call>Done")).toEqual([
      thought("Use it"),
      ...call(0, "one"),
      said("Done"),
    ]);
  });

  it("keeps thinking markers inside a call, and ends an open call at the next", () => {
    expect(parseText("<tool_call>a<think>b</think></tool_call>")).toEqual(call(0, "a<think>b</think>"));
    expect(parseText("<tool_call>a<tool_call>b")).toEqual([...call(0, "a", false), ...call(1, "b", false)]);
  });

  it("drops markers that mean nothing", () => {
    expect(parseText("a</think>b</tool_call>c")).toEqual([said("abc")]);
  });

  it("takes spelled-out markers for text where the markers are tokens", () => {
    expect(parse(tokenizer.encode("<think>x</think>"))).toEqual([said("<think>x</think>")]);
  });

  it("leaves out control tokens, and ends a broken character at a marker", () => {
    const [think, end] = [tokenizer.addedTokenId("<think>"), tokenizer.addedTokenId("<|im_end|>")] as [number, number];
    expect(parse([0x61, 0xc3, think, 0xa9, end])).toEqual([said("a\ufffd"), thought("\ufffd")]);
  });

  it("loses no text and emits as it goes", () => {
    const pieces = fc.array(
      fc.constantFrom("<think>", "</think>", "<tool_call>", "</tool_call>", "<", "<thin", "é", "ab", "\n"),
    );
    fc.assert(
      fc.property(pieces, fc.boolean(), (parts, thinking) => {
        const ids = parts.flatMap((part) => tokenizer.encodeWithSpecials(part));
        const events = parse(ids, thinking);
        const shown = events.map((event) => ("text" in event ? event.text : "")).join("");
        const strip = (text: string): string => text.replace(/<\/?(think|tool_call)>/g, "");
        const plain = parts.filter((part) => !/^<.*>$/.test(part)).join("");
        expect(strip(shown)).toBe(strip(plain));
        const raws = events.filter((event) => event.type === "tool_call_end").map((event) => event.raw);
        const streamed = events.filter((event) => event.type === "tool_call").map((event) => event.text);
        expect(streamed).toEqual(raws.filter((raw) => raw !== ""));
      }),
    );
    const parser = new OutputParser(bytesOnly, { thinking: false });
    expect(["a", "<", "b"].map((char) => parser.push(char.charCodeAt(0)))).toEqual([[said("a")], [], [said("<b")]]);
  });
});
