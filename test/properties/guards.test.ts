// Thinking that is ended and answers that are cut, on real models: exactly where it should be, and drafts change nothing.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadTokenizer } from "../../src/api/load-tokenizer.ts";
import { type TextCheckpoint, writeTextCheckpoint } from "../../src/api/testing.ts";
import { openCheckpoint } from "../../src/checkpoint/checkpoint.ts";
import type { GuardSpec } from "../../src/engine/guard.ts";
import type { SequenceOutput } from "../../src/engine/sequence.ts";
import { tokensAfter, writePredictableCheckpoint } from "../../src/engine/testing.ts";
import type { Markers } from "../../src/grammar/constraint.ts";
import { DEFAULT_SAMPLING } from "../../src/ops/sample/sample.ts";
import { compileGrammar } from "../../src/schema/compile.ts";
import type { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { randomKey, randomUnit } from "../../src/util/random.ts";
import { LIMITS, openSmallEngine, specOf, vocabularyOf } from "../constrained.ts";
import { generateAll, openEngine, request } from "../support.ts";

describe("on a text that is known beforehand", () => {
  let checkpoint: TextCheckpoint;
  beforeAll(async () => void (checkpoint = await writePredictableCheckpoint()));
  afterAll(() => checkpoint.remove());

  /** No token of the text below is a marker. */
  const MARKERS: Markers = { thinkStart: 250, thinkEnd: 100, callStart: 251, callEnd: 252 };
  const thinking = (budget: number): GuardSpec => ({
    thinking: { markers: MARKERS, isOpen: true, budget },
    maxRepetition: 0,
  });

  test("the budget's last token is followed by the end of thinking, in the middle of accepted drafts too", () => {
    using opened = openEngine(checkpoint.path);
    for (let budget = 0; budget <= 9; budget++) {
      const expected = [...tokensAfter(7, budget), 100, ...tokensAfter(100, 20)].slice(0, 20);
      for (const speculation of [0, 1, 2, 3, "auto"] as const) {
        const one = request([7], { guard: thinking(budget), speculation, maxTokens: 20 });
        expect(generateAll(opened.engine, [one])).toEqual([expected]);
      }
    }
  });

  test("from outside, thinking ends with the next token, whatever is drafted, and neighbours go on", () => {
    using opened = openEngine(checkpoint.path);
    for (const speculation of [0, 3]) {
      const [one, neighbour] = [7, 9].map((prompt) =>
        request([prompt], { guard: thinking(Infinity), speculation, maxTokens: 30 }),
      );
      const outputs = new Map<number, number[]>();
      const take = ({ id, tokens }: SequenceOutput): unknown =>
        outputs.set(id, [...(outputs.get(id) ?? []), ...tokens]);
      opened.engine.submit(one!);
      opened.engine.submit(neighbour!);
      for (let step = 0; step < 3; step++) opened.engine.step().forEach(take);
      const thought = outputs.get(one!.id)!.length;
      opened.engine.endThinking(one!.id);
      while (!opened.engine.isIdle) opened.engine.step().forEach(take);
      expect(outputs.get(one!.id)).toEqual([...tokensAfter(7, thought), 100, ...tokensAfter(100, 30)].slice(0, 30));
      expect(outputs.get(neighbour!.id)).toEqual(tokensAfter(9, 30));
      // What has ended, or never was, is nobody's error.
      opened.engine.endThinking(one!.id);
      opened.engine.endThinking(-1);
    }
  });
});

describe("on random text", () => {
  let checkpoint: TextCheckpoint;
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    checkpoint = await writeTextCheckpoint();
    using opened = openCheckpoint(checkpoint.path);
    tokenizer = loadTokenizer(opened).tokenizer!;
  });
  afterAll(() => checkpoint.remove());

  /** Tokens of thinking, by an independent reading: text between the markers, where calls hide them. */
  function countThoughts(tokens: readonly number[], { markers, isOpen, budget }: NonNullable<GuardSpec["thinking"]>) {
    let where = isOpen ? "thinking" : "text";
    let count = 0;
    for (const token of tokens) {
      if (where === "thinking" && count >= budget) expect(token).toBe(markers.thinkEnd);
      const next =
        token === markers.callStart
          ? "call"
          : where === "call"
            ? token === markers.callEnd
              ? "text"
              : "call"
            : token === markers.thinkStart
              ? "thinking"
              : token === markers.thinkEnd
                ? "text"
                : where;
      if (where === "thinking" && next === "thinking") count++;
      where = next;
    }
    return count;
  }

  test("budgets hold exactly, loops are cut, and drafts change no token", () => {
    const vocabulary = vocabularyOf(tokenizer);
    const base = specOf(tokenizer, vocabulary, {});
    const { markers } = base;
    const json = compileGrammar({ kind: "json_object" }, "json", LIMITS);
    using opened = openSmallEngine(checkpoint.path, tokenizer);
    let numSpent = 0;
    let numLoops = 0;
    const seeds = Array.from({ length: 60 }, (_, seed) => seed);
    const cases = seeds.map((seed) => {
      const draw = (i: number, below: number): number => Math.floor(below * randomUnit(randomKey(41, seed), i));
      const thinking = { markers, isOpen: draw(0, 2) === 0, budget: draw(1, 30) };
      const isConstrained = draw(2, 3) === 0;
      const bias = (token: number | undefined, most: number): [number, number] => [token!, draw(token!, most)];
      return {
        thinking,
        options: {
          guard: { thinking, maxRepetition: draw(3, 2) * (8 + draw(4, 40)) },
          constraint: isConstrained
            ? { ...base, answer: json, thinking: thinking.isOpen ? ("open" as const) : ("allowed" as const) }
            : undefined,
          maxTokens: 90,
          stopTokens: tokenizer.eosIds,
          sampling: {
            ...DEFAULT_SAMPLING,
            temperature: draw(5, 3) / 2,
            topP: 1,
            seed,
            logitBias: new Map([
              bias(markers.thinkStart, 6),
              bias(markers.thinkEnd, 4),
              bias(markers.callStart, 4),
              bias(markers.callEnd, 6),
              // So much that some answers go round in circles.
              [0x61, 40 * draw(6, 2)] as [number, number],
            ]),
          },
        },
      };
    });
    const requests = cases.flatMap(({ options }, i) =>
      [0, 3].map((speculation) => request([1 + i, 0x41], { ...options, speculation })),
    );
    const finishes = new Map<number, string>();
    const outputs = new Map<number, number[]>();
    for (const one of requests) opened.engine.submit(one);
    while (!opened.engine.isIdle) {
      for (const { id, tokens, finish } of opened.engine.step()) {
        outputs.set(id, [...(outputs.get(id) ?? []), ...tokens]);
        if (finish !== undefined) finishes.set(id, finish);
      }
    }
    cases.forEach(({ thinking, options }, i) => {
      const [plain, drafted] = [requests[2 * i]!.id, requests[2 * i + 1]!.id];
      expect(outputs.get(drafted)).toEqual(outputs.get(plain));
      expect(finishes.get(drafted)).toBe(finishes.get(plain));
      const count = countThoughts(outputs.get(plain)!, thinking);
      expect(count).toBeLessThanOrEqual(thinking.budget);
      if (count === thinking.budget) numSpent++;
      if (finishes.get(plain) !== "repetition") return;
      numLoops++;
      const tail = outputs.get(plain)!.slice(-options.guard.maxRepetition);
      const periods = tail.map((_, i) => i).filter((p) => p > 0 && 4 * p <= tail.length);
      expect(periods.some((p) => tail.every((token, at) => at < p || token === tail[at - p]))).toBe(true);
    });
    // Otherwise nothing was tested.
    expect(numSpent).toBeGreaterThan(10);
    expect(numLoops).toBeGreaterThan(3);
  });

  test("after a spent budget, what is enforced is enforced", () => {
    const vocabulary = vocabularyOf(tokenizer);
    const schema = { type: "object", properties: { n: { type: "integer", minimum: 1, maximum: 9 } }, required: ["n"] };
    const answer = compileGrammar({ kind: "json_schema", schema, path: "schema" }, "n", LIMITS);
    const constraint = specOf(tokenizer, vocabulary, { thinking: "open", answer });
    const { markers } = constraint;
    using opened = openSmallEngine(checkpoint.path, tokenizer);
    const requests = Array.from({ length: 20 }, (_, budget) =>
      [0, 3].map((speculation) =>
        request([65], {
          constraint,
          speculation,
          guard: { thinking: { markers, isOpen: true, budget }, maxRepetition: 0 },
          maxTokens: 400,
          stopTokens: tokenizer.eosIds,
          sampling: {
            ...DEFAULT_SAMPLING,
            temperature: 1,
            seed: budget,
            logitBias: new Map([[markers.thinkEnd!, -100]]),
          },
        }),
      ),
    ).flat();
    const outputs = generateAll(opened.engine, requests);
    outputs.forEach((tokens, i) => {
      const budget = Math.floor(i / 2);
      expect(tokens).toEqual(outputs[2 * budget]);
      expect(tokens.indexOf(markers.thinkEnd!)).toBe(budget);
      expect(tokenizer.eosIds).toContain(tokens.at(-1));
      expect(JSON.parse(tokenizer.decode(tokens.slice(budget + 1, -1)))).toMatchObject({ n: expect.any(Number) });
    });
  });
});
