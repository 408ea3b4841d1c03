// Every tensor name of the two formats, and nothing else: the only place where weights have names.
//
// A `Dialect` says where each field of the model lies in a file. Names that may stand in several places are listed
// in the order of preference. Sources: the published checkpoint's index; llama.cpp's `mimo2` tensor table.

export interface AttentionNames {
  readonly q: string;
  readonly k: string;
  readonly v: string;
  /** q, k and v in one matrix; used where `q` is absent. */
  readonly qkv: string;
  readonly o: string;
  readonly sinks: string;
}

export interface DenseNames {
  readonly gate: string;
  readonly up: string;
  readonly down: string;
}

export interface BlockNames {
  readonly inputNorm: string;
  readonly feedForwardNorm: string;
  readonly attention: AttentionNames;
  readonly dense: DenseNames;
  readonly router: string;
  readonly routerBias: string;
  /** One expert's matrices, or the stack of all experts', by the dialect's `stackedExperts`. */
  readonly expert: (expert: number) => DenseNames;
}

export interface MtpNames extends BlockNames {
  readonly embeddingNorm: string;
  readonly hiddenNorm: string;
  readonly projection: string;
  readonly finalNorm: readonly string[];
}

export interface Dialect {
  readonly embedding: string;
  readonly finalNorm: string;
  readonly lmHead: string;
  readonly stackedExperts: boolean;
  /** Name of the FP8 block scales of a matrix. */
  readonly scales: (matrix: string) => string;
  readonly layer: (layer: number) => BlockNames;
  readonly mtp: (head: number, numLayers: number) => MtpNames;
  /** Tensors that some exporters add and that carry nothing this model uses. */
  readonly ignored: RegExp;
}

export const HUGGING_FACE: Dialect = {
  embedding: "model.embed_tokens.weight",
  finalNorm: "model.norm.weight",
  lmHead: "lm_head.weight",
  stackedExperts: false,
  scales: (matrix) => `${matrix}_scale_inv`,
  layer: (layer) => huggingFaceBlock(`model.layers.${layer}`, "post_attention_layernorm"),
  mtp: (head) => {
    const prefix = `model.mtp.layers.${head}`;
    return {
      ...huggingFaceBlock(prefix, "pre_mlp_layernorm"),
      embeddingNorm: `${prefix}.enorm.weight`,
      hiddenNorm: `${prefix}.hnorm.weight`,
      projection: `${prefix}.eh_proj.weight`,
      finalNorm: [`${prefix}.final_layernorm.weight`],
    };
  },
  ignored: /\.rotary_emb\.inv_freq$/,
};

function huggingFaceBlock(prefix: string, feedForwardNorm: string): BlockNames {
  const attention = `${prefix}.self_attn`;
  const dense = (mlp: string): DenseNames => ({
    gate: `${mlp}.gate_proj.weight`,
    up: `${mlp}.up_proj.weight`,
    down: `${mlp}.down_proj.weight`,
  });
  return {
    inputNorm: `${prefix}.input_layernorm.weight`,
    feedForwardNorm: `${prefix}.${feedForwardNorm}.weight`,
    attention: {
      q: `${attention}.q_proj.weight`,
      k: `${attention}.k_proj.weight`,
      v: `${attention}.v_proj.weight`,
      qkv: `${attention}.qkv_proj.weight`,
      o: `${attention}.o_proj.weight`,
      sinks: `${attention}.attention_sink_bias`,
    },
    dense: dense(`${prefix}.mlp`),
    router: `${prefix}.mlp.gate.weight`,
    routerBias: `${prefix}.mlp.gate.e_score_correction_bias`,
    expert: (expert) => dense(`${prefix}.mlp.experts.${expert}`),
  };
}

export const GGUF: Dialect = {
  embedding: "token_embd.weight",
  finalNorm: "output_norm.weight",
  lmHead: "output.weight",
  stackedExperts: true,
  scales: (matrix) => `${matrix}.scale`,
  layer: (layer) => ggufBlock(`blk.${layer}`),
  mtp: (head, numLayers) => {
    const prefix = `blk.${numLayers + head}`;
    return {
      ...ggufBlock(prefix),
      embeddingNorm: `${prefix}.nextn.enorm.weight`,
      hiddenNorm: `${prefix}.nextn.hnorm.weight`,
      projection: `${prefix}.nextn.eh_proj.weight`,
      finalNorm: [
        `${prefix}.layer_output_norm.weight`,
        `${prefix}.nextn.shared_head_norm.weight`,
        "output_norm.weight",
      ],
    };
  },
  ignored: /^(rope_freqs\.weight|blk\.\d+\.nextn\.(embed_tokens|shared_head_head)\.weight)$/,
};

function ggufBlock(prefix: string): BlockNames {
  return {
    inputNorm: `${prefix}.attn_norm.weight`,
    feedForwardNorm: `${prefix}.ffn_norm.weight`,
    attention: {
      q: `${prefix}.attn_q.weight`,
      k: `${prefix}.attn_k.weight`,
      v: `${prefix}.attn_v.weight`,
      qkv: `${prefix}.attn_qkv.weight`,
      o: `${prefix}.attn_output.weight`,
      sinks: `${prefix}.attn_sinks.weight`,
    },
    dense: { gate: `${prefix}.ffn_gate.weight`, up: `${prefix}.ffn_up.weight`, down: `${prefix}.ffn_down.weight` },
    router: `${prefix}.ffn_gate_inp.weight`,
    routerBias: `${prefix}.exp_probs_b.bias`,
    expert: () => ({
      gate: `${prefix}.ffn_gate_exps.weight`,
      up: `${prefix}.ffn_up_exps.weight`,
      down: `${prefix}.ffn_down_exps.weight`,
    }),
  };
}
