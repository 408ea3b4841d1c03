// What is written parses to the same configuration, and looks like files that other programs wrote.

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { goldenCases } from "../../test/golden/golden.ts";
import { openCheckpoint } from "../checkpoint/checkpoint.ts";
import { mimoErrorOf } from "../checkpoint/testing.ts";
import { parseGgufConfig } from "./config-gguf.ts";
import { parseHuggingFaceConfig } from "./config-huggingface.ts";
import { HUGGING_FACE_TYPES, toGgufMetadata, toHuggingFaceConfig } from "./config-writers.ts";
import type { ModelConfig } from "./config.ts";
import { listParameters } from "./parameters.ts";
import { parseConfig } from "./parse-config.ts";
import { FLASH_CONFIG, PRESETS } from "./presets.ts";
import { GGUF } from "./weight-names.ts";

const CONFIGS: [string, ModelConfig][] = [
  ["published", FLASH_CONFIG],
  ...Object.entries(PRESETS).map(([name, { config }]): [string, ModelConfig] => [name, config]),
  [
    "scaled and tied",
    {
      ...FLASH_CONFIG,
      tieWordEmbeddings: true,
      experts: { ...FLASH_CONFIG.experts, routedScale: 2.5, normaliseWeights: false },
    },
  ],
];
const GOLDEN = goldenCases();

/** Shapes by name, as a GGUF file of that configuration has them. */
function shapesOf(config: ModelConfig, numMtpHeads: number) {
  return new Map(listParameters(config, numMtpHeads).map(({ names, shape }) => [names(GGUF, 0)[0] ?? "", { shape }]));
}

describe.each(CONFIGS)("%s", (_, config) => {
  test.each(HUGGING_FACE_TYPES)("config.json of %s parses to the same", (type) => {
    const json: unknown = JSON.parse(JSON.stringify(toHuggingFaceConfig(config, { type })));
    expect(parseHuggingFaceConfig(json, "config.json")).toEqual({ config, numMtpHeads: undefined, warnings: [] });
  });

  test.each([0, 3])("GGUF key-values with %i MTP heads parse to the same", (numMtpHeads) => {
    const metadata = toGgufMetadata(config, numMtpHeads, { name: "model", type: "q4_k" });
    // A file keeps floats in single precision, and the end of turn among the tokenizer's keys.
    const stored = new Map(
      [...metadata].map(([key, entry]) => [
        key,
        entry.type === "f32" ? { ...entry, value: Math.fround(Number(entry.value)) } : entry,
      ]),
    );
    const parsed = parseGgufConfig(stored, shapesOf(config, numMtpHeads), "model.gguf");
    expect(parsed).toEqual({ config: { ...config, eosTokenIds: [] }, numMtpHeads, warnings: [] });
  });
});

test("transformers finds the rotary base of every kind of layer", () => {
  const { global, sliding } = FLASH_CONFIG.attention;
  const config = { ...FLASH_CONFIG, attention: { global: { ...global, ropeTheta: 50_000 }, sliding } };
  expect(toHuggingFaceConfig(config, { type: "bf16" })["rope_parameters"]).toMatchObject({
    full_attention: { rope_theta: 50_000 },
    sliding_attention: { rope_theta: sliding.ropeTheta },
  });
});

test("the rotary factor is the published one where it fits, and fits everywhere else", () => {
  const factorOf = (headDim: number, rotaryDim: number): number => {
    const shape = (kind: "global" | "sliding") => ({ ...FLASH_CONFIG.attention[kind], headDim, rotaryDim });
    const config = { ...FLASH_CONFIG, attention: { global: shape("global"), sliding: shape("sliding") } };
    return Number(toHuggingFaceConfig(config, { type: "bf16" })["partial_rotary_factor"]);
  };
  expect(factorOf(192, 64)).toBe(0.334);
  for (let headDim = 2; headDim <= 256; headDim += 2) {
    for (let rotaryDim = 2; rotaryDim <= headDim; rotaryDim += 2) {
      const factor = factorOf(headDim, rotaryDim);
      if (factor > 1 || Math.trunc(headDim * factor) !== rotaryDim)
        expect.fail(`${rotaryDim} of ${headDim}: ${factor}`);
    }
  }
});

describe.each(GOLDEN.filter(({ isGguf }) => isGguf))("$name", ({ path }) => {
  test("key-values have the keys, types and values of the file", () => {
    using checkpoint = openCheckpoint(path);
    const { config, numMtpHeads } = parseConfig(checkpoint);
    const written = toGgufMetadata(config, numMtpHeads ?? 0, { name: "mimo-test", type: "bf16" });
    const file = [...checkpoint.metadata].filter(([key]) => !key.startsWith("tokenizer."));
    const rounded = [...written].map(([key, entry]) =>
      entry.type === "f32" ? [key, { ...entry, value: Math.fround(Number(entry.value)) }] : [key, entry],
    );
    // Mixes have file types of their own.
    const fileType = file.find(([key]) => key === "general.file_type")?.[1];
    expect(Object.fromEntries(rounded)).toEqual({
      ...Object.fromEntries(file),
      "general.file_type": { ...fileType, value: 32 },
    });
  });
});

describe.each(GOLDEN.filter(({ isGguf }) => !isGguf))("$name", ({ path }) => {
  test("config.json has the keys and values of the file", () => {
    const file = JSON.parse(readFileSync(`${path}/config.json`, "utf8")) as Record<string, unknown>;
    const { config } = parseHuggingFaceConfig(file, "config.json");
    const type = file["quantization_config"] === undefined ? "bf16" : "fp8";
    // Published files say the bases at the top level only.
    const { rope_parameters: _, ...written } = toHuggingFaceConfig(config, { type, padTokenId: 0 });
    expect(Object.keys(written).toSorted()).toEqual(Object.keys(file).toSorted());
    // The published file alone lists the layers left in bf16, and has a chunk size, of no effect, that is the window.
    const comparable = (json: object): object => ({ ...json, quantization_config: 0, attention_chunk_size: 0 });
    expect(comparable(written)).toEqual(comparable(file));
  });
});

test("what a format cannot say is refused", () => {
  const { global, sliding } = FLASH_CONFIG.attention;
  const config = { ...FLASH_CONFIG, attention: { global, sliding: { ...sliding, valueDim: 64 } } };
  expect(
    mimoErrorOf(() => toGgufMetadata(config, 0, { name: "x", type: "f32" }), "invalid_argument").message,
  ).toContain("valueDim");
  const turned = { ...FLASH_CONFIG, attention: { global, sliding: { ...sliding, rotaryDim: 32 } } };
  mimoErrorOf(() => toHuggingFaceConfig(turned, { type: "bf16" }), "invalid_argument");
});
