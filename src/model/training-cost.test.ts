// Counted arithmetic of training against a count by hand, and against attention's growth with length.

import { expect, test } from "vitest";
import { hybridConfig, PRESETS } from "./presets.ts";
import { trainingOperations } from "./training-cost.ts";

const CONFIG = hybridConfig({
  vocabSize: 10,
  hiddenSize: 8,
  intermediateSize: 16,
  contextLength: 64,
  numLayers: 2,
  attention: { numHeads: 2, numKvHeads: { global: 1, sliding: 2 }, headDim: 6, window: 2 },
  experts: { numExperts: 4, numExpertsPerToken: 2, intermediateSize: 5 },
});

test("a token of two layers and an MTP head, counted by hand", () => {
  // Of 8 inputs: 2 query heads of 6, then KV heads of 6 and 4; outputs of 2 × 4.
  const globalProjections = 8 * 12 + 8 * 6 + 8 * 4 + 8 * 8;
  const slidingProjections = 8 * 12 + 8 * 12 + 8 * 8 + 8 * 8;
  const dense = 3 * 8 * 16;
  const mixture = 8 * 4 + 2 * 3 * 8 * 5;
  const lmHead = 8 * 10;
  const mtp = 16 * 8 + slidingProjections + dense + lmHead;
  // Four rows: 1, 2, 3 and 4 keys, or 1, 2, 2 and 2 in a window of 2; 2 heads of width 6 + 4 for each.
  const attention = (keys: number): number => (2 * (6 + 4) * keys) / 4;
  const trunk = globalProjections + attention(10) + dense + slidingProjections + attention(7) + mixture + lmHead;
  expect(trainingOperations(CONFIG, { numMtpHeads: 0, length: 4 })).toBe(6 * trunk);
  expect(trainingOperations(CONFIG, { numMtpHeads: 1, length: 4 })).toBe(6 * (trunk + mtp + attention(7)));
});

test("only global layers do more where documents are longer than the window", () => {
  const { config } = PRESETS.nano;
  const at = (length: number): number => trainingOperations(config, { numMtpHeads: 0, length });
  const numGlobal = config.layers.filter(({ attention }) => attention === "global").length;
  const { numHeads, headDim, valueDim } = config.attention.global;
  // Twice as long: a global layer's mean row sees 4096 keys more, a sliding one's less than a key.
  const expected = 6 * numGlobal * numHeads * (headDim + valueDim) * 4096;
  expect((at(16_384) - at(8192)) / expected).toBeCloseTo(1, 2);
});
