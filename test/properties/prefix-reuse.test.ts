// Cached = uncached, bit for bit: whatever a sequence takes from the prefix cache, its tokens and log-probabilities are
// those of an engine that has none, and only what follows a change is processed, plus at most the bounded replay.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Engine, EngineOptions } from "../../src/engine/engine.ts";
import type { SequenceOutput, SequenceRequest } from "../../src/engine/sequence.ts";
import { DEFAULT_SAMPLING } from "../../src/ops/sample/sample.ts";
import { KV_DTYPES } from "../../src/tensor/dtype.ts";
import { randomKey, randomUnit } from "../../src/util/random.ts";
import { goldenCase } from "../golden/golden.ts";
import { openEngine, request, runAll } from "../support.ts";

// Window 16 and six sliding layers or fewer: a replay is at most 90 tokens.
const SMALL = goldenCase("hf-bf16");
const { layers, window } = (() => {
  using opened = openEngine(SMALL.path);
  return opened.engine.runner.cache.geometry;
})();
const MAX_REPLAY = layers.filter(({ sliding }) => sliding).length * (window - 1);

function text(seed: number, length: number): number[] {
  return Array.from({ length }, (_, i) => Math.floor(256 * randomUnit(randomKey(seed), i)));
}

interface Answer {
  readonly tokens: readonly number[];
  readonly logprobs: readonly unknown[];
  readonly last: SequenceOutput;
}

function answerOf(outputs: readonly SequenceOutput[]): Answer {
  return {
    tokens: outputs.flatMap(({ tokens }) => tokens),
    logprobs: outputs.flatMap(({ logprobs = [] }) => logprobs),
    last: outputs.at(-1)!,
  };
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
    this.cached = openEngine(SMALL.path, { maxTokens: 4096, maxRows: 128, prefixCache: {}, ...engine });
    this.plain = openEngine(SMALL.path, { ...engine, maxTokens: 2048, maxRows: 512, prefixCache: undefined });
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
    for (const mtpMode of ["parallel", "chained"] as const) {
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
