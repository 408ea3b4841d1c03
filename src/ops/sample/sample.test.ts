// Sampling as a user sees it: distributions, truncation, penalties, reproducibility, and the coupling that drafts rely
// on. Everything is seeded, so a statistical test passes or fails for good.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { logprobReader } from "./logprobs.ts";
import { EMPTY_HISTORY, type TokenHistory } from "./penalties.ts";
import { argmax, DEFAULT_SAMPLING, type SamplingParams, sampleToken } from "./sample.ts";
import { truncate } from "./truncate.ts";

/** Temperature 1 and nothing cut off. */
const PLAIN: SamplingParams = { ...DEFAULT_SAMPLING, temperature: 1, topP: 1 };

function sample(
  logits: readonly number[] | Float32Array,
  params: Partial<SamplingParams> = {},
  { position = 0, history = EMPTY_HISTORY, numTokens = logits.length } = {},
): number {
  return sampleToken(Float32Array.from(logits), numTokens, { ...PLAIN, ...params }, history, position);
}

/** How often each token is chosen over positions 0 to count − 1. */
function counts(logits: readonly number[], params: Partial<SamplingParams>, count: number): number[] {
  const result = logits.map(() => 0);
  for (let position = 0; position < count; position++) result[sample(logits, params, { position })]!++;
  return result;
}

function softmax(logits: ArrayLike<number>, temperature = 1): number[] {
  const max = Math.max(...Array.from(logits));
  const weights = Array.from(logits, (logit) => Math.exp((logit - max) / temperature));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

function chiSquare(observed: readonly number[], probabilities: readonly number[]): number {
  const total = observed.reduce((a, b) => a + b, 0);
  return observed.reduce(
    (sum, count, i) => sum + (count - total * probabilities[i]!) ** 2 / (total * probabilities[i]!),
    0,
  );
}

/** The value that χ² exceeds once in a million (Wilson and Hilferty's approximation; 4.75 is the normal's quantile). */
function chiSquareLimit(degrees: number): number {
  const spread = 2 / (9 * degrees);
  return degrees * (1 - spread + 4.75 * Math.sqrt(spread)) ** 3;
}

describe("greedy", () => {
  test("takes the largest logit, the lowest id among equals, never a NaN", () => {
    expect(sample([1, 3, 2], { temperature: 0 })).toBe(1);
    expect(sample([3, 1, 3, 3], { temperature: 0 })).toBe(0);
    expect(sample([-Infinity, -5, -4, -4], { temperature: 0 })).toBe(2);
    expect(argmax(Float32Array.of(NaN, -2, NaN, -1))).toBe(3);
    expect(argmax(Float32Array.of(-1, Infinity, 5))).toBe(1);
  });

  test("is what a very low temperature comes to, however low", () => {
    for (const temperature of [1e-2, 1e-30, 1e-300, 5e-324]) {
      for (const topP of [1, 0.95]) {
        expect(sample([-7, -3, -4, -5], { temperature, topP })).toBe(1);
        expect(sample([700, 300, 900, 500], { temperature, topP })).toBe(2);
      }
    }
  });
});

describe("the distribution", () => {
  const LOGITS = [0.3, -1.2, 2.1, 0.9, -0.4, 1.5, 1.4, -2.5];

  test.each([
    [0.7, 1],
    [1, 2],
    [1, 2 ** 40 + 5],
    [1.8, 3],
  ])("follows softmax(logits / %d), seed %d", (temperature, seed) => {
    const observed = counts(LOGITS, { temperature, seed }, 20_000);
    expect(chiSquare(observed, softmax(LOGITS, temperature))).toBeLessThan(chiSquareLimit(LOGITS.length - 1));
  });

  test("is the same over seeds at one position as over positions of one seed", () => {
    const observed = LOGITS.map(() => 0);
    for (let seed = 0; seed < 20_000; seed++) observed[sample(LOGITS, { seed }, { position: 9 })]!++;
    expect(chiSquare(observed, softmax(LOGITS))).toBeLessThan(chiSquareLimit(LOGITS.length - 1));
  });

  test("neighbouring positions, and neighbouring seeds, are independent", () => {
    const logits = [0, 1, 0.5, -0.5];
    const p = softmax(logits);
    const pairs = p.flatMap((a) => p.map((b) => a * b));
    for (const next of [
      { position: 1, seed: 0 },
      { position: 0, seed: 1 },
    ]) {
      const observed = pairs.map(() => 0);
      for (let position = 0; position < 40_000; position += 2) {
        const first = sample(logits, { seed: 4 }, { position });
        const second = sample(logits, { seed: 4 + next.seed }, { position: position + next.position });
        observed[4 * first + second]!++;
      }
      expect(chiSquare(observed, pairs)).toBeLessThan(chiSquareLimit(15));
    }
  });

  test("truncated, it is the softmax of what remains", () => {
    const kept = [2, 5, 6];
    const observed = counts(LOGITS, { topK: 3, seed: 8 }, 10_000);
    expect(observed.filter((count) => count > 0)).toHaveLength(3);
    expect(
      chiSquare(
        kept.map((token) => observed[token]!),
        softmax(kept.map((token) => LOGITS[token]!)),
      ),
    ).toBeLessThan(chiSquareLimit(2));
  });
});

/** The definition of truncation: sort, then cut by top-k, top-p and min-p in turn. `slack` moves the top-p border. */
function naiveTruncation(
  logits: Float32Array,
  { temperature, topK, topP, minP }: SamplingParams,
  slack: number,
): number[] {
  const ids = Array.from(logits, (_, i) => i).toSorted((a, b) => logits[b]! - logits[a]! || a - b);
  let kept = topK > 0 ? ids.slice(0, topK) : ids;
  if (topP < 1) {
    const probabilities = softmax(
      kept.map((id) => logits[id]!),
      temperature,
    );
    let sum = 0;
    const end = probabilities.findIndex((p) => (sum += p) >= topP + slack);
    if (end >= 0) kept = kept.slice(0, end + 1);
  }
  const top = logits[kept[0]!]!;
  return kept.filter((id, i) => i === 0 || Math.exp((logits[id]! - top) / temperature) >= minP);
}

const anyLogits = fc.oneof(
  fc.array(fc.double({ min: -20, max: 20, noNaN: true }), { minLength: 1, maxLength: 60 }),
  // Many ties.
  fc.array(fc.integer({ min: -2, max: 2 }), { minLength: 1, maxLength: 60 }),
  // A range beyond what exp can hold, and forbidden tokens.
  fc.array(fc.oneof(fc.double({ min: -1e5, max: 1e5, noNaN: true }), fc.constant(-Infinity)), {
    minLength: 1,
    maxLength: 30,
  }),
  // One that stands out far above many.
  fc.array(fc.double({ min: 0, max: 0.1, noNaN: true }), { minLength: 1, maxLength: 60 }).map((rest) => [60, ...rest]),
);
const anyTruncation = fc.record({
  temperature: fc.constantFrom(0.05, 0.7, 1, 3),
  topK: fc.constantFrom(0, 0, 1, 2, 5, 40, 1000),
  topP: fc.constantFrom(0, 0.1, 0.5, 0.9, 0.999, 1),
  minP: fc.constantFrom(0, 0, 0.01, 0.3, 1),
  seed: fc.nat(),
});

describe("top-k, top-p and min-p", () => {
  test("keep what their definition keeps", () => {
    fc.assert(
      fc.property(anyLogits, anyTruncation, (values, options) => {
        const logits = Float32Array.from(values);
        fc.pre(logits.some(Number.isFinite));
        const params = { ...PLAIN, ...options };
        const kept = Array.from(truncate(logits, params) ?? logits.keys());
        // Sums of float64 in another order may meet the border of top-p a token earlier or later.
        const most = naiveTruncation(logits, params, 1e-9);
        const fewest = naiveTruncation(logits, params, -1e-9);
        expect(kept.length).toBeGreaterThanOrEqual(fewest.length);
        expect(kept.length).toBeLessThanOrEqual(most.length);
        expect(new Set(kept)).toEqual(new Set(most.slice(0, kept.length)));
        for (let position = 0; position < 5; position++) expect(kept).toContain(sample(logits, options, { position }));
      }),
      { numRuns: 2000 },
    );
  });

  test("a token that can occur is one with a probability", () => {
    fc.assert(
      fc.property(anyLogits, anyTruncation, fc.nat(1000), (values, options, position) => {
        const logits = Float32Array.from(values);
        fc.pre(logits.some(Number.isFinite));
        expect(logits[sample(logits, options, { position })]).toBeGreaterThan(-Infinity);
      }),
    );
  });

  test.each([
    ["one token", [3.5], {}],
    ["one finite logit", [-Infinity, -Infinity, -900, -Infinity], {}],
    ["a lead of more than exp can tell", [0, 0, 5000, 0], {}],
    ["top-k of one", [0, 1, 2, 1], { topK: 1 }],
    ["top-p of nothing", [0, 1, 2, 1], { topP: 0 }],
    ["min-p of one", [0, 1, 2, 1], { minP: 1 }],
  ])("%s leaves no choice", (_, logits, params) => {
    for (let position = 0; position < 50; position++)
      expect(sample(logits, params, { position })).toBe(argmax(Float32Array.from(logits)));
  });

  test("equal logits are cut by id for top-k and top-p, and kept together by min-p", () => {
    const equal = new Float32Array(10);
    expect([...truncate(equal, { ...PLAIN, topK: 3 })!]).toEqual([0, 1, 2]);
    expect([...truncate(equal, { ...PLAIN, topP: 0.45 })!]).toEqual([0, 1, 2, 3, 4]);
    expect([...truncate(equal, { ...PLAIN, minP: 1 })!]).toHaveLength(10);
  });

  test("logits that are all forbidden give a token of the vocabulary all the same", () => {
    for (const params of [{}, { topK: 2 }, { topP: 0.5 }, { minP: 0.1 }, { temperature: 0 }]) {
      expect([0, 1, 2]).toContain(sample([-Infinity, -Infinity, -Infinity], params));
    }
  });
});

describe("penalties and bias", () => {
  const history = (prompt: readonly number[], output: readonly number[]): TokenHistory => {
    const occurrences = new Map<number, number>();
    for (const token of output) occurrences.set(token, (occurrences.get(token) ?? 0) + 1);
    return { seen: new Set([...prompt, ...output]), counts: occurrences };
  };

  test("change logits as defined", () => {
    const tokens = fc.array(fc.nat(11), { maxLength: 20 });
    const options = fc.record({
      repetitionPenalty: fc.constantFrom(0.5, 1, 1.3, 2),
      presencePenalty: fc.constantFrom(-1, 0, 0.7),
      frequencyPenalty: fc.constantFrom(-0.3, 0, 0.9),
      logitBias: fc.constantFrom(
        new Map(),
        new Map([
          [0, 2],
          [7, -3],
        ]),
      ),
    });
    const logits = fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 12, maxLength: 12 });
    fc.assert(
      fc.property(logits, tokens, tokens, options, (values, prompt, output, params) => {
        const expected = values.map((value, token) => {
          let logit = Math.fround(value) + (params.logitBias.get(token) ?? 0);
          const seen = prompt.includes(token) || output.includes(token);
          if (seen) logit = logit > 0 ? logit / params.repetitionPenalty : logit * params.repetitionPenalty;
          const count = output.filter((other) => other === token).length;
          return count === 0 ? logit : logit - params.presencePenalty - count * params.frequencyPenalty;
        });
        // Greedy choice shows the whole order: ask, forbid the answer, ask again.
        const past = history(prompt, output);
        const forbidden = new Map<number, number>(params.logitBias);
        for (let i = 0; i < values.length; i++) {
          const token = sample(values, { ...params, temperature: 0, logitBias: forbidden }, { history: past });
          const best = Math.max(...expected);
          expect(expected[token]).toBeGreaterThan(best - 1e-5);
          expected[token] = -Infinity;
          forbidden.set(token, -Infinity);
        }
      }),
    );
  });

  test("a repetition penalty counts the prompt, the other two only what was generated", () => {
    const logits = [2, 1.9];
    const past = history([0], []);
    expect(sample(logits, { temperature: 0, repetitionPenalty: 1.5 }, { history: past })).toBe(1);
    expect(sample(logits, { temperature: 0, presencePenalty: 1.5, frequencyPenalty: 1.5 }, { history: past })).toBe(0);
    expect(sample(logits, { temperature: 0, presencePenalty: 1.5 }, { history: history([], [0]) })).toBe(1);
  });

  test("bias forces and forbids", () => {
    const logits = [1, 2, 3, 4];
    for (let position = 0; position < 100; position++) {
      expect(sample(logits, { logitBias: new Map([[0, 100]]) }, { position })).toBe(0);
      expect(
        sample(
          logits,
          {
            logitBias: new Map([
              [3, -100],
              [1, -100],
            ]),
          },
          { position },
        ) % 2,
      ).toBe(0);
    }
  });

  test("tokens outside the vocabulary, in bias or history, change nothing", () => {
    const params = { temperature: 0, logitBias: new Map([[3, 100]]), repetitionPenalty: 2, presencePenalty: 1 };
    const past = history([3, 70], [3, 71]);
    expect(sample([1, 2, 0, 9], params, { numTokens: 3, history: past })).toBe(1);
  });
});

test("padding of the vocabulary is never chosen, however likely it looks", () => {
  for (const params of [{ temperature: 0 }, {}, { topK: 2 }, { topP: 0.5 }, { minP: 0.5 }]) {
    for (let position = 0; position < 200; position++) {
      expect(sample([1, 0, 2, 50, 60], params, { position, numTokens: 3 })).toBeLessThan(3);
    }
  }
});

describe("reproducibility", () => {
  const logits = Array.from({ length: 40 }, (_, i) => Math.sin(i));
  const run = (seed: number): number[] =>
    Array.from({ length: 60 }, (_, position) => sample(logits, { seed }, { position }));

  test("seed and position decide, the order of asking does not", () => {
    const forward = run(5);
    const backward = Array.from({ length: 60 }, (_, i) =>
      sample(logits, { seed: 5 }, { position: 59 - i }),
    ).toReversed();
    expect(backward).toEqual(forward);
    for (const other of [6, 5 + 2 ** 32, 5 + 2 ** 33]) expect(run(other)).not.toEqual(forward);
  });

  test("a token keeps its noise when others are cut off", () => {
    // Where the free choice survives the cut, the cut choice is the same.
    for (let position = 0; position < 300; position++) {
      const free = sample(logits, { seed: 1 }, { position });
      const kept = truncate(Float32Array.from(logits), { ...PLAIN, topK: 12 })!;
      if (kept.includes(free)) expect(sample(logits, { seed: 1, topK: 12 }, { position })).toBe(free);
    }
  });
});

describe("log-probabilities", () => {
  const logits = Float32Array.of(0.5, 2, -1, 2, -Infinity, 90, 30);
  const numTokens = 5;

  test("are the log-softmax of the tokens of the vocabulary, and sum to one", () => {
    const reader = logprobReader(logits, numTokens, 0);
    const expected = softmax(logits.subarray(0, numTokens)).map(Math.log);
    let sum = 0;
    for (let token = 0; token < numTokens; token++) {
      const { logprob, top } = reader.of(token);
      if (token === 4) expect(logprob).toBe(-Infinity);
      else expect(logprob).toBeCloseTo(expected[token]!, 12);
      expect(top).toEqual([]);
      sum += Math.exp(logprob);
    }
    expect(sum).toBeCloseTo(1, 12);
  });

  test("list the most probable first, ties by id, never padding", () => {
    const top = (count: number): number[] =>
      logprobReader(logits, numTokens, count)
        .of(2)
        .top.map(({ token }) => token);
    expect(top(3)).toEqual([1, 3, 0]);
    expect(top(20)).toEqual([1, 3, 0, 2, 4]);
    expect(logprobReader(logits, numTokens, 1).of(2)).toMatchObject({ token: 2, top: [{ token: 1 }] });
  });

  test("are the model's own: what sampling does to the row afterwards does not show", () => {
    const row = logits.slice();
    const reader = logprobReader(row, numTokens, 2);
    const before = reader.of(1);
    sampleToken(row, numTokens, { ...PLAIN, logitBias: new Map([[2, 50]]) }, EMPTY_HISTORY, 0);
    expect(reader.of(1)).toEqual(before);
  });

  test("hold for logits far beyond the range of exp", () => {
    const reader = logprobReader(Float32Array.of(1e30, 1e30, -1e30), 3, 0);
    expect(reader.of(0).logprob).toBeCloseTo(Math.log(0.5), 6);
    expect(reader.of(2).logprob).toBeLessThan(-1e29);
  });
});

describe("two models that sample with the same noise", () => {
  const trunk = Array.from({ length: 50 }, (_, i) => 2 * Math.sin(3 * i));

  /** Share of positions at which both choose the same token, and the total variation distance between them. */
  function agreement(draft: readonly number[], params: Partial<SamplingParams>): { share: number; distance: number } {
    const positions = 4000;
    let same = 0;
    for (let position = 0; position < positions; position++) {
      if (sample(trunk, params, { position }) === sample(draft, params, { position })) same++;
    }
    const p = softmax(trunk, params.temperature ?? 1);
    const q = softmax(draft, params.temperature ?? 1);
    return { share: same / positions, distance: p.reduce((sum, value, i) => sum + Math.abs(value - q[i]!), 0) / 2 };
  }

  test("agree always where they are the same model", () => {
    expect(
      agreement(
        trunk.map((logit) => logit + 3),
        { seed: 3 },
      ).share,
    ).toBe(1);
  });

  test.each([0.05, 0.3, 1, 3])("agree at least as often as theory promises, logits %d apart", (apart) => {
    const draft = trunk.map((logit, i) => logit + apart * Math.cos(7 * i));
    const { share, distance } = agreement(draft, { seed: 12 });
    // Daliri, Musco and Suresh 2024, theorem 3; 0.03 is four standard deviations of 4000 trials.
    expect(share).toBeGreaterThan((1 - distance) / (1 + distance) - 0.03);
    // No coupling whatever agrees more often than this.
    expect(share).toBeLessThan(1 - distance + 0.03);
  });

  test("agree far more often than with noise of their own", () => {
    const draft = trunk.map((logit, i) => logit + 0.3 * Math.cos(7 * i));
    const { share } = agreement(draft, { seed: 12 });
    let apart = 0;
    for (let position = 0; position < 4000; position++) {
      if (sample(trunk, { seed: 12 }, { position }) === sample(draft, { seed: 13 }, { position })) apart++;
    }
    expect(share).toBeGreaterThan(0.8);
    expect(apart / 4000).toBeLessThan(0.2);
  });
});
