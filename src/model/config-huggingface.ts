// Reads the `config.json` of a Hugging Face folder: the published keys of V2-Flash, and the newer exports that
// write `layer_types`, `mlp_layer_types` and `rope_parameters` instead.

import { MimoError } from "../util/errors.ts";
import {
  type AttentionShape,
  DEFAULT_VALUE_SCALE,
  type LayerPlan,
  type ParsedConfig,
  validateConfig,
} from "./config.ts";
import { type Fields, fieldsOf } from "./fields.ts";

const MODEL_TYPES = ["mimo_v2_flash", "mimo_v2"];

export function parseHuggingFaceConfig(json: unknown, file: string): ParsedConfig {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new MimoError("checkpoint_invalid", `${file}: expected a JSON object.`);
  }
  const fields = fieldsOf(new Map(Object.entries(json)), file);
  const modelType = fields.string("model_type");
  if (!MODEL_TYPES.includes(modelType)) {
    throw new MimoError(
      "checkpoint_unsupported",
      `${file}: model_type: expected ${MODEL_TYPES.join(" or ")}, found ${modelType}.`,
      {
        remedy: "This program runs models of the MiMo-V2-Flash architecture only.",
      },
    );
  }
  refuseUnsupported(fields);
  const warnings: string[] = [];
  if (!fields.has("attention_value_scale")) {
    warnings.push(`${file}: attention_value_scale is missing; ${DEFAULT_VALUE_SCALE} is assumed.`);
  }
  const config = validateConfig(
    {
      vocabSize: fields.size("vocab_size"),
      hiddenSize: fields.size("hidden_size"),
      intermediateSize: fields.size("intermediate_size"),
      contextLength: fields.size("max_position_embeddings"),
      rmsNormEpsilon: fields.number("layernorm_epsilon", fields.number("rms_norm_eps", 1e-5)),
      valueScale: fields.number("attention_value_scale", DEFAULT_VALUE_SCALE),
      layers: layerPlans(fields),
      attention: { global: globalShape(fields), sliding: slidingShape(fields) },
      experts: {
        numExperts: fields.size("n_routed_experts"),
        numExpertsPerToken: fields.size("num_experts_per_tok"),
        intermediateSize: fields.size("moe_intermediate_size"),
        routedScale: fields.number("routed_scaling_factor", 1),
        normaliseWeights: fields.boolean("norm_topk_prob", true),
      },
      tieWordEmbeddings: fields.boolean("tie_word_embeddings", false),
      eosTokenIds: eosTokenIds(fields),
    },
    file,
  );
  const numMtpHeads = fields.has("num_nextn_predict_layers") ? fields.index("num_nextn_predict_layers") : undefined;
  return { config, numMtpHeads, warnings };
}

/** Values that would change the mathematics and that no published checkpoint uses. */
function refuseUnsupported(fields: Fields): void {
  if (fields.string("scoring_func", "sigmoid") !== "sigmoid") fields.fail("scoring_func", '"sigmoid"');
  if (fields.string("topk_method", "noaux_tc") !== "noaux_tc") fields.fail("topk_method", '"noaux_tc"');
  if (fields.string("hidden_act", "silu") !== "silu") fields.fail("hidden_act", '"silu"');
  if (fields.boolean("attention_bias", false)) fields.fail("attention_bias", "false");
  if (fields.has("n_shared_experts") && fields.raw("n_shared_experts") !== 0) fields.fail("n_shared_experts", "null");
  for (const key of ["n_group", "topk_group"]) if (fields.size(key, 1) !== 1) fields.fail(key, "1");
}

function layerPlans(fields: Fields): LayerPlan[] {
  const count = fields.size("num_hidden_layers");
  const sliding = fields.has("hybrid_layer_pattern")
    ? fields.integers("hybrid_layer_pattern", count).map((flag) => flag === 1)
    : fields.strings("layer_types", count).map((type) => type === "sliding_attention");
  const sparse = fields.has("moe_layer_freq")
    ? fields.integers("moe_layer_freq", count).map((flag) => flag === 1)
    : fields.strings("mlp_layer_types", count).map((type) => type === "sparse");
  return sliding.map((isSliding, i) => ({
    attention: isSliding ? "sliding" : "global",
    feedForward: sparse[i] === true ? "experts" : "dense",
  }));
}

function globalShape(fields: Fields): AttentionShape {
  const headDim = fields.size("head_dim");
  const rope = ropeParameters(fields, "full_attention");
  return {
    numHeads: fields.size("num_attention_heads"),
    numKvHeads: fields.size("num_key_value_heads"),
    headDim,
    valueDim: fields.size("v_head_dim", headDim),
    rotaryDim: Math.trunc(headDim * rope.number("partial_rotary_factor", fields.number("partial_rotary_factor", 1))),
    ropeTheta: rope.number("rope_theta", fields.has("rope_theta") ? fields.number("rope_theta") : undefined),
    window: 0,
    hasSinks: fields.boolean("add_full_attention_sink_bias", false),
  };
}

function slidingShape(fields: Fields): AttentionShape {
  const headDim = fields.size("swa_head_dim", fields.size("head_dim"));
  const rope = ropeParameters(fields, "sliding_attention");
  return {
    numHeads: fields.size("swa_num_attention_heads", fields.size("num_attention_heads")),
    numKvHeads: fields.size("swa_num_key_value_heads", fields.size("num_key_value_heads")),
    headDim,
    valueDim: fields.size("swa_v_head_dim", fields.size("v_head_dim", headDim)),
    rotaryDim: Math.trunc(headDim * rope.number("partial_rotary_factor", fields.number("partial_rotary_factor", 1))),
    ropeTheta: rope.number("rope_theta", fields.number("swa_rope_theta", 10_000)),
    window: fields.has("sliding_window") ? fields.size("sliding_window") : fields.size("sliding_window_size"),
    hasSinks: fields.boolean("add_swa_attention_sink_bias", true),
  };
}

/** The newer `rope_parameters[kind]`; no fields where the file has none. */
function ropeParameters(fields: Fields, kind: string): Fields {
  const all = fields.raw("rope_parameters");
  const one: unknown = typeof all === "object" && all !== null ? (all as Record<string, unknown>)[kind] : undefined;
  const values = typeof one === "object" && one !== null ? Object.entries(one) : [];
  return fieldsOf(new Map(values), `${fields.file}: rope_parameters.${kind}`);
}

function eosTokenIds(fields: Fields): number[] {
  if (!fields.has("eos_token_id")) return [];
  return Array.isArray(fields.raw("eos_token_id")) ? fields.integers("eos_token_id") : [fields.index("eos_token_id")];
}
