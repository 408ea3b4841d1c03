// Reads the `mimo2.*` key-values of a GGUF file (written by llama.cpp's converter or by `mimo convert`).

import type { GgufValue } from "../checkpoint/gguf-format.ts";
import { MimoError } from "../util/errors.ts";
import {
  type AttentionShape,
  DEFAULT_VALUE_SCALE,
  type LayerPlan,
  type ParsedConfig,
  validateConfig,
} from "./config.ts";
import { type Fields, fieldsOf } from "./fields.ts";
import { GGUF } from "./weight-names.ts";

/** `general.architecture` of the files this program reads. */
export const GGUF_ARCHITECTURE = "mimo2";
/** `expert_gating_func`: 1 softmax, 2 sigmoid. */
export const GATING_SIGMOID = 2;

export function parseGgufConfig(
  metadata: ReadonlyMap<string, GgufValue>,
  tensorShapes: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  file: string,
): ParsedConfig {
  const values = new Map(
    [...metadata].map(([key, { type, value }]) => [key, type === "f32" ? shortestDecimal(value) : value]),
  );
  const general = fieldsOf(values, file, "general.");
  const architecture = general.string("architecture");
  if (architecture !== GGUF_ARCHITECTURE) {
    throw new MimoError(
      "checkpoint_unsupported",
      `${file}: general.architecture: expected ${GGUF_ARCHITECTURE}, found ${architecture}.`,
      {
        remedy: "This program runs models of the MiMo-V2-Flash architecture only.",
      },
    );
  }
  const fields = fieldsOf(values, file, `${GGUF_ARCHITECTURE}.`);
  const warnings: string[] = [];
  if (!fields.has("attention.value_scale")) {
    warnings.push(
      `${file}: attention.value_scale is missing (a file from before May 2026); ${DEFAULT_VALUE_SCALE} is assumed.`,
    );
  }
  if (fields.index("expert_gating_func", GATING_SIGMOID) !== GATING_SIGMOID)
    fields.fail("expert_gating_func", "2 (sigmoid)");

  const blockCount = fields.size("block_count");
  const numMtpHeads = fields.index("nextn_predict_layers", 0);
  if (numMtpHeads >= blockCount) fields.fail("nextn_predict_layers", `less than block_count (${blockCount})`);
  const numLayers = blockCount - numMtpHeads;
  const isSliding = fields.bits("attention.sliding_window_pattern", blockCount);
  const shapes = attentionShapes(fields, isSliding, (layer) => tensorShapes.has(GGUF.layer(layer).attention.sinks));
  const layers = Array.from({ length: numLayers }, (_, i): LayerPlan => ({
    attention: isSliding[i] === true ? "sliding" : "global",
    feedForward: tensorShapes.has(GGUF.layer(i).router) ? "experts" : "dense",
  }));
  const embedding = tensorShapes.get(GGUF.embedding);
  if (embedding === undefined || embedding.shape.length !== 2) {
    throw new MimoError("checkpoint_invalid", `${file}: ${GGUF.embedding}: expected a tensor of two dimensions.`);
  }
  const eos = fieldsOf(values, file, "tokenizer.ggml.");
  const config = validateConfig(
    {
      vocabSize: embedding.shape[0] ?? 0,
      hiddenSize: fields.size("embedding_length"),
      intermediateSize: fields.size("feed_forward_length"),
      contextLength: fields.size("context_length"),
      rmsNormEpsilon: fields.number("attention.layer_norm_rms_epsilon", 1e-5),
      valueScale: fields.number("attention.value_scale", DEFAULT_VALUE_SCALE),
      layers,
      attention: shapes,
      experts: {
        numExperts: fields.size("expert_count"),
        numExpertsPerToken: fields.size("expert_used_count"),
        intermediateSize: fields.size("expert_feed_forward_length"),
        routedScale: fields.number("expert_weights_scale", 1) || 1,
        normaliseWeights: fields.boolean("expert_weights_norm", true),
      },
      tieWordEmbeddings: !tensorShapes.has(GGUF.lmHead),
      eosTokenIds: eos.has("eos_token_id") ? [eos.index("eos_token_id")] : [],
    },
    file,
  );
  return { config, numMtpHeads, warnings };
}

function attentionShapes(
  fields: Fields,
  isSliding: readonly boolean[],
  hasSinks: (layer: number) => boolean,
): Record<"global" | "sliding", AttentionShape> {
  const heads = perLayer(fields, "attention.head_count", isSliding.length);
  const kvHeads = perLayer(fields, "attention.head_count_kv", isSliding.length);
  const shape = (sliding: boolean): AttentionShape => {
    const layers = isSliding.flatMap((flag, i) => (flag === sliding ? [i] : []));
    const first = layers[0] ?? 0;
    for (const layer of layers) {
      if (kvHeads[layer] !== kvHeads[first])
        fields.fail("attention.head_count_kv", "the same number in every layer of a kind");
      if (heads[layer] !== heads[first])
        fields.fail("attention.head_count", "the same number in every layer of a kind");
    }
    const headDim = fields.size("attention.key_length");
    return {
      numHeads: heads[first] ?? 0,
      numKvHeads: kvHeads[first] ?? 0,
      headDim,
      valueDim: fields.size("attention.value_length"),
      rotaryDim: fields.size("rope.dimension_count", headDim),
      ropeTheta: sliding ? fields.number("rope.freq_base_swa", 10_000) : fields.number("rope.freq_base"),
      window: sliding ? fields.size("attention.sliding_window") : 0,
      hasSinks: layers.length > 0 && hasSinks(first),
    };
  };
  return { global: shape(false), sliding: shape(true) };
}

/**
 * The number of fewest digits that rounds to this f32: 0.707 for the f32 nearest to it, as the same model's
 * `config.json` says, so that both files give the same results to the last bit.
 */
function shortestDecimal(value: unknown): unknown {
  if (typeof value !== "number") return value;
  for (let digits = 1; digits <= 9; digits++) {
    const decimal = Number(value.toPrecision(digits));
    if (Math.fround(decimal) === value) return decimal;
  }
  return value;
}

/** A value per layer, written either as one number for all or as a list. */
function perLayer(fields: Fields, key: string, count: number): number[] {
  const value = fields.raw(key);
  if (!Array.isArray(value) && !ArrayBuffer.isView(value)) return Array.from({ length: count }, () => fields.size(key));
  const list = fields.integers(key, count);
  return list.every((size) => size > 0) ? list : fields.fail(key, "positive integers");
}
