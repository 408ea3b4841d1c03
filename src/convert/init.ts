// Makes a checkpoint of a preset with random weights: to test, to measure, and to start training from.
//
// Invariants: a weight is a pure function of the seed, its matrix's name and its place, the same in every format and
// in every type that floats are encoded in. Layers keep the scale of what passes through them, so that logits spread
// by about one. Types without an encoder, and large models in quantised types, get random codes with fixed scales
// instead of quantised floats: as fast to write as a disk takes them, and no worse to measure with.

import type { ModelConfig } from "../model/config.ts";
import { listParameters, type Parameter, parameterSize } from "../model/parameters.ts";
import { PRESET_NAMES, type Preset, type PresetName, PRESETS } from "../model/presets.ts";
import { HUGGING_FACE } from "../model/weight-names.ts";
import { createByteTokenizer } from "../tokenizer/byte-tokenizer.ts";
import { Tokenizer } from "../tokenizer/tokenizer.ts";
import { isEncodable } from "../tensor/codec/codec.ts";
import { numElements } from "../tensor/shape.ts";
import { defined } from "../util/assert.ts";
import { MimoError } from "../util/errors.ts";
import { randomKey } from "../util/random.ts";
import { CHUNK_ELEMENTS, randomFp8Scale, type RandomJob } from "./chunk-job.ts";
import { openChunkPool } from "./chunk-pool.ts";
import { type OutputOptions, refuseExisting, writeModel } from "./output.ts";
import { type TargetType, targetOf } from "./target.ts";
import { scaleShape, targetTensors, type WeightSupply } from "./tensors.ts";

export interface InitOptions extends OutputOptions {
  readonly preset: PresetName;
  /** A path that ends in `.gguf` becomes a GGUF file, every other one a Hugging Face folder. */
  readonly out: string;
  /** Default bf16. */
  readonly type?: TargetType | undefined;
  /** Default 0. */
  readonly seed?: number | undefined;
}

export interface InitResult {
  readonly config: ModelConfig;
  readonly numMtpHeads: number;
  readonly numParameters: number;
  /** Bytes of all tensors. */
  readonly byteLength: number;
}

/** Models with more weights than this draw the codes of quantised types; smaller ones quantise within seconds. */
const MAX_QUANTISED_WEIGHTS = 2 ** 28;

/**
 * Throws `invalid_argument` for an unknown preset, a type the format does not store and an output that exists,
 * `io_failed`, `aborted`.
 */
export async function initCheckpoint(options: InitOptions): Promise<InitResult> {
  const { out, type = "bf16", seed = 0 } = options;
  const target = targetOf(out, type);
  refuseExisting("out", out, options.overwrite);
  const preset = presetOf(options.preset);
  const { numMtpHeads } = preset;
  const tokenizer = createByteTokenizer({ vocabSize: preset.config.vocabSize });
  const { eosIds } = Tokenizer.fromJson(tokenizer.tokenizerJson, tokenizer.tokenizerConfig);
  const config = { ...preset.config, eosTokenIds: eosIds };
  const parameters = listParameters(config, numMtpHeads);
  const numParameters = parameters.reduce((sum, parameter) => sum + parameterSize(parameter), 0);
  using pool = openChunkPool(numParameters);
  const supply = randomSupply(seed, config.layers.length, numParameters > MAX_QUANTISED_WEIGHTS);
  const tensors = targetTensors({ parameters, target, supply, pool });
  const byteLength = await writeModel(out, target, { config, numMtpHeads, tokenizer, tensors }, options);
  return { config, numMtpHeads, numParameters, byteLength };
}

function presetOf(name: string): Preset {
  const found = PRESET_NAMES.find((known) => known === name);
  if (found !== undefined) return PRESETS[found];
  throw new MimoError("invalid_argument", `preset: expected ${PRESET_NAMES.join(", ")}, found ${name}.`, {
    param: "preset",
  });
}

function randomSupply(seed: number, numLayers: number, isLarge: boolean): WeightSupply {
  return {
    *jobs(parameter, index, dtype) {
      const matrix = {
        ...distributionOf(parameter, numLayers),
        kind: "random",
        dtype,
        key: matrixKey(seed, parameter, index),
        drawsBlocks: isLarge || !isEncodable(dtype),
      } as const;
      const size = defined(numElements(parameter.shape), "a matrix's size");
      for (let begin = 0; begin < size; begin += CHUNK_ELEMENTS) {
        yield { ...matrix, begin, count: Math.min(CHUNK_ELEMENTS, size - begin) } satisfies RandomJob;
      }
    },
    scales(parameter) {
      const shape = scaleShape(parameter.shape);
      const scale = randomFp8Scale(distributionOf(parameter, numLayers).deviation);
      return { shape, values: () => new Float32Array(defined(numElements(shape), "a grid's size")).fill(scale) };
    },
  };
}

/** The published name identifies a matrix in every format. */
function matrixKey(seed: number, parameter: Parameter, index: number): number {
  const name = defined(parameter.names(HUGGING_FACE, index)[0], "a name");
  return randomKey(seed, ...Buffer.from(name));
}

/**
 * Matrices give outputs of the scale of their inputs, those that add to the residual stream so much less that all
 * layers together add about one (Radford et al. 2019, section 2.3); the others differ from neutral enough to be noticed.
 */
function distributionOf(
  { role, shape }: Parameter,
  numLayers: number,
): { readonly mean: number; readonly deviation: number } {
  const neutral = 1 / Math.sqrt(shape.at(-1) ?? 1);
  switch (role) {
    case "o":
    case "down":
      return { mean: 0, deviation: neutral / Math.sqrt(2 * numLayers) };
    case "norm":
      return { mean: 1, deviation: 0.05 };
    case "sinks":
      return { mean: 0, deviation: 0.5 };
    case "routerBias":
      return { mean: 0, deviation: 0.05 };
    case "embedding":
      return { mean: 0, deviation: 1 };
    default:
      return { mean: 0, deviation: neutral };
  }
}
