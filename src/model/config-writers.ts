// Writes a configuration as each format keeps it: the inverse of config-huggingface.ts and config-gguf.ts.
//
// Invariant: what is written here parses to the same configuration. Keys and their value types are those of the
// published `config.json`, and of files that llama.cpp's converter writes for the `mimo2` architecture. What a format
// cannot say is refused, never dropped. Refuses to know tensors and tokenizers.

import type { GgufItemType, GgufValue } from "../checkpoint/gguf-format.ts";
import type { DType } from "../tensor/dtype.ts";
import { MimoError } from "../util/errors.ts";
import { GATING_SIGMOID, GGUF_ARCHITECTURE } from "./config-gguf.ts";
import type { AttentionShape, ModelConfig } from "./config.ts";
import { SCALE_ROWS } from "./tensor-lookup.ts";

/** Element types that a Hugging Face folder is written in. */
export const HUGGING_FACE_TYPES = ["f32", "f16", "bf16", "fp8"] as const;
export type HuggingFaceType = (typeof HUGGING_FACE_TYPES)[number];

export interface HuggingFaceConfigExtras {
  readonly type: HuggingFaceType;
  readonly padTokenId?: number | undefined;
}

const TORCH_DTYPES = { f32: "float32", f16: "float16", bf16: "bfloat16", fp8: "bfloat16" } as const;

/** The object of `config.json`. The number of MTP heads is not in it: as published, the tensor names tell. */
export function toHuggingFaceConfig(config: ModelConfig, extras: HuggingFaceConfigExtras): Record<string, unknown> {
  const { layers, experts } = config;
  const { global, sliding } = config.attention;
  const factor = partialRotaryFactor(global);
  if (Math.trunc(sliding.headDim * factor) !== sliding.rotaryDim) {
    throw new MimoError(
      "invalid_argument",
      `config.json has one partial_rotary_factor: ${factor} gives ${Math.trunc(sliding.headDim * factor)} rotary dimensions in sliding layers, not ${sliding.rotaryDim}.`,
    );
  }
  return {
    architectures: ["MiMoV2FlashForCausalLM"],
    model_type: "mimo_v2_flash",
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    moe_intermediate_size: experts.intermediateSize,
    num_hidden_layers: layers.length,
    num_attention_heads: global.numHeads,
    num_key_value_heads: global.numKvHeads,
    head_dim: global.headDim,
    v_head_dim: global.valueDim,
    swa_num_attention_heads: sliding.numHeads,
    swa_num_key_value_heads: sliding.numKvHeads,
    swa_head_dim: sliding.headDim,
    swa_v_head_dim: sliding.valueDim,
    sliding_window: sliding.window,
    sliding_window_size: sliding.window,
    attention_chunk_size: sliding.window,
    hybrid_layer_pattern: layers.map(({ attention }) => Number(attention === "sliding")),
    hybrid_block_size: null,
    moe_layer_freq: layers.map(({ feedForward }) => Number(feedForward === "experts")),
    n_routed_experts: experts.numExperts,
    num_experts_per_tok: experts.numExpertsPerToken,
    n_shared_experts: null,
    n_group: 1,
    topk_group: 1,
    topk_method: "noaux_tc",
    scoring_func: "sigmoid",
    norm_topk_prob: experts.normaliseWeights,
    routed_scaling_factor: experts.routedScale === 1 ? null : experts.routedScale,
    attention_value_scale: config.valueScale,
    add_swa_attention_sink_bias: sliding.hasSinks,
    add_full_attention_sink_bias: global.hasSinks,
    attention_bias: false,
    attention_dropout: 0,
    partial_rotary_factor: factor,
    rope_theta: global.ropeTheta,
    swa_rope_theta: sliding.ropeTheta,
    // transformers reads bases from here alone, and takes the published ones where it is missing.
    rope_parameters: {
      full_attention: { rope_type: "default", rope_theta: global.ropeTheta, partial_rotary_factor: factor },
      sliding_attention: { rope_type: "default", rope_theta: sliding.ropeTheta, partial_rotary_factor: factor },
    },
    max_position_embeddings: config.contextLength,
    layernorm_epsilon: config.rmsNormEpsilon,
    hidden_act: "silu",
    tie_word_embeddings: config.tieWordEmbeddings,
    initializer_range: 0.02,
    torch_dtype: TORCH_DTYPES[extras.type],
    use_cache: true,
    bos_token_id: null,
    eos_token_id: config.eosTokenIds.length > 1 ? config.eosTokenIds : (config.eosTokenIds[0] ?? null),
    pad_token_id: extras.padTokenId ?? null,
    ...(extras.type === "fp8" ? { quantization_config: fp8Quantization(layers.length) } : {}),
  };
}

/** A factor of few digits with `int(head_dim · factor)` = rotaryDim; the published 0.334 where that fits. */
function partialRotaryFactor({ headDim, rotaryDim }: AttentionShape): number {
  const rounds = (factor: number): boolean => Math.trunc(headDim * factor) === rotaryDim;
  if (rounds(0.334)) return 0.334;
  // The middle of the range of factors that truncate to rotaryDim is the one that rounding moves least out of it.
  const middle = Math.min(1, (rotaryDim + 0.5) / headDim);
  for (let digits = 1; digits < 16; digits++) {
    const factor = Number(middle.toFixed(digits));
    if (rounds(factor) && factor <= 1) return factor;
  }
  return middle;
}

/** `model.decoder` is how serving systems name an MTP block; both stand in the published list. */
function fp8Quantization(numLayers: number) {
  const blocks = [...Array.from({ length: numLayers }, (_, i) => `model.layers.${i}`), "model.decoder"];
  return {
    activation_scheme: "dynamic",
    fmt: "e4m3",
    ignored_layers: blocks.map((block) => `${block}.self_attn.o_proj`),
    quant_method: "fp8",
    weight_block_size: [SCALE_ROWS, SCALE_ROWS],
  };
}

/** `general.file_type` of files whose matrices are mainly of one type (llama.cpp's `llama_ftype`). */
const FILE_TYPES: Partial<Readonly<Record<DType, number>>> = {
  f32: 0,
  f16: 1,
  q4_0: 2,
  q4_1: 3,
  q8_0: 7,
  q5_0: 8,
  q5_1: 9,
  q2_k: 10,
  q3_k: 11,
  q4_k: 14,
  q5_k: 16,
  q6_k: 18,
  iq2_xxs: 19,
  iq2_xs: 20,
  iq3_xxs: 23,
  iq4_nl: 25,
  iq3_s: 26,
  iq2_s: 28,
  iq4_xs: 30,
  bf16: 32,
  mxfp4: 38,
};

/** Version of the block layouts that every current file has. */
const QUANTIZATION_VERSION = 2;

export interface GgufMetadataOptions {
  /** `general.name`. */
  readonly name: string;
  /** The type of most matrices. */
  readonly type: DType;
}

/**
 * Key-values of a GGUF file, without those of the tokenizer. Throws `invalid_argument` where the two kinds of
 * attention differ in head sizes, which the format keeps once for all layers.
 */
export function toGgufMetadata(
  config: ModelConfig,
  numMtpHeads: number,
  options: GgufMetadataOptions,
): Map<string, GgufValue> {
  const { experts } = config;
  const { global, sliding } = config.attention;
  for (const field of ["headDim", "valueDim", "rotaryDim"] as const) {
    if (global[field] === sliding[field]) continue;
    throw new MimoError(
      "invalid_argument",
      `GGUF keeps one ${field} for all layers, found ${global[field]} in global and ${sliding[field]} in sliding layers.`,
    );
  }
  const blocks = [
    ...config.layers.map(({ attention }) => attention),
    ...Array.from({ length: numMtpHeads }, () => "sliding" as const),
  ];
  const numHeads = blocks.map((kind) => config.attention[kind].numHeads);
  const entries: [string, GgufValue][] = [
    ["block_count", scalar("u32", blocks.length)],
    ["context_length", scalar("u32", config.contextLength)],
    ["embedding_length", scalar("u32", config.hiddenSize)],
    ["feed_forward_length", scalar("u32", config.intermediateSize)],
    [
      "attention.head_count",
      global.numHeads === sliding.numHeads ? scalar("u32", global.numHeads) : integers(numHeads),
    ],
    ["attention.head_count_kv", integers(blocks.map((kind) => config.attention[kind].numKvHeads))],
    ["rope.freq_base", scalar("f32", global.ropeTheta)],
    ["rope.freq_base_swa", scalar("f32", sliding.ropeTheta)],
    ["attention.key_length", scalar("u32", global.headDim)],
    ["attention.value_length", scalar("u32", global.valueDim)],
    ["attention.sliding_window", scalar("u32", sliding.window)],
    ["attention.sliding_window_pattern", integers(blocks.map((kind) => Number(kind === "sliding")))],
    ["expert_count", scalar("u32", experts.numExperts)],
    ["expert_used_count", scalar("u32", experts.numExpertsPerToken)],
    ["expert_feed_forward_length", scalar("u32", experts.intermediateSize)],
    ["expert_gating_func", scalar("u32", GATING_SIGMOID)],
    ["expert_weights_norm", scalar("bool", experts.normaliseWeights)],
    ["rope.dimension_count", scalar("u32", global.rotaryDim)],
    ["attention.layer_norm_rms_epsilon", scalar("f32", config.rmsNormEpsilon)],
    ["attention.value_scale", scalar("f32", config.valueScale)],
    ["nextn_predict_layers", scalar("u32", numMtpHeads)],
    ["vocab_size", scalar("u32", config.vocabSize)],
  ];
  if (experts.routedScale !== 1) entries.push(["expert_weights_scale", scalar("f32", experts.routedScale)]);
  const fileType = FILE_TYPES[options.type];
  return new Map([
    ["general.architecture", scalar("string", GGUF_ARCHITECTURE)],
    ["general.name", scalar("string", options.name)],
    ...entries.map(([key, value]): [string, GgufValue] => [`${GGUF_ARCHITECTURE}.${key}`, value]),
    ["general.quantization_version", scalar("u32", QUANTIZATION_VERSION)],
    ...(fileType === undefined ? [] : [["general.file_type", scalar("u32", fileType)] as const]),
  ]);
}

function scalar(type: GgufItemType, value: number | boolean | string): GgufValue {
  return { type, value };
}

function integers(value: readonly number[]): GgufValue {
  return { type: "array", itemType: "i32", value };
}
