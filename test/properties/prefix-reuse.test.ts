// Cached = uncached, bit for bit: whatever a sequence takes from the prefix cache, its tokens and log-probabilities are
// those of an engine that has none, and only what follows a change is processed, plus at most the bounded replay.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Engine, EngineOptions } from "../../src/engine/engine.ts";
import type { SequenceOutput, SequenceRequest } from "../../src/engine/sequence.ts";
import { DEFAULT_SAMPLING } from "../../src/ops/sample/sample.ts";
import { KV_DTYPES } from "../../src/tensor/dtype.ts";
import { goldenCase } from "../golden/golden.ts";
import { bits, evaluateAll, openOnOneThread as open, randomText as text, request, runAll } from "../support.ts";

// Window 16 and six sliding layers or fewer: a replay is at most 90 tokens.
const SMALL = goldenCase("hf-bf16");
const { layers, window } = (() => {
  using opened = open(SMALL.path);
  return opened.engine.runner.cache.geometry;
})();
const MAX_REPLAY = layers.filter(({ sliding }) => sliding).length * (window - 1);

interface Answer {
  readonly tokens: readonly number[];
  readonly logprobs: readonly unknown[];
  readonly routes: readonly number[];
  readonly last: SequenceOutput;
}

function answerOf(outputs: readonly SequenceOutput[]): Answer {
  return {
    tokens: outputs.flatMap(({ tokens }) => tokens),
    logprobs: outputs.flatMap(({ logprobs = [] }) => logprobs),
    routes: outputs.flatMap(({ routes = new Uint8Array() }) => [...routes]),
    last: outputs.at(-1)!,
  };
}

function pick({ tokens, logprobs }: Answer): Pick<Answer, "tokens" | "logprobs"> {
  return { tokens, logprobs };
}

function answer(engine: Engine, prompt: readonly number[], options: Partial<SequenceRequest>): Answer {
  const one = request(prompt, options);
  engine.submit(one);
  return answerOf(runAll(engine).get(one.id) ?? []);
}

/** Asks an engine with a cache and one without; they must agree. Returns what the first one processed. */
class Pair implements Disposable {
  readonly cached;
  readonly plain;
  readonly options: Partial<SequenceRequest>;

  constructor(engine: Partial<EngineOptions>, options: Partial<SequenceRequest>) {
    this.cached = open(SMALL.path, { maxTokens: 4096, maxRows: 128, prefixCache: {}, ...engine });
    this.plain = open(SMALL.path, { ...engine, maxTokens: 2048, maxRows: 512, prefixCache: undefined });
    this.options = { maxTokens: 20, topLogprobs: 2, ...options };
  }

  /** The answer, and how many tokens had to be processed: those after `known`, and the replay. */
  ask(prompt: readonly number[], known: number): readonly number[] {
    const actual = answer(this.cached.engine, prompt, this.options);
    const expected = answer(this.plain.engine, prompt, this.options);
    expect(actual.tokens).toEqual(expected.tokens);
    expect(actual.logprobs).toEqual(expected.logprobs);
    const { cachedTokens, replayedTokens } = actual.last.stats;
    expect(replayedTokens).toBeLessThanOrEqual(MAX_REPLAY);
    expect(cachedTokens + replayedTokens).toBe(known);
    return actual.tokens;
  }

  [Symbol.dispose](): void {
    this.cached[Symbol.dispose]();
    this.plain[Symbol.dispose]();
  }
}

const SAMPLED = { ...DEFAULT_SAMPLING, temperature: 1, topP: 1, seed: 5 };

describe.each(KV_DTYPES)("with a KV cache of %s", (kvDType) => {
  const variants = [0, 3].flatMap((speculation) => [undefined, 0].map((bytes) => [speculation, bytes] as const));

  test.each(variants)("speculation %s, snapshot bytes %s: every turn continues where it can", (speculation, bytes) => {
    for (const mtpMode of kvDType === "f32" ? (["parallel", "chained"] as const) : (["parallel"] as const)) {
      using pair = new Pair(
        { kvDType, mtpMode, prefixCache: { snapshotBytes: bytes } },
        { speculation, sampling: SAMPLED },
      );
      const replayed = (): number => pair.cached.engine.prefixCacheStats!.replayedTokens;
      const system = text(1, 200);
      const first = [...system, ...text(2, 30)];
      const answer1 = pair.ask(first, 0);
      // (a) continued: all but the last sampled token, which was never an input.
      const second = [...first, ...answer1, ...text(3, 40)];
      const answer2 = pair.ask(second, first.length + 19);
      const third = [...second, ...answer2, ...text(4, 25)];
      pair.ask(third, second.length + 19);
      // (b) regenerated: all but the last token of the prompt.
      pair.ask(third, third.length - 1);
      // (c) branched at an earlier turn.
      const branch = [...first, ...answer1, ...text(5, 33)];
      pair.ask(branch, first.length + 20);
      // (d) the reasoning of the last turn dropped: the answer's first six tokens are gone.
      pair.ask([...third, ...text(6, 3)], third.length - 0);
      pair.ask([...second, ...answer2.slice(6), ...text(4, 25)], second.length);
      if (bytes === undefined) expect(replayed()).toBeLessThanOrEqual(20);
      else expect(replayed()).toBeGreaterThan(5 * MAX_REPLAY);
      // (e) resumed after others.
      for (let i = 0; i < 5; i++) pair.ask([...system, ...text(20 + i, 50)], 200);
      pair.ask([...third, 1, 2, 3], third.length);
    }
  });
});

test("what a quantised model computed with rounded activations is reused bit for bit", () => {
  const { path, expected } = goldenCase("gguf-q4_k_m");
  const options = { activations: "int16", kvDType: "f16" } as const;
  using cached = open(path, { ...options, maxTokens: 1024, maxRows: 40, prefixCache: { snapshotBytes: 0 } });
  using plain = open(path, options);
  const asked = { maxTokens: 16, topLogprobs: 2, sampling: SAMPLED };
  for (const [length, end] of [
    [200, 3],
    [150, 7],
    [200, 9],
  ] as const) {
    const prompt = [...Array.from({ length }, (_, i) => expected.input_ids[i % expected.input_ids.length]!), end];
    const { tokens, logprobs } = answer(cached.engine, prompt, asked);
    expect({ tokens, logprobs }).toEqual(pick(answer(plain.engine, prompt, asked)));
  }
  expect(cached.engine.prefixCacheStats?.hits).toBe(2);
});

test("a namespace sees its own prefixes, and a request can do without", () => {
  using opened = open(SMALL.path, { maxTokens: 1024, prefixCache: { snapshotBytes: Infinity } });
  const { engine } = opened;
  const prompt = text(1, 100);
  const miss = (options: Partial<SequenceRequest>, asked = prompt): unknown => {
    const { cachedTokens, replayedTokens, cacheMiss } = answer(engine, asked, options).last.stats;
    return [cachedTokens, replayedTokens, cacheMiss];
  };
  expect(miss({ cacheNamespace: "ann", cache: false })).toEqual([0, 0, "off"]);
  expect(miss({ cacheNamespace: "ann" })).toEqual([0, 0, "cold"]);
  expect(miss({ cacheNamespace: "bob", cache: false })).toEqual([0, 0, "off"]);
  expect(miss({ cacheNamespace: "bob" })).toEqual([0, 0, "other namespace"]);
  expect(miss({})).toEqual([0, 0, "other namespace"]);
  expect(miss({ cacheNamespace: "ann" })).toEqual([99, 0, "last token"]);
  expect(miss({ cacheNamespace: "ann" }, [...prompt, 5, 6])).toEqual([100, 0, "cold"]);
  expect(miss({ cacheNamespace: "ann" }, [...prompt.slice(0, 70), 5, 6])).toEqual([0, 70, "no snapshot"]);
  expect(miss({ cacheNamespace: "ann" }, [...prompt.slice(0, 70), 7, 8])).toEqual([70, 0, "cold"]);
  engine.clearPrefixes("ann");
  expect(miss({ cacheNamespace: "bob" })).toEqual([99, 0, "last token"]);
  engine.clearPrefixes();
  expect(engine.prefixCacheStats).toMatchObject({ blocks: 0, snapshots: 0, snapshotBytes: 0 });
  expect(miss({ cacheNamespace: "ann" })).toEqual([0, 0, "cold"]);
  // Others fill the memory.
  for (let i = 0; i < 12; i++) answer(engine, text(50 + i, 120), { maxTokens: 1 });
  expect(miss({ cacheNamespace: "ann" })).toEqual([0, 0, "evicted"]);
});

test("memory that is full of prefixes is there for whoever needs it", () => {
  using opened = open(SMALL.path, { maxTokens: 256, maxRows: 100, prefixCache: {} });
  using plain = open(SMALL.path, { maxTokens: 256 });
  const all = text(1, 255);
  const options = { maxTokens: 40, sampling: SAMPLED, speculation: 3 } as const;
  // A sequence that fills all blocks, one that begins with nearly all of it, and one with nothing of it.
  for (const prompt of [all, all, all.slice(0, 200), [...all.slice(0, 199), 7], text(2, 255), all.slice(0, 220)]) {
    expect(answer(opened.engine, prompt, options).tokens).toEqual(answer(plain.engine, prompt, options).tokens);
  }
  expect(opened.engine.runner.cache.blockPool.numFree).toBe(0);
  const ids = text(3, 250);
  expect(bits(evaluateAll(opened.engine, ids))).toEqual(bits(evaluateAll(plain.engine, ids)));
});

/** A request that derives from an earlier one: its prompt and answer, cut somewhere, and new tokens. */
const derived = fc.record({
  kind: fc.constant("submit" as const),
  from: fc.nat(5),
  cut: fc.double({ min: 0, max: 1, noNaN: true }),
  added: fc.integer({ min: 1, max: 60 }),
  speculation: fc.constantFrom(0, 1, 2, 3, "auto" as const),
  routedExperts: fc.boolean(),
  temperature: fc.constantFrom(0, 1),
  priority: fc.integer({ min: 0, max: 1 }),
  namespace: fc.constantFrom("", "", "", "own"),
  maxTokens: fc.integer({ min: 1, max: 24 }),
});
const action = fc.oneof(
  { weight: 4, arbitrary: derived },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("step" as const), count: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("abort" as const), index: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("clear" as const) }) },
);

type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

test("any program of submissions, continuations, steps, aborts and clearings gives what an engine without a cache gives", () => {
  using plain = open(SMALL.path, { maxTokens: 1024 });
  const run = (snapshotBytes: number | undefined, program: readonly Action[]): void => {
    using opened = open(SMALL.path, {
      maxTokens: 512,
      maxSequences: 3,
      maxRows: 40,
      prefixCache: { snapshotBytes, snapshotEvery: 48 },
    });
    const { engine } = opened;
    const asked: { readonly request: SequenceRequest; readonly outputs: SequenceOutput[] }[] = [];
    const take = (outputs: readonly SequenceOutput[]): void => {
      for (const output of outputs) asked.find(({ request: { id } }) => id === output.id)!.outputs.push(output);
      engine.checkIntegrity();
    };
    for (const step of program) {
      if (step.kind === "step") for (let i = 0; i < step.count; i++) take(engine.step());
      else if (step.kind === "clear") engine.clearPrefixes();
      else if (step.kind === "abort") {
        const output = engine.abort(asked.at(-1 - step.index)?.request.id ?? -1);
        take(output === undefined ? [] : [output]);
      } else {
        const earlier = asked.at(-1 - step.from);
        const history = earlier ? [...earlier.request.prompt, ...answerOf(earlier.outputs).tokens] : [];
        const prompt = [
          ...history.slice(0, Math.min(300, Math.ceil(step.cut * history.length))),
          ...text(asked.length, step.added),
        ];
        const { speculation, routedExperts, maxTokens, priority, namespace: cacheNamespace } = step;
        const sampling = { ...SAMPLED, temperature: step.temperature };
        const asks = { speculation, routedExperts, maxTokens, priority, cacheNamespace, sampling, topLogprobs: 1 };
        const one = request(prompt, asks);
        engine.submit(one);
        asked.push({ request: one, outputs: [] });
      }
    }
    while (!engine.isIdle) take(engine.step());
    for (const { request: one, outputs } of asked) {
      const { tokens, logprobs, routes, last } = answerOf(outputs);
      // One that was aborted before it ran anything has nothing to compare.
      if (tokens.length === 0) continue;
      const expected = answer(plain.engine, one.prompt, { ...one, id: 1e6 + one.id, maxTokens: tokens.length });
      expect(tokens).toEqual(expected.tokens);
      expect(logprobs).toEqual(expected.logprobs);
      expect(routes).toEqual(expected.routes);
      expect(last.stats.cachedTokens + last.stats.replayedTokens).toBeLessThan(one.prompt.length);
    }
    expect(engine.runner.cache.numFreeTokens).toBe(512);
    expect(engine.runner.cache.numFreeSequences).toBe(3);
  };
  fc.assert(
    fc.property(fc.constantFrom(undefined, 0, 40_000), fc.array(action, { minLength: 4, maxLength: 30 }), run),
    { numRuns: 100 },
  );
});
