// One sequence: its tokens, what it may still do, and where it stands. No text, no memory of its own.
//
// `tokens` holds prompt and output. The cache holds the keys of the first `cached` of them; the rest is pending. A
// sequence whose only pending token is its last one decodes; one with more is prefilled first.

import { RING_SLACK } from "../cache/geometry.ts";
import type { SequenceId } from "../cache/hybrid-cache.ts";
import type { CacheMiss } from "../cache/prefix-cache.ts";
import type { ExpertIds, RouteLog } from "../cache/route-log.ts";
import type { Constraint, ConstraintSpec, ConstraintState } from "../grammar/constraint.ts";
import type { Logprobs } from "../ops/sample/logprobs.ts";
import { type TokenHistory, usesHistory } from "../ops/sample/penalties.ts";
import { maskWords, type RowSampling } from "../ops/sample/sample-rows.ts";
import type { SamplingParams } from "../ops/sample/sample.ts";
import { defined } from "../util/assert.ts";
import type { Acceptance } from "./draft-depth.ts";
import { Guard, type GuardSpec } from "./guard.ts";

/** `repetition`: the output went round in circles. */
export type FinishReason = "stop" | "length" | "aborted" | "repetition";

/** What a caller asks for, in ids. */
export interface SequenceRequest {
  readonly id: number;
  readonly prompt: readonly number[];
  /** Most tokens to generate. */
  readonly maxTokens: number;
  /** Generation ends after one of these; it is the last token of the output. */
  readonly stopTokens: readonly number[];
  readonly sampling: SamplingParams;
  /** Alternatives to report per token; undefined reports no log-probabilities at all. */
  readonly topLogprobs?: number | undefined;
  /** Drafted tokens per step: a number, or "auto" for the depth that measures fastest. */
  readonly speculation: number | "auto";
  /** An integer, 0 unless given: sequences of a higher one run first, and take the memory of lower ones. */
  readonly priority?: number | undefined;
  /** Sequences of one namespace reuse each other's prefixes. Default: all that give none share one. */
  readonly cacheNamespace?: string | undefined;
  /** Whom rows are charged to; tenants get equal shares. Default: the namespace. */
  readonly tenant?: string | undefined;
  /** Whether to begin with what is cached, and to keep what is computed. Default true. */
  readonly cache?: boolean | undefined;
  /** Whether to report the experts that were chosen for each token, those of the prompt included. Default false. */
  readonly routedExperts?: boolean | undefined;
  /** Whether to report what was drafted for each step. Default false. */
  readonly steps?: boolean | undefined;
  /** What the output may be; undefined allows everything. */
  readonly constraint?: ConstraintSpec | undefined;
  /** What ends thinking, or the output, before the model does; undefined leaves it to the model. */
  readonly guard?: GuardSpec | undefined;
}

/** What the MTP heads know of a sequence; what it stands for lies in its rings. */
export type DraftingState = Pick<Sequence, "hidden" | "mtp">;

/** Counters of one sequence; times in milliseconds. */
export interface SequenceStats {
  promptTokens: number;
  /** Prompt tokens that were not processed, because their keys were known. */
  cachedTokens: number;
  /** Tokens whose keys were known, processed again for the window of sliding layers. */
  replayedTokens: number;
  /** Why the first token that was processed had to be; undefined before the sequence starts. */
  cacheMiss: CacheMiss | undefined;
  /** Steps in which the sequence decoded. */
  decodeSteps: number;
  /** accepted[k]: how often the draft of MTP head k was accepted. */
  accepted: number[];
  /** drafts[k]: how often head k drafted. */
  drafts: number[];
  /** From submission to the first step that ran it. */
  queueMs: number;
  prefillMs: number;
  decodeMs: number;
}

/** Positions [from, to). */
export interface PositionRange {
  readonly from: number;
  readonly to: number;
}

const EMPTY_RANGE: PositionRange = { from: 0, to: 0 };

function clip({ from, to }: PositionRange, end: number): PositionRange {
  return from < Math.min(to, end) ? { from, to: Math.min(to, end) } : EMPTY_RANGE;
}

function maskOfOne(token: number, numTokens: number): Uint32Array {
  const mask = new Uint32Array(maskWords(numTokens));
  mask[token >> 5] = 1 << (token & 31);
  return mask;
}

export class Sequence {
  readonly request: SequenceRequest;
  readonly tokens: number[];
  readonly stats: SequenceStats;
  readonly submittedAt: number;
  /** The experts of its tokens so far; undefined where nobody asks for them. */
  readonly routes: RouteLog | undefined;
  /** Its place in the cache; undefined while it waits. */
  cacheId: SequenceId | undefined;
  /** Tokens drafted for the next step. */
  drafts: readonly number[] = [];
  /** Drafts that held in the last step. */
  lastAccepted = 0;
  /** How often its drafts hold, where the engine chooses their number. */
  acceptance: Acceptance | undefined;
  /** Positions whose hidden states were kept for the MTP heads; the cache holds the last RING_SLACK of them. */
  hidden: PositionRange = EMPTY_RANGE;
  /** mtp[k]: positions that have keys in MTP head k, computed from true tokens. */
  mtp: PositionRange[];
  finish: FinishReason | undefined;
  /** Whether a step has run any of its rows. */
  hasStarted = false;
  /** Order of arrival; the scheduler's. */
  arrival = 0;
  /** Length up to which its prefix is known to others or was kept for them. */
  keptAt = 0;
  /** Length at which it leaves a prefix that others share; a step ends there. 0: nowhere of note. */
  branchAt = 0;
  readonly #stopTokens: ReadonlySet<number>;
  readonly #seen: Set<number>;
  readonly #counts = new Map<number, number>();
  readonly #guard: Guard | undefined;
  readonly #constraint: Constraint | undefined;
  /** Where the constraint stands behind the output so far. */
  #constrained: ConstraintState | undefined;

  constructor(request: SequenceRequest, numMtpHeads: number, now: number, constraint?: Constraint, routes?: RouteLog) {
    this.request = request;
    this.routes = routes;
    this.#guard = request.guard && new Guard(request.guard);
    this.#constraint = constraint;
    this.#constrained = constraint?.start;
    this.tokens = [...request.prompt];
    this.submittedAt = now;
    this.mtp = Array.from({ length: numMtpHeads }, () => EMPTY_RANGE);
    this.#stopTokens = new Set(request.stopTokens);
    this.#seen = new Set(request.prompt);
    this.stats = {
      promptTokens: request.prompt.length,
      cachedTokens: 0,
      replayedTokens: 0,
      cacheMiss: undefined,
      decodeSteps: 0,
      accepted: Array.from({ length: numMtpHeads }, () => 0),
      drafts: Array.from({ length: numMtpHeads }, () => 0),
      queueMs: 0,
      prefillMs: 0,
      decodeMs: 0,
    };
  }

  get numGenerated(): number {
    return this.tokens.length - this.request.prompt.length;
  }

  /** The only token that may come next, whatever was drafted; undefined where any may. */
  get forced(): number | undefined {
    return this.#guard?.forced;
  }

  /** Ends the thinking with the next token, and any that begins later at once. */
  endThinking(): void {
    this.#guard?.endThinking();
  }

  get priority(): number {
    return this.request.priority ?? 0;
  }

  get namespace(): string {
    return this.request.cacheNamespace ?? "";
  }

  get tenant(): string {
    return this.request.tenant ?? this.namespace;
  }

  /** Its place in the cache is taken away, and with it all that was computed there. */
  leaveCache(): void {
    this.cacheId = undefined;
    this.drafts = [];
    this.hidden = EMPTY_RANGE;
    this.mtp = this.mtp.map(() => EMPTY_RANGE);
  }

  get drafting(): DraftingState {
    return { hidden: this.hidden, mtp: [...this.mtp] };
  }

  /** Begins at `from` with the rings of a sequence that shares `known` tokens with this one. */
  resumeDrafting({ hidden, mtp }: DraftingState, { from, known }: { from: number; known: number }): void {
    this.hidden = clip({ from: Math.max(hidden.from, hidden.to - RING_SLACK), to: hidden.to }, from);
    // Head k read the token k + 1 places on, which may have been another one.
    this.mtp = mtp.map((keys, k) => clip(keys, Math.min(from, known - 1 - k)));
  }

  /** Appends a sampled token and notes whether it ends the sequence. */
  append(token: number): void {
    this.tokens.push(token);
    this.#seen.add(token);
    this.#counts.set(token, (this.#counts.get(token) ?? 0) + 1);
    if (this.#stopTokens.has(token)) this.finish = "stop";
    else if (this.numGenerated >= this.request.maxTokens) this.finish = "length";
    this.#guard?.append(token);
    if (this.#guard?.isLooping === true) this.finish ??= "repetition";
    if (this.#constraint === undefined) return;
    this.#constrained = defined(this.#constraintAfter([token]), "a sampled token that the constraint allows");
    if (this.#constraint.isOver(this.#constrained)) this.finish = "stop";
  }

  /** How to sample the token that follows `drafts`, should they hold. */
  samplingAfter(drafts: readonly number[], numTokens: number): RowSampling {
    const params = this.request.sampling;
    return {
      params,
      history: this.#historyAfter(drafts),
      position: this.tokens.length + drafts.length,
      mask: this.#maskAfter(drafts, numTokens),
    };
  }

  /** The drafts before the first one that the constraint refuses, or that would follow its end. */
  allowedDrafts(drafts: readonly number[]): readonly number[] {
    if (this.#constraint === undefined) return drafts;
    let count = 0;
    for (let state = this.#constrained; count < drafts.length; count++) {
      state = state && this.#constraint.after(state, drafts[count]!);
      if (state === undefined) break;
    }
    return drafts.slice(0, count);
  }

  #maskAfter(drafts: readonly number[], numTokens: number): Uint32Array | undefined {
    if (this.forced !== undefined && drafts.length === 0) return maskOfOne(this.forced, numTokens);
    const constrained = this.#constraintAfter(drafts);
    return constrained && this.#constraint?.mask(constrained);
  }

  #constraintAfter(drafts: readonly number[]): ConstraintState | undefined {
    let state = this.#constrained;
    for (const token of drafts) state = state && this.#constraint?.after(state, token);
    return state;
  }

  #historyAfter(drafts: readonly number[]): TokenHistory {
    const history = { seen: this.#seen, counts: this.#counts };
    if (drafts.length === 0 || !usesHistory(this.request.sampling)) return history;
    const counts = new Map(this.#counts);
    for (const token of drafts) counts.set(token, (counts.get(token) ?? 0) + 1);
    return { seen: new Set([...this.#seen, ...drafts]), counts };
  }
}

/** What a step produced for one sequence. */
export interface SequenceOutput {
  readonly id: number;
  readonly tokens: readonly number[];
  readonly logprobs?: readonly Logprobs[];
  /** The tokens that were drafted for this step, where they are asked for: those that `tokens` begins with held. */
  readonly drafted?: readonly number[];
  /** Experts of the tokens whose rows were committed since the last output, where they are asked for; see `routes.ts`. */
  readonly routes?: ExpertIds;
  /** Prompt tokens in the cache so far, while the prompt is being processed. */
  readonly prefilled?: number;
  readonly finish?: FinishReason;
  /** As they stand after this step. */
  readonly stats: SequenceStats;
}
