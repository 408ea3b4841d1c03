// The architecture of one checkpoint, in one form whatever file it came from.
//
// Invariants: every size is a positive integer, every layer has a plan, rotary dimensions are even and fit the head.
// Refuses to know: tensor names (weights.ts), where a value was written (config-huggingface.ts, config-gguf.ts).

import { MimoError } from "../util/errors.ts";

/** Shapes of one kind of attention. Global layers have window 0. */
export interface AttentionShape {
  readonly numHeads: number;
  readonly numKvHeads: number;
  /** Width of a query or key head. */
  readonly headDim: number;
  /** Width of a value head. */
  readonly valueDim: number;
  /** Dimensions of a head that are rotated, from the first on. */
  readonly rotaryDim: number;
  readonly ropeTheta: number;
  /** Keys a query sees, itself included; 0 means all. */
  readonly window: number;
  /** One learned logit per query head joins the softmax's denominator. */
  readonly hasSinks: boolean;
}

export type AttentionKind = "global" | "sliding";
export type FeedForwardKind = "dense" | "experts";

export interface LayerPlan {
  readonly attention: AttentionKind;
  readonly feedForward: FeedForwardKind;
}

export interface ExpertsConfig {
  readonly numExperts: number;
  readonly numExpertsPerToken: number;
  readonly intermediateSize: number;
  /** Factor on the routing weights (`routed_scaling_factor`; 1 where absent). */
  readonly routedScale: number;
  readonly normaliseWeights: boolean;
}

export interface ModelConfig {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  /** Width of dense feed-forward blocks: dense layers and MTP heads. */
  readonly intermediateSize: number;
  readonly contextLength: number;
  readonly rmsNormEpsilon: number;
  /** Values are multiplied by it before attention (`attention_value_scale`). */
  readonly valueScale: number;
  readonly layers: readonly LayerPlan[];
  readonly attention: Readonly<Record<AttentionKind, AttentionShape>>;
  readonly experts: ExpertsConfig;
  readonly tieWordEmbeddings: boolean;
  /** Token ids that end a turn, as far as the model's own file says. */
  readonly eosTokenIds: readonly number[];
}

/** A configuration and what had to be assumed to read it, as sentences for the user. */
export interface ParsedConfig {
  readonly config: ModelConfig;
  /** MTP heads that the file announces; undefined where only the tensor names tell. */
  readonly numMtpHeads: number | undefined;
  readonly warnings: readonly string[];
}

/** Value scale of V2-Flash, for files written before it was recorded. */
export const DEFAULT_VALUE_SCALE = 0.707;

/** Indices of the layers whose feed-forward block is a mixture of experts. */
export function expertLayers({ layers }: Pick<ModelConfig, "layers">): number[] {
  return layers.flatMap(({ feedForward }, layer) => (feedForward === "experts" ? [layer] : []));
}

/** 1/√headDim. */
export function attentionScale(shape: AttentionShape): number {
  return 1 / Math.sqrt(shape.headDim);
}

/** Checks what no single field can show, and returns the configuration. */
export function validateConfig(config: ModelConfig, file: string): ModelConfig {
  const refuse = (message: string): never => {
    throw new MimoError("checkpoint_invalid", `${file}: ${message}`);
  };
  for (const kind of ["global", "sliding"] as const) {
    const shape = config.attention[kind];
    if (shape.numHeads % shape.numKvHeads !== 0) {
      refuse(
        `${kind} attention: expected query heads to be a multiple of KV heads, found ${shape.numHeads} and ${shape.numKvHeads}`,
      );
    }
    if (shape.rotaryDim % 2 !== 0 || shape.rotaryDim > shape.headDim) {
      refuse(
        `${kind} attention: expected an even number of rotary dimensions up to ${shape.headDim}, found ${shape.rotaryDim}`,
      );
    }
  }
  if (config.attention.sliding.window < 1 && config.layers.some((layer) => layer.attention === "sliding")) {
    refuse("sliding attention: expected a window of at least 1");
  }
  const { numExperts, numExpertsPerToken } = config.experts;
  if (numExpertsPerToken > numExperts) {
    refuse(`experts: expected at most ${numExperts} per token, found ${numExpertsPerToken}`);
  }
  return config;
}
