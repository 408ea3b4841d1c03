// The model to plan for: a checkpoint, of which only headers are read, or a preset that nobody has written yet.

import { existsSync } from "node:fs";
import { openCheckpoint } from "../checkpoint/checkpoint.ts";
import { storedDType, targetOf } from "../convert/target.ts";
import { scaleShape } from "../convert/tensors.ts";
import { type CostModel, sumWeights, type WeightGroup, weightPart } from "../model/cost.ts";
import { listParameters, parameterSize } from "../model/parameters.ts";
import { parseConfig } from "../model/parse-config.ts";
import { FLASH_CONFIG, FLASH_MTP_HEADS, PRESET_NAMES, type PresetName, PRESETS } from "../model/presets.ts";
import { HUGGING_FACE_TYPES } from "../model/config-writers.ts";
import { countMtpHeads } from "../model/weights.ts";
import { numElements } from "../tensor/shape.ts";
import { tensorBytes } from "../tensor/tensor.ts";
import { defined } from "../util/assert.ts";
import { MimoError } from "../util/errors.ts";
import { groupWeights } from "./inspection.ts";

export interface PlannedModel extends CostModel {
  readonly name: string;
  readonly warnings: readonly string[];
}

/** `flash` is the published model: too large to be made up, and the one to ask about. */
export const PLANNED_PRESETS: readonly string[] = ["flash", ...PRESET_NAMES];
/** As the model is published. */
const DEFAULT_TYPE = "fp8";

/** A path where there is one, else a preset. Throws as `openCheckpoint` does, and `invalid_argument`. */
export function planModel(name: string, type: string | undefined): PlannedModel {
  if (!existsSync(name) && PLANNED_PRESETS.includes(name)) return planPreset(name, type ?? DEFAULT_TYPE);
  if (type !== undefined) {
    throw new MimoError("invalid_argument", `--type is for presets; ${name} has types of its own.`, {
      param: "type",
      remedy: `Leave --type away, or name a preset: ${PLANNED_PRESETS.join(", ")}.`,
    });
  }
  using checkpoint = openCheckpoint(name);
  const { config, warnings } = parseConfig(checkpoint);
  const numMtpHeads = countMtpHeads(checkpoint, config);
  return {
    name: checkpoint.path,
    config,
    numMtpHeads,
    weights: groupWeights(checkpoint, config, numMtpHeads),
    warnings,
  };
}

function planPreset(name: string, type: string): PlannedModel {
  const { config, numMtpHeads } =
    name === "flash" ? { config: FLASH_CONFIG, numMtpHeads: FLASH_MTP_HEADS } : PRESETS[name as PresetName];
  const isFolder = HUGGING_FACE_TYPES.some((known) => known === type);
  const target = targetOf(isFolder ? name : `${name}.gguf`, type);
  const weights = listParameters(config, numMtpHeads).map((parameter): WeightGroup => {
    const dtype = storedDType(parameter, target);
    const { shape, count } = parameter;
    const scales = dtype === "f8_e4m3" ? 4 * defined(numElements(scaleShape(shape)), "scales") : 0;
    const bytes = count * (defined(tensorBytes(dtype, shape), "bytes of a preset's matrix") + scales);
    return { part: weightPart(parameter, config), dtype, parameters: parameterSize(parameter), bytes };
  });
  return { name: `${name} (preset, ${type})`, config, numMtpHeads, weights: sumWeights(weights), warnings: [] };
}
