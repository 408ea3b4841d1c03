// A recording agrees with the stream that it was made of.

import { describe, expect, test } from "vitest";
import { countRoutes, expertsOf } from "./load.ts";
import { acceptanceOf, entropyOf, MAX_TOKENS, textRange, tokensOf, type Trace, withDetails } from "./trace.ts";
import type { ChunkChoice, Details } from "../api/answers.ts";

function choice(mimo: Details, logprobs?: ChunkChoice["logprobs"]): ChunkChoice {
  return { index: 0, delta: {}, finish_reason: null, mimo, ...(logprobs ? { logprobs } : {}) };
}

function recorded(choices: readonly ChunkChoice[]): Trace {
  return choices.reduce<Trace | undefined>(withDetails, undefined)!;
}

const STEPS = [
  { tokens: ["Hi"], drafted: [], accepted: 0 },
  { tokens: [" there", ",", " you"], drafted: [" there", ",", " me"], accepted: 2 },
  { tokens: ["!"], drafted: [" two", "."], accepted: 0 },
];

describe("drafts", () => {
  const trace = recorded(STEPS.map((drafts) => choice({ drafts })));

  test("say of each token which head had it, and what was refused in its place", () => {
    expect(trace.numTokens).toBe(5);
    const tokens = trace.steps.flatMap(tokensOf);
    expect(tokens.map(({ text, head }) => [text, head])).toEqual([
      ["Hi", undefined],
      [" there", 1],
      [",", 2],
      [" you", undefined],
      ["!", undefined],
    ]);
    expect(tokens.map(({ rejected, rejectedFrom }) => rejected.map((text, i) => `${rejectedFrom + i}${text}`))).toEqual(
      [[], [], [], ["3 me"], ["1 two", "2."]],
    );
  });

  test("are counted by head", () => {
    expect(acceptanceOf(trace.steps)).toEqual([
      { drafted: 2, held: 1 },
      { drafted: 2, held: 1 },
      { drafted: 1, held: 0 },
    ]);
  });

  test("a frame that tells nothing leaves the recording as it is", () => {
    expect(withDetails(trace, choice({}))).toBe(trace);
    expect(withDetails(undefined, choice({}))).toBeUndefined();
  });
});

test("the answer's text stands behind thinking, and in front of calls and the end", () => {
  const rangeOf = (...tokens: readonly string[]) =>
    textRange(recorded(tokens.map((token) => choice({ drafts: { tokens: [token], drafted: [], accepted: 0 } }))));
  expect(rangeOf("Hi", "!")).toEqual({ from: 0, to: 2 });
  expect(rangeOf("Hm", "</think>", "\n\n", "Hi", "!", "<|im_end|>")).toEqual({ from: 3, to: 5 });
  expect(rangeOf("Hi", "<tool_call>", "{}", "</tool_call>")).toEqual({ from: 0, to: 1 });
});

test("an answer without end is recorded in its beginning", () => {
  const drafts = { tokens: ["a", "b"], drafted: ["a"], accepted: 1 };
  const trace = recorded(Array.from({ length: MAX_TOKENS }, () => choice({ drafts })));
  expect(trace.numTokens).toBe(MAX_TOKENS);
  expect(trace.steps).toHaveLength(MAX_TOKENS / 2);
});

test("entropy is nothing where a token was sure, and a bit where it was one of two", () => {
  const odds = (...shares: number[]) => ({
    logprob: Math.log(shares[0]!),
    texts: shares.map(() => ""),
    logprobs: shares.map(Math.log),
  });
  expect(entropyOf(odds(1))).toBeCloseTo(0);
  expect(entropyOf(odds(0.5, 0.5))).toBeCloseTo(1);
  // What is left counts as one.
  expect(entropyOf(odds(0.5))).toBeCloseTo(1);
});

test("routes are counted by layer and expert", () => {
  const trace = recorded([
    choice({
      routing: {
        first: 0,
        experts: [
          [
            [0, 1],
            [3, 2],
          ],
        ],
      },
    }),
    choice({
      routing: {
        first: 1,
        experts: [
          [
            [0, 3],
            [3, 2],
          ],
          [
            [0, 1],
            [3, 2],
          ],
        ],
      },
    }),
  ]);
  const [first, second] = countRoutes(trace.routes!, 4);
  expect(trace.routes!.numTokens).toBe(3);
  expect(expertsOf(trace.routes!, 1)).toEqual([
    [0, 3],
    [3, 2],
  ]);
  expect(first!.shares).toEqual([3 / 6, 2 / 6, 0, 1 / 6]);
  expect(first!.busiest.map(({ expert }) => expert)).toEqual([0, 1, 3]);
  expect(second!.shares).toEqual([0, 0, 0.5, 0.5]);
  expect(second!.numUsed).toBe(2);
  expect(second!.evenness).toBeCloseTo(0.5);
  expect(first!.evenness).toBeGreaterThan(second!.evenness);
});
