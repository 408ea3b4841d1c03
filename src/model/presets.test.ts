// The sizes that presets promise, and what the published model needs of memory: arithmetic only.

import { describe, expect, test } from "vitest";
import { cacheSizes, sequenceBytes } from "../cache/geometry.ts";
import { cacheGeometry } from "../engine/model-runner.ts";
import { DTYPES } from "../tensor/dtype.ts";
import { validateConfig } from "./config.ts";
import { countParameters, listParameters } from "./parameters.ts";
import { FLASH_CONFIG, FLASH_MTP_HEADS, PRESET_NAMES, PRESETS } from "./presets.ts";
import { GGUF, HUGGING_FACE } from "./weight-names.ts";

describe("parameter counts", () => {
  test.each([
    ["tiny", [12e6, 14e6], [4e6, 5e6]],
    ["nano", [11e6, 12e6], [2.5e6, 3.5e6]],
    ["bench-32m", [34e6, 37e6], [6e6, 9e6]],
    ["bench-1b", [1.3e9, 1.4e9], [0.4e9, 0.42e9]],
    ["flash-slice", [20e9, 22e9], [1.7e9, 1.9e9]],
  ] as const)("%s", (name, [minTotal, maxTotal], [minActive, maxActive]) => {
    const { config, numMtpHeads } = PRESETS[name];
    const { total, active } = countParameters(config, numMtpHeads);
    expect(total).toBeGreaterThan(minTotal);
    expect(total).toBeLessThan(maxTotal);
    expect(active).toBeGreaterThan(minActive);
    expect(active).toBeLessThan(maxActive);
  });

  test("the published model has 309B parameters, 15B active, and MTP heads of 0.33B", () => {
    const trunk = countParameters(FLASH_CONFIG, 0);
    const withHeads = countParameters(FLASH_CONFIG, FLASH_MTP_HEADS);
    expect(trunk.total / 1e9).toBeCloseTo(309, 0);
    expect(trunk.active / 1e9).toBeCloseTo(15, 0);
    expect((withHeads.total - trunk.total) / FLASH_MTP_HEADS / 1e9).toBeCloseTo(0.33, 2);
    expect(withHeads.active).toBe(trunk.active);
  });
});

describe.each(PRESET_NAMES)("%s", (name) => {
  const { config, numMtpHeads } = PRESETS[name];
  const parameters = listParameters(config, numMtpHeads);

  test("is valid and keeps the published proportions", () => {
    expect(() => validateConfig(config, name)).not.toThrow();
    expect(config.layers[0]).toEqual({ attention: "global", feedForward: "dense" });
    for (const { headDim, valueDim, rotaryDim } of Object.values(config.attention)) {
      // Rotated pairs and values in whole vectors of sixteen.
      expect(headDim % 48).toBe(0);
      expect(valueDim / headDim).toBeCloseTo(2 / 3);
      expect(rotaryDim / headDim).toBeCloseTo(1 / 3);
    }
  });

  const isForTraining = name === "nano" || name === "bench-32m";
  test(`${isForTraining ? "8-bit types fit" : "every quantised type fits"} the rows of every matrix`, () => {
    const largest = isForTraining
      ? DTYPES.q8_0.blockElements
      : Math.max(...Object.values(DTYPES).map(({ blockElements }) => blockElements));
    const odd = parameters.filter(({ shape }) => shape.length === 2 && shape[1]! % largest !== 0);
    expect(odd.map(({ role }) => role)).toEqual([]);
  });

  test("every parameter has names of its own", () => {
    for (const dialect of [HUGGING_FACE, GGUF]) {
      const names = parameters.flatMap((parameter) =>
        Array.from(
          { length: dialect.stackedExperts ? 1 : parameter.count },
          (_, index) => parameter.names(dialect, index)[0],
        ),
      );
      expect(new Set(names).size).toBe(names.length);
    }
  });
});

test("at 256K tokens the KV cache is 5.3 times smaller than all-global and 9.6 times smaller than full-length", () => {
  const tokens = FLASH_CONFIG.contextLength;
  const sizes = cacheSizes(cacheGeometry(FLASH_CONFIG, 0), "bf16");
  expect(sizes.bytesPerToken).toBe(23_040);
  const bytes = sequenceBytes(sizes, tokens);
  expect((sizes.bytesPerTokenAllGlobal * tokens) / bytes).toBeCloseTo(5.3, 1);
  expect((sizes.bytesPerTokenFullLength * tokens) / bytes).toBeCloseTo(9.6, 1);
});
