// Native sampling chooses the very token that the definition chooses, on every instruction set and number of threads,
// and leaves the logits as they were.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Backend } from "../../backends/backend.ts";
import { cpuBackendStatus } from "../../backends/cpu/addon.ts";
import { createCpuBackend } from "../../backends/cpu/native.ts";
import { view } from "../../tensor/tensor.ts";
import { randomKey, randomUnit } from "../../util/random.ts";
import { logprobRows, readLogprobs } from "./logprob-rows.ts";
import { logprobReader, type Logprobs } from "./logprobs.ts";
import { EMPTY_HISTORY } from "./penalties.ts";
import { maskWords, type RowSampling, sampleRows } from "./sample-rows.ts";
import { DEFAULT_SAMPLING, type SamplingParams, sampleToken } from "./sample.ts";

const status = cpuBackendStatus();

interface Sampled {
  readonly tokens: number[];
  readonly logprobs: Logprobs[];
  /** The logits afterwards. */
  readonly logits: Float32Array;
}

function sampleOn(backend: Backend, values: Float32Array, rows: readonly RowSampling[], numTop = 0): Sampled {
  const [R, V, columns] = [rows.length, values.length / rows.length, 1 + numTop];
  const memory = backend.alloc(4 * values.length);
  const results = backend.alloc(4 * R * (1 + 2 * columns));
  const logits = view(memory, "f32", [R, V]);
  backend.upload(logits, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  const tokens = view(results, "i32", [R]);
  const ids = view(results, "i32", [R, columns], 4 * R);
  const logprobs = view(results, "f32", [R, columns], 4 * R * (1 + columns));
  const own = rows.flatMap(({ mask }) => mask ?? []);
  const maskMemory = backend.alloc(Math.max(4, 4 * own.length * maskWords(V)));
  const masks = own.length === 0 ? undefined : view(maskMemory, "i32", [own.length, maskWords(V)]);
  own.forEach((mask, i) => {
    const row = view(maskMemory, "i32", [maskWords(V)], 4 * i * maskWords(V));
    backend.upload(row, new Uint8Array(mask.buffer));
  });
  sampleRows(backend, { logits, numTokens: V, rows, tokens, masks });
  logprobRows(backend, { logits, numTokens: V, tokens, rows: [...rows.keys()], ids, logprobs });
  const words = new Int32Array(results.byteLength / 4);
  backend.download(view(results, "i32", [words.length]), new Uint8Array(words.buffer));
  const after = new Float32Array(values.length);
  backend.download(logits, new Uint8Array(after.buffer));
  backend.free(memory);
  backend.free(results);
  backend.free(maskMemory);
  const floats = new Float32Array(words.buffer);
  const report = (_: unknown, r: number): Logprobs => {
    const [start, end] = [R + r * columns, R + (r + 1) * columns];
    return readLogprobs(words.subarray(start, end), floats.subarray(start + R * columns, end + R * columns), numTop);
  };
  return { tokens: [...words.subarray(0, R)], logprobs: rows.map(report), logits: after };
}

const sampleHere = (values: Float32Array, rows: readonly RowSampling[]): number[] =>
  rows.map(({ params, history, position, mask }, r) => {
    const V = values.length / rows.length;
    return sampleToken(values.slice(r * V, (r + 1) * V), V, params, history, position, mask);
  });

/** A bell of unlikely tokens below some likely ones, or `flat` the bell alone: sums of uniform numbers. */
function vocabulary(seed: number, V: number, isFlat: boolean): Float32Array {
  const key = randomKey(seed);
  return Float32Array.from({ length: V }, (_, id) => {
    let sum = -4;
    for (let i = 0; i < 8; i++) sum += randomUnit(key, 8 * id + i);
    return isFlat || id % 397 !== seed % 397 ? 2 * sum : 14 + 3 * sum;
  });
}

describe.skipIf(!status.isAvailable)("sampling on the CPU backend", () => {
  const anyLogits = fc.oneof(
    fc.array(fc.double({ min: -20, max: 20, noNaN: true }), { minLength: 1, maxLength: 60 }),
    fc.array(fc.integer({ min: -2, max: 2 }), { minLength: 1, maxLength: 600 }),
    fc.array(fc.oneof(fc.double({ min: -1e5, max: 1e5, noNaN: true }), fc.constantFrom(-Infinity, NaN, Infinity)), {
      minLength: 1,
      maxLength: 30,
    }),
  );
  const anyParams = fc.record({
    temperature: fc.constantFrom(0, 5e-324, 1e-30, 0.05, 0.7, 1, 3, 100),
    topK: fc.constantFrom(0, 0, 1, 2, 5, 40, 1000, Number.MAX_SAFE_INTEGER),
    topP: fc.constantFrom(0, 0.1, 0.5, 0.9, 0.999, 1, 1),
    minP: fc.constantFrom(0, 0, 0.01, 0.3, 1),
    repetitionPenalty: fc.constantFrom(1, 1, 0.5, 1.3),
    presencePenalty: fc.constantFrom(0, 0, -1, 0.7),
    frequencyPenalty: fc.constantFrom(0, 0, -0.3, 0.9),
    logitBias: fc.uniqueArray(fc.tuple(fc.nat(70), fc.double({ min: -100, max: 100, noNaN: true })), {
      maxLength: 4,
      selector: ([token]) => token,
    }),
    seed: fc.maxSafeNat(),
  });

  const anyWord = fc.oneof(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.constantFrom(0, 1, 2 ** 32 - 1));
  const anyMask = fc.option(fc.tuple(anyWord, anyWord, anyWord), { nil: undefined });

  test("is the definition, whatever the logits, parameters and history", () => {
    using backend = createCpuBackend({ threads: 2 });
    const tokens = fc.array(fc.nat(70), { maxLength: 20 });
    fc.assert(
      fc.property(
        anyLogits,
        anyParams,
        tokens,
        tokens,
        fc.nat(1000),
        anyMask,
        (logits, options, prompt, output, position, allowed) => {
          const counts = new Map<number, number>();
          for (const token of output) counts.set(token, (counts.get(token) ?? 0) + 1);
          const history = { seen: new Set([...prompt, ...output]), counts };
          const mask = allowed && Uint32Array.from({ length: maskWords(logits.length) }, (_, i) => allowed[i % 3]!);
          const row = { params: { ...options, logitBias: new Map(options.logitBias) }, history, position, mask };
          const values = Float32Array.from(logits);
          const { tokens: chosen, logits: after } = sampleOn(backend, values, [row]);
          expect(chosen).toEqual(sampleHere(values, [row]));
          expect(after).toEqual(values);
          if (mask?.some((word, i) => word !== 0 && 32 * (i + 1) <= logits.length)) {
            expect(mask[chosen[0]! >> 5]! & (1 << (chosen[0]! & 31))).not.toBe(0);
          }
        },
      ),
      { numRuns: 3000 },
    );
  });

  const VARIANTS: readonly Partial<SamplingParams>[] = [
    { temperature: 1, topP: 1 },
    { temperature: 0.8, topP: 0.95 },
    { temperature: 1.5, topP: 0.2 },
    { temperature: 1, topP: 1, topK: 40 },
    { temperature: 2, topP: 0.7, topK: 3000 },
    { temperature: 1, topP: 1, minP: 0.05 },
    { temperature: 0 },
  ];
  const rowsOf = (count: number): RowSampling[] =>
    Array.from({ length: count }, (_, position) => ({
      params: { ...DEFAULT_SAMPLING, seed: 7, ...VARIANTS[position % VARIANTS.length] },
      history: EMPTY_HISTORY,
      position,
    }));

  test.each([
    ["peaked", false],
    ["flat", true],
  ])("over large vocabularies: %s rows", (_, isFlat) => {
    const V = 20_011;
    const rows = rowsOf(35);
    const values = new Float32Array(rows.length * V);
    for (let r = 0; r < rows.length; r++) values.set(vocabulary(r, V, isFlat), r * V);
    const expected = sampleHere(values, rows);
    const results = (status.isAvailable ? status.variants : []).flatMap((variant) =>
      [1, 2, 3, 7].map((threads) => {
        using backend = createCpuBackend({ variant, threads });
        return sampleOn(backend, values, rows, 20);
      }),
    );
    for (const { tokens, logprobs, logits } of results) {
      expect(tokens).toEqual(expected);
      expect(Buffer.compare(Buffer.from(logits.buffer), Buffer.from(values.buffer))).toBe(0);
      expect(logprobs).toEqual(results[0]!.logprobs);
    }
    results[0]!.logprobs.forEach(({ token, logprob, top }, r) => {
      const reference = logprobReader(values.subarray(r * V, (r + 1) * V), V, 20).of(token);
      expect(logprob).toBeCloseTo(reference.logprob, 5);
      expect(top.map((one) => one.token)).toEqual(reference.top.map((one) => one.token));
      // Float32 is the only rounding.
      top.forEach((one, k) => expect(one.logprob / reference.top[k]!.logprob).toBeCloseTo(1, 6));
    });
  });

  test("ascending logits, each the likeliest so far, and all of them equal", () => {
    using backend = createCpuBackend({ threads: 2 });
    for (const slope of [1e-3, 1e-5, 0]) {
      const V = 5000;
      const rows = rowsOf(14);
      const values = Float32Array.from({ length: rows.length * V }, (_, i) => slope * (i % V));
      expect(sampleOn(backend, values, rows).tokens).toEqual(sampleHere(values, rows));
    }
  });
});
