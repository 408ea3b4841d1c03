// What a checkpoint to be written looks like: its format, and the element type in which each parameter is stored.
//
// The rules follow the published files. Hugging Face: the router is float32, and with FP8 everything but q, k, v and
// the feed-forward matrices is bf16. GGUF: vectors and the router are float32, as llama.cpp requires. A row that is no
// whole number of blocks takes a type of smaller blocks, as llama-quantize does. Refuses to know values and files.

import { HUGGING_FACE_TYPES, type HuggingFaceType } from "../model/config-writers.ts";
import type { Parameter, ParameterRole } from "../model/parameters.ts";
import { type Dialect, GGUF, HUGGING_FACE } from "../model/weight-names.ts";
import { type DType, DTYPES, isDType, rowBytes } from "../tensor/dtype.ts";
import { defined } from "../util/assert.ts";
import { MimoError } from "../util/errors.ts";

/** GGUF names types as dtypes; its FP8 has no place for block scales. */
export type GgufTargetType = Exclude<DType, "i32" | "f8_e4m3">;

export type Target =
  | { readonly format: "safetensors"; readonly type: HuggingFaceType; readonly dialect: Dialect }
  | { readonly format: "gguf"; readonly type: GgufTargetType; readonly dialect: Dialect };

export type TargetType = Target["type"];

/** The format follows from the output's name: `.gguf` is a GGUF file, everything else a Hugging Face folder. */
export function targetOf(out: string, type: string): Target {
  if (out.endsWith(".gguf")) {
    if (isGgufType(type)) return { format: "gguf", type, dialect: GGUF };
    throw typeError(`a type that GGUF stores (${GGUF_TYPES.join(", ")})`, type);
  }
  const known = HUGGING_FACE_TYPES.find((name) => name === type);
  if (known !== undefined) return { format: "safetensors", type: known, dialect: HUGGING_FACE };
  throw typeError(`a type that a Hugging Face folder stores (${HUGGING_FACE_TYPES.join(", ")})`, type);
}

const GGUF_TYPES = Object.keys(DTYPES).filter(isGgufType);

function isGgufType(type: string): type is GgufTargetType {
  return isDType(type) && type !== "i32" && type !== "f8_e4m3";
}

function typeError(expected: string, found: string): MimoError {
  const remedy = "Name the output .gguf for quantised types, and without an ending for fp8.";
  return new MimoError("invalid_argument", `type: expected ${expected}, found ${found}.`, { param: "type", remedy });
}

/** What an FP8 checkpoint keeps in FP8, and what training in FP8 multiplies in it. */
export const FP8_ROLES: ReadonlySet<ParameterRole> = new Set(["q", "k", "v", "gate", "up", "down"]);
const ROUTER_ROLES: ReadonlySet<ParameterRole> = new Set(["router", "routerBias"]);

/** The type in which `target` stores a parameter. */
export function storedDType(parameter: Parameter, target: Target): DType {
  if (ROUTER_ROLES.has(parameter.role)) return "f32";
  if (target.format === "safetensors") {
    if (target.type !== "fp8") return target.type;
    return FP8_ROLES.has(parameter.role) ? "f8_e4m3" : "bf16";
  }
  if (parameter.shape.length === 1) return "f32";
  const columns = defined(parameter.shape.at(-1), "columns");
  const candidates = [target.type, "q8_0", "f16"] as const;
  return defined(
    candidates.find((dtype) => rowBytes(dtype, columns) !== undefined),
    "a type of single elements",
  );
}
