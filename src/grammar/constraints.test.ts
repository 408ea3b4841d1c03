// Matchers of many requests: what they learn counts, and the ones used longest ago make room.

import { expect, test } from "vitest";
import { compileGrammar } from "../schema/compile.ts";
import { Constraints } from "./constraints.ts";
import type { ConstraintSpec } from "./constraint.ts";
import { createVocabulary, tokenTable } from "./vocabulary.ts";

const VOCABULARY = createVocabulary(tokenTable(Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte))));

/** JSON of one word, of its own for each number. */
function specOf(number: number): ConstraintSpec {
  const schema = {
    type: "object",
    properties: { [`word ${number}`]: { const: number } },
    required: [`word ${number}`],
  };
  const limits = { maxStates: 10_000, maxMs: 10_000 };
  const nothing = { thinkStart: undefined, thinkEnd: undefined, callStart: undefined, callEnd: undefined };
  return {
    vocabulary: VOCABULARY,
    markers: nothing,
    endTokens: [],
    thinking: "over",
    answer: compileGrammar({ kind: "json_schema", schema, path: "schema" }, `schema ${number}`, limits),
    calls: "none",
    maxCalls: 0,
  };
}

/** Writes the JSON of a number's schema under its constraint, asking for the mask at each byte. */
function write(constraints: Constraints, number: number): void {
  const constraint = constraints.create(specOf(number), VOCABULARY.numTokens);
  let state = constraint.start;
  for (const byte of Buffer.from(JSON.stringify({ [`word ${number}`]: number }))) {
    constraint.mask(state);
    state = constraint.after(state, byte)!;
    expect(state).toBeDefined();
  }
}

test("any number of grammars in a row takes a bounded number of bytes", () => {
  const maxBytes = 2 ** 19;
  const constraints = new Constraints(maxBytes);
  write(constraints, 0);
  // What the last one learns is counted with the next.
  const one = constraints.byteLength;
  for (let number = 1; number < 500; number++) {
    write(constraints, number);
    expect(constraints.byteLength).toBeLessThan(maxBytes + 2 * one);
  }
});

test("a grammar that is used again is not learned again", () => {
  const constraints = new Constraints(2 ** 20);
  write(constraints, 0);
  const before = constraints.byteLength;
  write(constraints, 0);
  expect(constraints.byteLength).toBe(before);
});
