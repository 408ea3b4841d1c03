// Promises of training, as equalities of bits: an interrupted run is an uninterrupted one, and what training calls a
// token's probability is what sampling called it.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { parseConfig } from "../../src/model/parse-config.ts";
import { countMtpHeads } from "../../src/model/weights.ts";
import { DEFAULT_SAMPLING } from "../../src/ops/sample/sample.ts";
import { createByteTokenizer } from "../../src/tokenizer/byte-tokenizer.ts";
import { openCheckpoint } from "../../src/checkpoint/checkpoint.ts";
import { packBatch, targetsAt } from "../../src/train/batch.ts";
import { Learner } from "../../src/train/learner.ts";
import type { Metrics } from "../../src/train/metrics-log.ts";
import { loadParameters } from "../../src/train/model-files.ts";
import { originOf } from "../../src/train/origin.ts";
import { parseRecipe, type Recipe } from "../../src/train/recipe.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { mix } from "../../src/util/random.ts";
import { createBackend, openEngine } from "../support.ts";

const RECIPE = parseRecipe(
  `
name: test
tokenizer: { vocabSize: 320, characters: 1 }
model:
  hiddenSize: 64
  intermediateSize: 64
  contextLength: 512
  numLayers: 7
  attention: { numHeads: 4, numKvHeads: { global: 1, sliding: 2 }, headDim: 24, window: 16 }
  experts: { numExperts: 8, numExpertsPerToken: 2, intermediateSize: 32 }
saveEvery: 4
validateEvery: 7
exportEvery: 10
stages:
  - name: first
    tokens: 7680
    batchTokens: 256
    passes: 2
    maxLength: 200
    learningRate: { peak: 3e-3, warmUpSteps: 3 }
    mtp: { heads: 1, weight: 0.3 }
    biasRate: 0.01
    balanceWeight: 1e-3
    globalRopeTheta: 10000
    data: &data
      - { generator: arithmetic, weight: 2 }
      - { generator: identity, weight: 1 }
  - name: second
    tokens: 2560
    batchTokens: 256
    maxLength: 256
    learn: answers
    learningRate: { peak: 1e-3 }
    mtp: { heads: 3, weight: 0.1 }
    globalRopeTheta: 50000
    data: *data
`,
  "recipe.yaml",
);
const FOLDER = mkdtempSync(join(tmpdir(), "mimo-training-"));
afterAll(() => rmSync(FOLDER, { recursive: true }));

/** Trains in the folder until the step that `stopAt` says yes to. */
async function train(name: string, recipe: Recipe, stopAt: (metrics: Metrics) => boolean = () => false): Promise<void> {
  using device = createBackend();
  const controller = new AbortController();
  const trainer = new Trainer(device, {
    recipe,
    origin: originOf(recipe),
    tokenizer: createByteTokenizer({ vocabSize: 320 }),
    folder: join(FOLDER, name),
    signal: controller.signal,
    onStep: (metrics) => {
      if (stopAt(metrics)) controller.abort();
    },
  });
  await trainer.run().finally(() => {
    expect(device.stats()).toMatchObject({ memories: 0, weights: 0 });
  });
}

function resultOf(name: string): Buffer {
  const [place, ...others] = readdirSync(join(FOLDER, name, "resume"));
  expect(others).toEqual([]);
  return readFileSync(join(FOLDER, name, "resume", place!, "training.safetensors"));
}

function metricsOf(name: string): Metrics[] {
  const lines = readFileSync(join(FOLDER, name, "metrics.jsonl"), "utf8")
    .trimEnd()
    .split("\n");
  return lines.map((line) => JSON.parse(line) as Metrics);
}

describe.each([
  ["f32", RECIPE],
  ["fp8", { ...RECIPE, precision: "fp8", fp8Block: 16 } as const],
])("a run in %s", (precision, recipe) => {
  const [whole, interrupted] = [`whole ${precision}`, `interrupted ${precision}`];

  test("that is interrupted, again and again, ends with the bits of one that is not", async () => {
    await train(whole, recipe);
    for (let round = 0; ; round++) {
      let left = 1 + ((mix(7, round) >>> 4) % 9);
      try {
        await train(interrupted, recipe, () => --left === 0);
        break;
      } catch (error) {
        expect(error).toMatchObject({ code: "aborted" });
      }
    }
    expect(resultOf(interrupted).equals(resultOf(whole))).toBe(true);
    const timeless = (metrics: Metrics) => ({ ...metrics, tokensPerSecond: 0 });
    expect(metricsOf(interrupted).map(timeless)).toEqual(metricsOf(whole).map(timeless));
  });

  test("keeps models on the way, with the heads of their stages", () => {
    const kept = (name: string): string => join(FOLDER, name, "checkpoints");
    expect(readdirSync(kept(whole)).toSorted()).toEqual(["step-10", "step-20"]);
    for (const [step, numHeads] of [
      ["step-10", 1],
      ["step-20", 3],
    ] as const) {
      using checkpoint = openCheckpoint(join(kept(whole), step));
      const { config } = parseConfig(checkpoint);
      expect([config.vocabSize, countMtpHeads(checkpoint, config)]).toEqual([320, numHeads]);
      const bytes = [whole, interrupted].map((name) => readFileSync(join(kept(name), step, "model.safetensors")));
      expect(bytes[0]!.equals(bytes[1]!)).toBe(true);
    }
  });

  test("learns: the loss on held-out data falls", () => {
    const heldout = metricsOf(whole).flatMap(({ heldoutLoss }) => (heldoutLoss === undefined ? [] : [heldoutLoss]));
    expect(heldout.length).toBeGreaterThan(2);
    expect(heldout.at(-1)!).toBeLessThan(heldout[0]! - 0.1);
  });
});

test("log-probabilities in training are those of sampling, bit for bit", () => {
  const path = join(FOLDER, "whole f32", "model");
  const prompt = Array.from({ length: 40 }, (_, i) => (i * 37) % 256);
  const tokens = [...prompt];
  const sampled: number[] = [];
  {
    using opened = openEngine(path, { maxRows: 16 });
    const { engine } = opened;
    const sampling = { ...DEFAULT_SAMPLING, temperature: 1, seed: 5 };
    engine.submit({ id: 1, prompt, maxTokens: 60, stopTokens: [], sampling, speculation: 3, topLogprobs: 0 });
    while (!engine.isIdle) {
      for (const output of engine.step()) {
        tokens.push(...output.tokens);
        for (const { logprob } of output.logprobs ?? []) sampled.push(logprob);
      }
    }
  }
  using device = createBackend();
  using checkpoint = openCheckpoint(path);
  using parameters = loadParameters(device, checkpoint, 3);
  const options = { ...RECIPE.optimizer, mtpMode: "parallel", maxDocuments: 4 } as const;
  using learner = new Learner(device, parameters, options);
  // Beside another document, to have it elsewhere in the batch.
  const batch = packBatch([{ tokens: Int32Array.from([9, 8, 7]) }, { tokens: Int32Array.from(tokens) }], 128);
  const losses = learner.lossesOf(batch);
  const first = 3 + prompt.length - 1;
  expect(targetsAt(batch, 1)[first]).toBe(tokens[prompt.length]);
  expect(sampled).toHaveLength(60);
  expect(Array.from(losses.subarray(first, first + 60), (loss) => -loss)).toEqual(sampled);
});
