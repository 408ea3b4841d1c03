// The engine: plan → run → sample → commit, for all sequences at once. It sees ids, never text.
//
// `step` is synchronous and does one forward pass. Greedy or sampled, with or without drafts, a sequence's tokens are
// those it would have had alone: kernels are batch-invariant and sampling depends on seed and position only.

import type { Backend, FetchStats } from "../backends/backend.ts";
import { RING_SLACK } from "../cache/geometry.ts";
import { PrefixCache, type PrefixCacheOptions, type PrefixCacheStats } from "../cache/prefix-cache.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { Activations } from "../ops/linear/quantise-activations.ts";
import type { BindOptions } from "../model/weight-binder.ts";
import { Constraints } from "../grammar/constraints.ts";
import type { Logprobs } from "../ops/sample/logprobs.ts";
import type { KvDType } from "../tensor/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { MimoError } from "../util/errors.ts";
import { type Acceptance, DraftDepth } from "./draft-depth.ts";
import { type ExpertReads, readsSince } from "./expert-reads.ts";
import { ModelRunner, type Sample, type SampleRequest } from "./model-runner.ts";
import { PrefixReuse } from "./prefix-reuse.ts";
import { createRouteLog, reportRoutes } from "./routes.ts";
import { type PlannedRows, Scheduler } from "./scheduler.ts";
import { Sequence, type SequenceOutput, type SequenceRequest } from "./sequence.ts";
import { type MtpMode, Speculator } from "./speculator.ts";

export interface EngineOptions extends BindOptions {
  /** Tokens that all sequences together can hold. */
  readonly maxTokens: number;
  readonly maxSequences: number;
  /** Rows of a step, and so the largest chunk of a prompt. */
  readonly maxRows: number;
  readonly kvDType: KvDType;
  readonly activations: Activations;
  readonly mtpMode: MtpMode;
  /** Tokens of the tokenizer; ids from here to the model's vocabulary size are padding. Default: all are real. */
  readonly numTokens?: number | undefined;
  /** Undefined: no sequence reuses what another computed. */
  readonly prefixCache?: PrefixCacheOptions | undefined;
}

export class Engine implements Disposable {
  readonly runner: ModelRunner;
  readonly options: EngineOptions;
  readonly #prefixes: PrefixCache | undefined;
  readonly #reuse: PrefixReuse;
  readonly #scheduler: Scheduler;
  readonly #speculator: Speculator;
  readonly #depths = new Map<number, DraftDepth>();
  readonly #constraints = new Constraints();
  readonly #now: () => number;
  #fetchesBefore: FetchStats | undefined;

  constructor(
    backend: Backend,
    checkpoint: Checkpoint,
    options: EngineOptions,
    now: () => number = () => performance.now(),
    runner: ModelRunner = createRunner(backend, checkpoint, options),
  ) {
    this.options = options;
    this.#now = now;
    this.runner = runner;
    const { cache } = this.runner;
    this.#prefixes = options.prefixCache && new PrefixCache(cache, options.prefixCache);
    this.#reuse = new PrefixReuse(cache, this.#prefixes);
    this.#scheduler = new Scheduler(cache, this.#reuse, options);
    this.#speculator = new Speculator(this.runner, options.mtpMode);
  }

  get isIdle(): boolean {
    return this.#scheduler.isIdle;
  }

  /** Longest sequence, prompt and output, that can run. */
  get contextLength(): number {
    return Math.min(this.options.maxTokens, this.runner.model.config.contextLength);
  }

  /** Queues a sequence. Throws `context_length_exceeded` or `invalid_argument`; then nothing is queued. */
  submit(request: SequenceRequest): void {
    const { prompt, priority = 0 } = request;
    if (!Number.isInteger(priority)) {
      throw new MimoError("invalid_argument", `priority must be an integer, found ${priority}.`, { param: "priority" });
    }
    if (prompt.length === 0) throw new MimoError("invalid_argument", "The prompt has no tokens.", { param: "prompt" });
    const odd = prompt.find(
      (token) => !Number.isInteger(token) || token < 0 || token >= this.runner.model.config.vocabSize,
    );
    if (odd !== undefined) {
      throw new MimoError(
        "invalid_argument",
        `Token ${odd} is outside the vocabulary of ${this.runner.model.config.vocabSize}.`,
        { param: "prompt" },
      );
    }
    if (prompt.length + 1 > this.contextLength) {
      throw new MimoError(
        "context_length_exceeded",
        `The prompt has ${prompt.length} tokens; the context holds ${this.contextLength}, of which one must stay free for the answer.`,
        { param: "prompt", remedy: "Shorten the prompt, or load the model with a larger contextLength." },
      );
    }
    const maxTokens = Math.min(request.maxTokens, this.contextLength - prompt.length);
    const constraint = request.constraint && this.#constraints.create(request.constraint, this.runner.numTokens);
    const routes = request.routedExperts === true ? createRouteLog(this.runner.model.config) : undefined;
    const { maxDepth } = this.#speculator;
    this.#scheduler.add(new Sequence({ ...request, maxTokens }, maxDepth, this.#now(), constraint, routes));
  }

  /** Ends a sequence and frees its memory at once; its last output. Undefined where it is not running any more. */
  abort(id: number): SequenceOutput | undefined {
    const sequence = this.#scheduler.find(id);
    if (sequence === undefined) return undefined;
    this.#scheduler.remove(sequence);
    return { id, tokens: [], finish: "aborted", stats: sequence.stats };
  }

  /** Ends a sequence's thinking with its next token; nothing where it is not running any more. */
  endThinking(id: number): void {
    this.#scheduler.find(id)?.endThinking();
  }

  /** One forward pass for everything that is due. */
  step(): SequenceOutput[] {
    const start = this.#now();
    this.#fetchesBefore = this.runner.backend.fetchStats();
    const planned = this.#scheduler.plan();
    if (planned.length === 0) return [];
    for (const { sequence } of planned) this.#noteStart(sequence, start);

    const hidden = this.runner.forward(planned);
    const samples = this.runner.sample(hidden, sampleRequests(planned, this.runner.numTokens));
    const outputs = reportRoutes(this.runner, planned, this.#verifyAll(planned, samples));
    this.#speculate(planned, hidden, this.#now() - start);
    this.#reuse.keepReached(planned);
    for (const { sequence } of planned) if (sequence.finish !== undefined) this.#scheduler.remove(sequence);
    this.#noteEnd(planned, this.#now() - start);
    return outputs;
  }

  /** Uses and reads of experts: in all steps, and in the last one. Undefined where all weights are used in place. */
  get expertReads(): ExpertReads | undefined {
    const total = this.runner.backend.fetchStats();
    const before = this.#fetchesBefore ?? total;
    return total === undefined || before === undefined ? undefined : { total, lastStep: readsSince(total, before) };
  }

  /** Share of the KV cache that sequences hold, 0 to 1; what only the prefix cache holds is free. */
  get kvUse(): number {
    const { cache } = this.runner;
    return 1 - cache.numFreeBlocks / cache.blockPool.numBlocks;
  }

  /** Undefined where there is no prefix cache. */
  get prefixCacheStats(): PrefixCacheStats | undefined {
    return this.#prefixes?.stats();
  }

  /** Memory that the prefix cache may come to take beside what is allocated. */
  get snapshotBytes(): number {
    return this.#prefixes?.snapshotBytes ?? 0;
  }

  /** Forgets the prefixes of a namespace, or all of them; running sequences keep what they use. */
  clearPrefixes(namespace?: string): void {
    this.#prefixes?.clear(namespace);
  }

  checkIntegrity(): void {
    this.runner.cache.checkIntegrity();
    this.#prefixes?.checkIntegrity();
  }

  [Symbol.dispose](): void {
    this.#prefixes?.[Symbol.dispose]();
    this.runner[Symbol.dispose]();
  }

  #verifyAll(planned: readonly PlannedRows[], samples: readonly Sample[]): SequenceOutput[] {
    let row = 0;
    return planned.map((rows) => {
      const own = samples.slice(row, (row += rows.numLogits));
      return this.#verify(rows, own);
    });
  }

  /** Takes the sample of each row, for as long as the drafts hold, and commits the rows that did. */
  #verify({ sequence, position, tokens, numLogits }: PlannedRows, samples: readonly Sample[]): SequenceOutput {
    const { request, drafts, stats } = sequence;
    const cacheId = sequence.cacheId!;
    if (numLogits === 0) {
      this.runner.cache.commit(cacheId, tokens.length);
      return { id: request.id, tokens: [], prefilled: position + tokens.length, stats };
    }
    const produced: number[] = [];
    const logprobs: Logprobs[] = [];
    for (const sample of samples) {
      const draft = drafts[produced.length];
      sequence.append(sample.token);
      produced.push(sample.token);
      if (sample.logprobs !== undefined) logprobs.push(sample.logprobs);
      // What is behind a token that forces the next one was sampled as if it did not.
      if (sequence.finish !== undefined || sequence.forced !== undefined || sample.token !== draft) break;
    }
    sequence.lastAccepted = produced.findIndex((token, k) => token !== drafts[k]);
    if (sequence.lastAccepted < 0) sequence.lastAccepted = produced.length;
    // The last produced token is pending; every earlier one was a draft that held, and its row stays.
    this.runner.cache.commit(cacheId, tokens.length - numLogits + produced.length);
    for (let k = 0; k < numLogits - 1; k++) {
      stats.drafts[k]!++;
      if (produced[k] === drafts[k]) stats.accepted[k]!++;
    }
    return {
      id: request.id,
      tokens: produced,
      ...(request.topLogprobs === undefined ? {} : { logprobs }),
      ...(request.steps === true ? { drafted: drafts.slice(0, numLogits - 1) } : {}),
      stats,
      ...(sequence.finish === undefined ? {} : { finish: sequence.finish }),
    };
  }

  /** Drafts for the next step, and measures what verifying and drafting cost. */
  #speculate(planned: readonly PlannedRows[], hidden: Tensor, verifyMs: number): void {
    const speculating = planned.filter(({ sequence }) => sequence.request.speculation !== 0);
    if (this.#speculator.maxDepth === 0 || speculating.length === 0) return;
    const drafting = speculating.filter(({ sequence }) => sequence.finish === undefined);
    if (drafting.length === 0) {
      // What has ended may be continued from the prefix cache.
      if (this.#prefixes !== undefined) this.#speculator.absorb(planned, hidden);
      return;
    }
    const policy = this.#depthPolicy(drafting.length);
    const acceptanceOf = (sequence: Sequence): Acceptance => (sequence.acceptance ??= policy.newAcceptance());
    const isFixed = drafting.some(({ sequence }) => sequence.request.speculation !== "auto");
    // Measured are steps in which all sequences do the same: verify drafts of the policy's depth, and draft.
    const isMeasured =
      !isFixed &&
      planned.length === drafting.length &&
      planned.every(({ numLogits, tokens }) => numLogits === tokens.length);
    if (isMeasured) {
      for (const { sequence, numLogits } of planned) {
        policy.recordVerify(acceptanceOf(sequence), numLogits - 1, sequence.lastAccepted, verifyMs);
      }
    }
    const started = this.#now();
    const ready = drafting.filter(({ numLogits }) => numLogits > 0).map(({ sequence }) => sequence);
    const auto = ready.length > 0 ? policy.choose(ready.map(acceptanceOf)) : 0;
    // Where no draft is near, nothing is kept for one: plain decoding then costs what it costs alone.
    if (isFixed || policy.expectsDrafts) this.#speculator.absorb(planned, hidden);
    this.#draftAll(ready, auto);
    if (isMeasured) policy.recordDraft(auto, this.#now() - started);
  }

  /** Sequences of one depth draft together. */
  #draftAll(sequences: readonly Sequence[], auto: number): void {
    const { maxDepth } = this.#speculator;
    const depthOf = ({ request, numGenerated }: Sequence): number =>
      Math.min(
        request.speculation === "auto" ? auto : request.speculation,
        maxDepth,
        request.maxTokens - numGenerated - 1,
      );
    for (let depth = 0; depth <= maxDepth; depth++) {
      const group = sequences.filter((sequence) => depthOf(sequence) === depth);
      if (group.length > 0) this.#speculator.draft(group, depth);
    }
  }

  /** What a depth costs depends on how many sequences share a step: one policy for each power of two. */
  #depthPolicy(numSequences: number): DraftDepth {
    const key = Math.ceil(Math.log2(numSequences));
    const policy = this.#depths.get(key) ?? new DraftDepth(this.#speculator.maxDepth);
    this.#depths.set(key, policy);
    return policy;
  }

  #noteStart(sequence: Sequence, now: number): void {
    if (sequence.hasStarted) return;
    sequence.hasStarted = true;
    sequence.stats.queueMs = now - sequence.submittedAt;
  }

  #noteEnd(planned: readonly PlannedRows[], ms: number): void {
    for (const { sequence, position, numLogits, tokens } of planned) {
      // A prompt's last chunk may be a single row too.
      const decoded = numLogits === tokens.length && position >= sequence.request.prompt.length;
      if (decoded) {
        sequence.stats.decodeMs += ms;
        sequence.stats.decodeSteps++;
      } else sequence.stats.prefillMs += ms;
    }
  }
}

function createRunner(backend: Backend, checkpoint: Checkpoint, options: EngineOptions): ModelRunner {
  const { kvDType: dtype, maxTokens, maxSequences, activations, packing, onPacked, numTokens } = options;
  // An MTP pass takes at most RING_SLACK rows of each sequence.
  const maxRows = Math.max(options.maxRows, maxSequences * RING_SLACK);
  return new ModelRunner(backend, checkpoint, {
    dtype,
    maxTokens,
    maxSequences,
    maxRows,
    activations,
    packing,
    onPacked,
    numTokens,
  });
}

/** What is asked of a plan's rows: of each sequence the last ones, as its drafts before them would have it. */
function sampleRequests(planned: readonly PlannedRows[], numTokens: number): SampleRequest[] {
  let end = 0;
  return planned.flatMap(({ sequence, tokens, numLogits }) => {
    const first = (end += tokens.length) - numLogits;
    const { topLogprobs } = sequence.request;
    return Array.from({ length: numLogits }, (_, i): SampleRequest => ({
      ...sequence.samplingAfter(sequence.drafts.slice(0, i), numTokens),
      row: first + i,
      topLogprobs,
    }));
  });
}
