// Every parameter of a model as one flat list, for code that treats them alike: initialisation, conversion, counting.
//
// Invariants: the list follows from the configuration and the number of MTP heads alone, each parameter stands in it
// once, and its order is the order in which files are written. Names come from a dialect. Refuses to know values,
// element types and files. `weights.ts` binds the same parameters to the fields that the model computes with.

import { numElements, type Shape } from "../tensor/shape.ts";
import { defined } from "../util/assert.ts";
import type { AttentionKind, LayerPlan, ModelConfig } from "./config.ts";
import type { AttentionNames, BlockNames, DenseNames, Dialect, MtpNames } from "./weight-names.ts";

export type ParameterRole =
  | "embedding"
  | "lmHead"
  | "norm"
  | "q"
  | "k"
  | "v"
  | "o"
  | "sinks"
  | "gate"
  | "up"
  | "down"
  | "router"
  | "routerBias"
  | "mtpProjection";

export interface Parameter {
  readonly role: ParameterRole;
  /** [size] of a vector, [rows, columns] of a matrix. */
  readonly shape: Shape;
  /** Matrices of that shape: one, or one per expert. */
  readonly count: number;
  /** Experts' matrices, of which some dialects make one stack. */
  readonly isExperts: boolean;
  /** The MTP head it belongs to; undefined in the trunk. */
  readonly mtpHead: number | undefined;
  /** Names of matrix `index` in order of preference; with stacked experts, of the stack. */
  readonly names: (dialect: Dialect, index: number) => readonly string[];
  /** Of q, k and v: where they belong, because files may keep the three in one matrix. */
  readonly projection?: Projection;
}

export interface Projection {
  readonly which: "q" | "k" | "v";
  readonly attention: AttentionKind;
  readonly names: (dialect: Dialect) => AttentionNames;
}

export function listParameters(config: ModelConfig, numMtpHeads: number): Parameter[] {
  const { vocabSize, hiddenSize } = config;
  const trunk = (role: ParameterRole, field: "embedding" | "finalNorm" | "lmHead", shape: Shape): Parameter =>
    single(role, shape, undefined, (dialect) => [dialect[field]]);
  return [
    trunk("embedding", "embedding", [vocabSize, hiddenSize]),
    ...config.layers.flatMap((plan, i) => blockParameters(config, plan, (dialect) => dialect.layer(i), undefined)),
    trunk("norm", "finalNorm", [hiddenSize]),
    ...(config.tieWordEmbeddings ? [] : [trunk("lmHead", "lmHead", [vocabSize, hiddenSize])]),
    ...Array.from({ length: numMtpHeads }, (_, k) => mtpParameters(config, k)).flat(),
  ];
}

/** Elements of all matrices of a parameter. */
export function parameterSize({ shape, count }: Parameter): number {
  return defined(numElements([count, ...shape]), "a parameter's size");
}

export interface ParameterCounts {
  readonly total: number;
  /** Parameters of the trunk that one token uses: its experts only, and every other matrix. */
  readonly active: number;
}

export function countParameters(config: ModelConfig, numMtpHeads: number): ParameterCounts {
  const { numExperts, numExpertsPerToken } = config.experts;
  let total = 0;
  let active = 0;
  for (const parameter of listParameters(config, numMtpHeads)) {
    const size = parameterSize(parameter);
    total += size;
    // An embedding is looked up, not multiplied: one row of it is as good as nothing.
    if (parameter.mtpHead !== undefined || (parameter.role === "embedding" && !config.tieWordEmbeddings)) continue;
    active += parameter.isExperts ? (size / numExperts) * numExpertsPerToken : size;
  }
  return { total, active };
}

function single(
  role: ParameterRole,
  shape: Shape,
  mtpHead: number | undefined,
  names: (dialect: Dialect) => readonly string[],
): Parameter {
  return { role, shape, count: 1, isExperts: false, mtpHead, names };
}

type NamesOfBlock = (dialect: Dialect) => BlockNames;

function blockParameters(
  config: ModelConfig,
  plan: LayerPlan,
  block: NamesOfBlock,
  mtpHead: number | undefined,
): Parameter[] {
  const norm = (field: "inputNorm" | "feedForwardNorm"): Parameter =>
    single("norm", [config.hiddenSize], mtpHead, (dialect) => [block(dialect)[field]]);
  return [
    norm("inputNorm"),
    ...attentionParameters(config, plan.attention, block, mtpHead),
    norm("feedForwardNorm"),
    ...(plan.feedForward === "dense"
      ? denseParameters(config, block, mtpHead)
      : mixtureParameters(config, block, mtpHead)),
  ];
}

function attentionParameters(
  config: ModelConfig,
  kind: AttentionKind,
  block: NamesOfBlock,
  mtpHead: number | undefined,
): Parameter[] {
  const { hiddenSize } = config;
  const { numHeads, numKvHeads, headDim, valueDim, hasSinks } = config.attention[kind];
  const names = (dialect: Dialect): AttentionNames => block(dialect).attention;
  const projection = (which: Projection["which"], rows: number): Parameter => ({
    ...single(which, [rows, hiddenSize], mtpHead, (dialect) => [names(dialect)[which]]),
    projection: { which, attention: kind, names },
  });
  return [
    projection("q", numHeads * headDim),
    projection("k", numKvHeads * headDim),
    projection("v", numKvHeads * valueDim),
    single("o", [hiddenSize, numHeads * valueDim], mtpHead, (dialect) => [names(dialect).o]),
    ...(hasSinks ? [single("sinks", [numHeads], mtpHead, (dialect) => [names(dialect).sinks])] : []),
  ];
}

function denseParameters(config: ModelConfig, block: NamesOfBlock, mtpHead: number | undefined): Parameter[] {
  const { hiddenSize, intermediateSize } = config;
  const matrix = (role: keyof DenseNames, shape: Shape): Parameter =>
    single(role, shape, mtpHead, (dialect) => [block(dialect).dense[role]]);
  return [
    matrix("gate", [intermediateSize, hiddenSize]),
    matrix("up", [intermediateSize, hiddenSize]),
    matrix("down", [hiddenSize, intermediateSize]),
  ];
}

function mixtureParameters(config: ModelConfig, block: NamesOfBlock, mtpHead: number | undefined): Parameter[] {
  const { hiddenSize } = config;
  const { numExperts, intermediateSize } = config.experts;
  const experts = (role: keyof DenseNames, shape: Shape): Parameter => ({
    role,
    shape,
    count: numExperts,
    isExperts: true,
    mtpHead,
    names: (dialect, index) => [block(dialect).expert(index)[role]],
  });
  return [
    single("router", [numExperts, hiddenSize], mtpHead, (dialect) => [block(dialect).router]),
    single("routerBias", [numExperts], mtpHead, (dialect) => [block(dialect).routerBias]),
    experts("gate", [intermediateSize, hiddenSize]),
    experts("up", [intermediateSize, hiddenSize]),
    experts("down", [hiddenSize, intermediateSize]),
  ];
}

function mtpParameters(config: ModelConfig, head: number): Parameter[] {
  const { hiddenSize } = config;
  const block = (dialect: Dialect): MtpNames => dialect.mtp(head, config.layers.length);
  const norm = (names: (block: MtpNames) => readonly string[]): Parameter =>
    single("norm", [hiddenSize], head, (dialect) => names(block(dialect)));
  return [
    norm(({ embeddingNorm }) => [embeddingNorm]),
    norm(({ hiddenNorm }) => [hiddenNorm]),
    single("mtpProjection", [hiddenSize, 2 * hiddenSize], head, (dialect) => [block(dialect).projection]),
    ...blockParameters(config, { attention: "sliding", feedForward: "dense" }, block, head),
    norm(({ finalNorm }) => finalNorm),
  ];
}
