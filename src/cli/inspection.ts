// What a checkpoint is, from its headers alone: instant for 300 GB, and nothing of the weights is read.
//
// Parameters are those of the trunk; MTP heads are counted apart, block scales of FP8 not at all. "Active" is what one
// token needs: all of the trunk, but one row of the embedding and the chosen experts.

import { loadTokenizer } from "../api/load-tokenizer.ts";
import { cacheSizes, sequenceBytes } from "../cache/geometry.ts";
import { type Checkpoint, openCheckpoint } from "../checkpoint/checkpoint.ts";
import type { TensorInfo } from "../checkpoint/tensor-info.ts";
import { cacheGeometry } from "../engine/model-runner.ts";
import type { LayerPlan, ModelConfig } from "../model/config.ts";
import { activeShare, sumWeights, type WeightGroup, weightPart } from "../model/cost.ts";
import { listParameters, type Parameter } from "../model/parameters.ts";
import { parseConfig } from "../model/parse-config.ts";
import { countMtpHeads, dialectOf } from "../model/weights.ts";
import { type DType, KV_DTYPES, type KvDType } from "../tensor/dtype.ts";
import { numElements } from "../tensor/shape.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { defined } from "../util/assert.ts";

export interface Inspection {
  readonly path: string;
  readonly format: Checkpoint["format"];
  readonly architecture: string;
  readonly config: ModelConfig;
  readonly numTensors: number;
  readonly weights: readonly WeightGroup[];
  readonly parameters: WeightTotals;
  readonly bytes: WeightTotals;
  /** Largest first. */
  readonly dtypes: readonly DTypeTotals[];
  readonly numMtpHeads: number;
  readonly kvCache: readonly KvCacheSizes[];
  readonly tokenizer: TokenizerSummary | null;
  readonly warnings: readonly string[];
}

/** Parameters, or their bytes. */
export interface WeightTotals {
  /** The trunk and the MTP heads. */
  readonly total: number;
  readonly trunk: number;
  readonly mtp: number;
  /** Of the trunk, for one token. */
  readonly activePerToken: number;
}

export interface DTypeTotals {
  readonly dtype: DType;
  readonly numTensors: number;
  readonly numElements: number;
  readonly byteLength: number;
}

export interface KvCacheSizes {
  readonly dtype: KvDType;
  readonly bytesPerToken: number;
  readonly bytesPerSequence: number;
  readonly contexts: readonly {
    readonly tokens: number;
    readonly bytes: number;
    /** How many times as much memory every layer as a global one would take. */
    readonly timesAllGlobal: number;
    /** How many times as much memory sliding layers kept at full length would take. */
    readonly timesFullLength: number;
  }[];
}

export interface TokenizerSummary {
  readonly numTokens: number;
  readonly endTokens: readonly { readonly id: number; readonly text: string }[];
  readonly chatTemplate: "checkpoint" | "built-in";
}

/** As far as the model's own context reaches. */
const KV_CONTEXTS: readonly number[] = [4096, 32_768, 262_144];

/** Throws as `openCheckpoint` and `parseConfig` do. */
export function inspectCheckpoint(checkpoint: Checkpoint): Inspection {
  const { config, numMtpHeads: announced, warnings } = parseConfig(checkpoint);
  const numMtpHeads = countMtpHeads(checkpoint, config);
  const weights = groupWeights(checkpoint, config, numMtpHeads);
  const { tokenizer, problem } = loadTokenizer(checkpoint);
  return {
    path: checkpoint.path,
    format: checkpoint.format,
    architecture: architectureOf(checkpoint),
    config,
    numTensors: checkpoint.tensors.size,
    weights,
    ...weightTotals(weights, config),
    dtypes: dtypeTotals(checkpoint),
    numMtpHeads,
    kvCache: KV_DTYPES.map((dtype) => kvCacheSizes(config, numMtpHeads, dtype)),
    tokenizer: tokenizer === undefined ? null : summarizeTokenizer(tokenizer, config),
    warnings: [...warnings, ...(problem === undefined ? [] : [problem]), ...mtpWarnings(announced, numMtpHeads)],
  };
}

export function inspectPath(path: string): Inspection {
  using checkpoint = openCheckpoint(path);
  return inspectCheckpoint(checkpoint);
}

function architectureOf({ format, config, metadata }: Checkpoint): string {
  if (format === "gguf") return String(metadata.get("general.architecture")?.value);
  const [architecture] = Array.isArray(config?.["architectures"]) ? (config["architectures"] as unknown[]) : [];
  return String(architecture ?? config?.["model_type"]);
}

function mtpWarnings(announced: number | undefined, found: number): string[] {
  if (found === 0) return ["There are no MTP heads: generation runs without speculation, more slowly."];
  if (announced === undefined || announced === found) return [];
  return [`The configuration announces ${announced} MTP heads, the files hold ${found}: the model cannot be loaded.`];
}

/** What the weights are for and how they are stored; the parts of a checkpoint that the model does not use are left out. */
export function groupWeights(checkpoint: Checkpoint, config: ModelConfig, numMtpHeads: number): WeightGroup[] {
  const owners = tensorOwners(checkpoint, config, numMtpHeads);
  return sumWeights(
    [...checkpoint.tensors.values()].flatMap((info): WeightGroup[] => {
      const owner = owners.get(info.name);
      if (owner === undefined) return [];
      const part = weightPart(owner.parameter, config);
      // Scales are a part of their matrix.
      if (owner.isScale) return [{ part, dtype: "f8_e4m3", parameters: 0, bytes: info.byteLength }];
      return [{ part, dtype: info.dtype, parameters: elementsOf(info), bytes: info.byteLength }];
    }),
  );
}

function weightTotals(groups: readonly WeightGroup[], config: ModelConfig) {
  const totalsOf = (sizeOf: (group: WeightGroup) => number): WeightTotals => {
    const sum = (of: (group: WeightGroup) => number): number => groups.reduce((total, one) => total + of(one), 0);
    const total = sum(sizeOf);
    const mtp = sum((group) => (group.part === "mtp" ? sizeOf(group) : 0));
    const activePerToken = Math.round(sum((group) => sizeOf(group) * activeShare(group.part, config)));
    return { total, trunk: total - mtp, mtp, activePerToken };
  };
  return { parameters: totalsOf(({ parameters }) => parameters), bytes: totalsOf(({ bytes }) => bytes) };
}

interface TensorOwner {
  readonly parameter: Parameter;
  readonly isScale: boolean;
}

/** The parameter that each tensor name belongs to; of names that several could use, the first in file order has it. */
function tensorOwners(checkpoint: Checkpoint, config: ModelConfig, numMtpHeads: number): Map<string, TensorOwner> {
  const dialect = dialectOf(checkpoint);
  const owners = new Map<string, TensorOwner>();
  const own = (name: string, parameter: Parameter): void => {
    if (owners.has(name)) return;
    owners.set(name, { parameter, isScale: false });
    owners.set(dialect.scales(name), { parameter, isScale: true });
  };
  for (const parameter of listParameters(config, numMtpHeads)) {
    const numNames = dialect.stackedExperts ? 1 : parameter.count;
    for (let i = 0; i < numNames; i++) for (const name of parameter.names(dialect, i)) own(name, parameter);
    if (parameter.projection !== undefined) own(parameter.projection.names(dialect).qkv, parameter);
  }
  return owners;
}

function dtypeTotals(checkpoint: Checkpoint): DTypeTotals[] {
  const totals = new Map<DType, DTypeTotals>();
  for (const info of checkpoint.tensors.values()) {
    const before = totals.get(info.dtype);
    totals.set(info.dtype, {
      dtype: info.dtype,
      numTensors: (before?.numTensors ?? 0) + 1,
      numElements: (before?.numElements ?? 0) + elementsOf(info),
      byteLength: (before?.byteLength ?? 0) + info.byteLength,
    });
  }
  return [...totals.values()].toSorted((a, b) => b.byteLength - a.byteLength);
}

function elementsOf(info: TensorInfo): number {
  return defined(numElements(info.shape), `size of ${info.name}`);
}

function kvCacheSizes(config: ModelConfig, numMtpHeads: number, dtype: KvDType): KvCacheSizes {
  const sizes = cacheSizes(cacheGeometry(config, numMtpHeads), dtype);
  const possible = KV_CONTEXTS.filter((tokens) => tokens <= config.contextLength);
  const contexts = (possible.length > 0 ? possible : [config.contextLength]).map((tokens) => {
    const bytes = sequenceBytes(sizes, tokens);
    return {
      tokens,
      bytes,
      timesAllGlobal: (tokens * sizes.bytesPerTokenAllGlobal) / bytes,
      timesFullLength: (tokens * sizes.bytesPerTokenFullLength) / bytes,
    };
  });
  return { dtype, bytesPerToken: sizes.bytesPerToken, bytesPerSequence: sizes.bytesPerSequence, contexts };
}

function summarizeTokenizer(tokenizer: Tokenizer, config: ModelConfig): TokenizerSummary {
  const ids = [...new Set([...config.eosTokenIds, ...tokenizer.eosIds])];
  return {
    numTokens: tokenizer.numTokens,
    endTokens: ids.map((id) => ({ id, text: tokenizer.idToToken(id) ?? "" })),
    chatTemplate: tokenizer.chatTemplate === undefined ? "built-in" : "checkpoint",
  };
}

/** One character per layer. */
export function drawLayers(layers: readonly LayerPlan[]): { readonly attention: string; readonly feedForward: string } {
  return {
    attention: layers.map(({ attention }) => (attention === "global" ? "G" : "s")).join(""),
    feedForward: layers.map(({ feedForward }) => (feedForward === "dense" ? "D" : "e")).join(""),
  };
}
