// Parity with an independent implementation, case by case, on every backend.

import { describe, expect, test } from "vitest";
import { expertLayers } from "../../src/model/config.ts";
import { allBackends, evaluateAll, generate, openEngine } from "../support.ts";
import { type GoldenCase, goldenCases, maxDifference, meanKl } from "./golden.ts";

/** f32 activations against float64: unquantised and FP8 weights, and GGUF types. */
const LOGIT_TOLERANCE = 1e-3;

for (const { name, available, create } of allBackends) {
  describe.skipIf(!available)(`golden cases, ${name} backend`, () => {
    test.each(goldenCases())("$name", (golden) => {
      const { expected, array, path } = golden;
      using opened = openEngine(path, {}, create());
      const { engine } = opened;
      expect(maxDifference(evaluateAll(engine, expected.input_ids), required(golden, "logits"))).toBeLessThan(
        LOGIT_TOLERANCE,
      );

      const hidden = evaluateAll(engine, expected.input_ids, { output: "hidden" });
      const last = required(golden, "hidden_last");
      expect(maxDifference(hidden.slice(-last.length), last)).toBeLessThan(LOGIT_TOLERANCE);

      for (let head = 0; head < engine.runner.model.numMtpHeads; head++) {
        const parallel = evaluateAll(engine, expected.input_ids, { mtpHead: head });
        expect(maxDifference(parallel, required(golden, `mtp${head}_logits`))).toBeLessThan(LOGIT_TOLERANCE);
        const chained = array(`mtp${head}_chained_logits`);
        if (chained === undefined) continue;
        const actual = evaluateAll(engine, expected.input_ids, { mtpHead: head, mtpMode: "chained" });
        expect(maxDifference(actual, chained)).toBeLessThan(LOGIT_TOLERANCE);
      }
    });

    test.each(goldenCases())("$name: experts of the last token", ({ path, expected }) => {
      using opened = openEngine(path, {}, create());
      const { model } = opened.engine.runner;
      evaluateAll(opened.engine, expected.input_ids);
      const T = expected.input_ids.length;
      const K = model.config.experts.numExpertsPerToken;
      const routed = model.routedExperts(T);
      const chosen = expertLayers(model.config).map((_, i) =>
        Array.from(routed.subarray((i * T + T - 1) * K, (i * T + T) * K)),
      );
      expect(chosen).toEqual(expected.router_topk_last_token);
    });

    test.each(goldenCases().filter(({ expected }) => expected.greedy.continuation.length > 0))(
      "$name: greedy continuation, plain and speculative",
      ({ path, expected }) => {
        const { prompt, continuation } = expected.greedy;
        // The reference is slow: other modes and depths run on the fast backend only.
        for (const mtpMode of name === "cpu" ? (["parallel", "chained"] as const) : (["parallel"] as const)) {
          using opened = openEngine(path, { mtpMode }, create());
          for (const speculation of name === "cpu" ? ([0, 1, 3, "auto"] as const) : ([0, 3] as const)) {
            const tokens = generate(opened.engine, prompt, { speculation, maxTokens: continuation.length });
            expect(tokens).toEqual(continuation);
          }
        }
      },
    );

    // One digit flips a choice of experts here and there, which is most of what it costs: decision 7.
    describe.each([
      ["int16", 1e-7],
      ["int8", 2e-3],
    ] as const)("%s activations", (activations, bound) => {
      test.each(goldenCases().filter(({ isGguf }) => isGguf))("$name", (golden) => {
        using opened = openEngine(golden.path, { activations }, create());
        const actual = evaluateAll(opened.engine, golden.expected.input_ids);
        const kl = meanKl(required(golden, "logits"), actual, opened.engine.runner.model.config.vocabSize);
        expect(kl).toBeLessThan(bound);
      });
    });
  });
}

function required(golden: GoldenCase, name: string): Float32Array {
  const array = golden.array(name);
  if (array === undefined) throw new Error(`golden case ${golden.name} has no array ${name}`);
  return array;
}
