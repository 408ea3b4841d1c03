// Converts a checkpoint between formats and element types: Hugging Face folders and GGUF files, either way.
//
// Invariants: the result holds the same model: every parameter, all MTP heads, the tokenizer and its chat template.
// What the types can hold is kept exactly: float types that widen, and bytes of the same type. Knows files and models;
// refuses to know engines.

import { readSideFile, tokenizerFiles } from "../api/load-tokenizer.ts";
import { type Checkpoint, openCheckpoint } from "../checkpoint/checkpoint.ts";
import type { ModelConfig } from "../model/config.ts";
import { listParameters, parameterSize } from "../model/parameters.ts";
import { parseConfig } from "../model/parse-config.ts";
import { checkMtpHeads, countMtpHeads } from "../model/weights.ts";
import { ENCODABLE_DTYPES } from "../tensor/codec/codec.ts";
import type { DType } from "../tensor/dtype.ts";
import { MimoError } from "../util/errors.ts";
import { checkpointSupply } from "./checkpoint-supply.ts";
import { openChunkPool } from "./chunk-pool.ts";
import { type ModelContent, type OutputOptions, refuseExisting, writeModel } from "./output.ts";
import { type Target, targetOf, type TargetType } from "./target.ts";
import { type TargetTensor, targetTensors } from "./tensors.ts";

export interface ConvertOptions extends OutputOptions {
  /** A Hugging Face folder, or a GGUF file of any type this project reads. */
  readonly input: string;
  /** A path that ends in `.gguf` becomes a GGUF file, every other one a Hugging Face folder. */
  readonly output: string;
  /** f32, f16, bf16 in both formats; fp8 in a folder; q8_0, q4_0, q4_k, q5_k, q6_k in GGUF. */
  readonly type: TargetType;
}

export interface ConvertResult {
  readonly config: ModelConfig;
  readonly numMtpHeads: number;
  /** Bytes of all tensors. */
  readonly byteLength: number;
  /** Matrices whose rows are no whole blocks of the wanted type, and the type they took. */
  readonly fallbacks: readonly { readonly name: string; readonly dtype: DType }[];
  /** What had to be assumed about the input, as sentences. */
  readonly warnings: readonly string[];
}

/**
 * Throws what opening the input throws, `invalid_argument` for a type that cannot be written and for an output that
 * exists, `io_failed`, `aborted`.
 */
export async function convertCheckpoint(options: ConvertOptions): Promise<ConvertResult> {
  const { input, output } = options;
  const target = writableTarget(output, options.type);
  refuseExisting("output", output, options.overwrite);
  using checkpoint = openCheckpoint(input);
  const { config, numMtpHeads: announced, warnings } = parseConfig(checkpoint);
  const numMtpHeads = countMtpHeads(checkpoint, config);
  checkMtpHeads(checkpoint, announced, numMtpHeads);
  const parameters = listParameters(config, numMtpHeads);
  const supply = checkpointSupply(checkpoint, config, parameters);
  using pool = openChunkPool(parameters.reduce((sum, parameter) => sum + parameterSize(parameter), 0));
  const tensors = targetTensors({ parameters, target, supply, pool });
  const content = { config, numMtpHeads, tensors, ...sideContent(checkpoint, target) };
  const byteLength = await writeModel(output, target, content, options);
  return { config, numMtpHeads, byteLength, fallbacks: fallbacksIn(tensors, target), warnings };
}

function writableTarget(output: string, type: string): Target {
  const target = targetOf(output, type);
  if (target.type === "fp8" || ENCODABLE_DTYPES.some((dtype) => dtype === target.type)) return target;
  throw new MimoError("invalid_argument", `type: ${type} can be read but not written.`, {
    param: "type",
    remedy: `Choose one of ${ENCODABLE_DTYPES.filter((dtype) => dtype !== "f8_e4m3").join(", ")}, or fp8 for a folder.`,
  });
}

/** What comes with the weights: within a format it is kept, between formats it is the tokenizer. */
function sideContent(
  checkpoint: Checkpoint,
  target: Target,
): Pick<ModelContent, "tokenizer" | "ggufMetadata" | "generationConfig"> {
  if (checkpoint.format === "safetensors" || target.format === "safetensors") {
    return {
      tokenizer: tokenizerFiles(checkpoint),
      generationConfig: readSideFile(checkpoint, "generation_config.json"),
    };
  }
  const kept = [...checkpoint.metadata].filter(([key]) => /^(general|tokenizer)\./.test(key));
  return { tokenizer: undefined, ggufMetadata: new Map(kept) };
}

function fallbacksIn(tensors: readonly TargetTensor[], target: Target): ConvertResult["fallbacks"] {
  if (target.format !== "gguf") return [];
  return tensors
    .filter(({ dtype, parameter: { role, shape } }) => dtype !== target.type && shape.length === 2 && role !== "router")
    .map(({ name, dtype }) => ({ name, dtype }));
}
