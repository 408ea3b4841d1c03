// What a model needs of a machine and how fast it will run there: sizes and speeds from the model of cost.
//
// A model may be larger than the memory: then experts come from the disk as far as memory does not hold them, and
// everything else has to stay. Arithmetic only; measuring is done elsewhere.

import { cacheSizes, sequenceBytes } from "../cache/geometry.ts";
import { cacheGeometry } from "../engine/model-runner.ts";
import {
  type CostModel,
  draftPass,
  expectedExperts,
  expertBytesRead,
  type MachineSpeed,
  passSeconds,
  type PassWork,
  prefillSeconds,
  trunkPass,
  weightBytesRead,
  type WeightGroup,
} from "../model/cost.ts";
import { packedBytes } from "../model/packing.ts";
import type { KvDType } from "../tensor/dtype.ts";
import { defined } from "../util/assert.ts";
import type { SpeedRange } from "./machine-speed.ts";

export interface PlanOptions {
  readonly contexts: readonly number[];
  /** Sequences that decode at once. */
  readonly batches: readonly number[];
  readonly kvDType: KvDType;
  readonly speed: SpeedRange;
  /** False where nobody said how fast the machine multiplies: then only decoding one sequence can be told. */
  readonly knowsArithmetic: boolean;
  /** Memory that the model may fill. */
  readonly memoryBytes: number;
  readonly diskBytesPerSecond: number;
}

export interface Plan {
  readonly contexts: readonly ContextPlan[];
  readonly speculation: readonly DraftPlan[];
}

export interface ContextPlan {
  readonly tokens: number;
  /** Of one sequence. */
  readonly kvBytes: Readonly<Record<KvDType, number>>;
  /** Tokens per second of one prompt of this length. */
  readonly prefill: Range | null;
  readonly decode: readonly DecodePlan[];
}

export interface DecodePlan {
  readonly batch: number;
  readonly memory: MemoryPlan;
  /** Of all sequences together; null where it cannot run or cannot be told. */
  readonly tokensPerSecond: Range | null;
  /** Weights and keys that one step reads. */
  readonly bytesPerStep: number;
  /** Of a layer, in one step. */
  readonly distinctExperts: number;
}

export interface MemoryPlan {
  /** Weights, keys and values, activations and program. */
  readonly bytes: number;
  readonly fit: Fit;
  /** Share of the experts that memory holds, and so of their uses that need no disk. */
  readonly hitShare: number;
}

export type Fit = "fits" | "experts from disk" | "too large";

export interface DraftPlan {
  readonly drafts: number;
  /** Of drafting and verifying, in plain steps: so many tokens must a step give on average for drafts to pay. */
  readonly cost: number;
}

export interface Range {
  readonly expected: number;
  readonly low: number;
  readonly high: number;
}

/** Rows of a prefill step. */
const CHUNK_SIZE = 512;
/** Node.js, the program, and activations of the largest model: little beside weights that anybody plans for. */
const PROGRAM_BYTES = 400e6;

export function makePlan(model: CostModel, options: PlanOptions): Plan {
  return {
    contexts: options.contexts.map((tokens) => planContext(model, options, tokens)),
    speculation: options.knowsArithmetic ? planDrafts(model, options) : [],
  };
}

function planContext(model: CostModel, options: PlanOptions, tokens: number): ContextPlan {
  const { speed, knowsArithmetic } = options;
  const alone = planMemory(model, options, tokens, 1);
  const missing = missSeconds(options, alone.hitShare);
  return {
    tokens,
    kvBytes: {
      f32: kvBytes(model, "f32", tokens),
      f16: kvBytes(model, "f16", tokens),
      bf16: kvBytes(model, "bf16", tokens),
      q8_0: kvBytes(model, "q8_0", tokens),
    },
    prefill:
      knowsArithmetic && alone.fit !== "too large"
        ? rates(speed, tokens, (machine) => prefillSeconds(model, machine, tokens, CHUNK_SIZE, missing))
        : null,
    decode: options.batches.map((batch) => planDecode(model, options, tokens, batch)),
  };
}

function planDecode(model: CostModel, options: PlanOptions, tokens: number, batch: number): DecodePlan {
  const { speed, knowsArithmetic, kvDType } = options;
  const memory = planMemory(model, options, tokens, batch);
  const missing = missSeconds(options, memory.hitShare);
  const step = trunkPass(model, { sequences: batch, rows: 1, position: tokens, logitRows: batch });
  const canTell = memory.fit !== "too large" && (knowsArithmetic || batch === 1);
  return {
    batch,
    memory,
    tokensPerSecond: canTell ? rates(speed, batch, (machine) => passSeconds(step, machine) + missing(step)) : null,
    bytesPerStep: weightBytesRead(step) + batch * kvBytes({ ...model, numMtpHeads: 0 }, kvDType, tokens),
    distinctExperts: expectedExperts(model.config, batch),
  };
}

function planMemory(model: CostModel, options: PlanOptions, tokens: number, batch: number): MemoryPlan {
  const isExperts = ({ part }: WeightGroup): boolean => part === "experts";
  // What memory holds is packed, experts that were read from the disk too.
  const sum = (of: readonly WeightGroup[]): number =>
    of.reduce((total, { dtype, bytes }) => total + packedBytes(dtype, bytes), 0);
  const experts = sum(model.weights.filter(isExperts));
  const rest = sum(model.weights.filter((group) => !isExperts(group)));
  const resident = rest + batch * kvBytes(model, options.kvDType, tokens) + PROGRAM_BYTES;
  const room = options.memoryBytes - resident;
  const hitShare = Math.max(0, Math.min(1, experts === 0 ? 1 : room / experts));
  const fit = room < 0 ? "too large" : hitShare < 1 ? "experts from disk" : "fits";
  return { bytes: resident + experts, fit, hitShare };
}

function kvBytes({ config, numMtpHeads }: CostModel, dtype: KvDType, tokens: number): number {
  return sequenceBytes(cacheSizes(cacheGeometry(config, numMtpHeads), dtype), tokens);
}

/** What a pass waits for the disk, where routing is random and memory holds `hitShare` of the experts. */
function missSeconds({ diskBytesPerSecond }: PlanOptions, hitShare: number): (work: PassWork) => number {
  return (work) => (expertBytesRead(work) * (1 - hitShare)) / diskBytesPerSecond;
}

function rates(
  { expected, slow, fast }: SpeedRange,
  tokens: number,
  seconds: (machine: MachineSpeed) => number,
): Range {
  return { expected: tokens / seconds(expected), low: tokens / seconds(slow), high: tokens / seconds(fast) };
}

/** Tokens in the cache while drafting is judged: what it costs depends little on them. */
const DRAFT_CONTEXT = 1024;

function planDrafts(model: CostModel, { speed: { expected: machine } }: PlanOptions): DraftPlan[] {
  const verify = (drafts: number): number => {
    const rows = 1 + drafts;
    return passSeconds(trunkPass(model, { sequences: 1, rows, position: DRAFT_CONTEXT, logitRows: rows }), machine);
  };
  const plain = verify(0);
  return Array.from({ length: model.numMtpHeads }, (_, k) => {
    const drafts = k + 1;
    return { drafts, cost: (verify(drafts) + drafts * passSeconds(draftPass(model, 1), machine)) / plain };
  });
}

/** The context lengths to plan for: those wanted, as far as the model reaches, and at least one. */
export function plannedContexts(wanted: readonly number[], contextLength: number): number[] {
  const possible = wanted.filter((tokens) => tokens <= contextLength);
  return possible.length > 0 ? possible : [Math.min(contextLength, defined(wanted[0], "a context"))];
}
