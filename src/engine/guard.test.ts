// Guards without a model: what is a repetition and what is not, and where thinking stands.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createByteTokenizer } from "../tokenizer/byte-tokenizer.ts";
import { OutputParser } from "../tokenizer/output-parser.ts";
import { Tokenizer } from "../tokenizer/tokenizer.ts";
import { Guard, isRepetition } from "./guard.ts";

const files = createByteTokenizer({ vocabSize: 300 });
const tokenizer = Tokenizer.fromJson(files.tokenizerJson, files.tokenizerConfig);
const id = (text: string): number => tokenizer.addedTokenId(text)!;
const markers = {
  thinkStart: id("<think>"),
  thinkEnd: id("</think>"),
  callStart: id("<tool_call>"),
  callEnd: id("</tool_call>"),
};

/** Where an answer of these tokens is cut; undefined where it is not. */
function cutAt(tokens: readonly number[], maxRepetition: number): number | undefined {
  const guard = new Guard({ maxRepetition });
  const at = tokens.findIndex((token) => (guard.append(token), guard.isLooping));
  return at < 0 ? undefined : at + 1;
}

describe("a repetition", () => {
  const LENGTH = 64;

  test("is a piece of at most a quarter of the length, over and over, behind anything", () => {
    const piece = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: LENGTH / 4 });
    const before = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 300 });
    fc.assert(
      fc.property(before, piece, (start, period) => {
        const tail = Array.from({ length: 2 * LENGTH }, (_, i) => period[i % period.length]!);
        expect(isRepetition([...start, ...tail], LENGTH)).toBe(true);
        // Found when the tail is long enough, or at the next look.
        expect(cutAt([...start, ...tail], LENGTH)).toBeLessThanOrEqual(start.length + LENGTH + LENGTH / 32);
      }),
    );
  });

  test("is not what any definition by hand denies", () => {
    const tokens = fc.array(fc.integer({ min: 0, max: 1 }), { minLength: 16, maxLength: 40 });
    fc.assert(
      fc.property(tokens, (all) => {
        const tail = all.slice(-16);
        const periods = [1, 2, 3, 4].filter((p) => tail.every((token, i) => i < p || token === tail[i - p]));
        expect(isRepetition(all, 16)).toBe(periods.length > 0);
      }),
    );
  });

  test("of less than the length is none, and 0 allows all", () => {
    expect(
      cutAt(
        Array.from({ length: 2047 }, () => 1),
        2048,
      ),
    ).toBeUndefined();
    expect(
      cutAt(
        Array.from({ length: 2048 }, () => 1),
        2048,
      ),
    ).toBe(2048);
    expect(
      cutAt(
        Array.from({ length: 9999 }, () => 1),
        0,
      ),
    ).toBeUndefined();
  });

  test("tables, code, lists of numbers and rulers are none, even a byte a token", () => {
    const row = (i: number): string => `| ${i} | ${i * i} | ${"yes no".split(" ")[i % 2]} |\n`;
    const texts = [
      Array.from({ length: 400 }, (_, i) => row(i)).join(""),
      Array.from({ length: 3000 }, (_, i) => i).join(", "),
      Array.from({ length: 40 }, (_, i) => Array.from({ length: 40 }, (_x, j) => (i === j ? 1 : 0)).join(", ")).join(
        "\n",
      ),
      Array.from({ length: 300 }, (_, i) => `    case ${i}:\n      return ${i + 1};\n`).join(""),
      Array.from({ length: 200 }, (_, i) => `{ "id": ${i}, "name": "", "tags": [], "parent": null },\n`).join(""),
      `${"=".repeat(1000)}\n${"-".repeat(1000)}\n${"| --- ".repeat(60)}|\n`,
      "Row, row, row your boat, gently down the stream. Merrily, merrily, merrily, merrily, life is but a dream.\n".repeat(
        8,
      ),
    ];
    for (const text of texts) expect(cutAt([...Buffer.from(text)], 2048), text.slice(0, 40)).toBeUndefined();
  });
});

test("where thinking stands is what the reader of the output makes of it", () => {
  const pieces = fc.array(fc.constantFrom(...Object.values(markers), 0x61), { maxLength: 30 });
  fc.assert(
    fc.property(pieces, fc.boolean(), (tokens, isOpen) => {
      const guard = new Guard({ thinking: { markers, isOpen, budget: 0 }, maxRepetition: 0 });
      const parser = new OutputParser(tokenizer, { thinking: isOpen });
      for (const token of tokens) {
        expect(guard.forced).toBe(parser.inReasoning ? markers.thinkEnd : undefined);
        guard.append(token);
        parser.push(token);
      }
    }),
  );
});

test("a loop in thinking ends the thinking first, and one in the answer the answer", () => {
  const guard = new Guard({ thinking: { markers, isOpen: true, budget: Infinity }, maxRepetition: 64 });
  const say = (token: number, count: number): void => {
    for (let i = 0; i < count; i++) guard.append(token);
  };
  say(0x61, 63);
  expect(guard.forced).toBeUndefined();
  say(0x61, 1);
  expect([guard.forced, guard.isLooping]).toEqual([markers.thinkEnd, false]);
  say(markers.thinkEnd, 1);
  expect(guard.forced).toBeUndefined();
  say(0x61, 62);
  expect(guard.isLooping).toBe(false);
  say(0x61, 3);
  expect(guard.isLooping).toBe(true);
});
