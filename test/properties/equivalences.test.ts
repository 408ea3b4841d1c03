// The promises of the engine as equalities: however a text is computed, its numbers are the same, bit for bit.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cpuBackendStatus } from "../../src/backends/cpu/addon.ts";
import { createCpuBackend } from "../../src/backends/cpu/native.ts";
import type { EngineOptions } from "../../src/engine/engine.ts";
import { logprobReader } from "../../src/ops/sample/logprobs.ts";
import { DEFAULT_SAMPLING, type SamplingParams, sampleToken } from "../../src/ops/sample/sample.ts";
import { KV_DTYPES } from "../../src/tensor/dtype.ts";
import { goldenCase, maxDifference } from "../golden/golden.ts";
import { allBackends, bits, evaluateAll, generate, generateAll, openEngine, request, runAll } from "../support.ts";

// Window 16 and two global layers, and the published window of 128: prompts here cross both several times.
const SMALL = goldenCase("hf-bf16");
const WIDE = goldenCase("hf-window128");
const PROMPT = SMALL.expected.greedy.prompt;
const IDS = WIDE.expected.input_ids;

const evaluateWith = (options: Partial<EngineOptions>, ids: readonly number[], path = WIDE.path): Float32Array => {
  using opened = openEngine(path, options);
  return evaluateAll(opened.engine, ids);
};

describe.each(KV_DTYPES)("with a KV cache of %s", (kvDType) => {
  test("a prompt in chunks gives the bits of the whole prompt", () => {
    const whole = bits(evaluateWith({ kvDType }, IDS));
    for (const maxRows of [1, 7, 64, 129]) expect(bits(evaluateWith({ kvDType, maxRows }, IDS))).toEqual(whole);
  });

  test("speculation changes no token, greedy or sampled", () => {
    for (const mtpMode of ["parallel", "chained"] as const) {
      using opened = openEngine(SMALL.path, { kvDType, mtpMode });
      for (const temperature of [0, 0.7, 1.5]) {
        const sampling = { ...DEFAULT_SAMPLING, temperature, topP: 1, seed: 11 };
        const plain = generate(opened.engine, PROMPT, { sampling, maxTokens: 96 });
        for (const speculation of [1, 2, 3, "auto"] as const) {
          expect(generate(opened.engine, PROMPT, { sampling, speculation, maxTokens: 96 })).toEqual(plain);
        }
      }
    }
  });

  test("the native kernels agree with the reference", () => {
    const results = allBackends
      .filter(({ available }) => available)
      .map(({ create }) => {
        using opened = openEngine(SMALL.path, { kvDType }, create());
        return evaluateAll(opened.engine, SMALL.expected.input_ids);
      });
    // A code of q8_0 that lies on a border may round either way.
    const tolerance = kvDType === "q8_0" ? 5e-3 : 1e-4;
    for (const result of results) expect(maxDifference(result, results[0]!)).toBeLessThan(tolerance);
  });
});

test.each(["gguf-q4_0", "gguf-q4_k_m", "gguf-iq3_s"])("%s: quantised activations keep the same promises", (name) => {
  const { path, expected } = goldenCase(name);
  const options = { activations: "int16", kvDType: "f16" } as const;
  const whole = bits(evaluateWith(options, expected.input_ids, path));
  for (const maxRows of [1, 7])
    expect(bits(evaluateWith({ ...options, maxRows }, expected.input_ids, path))).toEqual(whole);
  using opened = openEngine(path, options);
  const requests = [0, 1, 3].map((speculation) => request(expected.input_ids.slice(0, 30), { speculation }));
  const [plain, ...drafted] = generateAll(opened.engine, requests);
  for (const tokens of drafted) expect(tokens).toEqual(plain);
});

test("sequences in a batch get the tokens and log-probabilities they get alone", () => {
  const requests = [3, 17, 24, 9].map((length, i) =>
    request(PROMPT.slice(0, length), {
      maxTokens: 20 + 10 * i,
      topLogprobs: 3,
      speculation: i % 2 === 0 ? 3 : 0,
      sampling: { ...DEFAULT_SAMPLING, temperature: i === 1 ? 0 : 0.9, seed: i },
    }),
  );
  using together = openEngine(SMALL.path, { maxSequences: 4, maxRows: 16 });
  for (const one of requests) together.engine.submit(one);
  const batched = runAll(together.engine);
  for (const one of requests) {
    using alone = openEngine(SMALL.path);
    alone.engine.submit(one);
    const expected = runAll(alone.engine).get(one.id) ?? [];
    const actual = batched.get(one.id) ?? [];
    expect(actual.flatMap(({ tokens }) => tokens)).toEqual(expected.flatMap(({ tokens }) => tokens));
    expect(actual.flatMap(({ logprobs = [] }) => logprobs)).toEqual(expected.flatMap(({ logprobs = [] }) => logprobs));
  }
});

describe.each(allBackends.filter(({ available }) => available))("on the $name backend", ({ create }) => {
  const numTokens = 250;
  const samplings: readonly Partial<SamplingParams>[] = [
    { temperature: 0 },
    {},
    { temperature: 1.3, topP: 1 },
    { temperature: 2, topP: 0.9, topK: 30, minP: 0.02, logitBias: new Map([[17, 4]]) },
    { repetitionPenalty: 1.4, presencePenalty: 0.3, frequencyPenalty: 0.2 },
  ];

  test("tokens and log-probabilities are what the definitions say of the logits, drafted or not", () => {
    using opened = openEngine(SMALL.path, { numTokens }, create());
    const { vocabSize: V } = opened.engine.runner.model.config;
    for (const [i, options] of samplings.entries()) {
      const sampling = { ...DEFAULT_SAMPLING, seed: i, ...options };
      const one = request(PROMPT, { sampling, maxTokens: 24, topLogprobs: i, speculation: i % 2 === 0 ? 3 : 0 });
      opened.engine.submit(one);
      const outputs = runAll(opened.engine).get(one.id) ?? [];
      const reported = outputs.flatMap(({ logprobs = [] }) => logprobs);
      const text = [...PROMPT, ...outputs.flatMap(({ tokens }) => tokens)];
      expect(reported.map(({ token }) => token)).toEqual(text.slice(PROMPT.length));
      const logits = evaluateAll(opened.engine, text);
      reported.forEach(({ token, logprob, top }, k) => {
        const position = PROMPT.length + k;
        const row = logits.slice((position - 1) * V, position * V);
        const expected = logprobReader(row, numTokens, i).of(token);
        expect(logprob).toBeCloseTo(expected.logprob, 5);
        expect(top.map((other) => other.token)).toEqual(expected.top.map((other) => other.token));
        const counts = new Map<number, number>();
        for (const known of text.slice(PROMPT.length, position)) counts.set(known, (counts.get(known) ?? 0) + 1);
        const history = { seen: new Set(text.slice(0, position)), counts };
        expect(sampleToken(row, numTokens, sampling, history, position)).toBe(token);
      });
    }
  });
});

test("a sequence that had to give its memory back ends with the same tokens", () => {
  const requests = [0, 1, 2, 3].map((seed) =>
    request(PROMPT, { maxTokens: 120, sampling: { ...DEFAULT_SAMPLING, seed }, speculation: seed % 2 === 0 ? 2 : 0 }),
  );
  using roomy = openEngine(SMALL.path, { maxTokens: 1024 });
  using tight = openEngine(SMALL.path, { maxTokens: 256 });
  expect(generateAll(tight.engine, requests)).toEqual(generateAll(roomy.engine, requests));
});

describe.skipIf(!cpuBackendStatus().isAvailable)("on the CPU backend", () => {
  test("results do not depend on the number of threads", () => {
    const run = (threads: number): Uint32Array => {
      using opened = openEngine(WIDE.path, { kvDType: "f16" }, createCpuBackend({ threads }));
      return bits(evaluateAll(opened.engine, IDS));
    };
    const one = run(1);
    for (const threads of [2, 3, 5]) expect(run(threads)).toEqual(one);
  });

  test("every instruction-set variant gives the same bits", () => {
    const status = cpuBackendStatus();
    const variants = status.isAvailable ? status.variants : [];
    for (const name of ["hf-fp8-fused-kv", "gguf-q4_k_m", "gguf-q8_0", "gguf-iq3_s", "hf-window128"]) {
      for (const activations of ["f32", "int16", "int8"] as const) {
        const golden = goldenCase(name);
        const results = variants.map((variant) => {
          using opened = openEngine(golden.path, { kvDType: "f16", activations }, createCpuBackend({ variant }));
          return bits(evaluateAll(opened.engine, golden.expected.input_ids));
        });
        for (const result of results) expect(result).toEqual(results[0]);
      }
    }
  });
});

test("any program of submissions, steps and aborts keeps memory whole and tokens true", () => {
  using opened = openEngine(SMALL.path, { maxTokens: 384, maxSequences: 3, maxRows: 24 });
  const { engine } = opened;
  const alone = new Map<number, number[]>();
  const soloTokens = (length: number): number[] => {
    if (!alone.has(length)) {
      using solo = openEngine(SMALL.path);
      alone.set(length, generate(solo.engine, PROMPT.slice(0, length), { maxTokens: 24 }));
    }
    return alone.get(length)!;
  };
  const action = fc.oneof(
    fc.record({
      kind: fc.constant("submit" as const),
      length: fc.integer({ min: 1, max: 24 }),
      speculation: fc.integer({ min: 0, max: 3 }),
    }),
    fc.record({ kind: fc.constant("step" as const), count: fc.integer({ min: 1, max: 6 }) }),
    fc.record({ kind: fc.constant("abort" as const), index: fc.nat(5) }),
  );
  fc.assert(
    fc.property(fc.array(action, { maxLength: 25 }), (program) => {
      const lengths = new Map<number, number>();
      const produced = new Map<number, number[]>();
      const aborted = new Set<number>();
      const take = (outputs: ReturnType<typeof engine.step>): void => {
        for (const { id, tokens } of outputs) produced.get(id)?.push(...tokens);
        engine.checkIntegrity();
      };
      for (const step of program) {
        if (step.kind === "submit") {
          const one = request(PROMPT.slice(0, step.length), { maxTokens: 24, speculation: step.speculation });
          engine.submit(one);
          lengths.set(one.id, step.length);
          produced.set(one.id, []);
        } else if (step.kind === "step") {
          for (let i = 0; i < step.count; i++) take(engine.step());
        } else {
          const id = [...produced.keys()][step.index];
          if (id !== undefined && engine.abort(id) !== undefined) aborted.add(id);
          engine.checkIntegrity();
        }
      }
      while (!engine.isIdle) take(engine.step());
      for (const [id, tokens] of produced) {
        const expected = soloTokens(lengths.get(id)!);
        expect(tokens).toEqual(aborted.has(id) ? expected.slice(0, tokens.length) : expected);
      }
      expect(engine.runner.cache.numFreeTokens).toBe(384);
      expect(engine.runner.cache.numFreeSequences).toBe(3);
    }),
    { numRuns: 40 },
  );
});
