// What a forward pass costs: the weights it reads, the products it computes, the keys it attends to; and how long that
// takes on a machine whose speeds are given. Arithmetic only.
//
// Routing is taken as random and even, which is what a model is trained towards: n rows that choose K of E experts
// each meet E·(1 − (1 − K/E)^n) of them. Real text repeats itself and meets fewer, so batches cost at most what is said.
// Refuses to know files, devices and how speeds were found.

import { DTYPES, type DType, inEightBits } from "../tensor/dtype.ts";
import type { AttentionKind, ModelConfig } from "./config.ts";
import type { Parameter } from "./parameters.ts";

export const WEIGHT_PARTS = ["attention", "dense", "experts", "router", "norms", "lmHead", "embedding", "mtp"] as const;
/** What weights are for. `norms` are all vectors; `mtp` is everything of the MTP heads. */
export type WeightPart = (typeof WEIGHT_PARTS)[number];

/** All weights of one part that are stored in one dtype. */
export interface WeightGroup {
  readonly part: WeightPart;
  readonly dtype: DType;
  /** Without the block scales of FP8. */
  readonly parameters: number;
  readonly bytes: number;
}

/** A model as far as its cost depends on it. */
export interface CostModel {
  readonly config: ModelConfig;
  readonly numMtpHeads: number;
  readonly weights: readonly WeightGroup[];
}

export function weightPart({ role, mtpHead, isExperts }: Parameter, config: ModelConfig): WeightPart {
  if (mtpHead !== undefined) return "mtp";
  if (isExperts) return "experts";
  switch (role) {
    case "embedding":
      // A tied embedding is read whole, as the LM head.
      return config.tieWordEmbeddings ? "lmHead" : "embedding";
    case "lmHead":
    case "router":
      return role;
    case "q":
    case "k":
    case "v":
    case "o":
      return "attention";
    case "gate":
    case "up":
    case "down":
      return "dense";
    case "norm":
    case "sinks":
    case "routerBias":
      return "norms";
    case "mtpProjection":
      return "mtp";
    default:
      return role satisfies never;
  }
}

/** One group for every part and dtype, in the order of the parts. */
export function sumWeights(groups: readonly WeightGroup[]): WeightGroup[] {
  const sums = new Map<string, WeightGroup>();
  for (const { part, dtype, parameters, bytes } of groups) {
    const key = `${part} ${dtype}`;
    const before = sums.get(key) ?? { parameters: 0, bytes: 0 };
    sums.set(key, { part, dtype, parameters: before.parameters + parameters, bytes: before.bytes + bytes });
  }
  return [...sums.values()].toSorted((a, b) => WEIGHT_PARTS.indexOf(a.part) - WEIGHT_PARTS.indexOf(b.part));
}

/** Share of a part's weights that one token of the trunk reads. */
export function activeShare(part: WeightPart, { experts, vocabSize }: ModelConfig): number {
  switch (part) {
    case "experts":
      return experts.numExpertsPerToken / experts.numExperts;
    case "embedding":
      return 1 / vocabSize;
    case "mtp":
      return 0;
    default:
      return 1;
  }
}

/** Distinct experts of a layer that `rows` rows meet together. */
export function expectedExperts({ experts }: ModelConfig, rows: number): number {
  const { numExperts: E, numExpertsPerToken: K } = experts;
  return E * (1 - (1 - K / E) ** rows);
}

/** `sequences` sequences of `position` tokens, each of which adds `rows` rows. */
export interface Pass {
  readonly sequences: number;
  readonly rows: number;
  readonly position: number;
  /** Rows of all sequences whose logits are wanted. */
  readonly logitRows: number;
}

/** Matrices of one dtype and kernel, each of which meets `rows` input rows on average. */
export interface ProductWork {
  readonly op: ProductOp;
  readonly dtype: DType;
  /** Elements and bytes of all matrices that take part. */
  readonly elements: number;
  readonly bytes: number;
  readonly rows: number;
}

export type ProductOp = "linear" | "experts";

/** All attention layers of one kind. */
export interface AttentionWork {
  readonly kind: AttentionKind;
  /** Rows of a sequence that attend together. */
  readonly rows: number;
  /** Keys, summed over rows and layers. */
  readonly rowKeys: number;
  /** Distinct keys of all sequences, summed over layers: what is read of the cache. */
  readonly keys: number;
}

export interface PassWork {
  readonly products: readonly ProductWork[];
  readonly attention: readonly AttentionWork[];
  readonly blocks: number;
  readonly rows: number;
  readonly logitRows: number;
}

/** A pass through the trunk, LM head included. */
export function trunkPass({ config, weights }: CostModel, pass: Pass): PassWork {
  const rows = pass.sequences * pass.rows;
  const { numExperts, numExpertsPerToken } = config.experts;
  const experts = expectedExperts(config, rows);
  const products = weights.flatMap(({ part, dtype, parameters, bytes }): ProductWork[] => {
    if (part === "experts") {
      const share = experts / numExperts;
      const rowsEach = (rows * numExpertsPerToken) / experts;
      return [{ op: "experts", dtype, elements: share * parameters, bytes: share * bytes, rows: rowsEach }];
    }
    const numRows = part === "lmHead" ? pass.logitRows : rows;
    const isMultiplied = part === "attention" || part === "dense" || part === "router" || part === "lmHead";
    return isMultiplied && numRows > 0 ? [{ op: "linear", dtype, elements: parameters, bytes, rows: numRows }] : [];
  });
  const count = (kind: AttentionKind): number => config.layers.filter(({ attention }) => attention === kind).length;
  const attention = (["global", "sliding"] as const)
    .map((kind) => attentionWork(kind, count(kind), config.attention[kind].window, pass))
    .filter(({ rowKeys }) => rowKeys > 0);
  return { products, attention, blocks: config.layers.length, rows, logitRows: pass.logitRows };
}

/** Drafting one token of each of `sequences` sequences with one MTP head, LM head included. */
export function draftPass({ config, numMtpHeads, weights }: CostModel, sequences: number): PassWork {
  const products = weights
    .filter(({ part }) => part === "mtp" || part === "lmHead")
    .map(({ part, dtype, parameters, bytes }): ProductWork => {
      const share = part === "mtp" ? 1 / numMtpHeads : 1;
      const drafted = inEightBits(dtype);
      const { blockBytes, blockElements } = DTYPES[drafted];
      const draftedBytes = drafted === dtype ? bytes : (parameters * blockBytes) / blockElements;
      return {
        op: "linear",
        dtype: drafted,
        elements: share * parameters,
        bytes: share * draftedBytes,
        rows: sequences,
      };
    });
  const { window } = config.attention.sliding;
  const pass = { sequences, rows: 1, position: window, logitRows: sequences };
  return {
    products,
    attention: [attentionWork("sliding", 1, window, pass)],
    blocks: 1,
    rows: sequences,
    logitRows: sequences,
  };
}

function attentionWork(kind: AttentionKind, layers: number, window: number, pass: Pass): AttentionWork {
  const { sequences, rows, position } = pass;
  // Rows see one key more each until the window is full.
  const growing = window === 0 ? rows : Math.max(0, Math.min(rows, window - position));
  const rowKeys = growing * (position + (growing + 1) / 2) + (rows - growing) * window;
  const keys = (window === 0 ? position : Math.min(position, window - 1)) + rows;
  return { kind, rows, rowKeys: layers * sequences * rowKeys, keys: layers * sequences * keys };
}

/** How fast a machine is at the few things that passes consist of. All in seconds. */
export interface MachineSpeed {
  /** One element of a matrix, multiplied by `rows` rows. */
  readonly product: (op: ProductOp, dtype: DType, rows: number) => number;
  /** One row of queries, all heads, meeting one key of a layer, where `rows` rows attend together. */
  readonly attention: (kind: AttentionKind, rows: number) => number;
  /** Everything else in a block: norms, rotation, writing keys, routing. */
  readonly block: (rows: number) => number;
  /** Choosing a token from a row of logits. */
  readonly sample: number;
}

export function passSeconds(work: PassWork, speed: MachineSpeed): number {
  let seconds = work.blocks * speed.block(work.rows) + work.logitRows * speed.sample;
  for (const { op, dtype, elements, rows } of work.products) seconds += elements * speed.product(op, dtype, rows);
  for (const { kind, rows, rowKeys } of work.attention) seconds += rowKeys * speed.attention(kind, rows);
  return seconds;
}

/** Bytes of weights that a pass reads; of the experts, the expected ones. */
export function weightBytesRead({ products }: PassWork): number {
  return products.reduce((sum, { bytes }) => sum + bytes, 0);
}

export function expertBytesRead({ products }: PassWork): number {
  return products.reduce((sum, { op, bytes }) => sum + (op === "experts" ? bytes : 0), 0);
}

/** Seconds to read a prompt of `tokens` tokens in chunks of `chunk` rows; `perPass` adds to every chunk. */
export function prefillSeconds(
  model: CostModel,
  speed: MachineSpeed,
  tokens: number,
  chunk: number,
  perPass: (work: PassWork) => number = () => 0,
): number {
  let seconds = 0;
  for (let position = 0; position < tokens; position += chunk) {
    const rows = Math.min(chunk, tokens - position);
    const work = trunkPass(model, { sequences: 1, rows, position, logitRows: position + rows === tokens ? 1 : 0 });
    seconds += passSeconds(work, speed) + perPass(work);
  }
  return seconds;
}
