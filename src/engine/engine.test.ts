// Scheduling as a user of the engine sees it: who runs when, who waits, how a sequence ends, and what is refused.

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { goldenCase } from "../../test/golden/golden.ts";
import {
  createBackend,
  EXACT_ENGINE,
  generate,
  openEngine,
  request,
  runAll,
  type TestEngine,
} from "../../test/support.ts";
import { openCheckpoint } from "../checkpoint/checkpoint.ts";
import { Engine } from "./engine.ts";
import { evaluate, type EvaluateRequest } from "./evaluate.ts";
import type { SequenceOutput } from "./sequence.ts";

const { path, expected } = goldenCase("hf-bf16");
const PROMPT = expected.greedy.prompt;
const TEXT = Array.from({ length: 400 }, (_, i) => (i * 37 + 11) % 256);

const MAX_TOKENS = 512;
let opened: TestEngine;
let engine: Engine;

function open(options: Parameters<typeof openEngine>[1] = {}): void {
  opened = openEngine(path, { maxTokens: MAX_TOKENS, maxSequences: 3, maxRows: 32, ...options });
  ({ engine } = opened);
}
beforeEach(() => open());
afterEach(() => {
  // Whatever happened, nothing is held once all have ended; disposing then counts what leaked.
  expect(engine.isIdle).toBe(true);
  expect(engine.runner.cache.numFreeTokens).toBe(engine.options.maxTokens);
  expect(engine.runner.cache.numFreeSequences).toBe(engine.options.maxSequences);
  opened[Symbol.dispose]();
});

function outputOf(outputs: readonly SequenceOutput[], id: number): SequenceOutput | undefined {
  return outputs.find((output) => output.id === id);
}

/** Steps until the sequence has started to generate. */
function untilDecoding(id: number): void {
  for (let i = 0; i < 100; i++) if ((outputOf(engine.step(), id)?.tokens.length ?? 0) > 0) return;
  throw new Error("it never decoded");
}

describe("a long prompt beside a decoding sequence", () => {
  test("is processed in chunks, and the other gets a token in every step", () => {
    const first = request(PROMPT, { maxTokens: 60 });
    engine.submit(first);
    untilDecoding(first.id);
    const second = request(TEXT.slice(0, 300), { maxTokens: 5 });
    engine.submit(second);
    const progress: number[] = [];
    let steps = 0;
    while (progress.length < 9) {
      const outputs = engine.step();
      steps++;
      expect(outputOf(outputs, first.id)?.tokens).toHaveLength(1);
      progress.push(outputOf(outputs, second.id)!.prefilled!);
    }
    // One row of each step belongs to the decoding sequence.
    expect(progress).toEqual([31, 62, 93, 124, 155, 186, 217, 248, 279]);
    expect(steps).toBe(9);
    expect(outputOf(engine.step(), second.id)).toMatchObject({ tokens: [expect.any(Number)] });
    runAll(engine);
  });

  test("leaves the tokens of both as they are alone", () => {
    const [first, second] = [request(PROMPT, { maxTokens: 40 }), request(TEXT.slice(0, 100), { maxTokens: 12 })];
    engine.submit(first);
    untilDecoding(first.id);
    engine.submit(second);
    const outputs = runAll(engine);
    expect(outputs.get(second.id)!.flatMap(({ tokens }) => tokens)).toEqual(
      generate(engine, second.prompt, { maxTokens: 12 }),
    );
    expect(outputs.get(first.id)!.flatMap(({ tokens }) => tokens)).toEqual(
      generate(engine, PROMPT, { maxTokens: 40 }).slice(1),
    );
  });
});

describe("admission", () => {
  test("runs as many sequences as there are places; the others wait their turn", () => {
    const requests = [8, 3, 8, 2, 2].map((maxTokens) => request(PROMPT.slice(0, 4), { maxTokens }));
    for (const one of requests) engine.submit(one);
    const running = (): number[] => engine.step().map(({ id }) => requests.findIndex((one) => one.id === id));
    expect([running(), running(), running()]).toEqual([
      [0, 1, 2],
      [0, 1, 2],
      [0, 1, 2],
    ]);
    // The second has ended, the fourth takes its place.
    expect([running(), running()]).toEqual([
      [0, 2, 3],
      [0, 2, 3],
    ]);
    expect(running()).toEqual([0, 2, 4]);
    runAll(engine);
  });

  test("keeps a sequence waiting until the cache holds its prompt, and none overtakes it", () => {
    const big = request(TEXT.slice(0, 300), { maxTokens: 2 });
    const alsoBig = request(TEXT.slice(0, 300), { maxTokens: 2 });
    const small = request(PROMPT.slice(0, 3), { maxTokens: 2 });
    for (const one of [big, alsoBig, small]) engine.submit(one);
    const order: number[] = [];
    while (!engine.isIdle) for (const { id } of engine.step()) if (!order.includes(id)) order.push(id);
    expect(order).toEqual([big.id, alsoBig.id, small.id]);
  });

  test("short prompts share a step", () => {
    const requests = [4, 5, 6].map((length) => request(TEXT.slice(0, length), { maxTokens: 1 }));
    for (const one of requests) engine.submit(one);
    expect(engine.step().map(({ id, finish }) => [id, finish])).toEqual(requests.map(({ id }) => [id, "length"]));
  });
});

describe("what is refused", () => {
  test.each([
    ["no tokens", [], /no tokens/],
    ["an id beyond the vocabulary", [1, 256], /Token 256 is outside the vocabulary of 256/],
    ["a negative id", [-1], /Token -1/],
    ["a fraction", [1.5], /Token 1.5/],
    ["no number", [NaN], /Token NaN/],
  ])("a prompt with %s", (_, prompt, message) => {
    const submit = (): void => engine.submit(request(prompt));
    expect(submit).toThrow(message);
    expect(submit).toThrow(expect.objectContaining({ code: "invalid_argument", param: "prompt" }));
  });

  test("a prompt that fills the context, with both numbers", () => {
    const submit = (length: number) => (): void =>
      engine.submit(
        request(
          Array.from({ length }, () => 1),
          { maxTokens: 5 },
        ),
      );
    expect(submit(MAX_TOKENS)).toThrow(expect.objectContaining({ code: "context_length_exceeded", param: "prompt" }));
    expect(submit(MAX_TOKENS)).toThrow(/The prompt has 512 tokens; the context holds 512/);
    expect(submit(100_000)).toThrow(/100000 tokens.*holds 512/);
    submit(MAX_TOKENS - 1)();
    const outputs = [...runAll(engine).values()].flat();
    expect(outputs.flatMap(({ tokens }) => tokens)).toHaveLength(1);
    expect(outputs.at(-1)!.finish).toBe("length");
  });
});

describe("the end of a sequence", () => {
  const plain = (): number[] => generate(engine, PROMPT, { maxTokens: 30 });

  test("length: after maxTokens", () => {
    const one = request(PROMPT, { maxTokens: 7 });
    engine.submit(one);
    const outputs = runAll(engine).get(one.id)!;
    expect(outputs.flatMap(({ tokens }) => tokens)).toEqual(plain().slice(0, 7));
    expect(outputs.map(({ finish }) => finish)).toEqual([...Array.from({ length: 6 }, () => undefined), "length"]);
  });

  test("stop: with the stop token as the last, in plain and in drafted steps", () => {
    const text = plain();
    const stop = text[9]!;
    for (const speculation of [0, 3]) {
      const one = request(PROMPT, { maxTokens: 30, stopTokens: [999, stop], speculation });
      engine.submit(one);
      const outputs = runAll(engine).get(one.id)!;
      expect(outputs.flatMap(({ tokens }) => tokens)).toEqual(text.slice(0, text.indexOf(stop) + 1));
      expect(outputs.at(-1)!.finish).toBe("stop");
    }
  });

  test("a stop token in the prompt ends nothing", () => {
    const text = plain();
    const unused = TEXT.find((token) => !text.includes(token))!;
    expect(generate(engine, [unused, ...PROMPT], { maxTokens: 5, stopTokens: [unused] })).toHaveLength(5);
  });
});

describe("abort", () => {
  test("of a waiting sequence", () => {
    const requests = Array.from({ length: 5 }, () => request(PROMPT, { maxTokens: 3 }));
    for (const one of requests) engine.submit(one);
    engine.step();
    expect(engine.abort(requests[4]!.id)).toMatchObject({ tokens: [], finish: "aborted" });
    const outputs = runAll(engine);
    expect(outputs.has(requests[4]!.id)).toBe(false);
    expect(outputs.has(requests[3]!.id)).toBe(true);
  });

  test("before anything ran, inside a prompt, while decoding, and with drafts pending, frees memory at once", () => {
    for (const steps of [0, 1, 3, 5, 8]) {
      for (const speculation of [0, 3]) {
        const one = request(TEXT.slice(0, 100), { maxTokens: 50, speculation });
        engine.submit(one);
        for (let i = 0; i < steps; i++) engine.step();
        expect(engine.abort(one.id)).toMatchObject({ id: one.id, finish: "aborted" });
        expect(engine.runner.cache.numFreeTokens).toBe(MAX_TOKENS);
        engine.checkIntegrity();
        expect(engine.isIdle).toBe(true);
        expect(engine.step()).toEqual([]);
      }
    }
  });

  test("of one leaves the others as they are", () => {
    const text = generate(engine, PROMPT, { maxTokens: 20 });
    const [kept, aborted] = [
      request(PROMPT, { maxTokens: 20 }),
      request(TEXT.slice(0, 60), { maxTokens: 20, speculation: 2 }),
    ];
    engine.submit(kept);
    engine.submit(aborted);
    const tokens: number[] = [];
    for (let i = 0; !engine.isIdle; i++) {
      if (i === 4) engine.abort(aborted.id);
      for (const output of engine.step()) if (output.id === kept.id) tokens.push(...output.tokens);
    }
    expect(tokens).toEqual(text);
  });

  test("of what has ended, or never was, is nothing", () => {
    const one = request(PROMPT, { maxTokens: 1 });
    engine.submit(one);
    runAll(engine);
    expect(engine.abort(one.id)).toBeUndefined();
    expect(engine.abort(123_456)).toBeUndefined();
  });
});

describe("statistics", () => {
  /** Runs with a clock that stands still for some steps and then ticks by one each time it is asked. */
  function runTimed(prompt: readonly number[], maxRows: number, maxTokens: number, stillSteps = 0): SequenceOutput {
    const backend = createBackend();
    using checkpoint = openCheckpoint(path);
    let time = 0;
    let ticks = 0;
    const timed = new Engine(backend, checkpoint, { ...EXACT_ENGINE, maxRows }, () => (time += ticks));
    const one = request(prompt, { maxTokens });
    timed.submit(one);
    for (let step = 0; step < stillSteps; step++) timed.step();
    ticks = 1;
    const last = runAll(timed).get(one.id)!.at(-1)!;
    timed[Symbol.dispose]();
    backend[Symbol.dispose]();
    return last;
  }

  test.each([
    ["one token", 1, 32, 1],
    ["one step", 20, 32, 1],
    ["chunks, the last of one row", 33, 32, 2],
    ["chunks of one row", 5, 1, 5],
  ])(
    "a prompt of %s counts as prefill, and each later token as a decoding step",
    (_, length, maxRows, prefillSteps) => {
      const { stats } = runTimed(TEXT.slice(0, length), maxRows, 6);
      expect(stats).toMatchObject({ promptTokens: length, decodeSteps: 5 });
      expect(stats.decodeMs / 5).toBe(stats.prefillMs / prefillSteps);
    },
  );

  test("time in the queue ends with the first step, even where it was none", () => {
    expect(runTimed(TEXT.slice(0, 100), 32, 4).stats.queueMs).toBe(1);
    expect(runTimed(TEXT.slice(0, 100), 32, 4, 1).stats.queueMs).toBe(0);
  });
});

describe("evaluate", () => {
  const run = (options: Partial<EvaluateRequest>): number => {
    let rows = 0;
    const all = evaluate(engine.runner, { ids: TEXT.slice(0, 40), mtpMode: "parallel", output: "logits", ...options });
    for (const { values, width } of all) rows += values.length / width;
    return rows;
  };

  test("gives a row for every position, and for a head one for every token it can predict", () => {
    expect(run({})).toBe(40);
    expect(run({ output: "hidden" })).toBe(40);
    expect([0, 1, 2].map((mtpHead) => run({ mtpHead }))).toEqual([39, 38, 37]);
    expect([0, 1, 2].map((mtpHead) => run({ mtpHead, mtpMode: "chained" }))).toEqual([39, 38, 37]);
    expect(run({ ids: [1], mtpHead: 0 })).toBe(0);
  });

  test.each([
    ["no ids", { ids: [] }, "invalid_argument", "ids"],
    ["an id beyond the vocabulary", { ids: [0, 300] }, "invalid_argument", "ids"],
    ["a fraction", { ids: [0.5] }, "invalid_argument", "ids"],
    ["a head that does not exist", { mtpHead: 3 }, "invalid_argument", "mtp"],
    ["a negative head", { mtpHead: -1 }, "invalid_argument", "mtp"],
    [
      "a text beyond the context",
      { ids: Array.from({ length: MAX_TOKENS + 1 }, () => 1) },
      "context_length_exceeded",
      "ids",
    ],
  ] as const)("refuses %s", (_, options, code, param) => {
    expect(() => run(options)).toThrow(expect.objectContaining({ code, param }));
  });

  test("is overloaded where sequences hold all places, or all memory, and holds nothing then", () => {
    const many = Array.from({ length: 3 }, () => request(PROMPT.slice(0, 4), { maxTokens: 5 }));
    for (const one of many) engine.submit(one);
    engine.step();
    expect(() => run({})).toThrow(expect.objectContaining({ code: "overloaded" }));
    runAll(engine);

    const long = request(TEXT, { maxTokens: 5 });
    engine.submit(long);
    untilDecoding(long.id);
    expect(() => run({ ids: TEXT })).toThrow(expect.objectContaining({ code: "overloaded" }));
    engine.checkIntegrity();
    runAll(engine);
  });

  test("left early, gives its memory back", () => {
    const rows = evaluate(engine.runner, { ids: TEXT, mtpMode: "parallel", output: "logits" });
    expect(rows.next().done).toBe(false);
    expect(engine.runner.cache.numFreeTokens).toBeLessThan(MAX_TOKENS);
    rows.return(undefined);
    expect(engine.runner.cache.numFreeTokens).toBe(MAX_TOKENS);
  });

  test("beside running sequences changes nothing in them", () => {
    const text = generate(engine, PROMPT, { maxTokens: 12, speculation: 2 });
    const one = request(PROMPT, { maxTokens: 12, speculation: 2 });
    engine.submit(one);
    const tokens: number[] = [];
    while (!engine.isIdle) {
      tokens.push(...engine.step().flatMap((output) => output.tokens));
      run({ mtpHead: 2, mtpMode: "chained" });
    }
    expect(tokens).toEqual(text);
  });
});
