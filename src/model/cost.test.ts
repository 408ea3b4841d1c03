// The model of cost against counting by hand: figures of the published model, and sums over rows, keys and draws.

import { describe, expect, test } from "vitest";
import { randomKey, randomUnit } from "../util/random.ts";
import {
  activeShare,
  type CostModel,
  draftPass,
  expectedExperts,
  expertBytesRead,
  type MachineSpeed,
  passSeconds,
  prefillSeconds,
  sumWeights,
  trunkPass,
  weightBytesRead,
  type WeightGroup,
  weightPart,
} from "./cost.ts";
import { listParameters, parameterSize } from "./parameters.ts";
import { FLASH_CONFIG, FLASH_MTP_HEADS, PRESETS } from "./presets.ts";

/** Every weight in one byte. */
function modelOf(config: CostModel["config"], numMtpHeads: number): CostModel {
  const weights = listParameters(config, numMtpHeads).map((parameter): WeightGroup => {
    const parameters = parameterSize(parameter);
    return { part: weightPart(parameter, config), dtype: "f8_e4m3", parameters, bytes: parameters };
  });
  return { config, numMtpHeads, weights: sumWeights(weights) };
}

const FLASH = modelOf(FLASH_CONFIG, FLASH_MTP_HEADS);
const BENCH = modelOf(PRESETS["bench-1b"].config, PRESETS["bench-1b"].numMtpHeads);
const decode = (model: CostModel, sequences: number, position = 1000) =>
  trunkPass(model, { sequences, rows: 1, position, logitRows: sequences });

describe("the published model", () => {
  test("reads 9.5 GB of experts per token in FP8, and 15.4 GB in all", () => {
    expect(expertBytesRead(decode(FLASH, 1)) / 1e9).toBeCloseTo(9.46, 2);
    expect(weightBytesRead(decode(FLASH, 1)) / 1e9).toBeCloseTo(14.8, 1);
  });

  test("verifying 4 tokens touches about 3.8 times as many experts as one token", () => {
    expect(expectedExperts(FLASH_CONFIG, 4) / expectedExperts(FLASH_CONFIG, 1)).toBeCloseTo(3.8, 1);
  });

  test("a draft reads an MTP block and the LM head", () => {
    expect(weightBytesRead(draftPass(FLASH, 1)) / 1e6).toBeCloseTo(329 + 625, 0);
  });
});

describe("experts", () => {
  test("one row meets its own, many rows meet all, and never fewer than before", () => {
    const { numExperts, numExpertsPerToken } = FLASH_CONFIG.experts;
    expect(expectedExperts(FLASH_CONFIG, 1)).toBeCloseTo(numExpertsPerToken);
    expect(expectedExperts(FLASH_CONFIG, 10_000)).toBeCloseTo(numExperts);
    for (let rows = 1; rows < 64; rows++)
      expect(expectedExperts(FLASH_CONFIG, rows + 1)).toBeGreaterThan(expectedExperts(FLASH_CONFIG, rows));
  });

  test.each([2, 8, 32])("%i rows that draw at random meet as many", (rows) => {
    const { numExperts: E, numExpertsPerToken: K } = BENCH.config.experts;
    const ROUNDS = 400;
    let met = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const chosen = new Set<number>();
      for (let row = 0; row < rows; row++) {
        const key = randomKey(round, row);
        const order = Array.from({ length: E }, (_, e) => e).toSorted(
          (a, b) => randomUnit(key, a) - randomUnit(key, b),
        );
        for (const expert of order.slice(0, K)) chosen.add(expert);
      }
      met += chosen.size;
    }
    expect(met / ROUNDS / expectedExperts(BENCH.config, rows)).toBeCloseTo(1, 1);
  });

  test("products are counted once per row, however the rows are batched", () => {
    const products = (rows: number): number =>
      decode(BENCH, rows)
        .products.filter(({ op }) => op === "experts")
        .reduce((sum, { elements, rows: each }) => sum + elements * each, 0);
    expect(products(8)).toBeCloseTo(8 * products(1), 0);
  });
});

test("a decoded token reads what is active, but for norms and its row of the embedding", () => {
  const read = weightBytesRead(decode(BENCH, 1));
  const active = BENCH.weights
    .filter(({ part }) => part !== "norms" && part !== "embedding")
    .reduce((sum, { part, bytes }) => sum + bytes * activeShare(part, BENCH.config), 0);
  expect(read).toBeCloseTo(active, 3);
});

test("a tied embedding is read whole, as the LM head", () => {
  const config = { ...BENCH.config, tieWordEmbeddings: true };
  expect(weightBytesRead(decode(modelOf(config, 0), 1))).toBeCloseTo(weightBytesRead(decode(BENCH, 1)), 3);
});

test("without wanted logits the LM head rests", () => {
  const pass = { sequences: 1, rows: 512, position: 0 };
  const lmHead = BENCH.config.vocabSize * BENCH.config.hiddenSize;
  const bytes = (logitRows: number): number => weightBytesRead(trunkPass(BENCH, { ...pass, logitRows }));
  expect(bytes(1) - bytes(0)).toBeCloseTo(lmHead, 3);
});

describe("keys", () => {
  const { window } = BENCH.config.attention.sliding;
  const layers = (kind: "global" | "sliding"): number =>
    BENCH.config.layers.filter(({ attention }) => attention === kind).length;

  test.each([
    [1, 0],
    [1, 5000],
    [512, 0],
    [512, 700],
    [100, window - 50],
    [7, window],
    [3, window - 1],
  ])("%i rows after %i tokens see what a count of each row's keys gives", (rows, position) => {
    const work = trunkPass(BENCH, { sequences: 3, rows, position, logitRows: 0 });
    for (const { kind, rowKeys, keys } of work.attention) {
      const reach = kind === "global" ? Infinity : window;
      const seen = Array.from({ length: rows }, (_, i) => Math.min(reach, position + i + 1));
      expect(rowKeys).toBe(3 * layers(kind) * seen.reduce((a, b) => a + b, 0));
      const first = Math.max(0, position + 1 - reach);
      expect(keys).toBe(3 * layers(kind) * (position + rows - first));
    }
  });

  test("a prompt in chunks meets as many keys as in one piece", () => {
    const perKey: MachineSpeed = { product: () => 0, attention: () => 1, block: () => 0, sample: 0 };
    const tokens = 1000;
    const whole = prefillSeconds(BENCH, perKey, tokens, tokens);
    for (const chunk of [1, 64, 333, 512]) expect(prefillSeconds(BENCH, perKey, tokens, chunk)).toBe(whole);
  });
});

test("seconds add up over products, keys, blocks and rows of logits", () => {
  const unit: MachineSpeed = { product: () => 1, attention: () => 0, block: () => 0, sample: 0 };
  const work = decode(BENCH, 2);
  const elements = work.products.reduce((sum, product) => sum + product.elements, 0);
  expect(passSeconds(work, unit)).toBe(elements);
  expect(passSeconds(work, { ...unit, product: () => 0, block: (rows) => rows })).toBe(24 * 2);
  expect(passSeconds(work, { ...unit, product: () => 0, sample: 5 })).toBe(2 * 5);
});

test("what waits for every chunk of a prompt is added to each", () => {
  const still: MachineSpeed = { product: () => 0, attention: () => 0, block: () => 0, sample: 0 };
  expect(prefillSeconds(BENCH, still, 1000, 256, () => 2)).toBe(8);
});
