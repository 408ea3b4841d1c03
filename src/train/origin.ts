// What a run begins with: the sizes of its model, a tokenizer and weights. A recipe describes them, and then the tokenizer
// is learnt and weights are random; or it names a model that is to learn more.
//
// Refuses to know stages, and what becomes of the weights.

import { tokenizerFiles } from "../api/load-tokenizer.ts";
import type { Backend } from "../backends/backend.ts";
import { openCheckpoint } from "../checkpoint/checkpoint.ts";
import type { ModelConfig } from "../model/config.ts";
import { parseConfig } from "../model/parse-config.ts";
import { countMtpHeads } from "../model/weights.ts";
import type { TokenizerFiles } from "../tokenizer/gguf-tokenizer.ts";
import { MimoError } from "../util/errors.ts";
import { initialise } from "./initial-weights.ts";
import { loadParameters } from "./model-files.ts";
import type { TrainedParameters } from "./parameters.ts";
import { describedConfig, type Recipe } from "./recipe.ts";

export interface Origin {
  readonly config: ModelConfig;
  /** Undefined where one is to be learnt. */
  readonly tokenizer: TokenizerFiles | undefined;
  /** Fills parameters of the same sizes. Throws `checkpoint_invalid`, `out_of_memory`. */
  readonly fill: (device: Backend, parameters: TrainedParameters) => void;
}

/** Throws what opening a checkpoint throws, and `invalid_argument` for one without a tokenizer. */
export function originOf(recipe: Recipe): Origin {
  const { from, seed } = recipe;
  if (from === undefined) {
    return {
      config: describedConfig(recipe),
      tokenizer: undefined,
      fill: (device, parameters) => initialise(device, parameters, seed),
    };
  }
  using checkpoint = openCheckpoint(from);
  const tokenizer = tokenizerFiles(checkpoint);
  if (tokenizer === undefined) {
    throw new MimoError("invalid_argument", `from: ${from} has no tokenizer, and texts cannot become ids without it.`, {
      param: "from",
      remedy: "Name a model with its tokenizer.json, or a GGUF file with a tokenizer.",
    });
  }
  return {
    config: parseConfig(checkpoint).config,
    tokenizer,
    fill: (device, parameters) => fill(from, device, parameters),
  };
}

/** MTP heads that the model lacks begin as copies of its first; a model without any has none to copy. */
function fill(from: string, device: Backend, parameters: TrainedParameters): void {
  using checkpoint = openCheckpoint(from);
  const numMtpHeads = countMtpHeads(checkpoint, parameters.config);
  if (numMtpHeads === 0 && parameters.numMtpHeads > 0) {
    throw new MimoError(
      "invalid_argument",
      `from: ${from} has no MTP heads, and a stage is to train ${parameters.numMtpHeads}.`,
      {
        param: "from",
        remedy: "Write `mtp: { heads: 0, weight: 0 }` in the stages, or name a model that has heads.",
      },
    );
  }
  using stored = loadParameters(device, checkpoint, numMtpHeads);
  parameters.copyFrom(stored);
}
