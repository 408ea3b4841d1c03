// What a checkpoint recommends for generation: generation_config.json of a Hugging Face folder.
//
// It is advice: where it is malformed or out of range, it is left out with a warning, and the model loads. `do_sample`
// and lengths are not read: they say how another library behaves, and nothing of the model.

import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { isJsonObject } from "../tokenizer/tokenizer-json.ts";
import { toMimoError } from "../util/errors.ts";
import { readSideFile } from "./load-tokenizer.ts";
import { type SamplingDefaults, toSequenceRequest } from "./request.ts";

export interface GenerationDefaults {
  readonly sampling: SamplingDefaults;
  readonly eosTokenIds: readonly number[];
}

const NONE: GenerationDefaults = { sampling: {}, eosTokenIds: [] };
const FILE = "generation_config.json";
const FIELDS = {
  temperature: "temperature",
  topP: "top_p",
  topK: "top_k",
  minP: "min_p",
  repetitionPenalty: "repetition_penalty",
} as const satisfies Record<keyof SamplingDefaults, string>;

export function loadGenerationDefaults(checkpoint: Checkpoint, warn: (warning: string) => void): GenerationDefaults {
  try {
    const file = readSideFile(checkpoint, FILE);
    return isJsonObject(file) ? readDefaults(file) : NONE;
  } catch (thrown) {
    warn(`${FILE} is left out: ${toMimoError(thrown).message}`);
    return NONE;
  }
}

function readDefaults(file: Readonly<Record<string, unknown>>): GenerationDefaults {
  const given = Object.entries(FIELDS).flatMap(([name, field]) => {
    const value = file[field] ?? undefined;
    return value === undefined ? [] : [[name, value] as const];
  });
  const sampling = Object.fromEntries(given) as SamplingDefaults;
  const eos = file["eos_token_id"] ?? [];
  const eosTokenIds = (Array.isArray(eos) ? eos : [eos]) as readonly number[];
  // The ranges are those of a request.
  toSequenceRequest({ ...sampling, stopTokenIds: eosTokenIds }, [], {
    eosTokenIds: [],
    contextLength: 1,
    vocabSize: 1,
  });
  return { sampling, eosTokenIds };
}
