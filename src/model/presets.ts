// Named architectures: the published one, and smaller ones of the same kind to test, train and measure with.
//
// Invariants of the presets: global layers at 0, 5, 11, 17 … as published, a dense first layer, sinks in sliding
// layers only, query heads half again as wide as value heads with a third of a head rotated, and rows of every matrix
// in whole blocks: of 256, so that every quantised type fits, or of 32 where training is measured. Refuses to know
// values and files.

import {
  type AttentionKind,
  type AttentionShape,
  DEFAULT_VALUE_SCALE,
  type ExpertsConfig,
  type LayerPlan,
  type ModelConfig,
} from "./config.ts";

export const PRESET_NAMES = ["tiny", "nano", "bench-32m", "bench-1b", "flash-slice"] as const;
export type PresetName = (typeof PRESET_NAMES)[number];

export interface Preset {
  readonly config: ModelConfig;
  readonly numMtpHeads: number;
  /** One line for people. */
  readonly description: string;
}

/** MiMo-V2-Flash as published: 309B parameters, 15B active. */
export const FLASH_CONFIG: ModelConfig = {
  vocabSize: 152_576,
  hiddenSize: 4096,
  intermediateSize: 16_384,
  contextLength: 262_144,
  rmsNormEpsilon: 1e-5,
  valueScale: DEFAULT_VALUE_SCALE,
  layers: hybridLayers(48),
  attention: attentionShapes({ numHeads: 64, numKvHeads: { global: 4, sliding: 8 }, headDim: 192, window: 128 }),
  experts: {
    numExperts: 256,
    numExpertsPerToken: 8,
    intermediateSize: 2048,
    routedScale: 1,
    normaliseWeights: true,
  },
  tieWordEmbeddings: false,
  eosTokenIds: [151_645],
};

export const FLASH_MTP_HEADS = 3;

/** Their vocabularies have no tokens of their own: who gives one a tokenizer sets `eosTokenIds`, too. */
export const PRESETS: Readonly<Record<PresetName, Preset>> = {
  tiny: {
    description: "tests: 7 layers, window 16, 8 experts of which 2 run",
    numMtpHeads: 3,
    config: hybridConfig({
      vocabSize: 320,
      hiddenSize: 256,
      intermediateSize: 256,
      contextLength: 4096,
      numLayers: 7,
      attention: { numHeads: 4, numKvHeads: { global: 1, sliding: 2 }, headDim: 96, window: 16 },
      experts: { numExperts: 8, numExpertsPerToken: 2, intermediateSize: 256 },
    }),
  },
  nano: {
    description: "the sizes of recipes/nano: 12 layers, 16 experts of which 2 run",
    numMtpHeads: 3,
    config: hybridConfig({
      vocabSize: 4096,
      hiddenSize: 160,
      intermediateSize: 512,
      contextLength: 8192,
      numLayers: 12,
      attention: { numHeads: 4, numKvHeads: { global: 1, sliding: 2 }, headDim: 48, window: 128 },
      experts: { numExperts: 16, numExpertsPerToken: 2, intermediateSize: 96 },
    }),
  },
  "bench-32m": {
    description: "measurements of training: 12 layers, 16 experts of which 2 run, 32M parameters",
    numMtpHeads: 3,
    config: hybridConfig({
      vocabSize: 4096,
      hiddenSize: 256,
      intermediateSize: 1024,
      contextLength: 8192,
      numLayers: 12,
      attention: { numHeads: 4, numKvHeads: { global: 1, sliding: 2 }, headDim: 96, window: 128 },
      experts: { numExperts: 16, numExpertsPerToken: 2, intermediateSize: 192 },
    }),
  },
  "bench-1b": {
    description: "measurements: 24 layers, 32 experts of which 8 run, 0.4B parameters active",
    numMtpHeads: 3,
    config: hybridConfig({
      vocabSize: 32_768,
      hiddenSize: 1024,
      intermediateSize: 4096,
      contextLength: 32_768,
      numLayers: 24,
      attention: { numHeads: 16, numKvHeads: { global: 2, sliding: 4 }, headDim: 96, window: 128 },
      experts: { numExperts: 32, intermediateSize: 512 },
    }),
  },
  "flash-slice": {
    description: "measurements at the published sizes: 4 layers of MiMo-V2-Flash",
    numMtpHeads: 1,
    config: {
      ...FLASH_CONFIG,
      // The published distance between global layers would leave four layers with a single one.
      layers: hybridLayers(4, (layer) => layer === 0 || layer === 3),
      eosTokenIds: [],
    },
  },
};

export const LAYER_PATTERNS = ["hybrid", "global"] as const;
export type LayerPattern = (typeof LAYER_PATTERNS)[number];

/** What distinguishes one model of the architecture from another. */
export interface HybridSizes extends Pick<
  ModelConfig,
  "vocabSize" | "hiddenSize" | "intermediateSize" | "contextLength"
> {
  readonly numLayers: number;
  /** Which layers see everything; default: the published pattern. */
  readonly layers?: LayerPattern;
  readonly attention: AttentionSizes;
  readonly experts: Partial<Pick<ExpertsConfig, "numExperts" | "numExpertsPerToken" | "intermediateSize">>;
}

/** Everything else as published. */
export function hybridConfig({ numLayers, layers, attention, experts, ...sizes }: HybridSizes): ModelConfig {
  return {
    ...FLASH_CONFIG,
    ...sizes,
    layers: layers === "global" ? hybridLayers(numLayers, () => true) : hybridLayers(numLayers),
    attention: attentionShapes(attention),
    experts: { ...FLASH_CONFIG.experts, ...experts },
    eosTokenIds: [],
  };
}

/** Hybrid blocks as published: the first layer is global and dense, then every sixth from layer 5 on is global. */
function hybridLayers(count: number, isGlobal = (layer: number) => layer === 0 || layer % 6 === 5): LayerPlan[] {
  return Array.from({ length: count }, (_, layer) => ({
    attention: isGlobal(layer) ? "global" : "sliding",
    feedForward: layer === 0 ? "dense" : "experts",
  }));
}

interface AttentionSizes {
  readonly numHeads: number;
  readonly numKvHeads: Readonly<Record<AttentionKind, number>>;
  readonly headDim: number;
  readonly window: number;
  /** Of sliding layers; default: yes. */
  readonly sinks?: boolean;
}

function attentionShapes({ numHeads, numKvHeads, headDim, window, sinks = true }: AttentionSizes) {
  const shape = { numHeads, headDim, valueDim: (headDim * 2) / 3, rotaryDim: headDim / 3 };
  return {
    global: { ...shape, numKvHeads: numKvHeads.global, ropeTheta: 5_000_000, window: 0, hasSinks: false },
    sliding: { ...shape, numKvHeads: numKvHeads.sliding, ropeTheta: 10_000, window, hasSinks: sinks },
  } satisfies Record<AttentionKind, AttentionShape>;
}
