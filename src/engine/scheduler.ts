// Decides which rows run in the next step: every decoding sequence first, then prompts in chunks, within a budget.
//
// Invariants: a running sequence has a place in the cache, a waiting one has none; rows of a plan are reserved; rows
// that running prompts have yet to reserve are not promised to others. Who is next, `Fairness` says. When blocks run
// out, cached prefixes go first; then, of the lowest priority, the sequence that arrived last gives its place back and
// waits. One of a higher priority takes the place of a lower one at once. Nobody overtakes the one that is next.

import { numBlocks } from "../cache/geometry.ts";
import type { HybridCache } from "../cache/hybrid-cache.ts";
import { assert, defined } from "../util/assert.ts";
import { Fairness, least } from "./fairness.ts";
import type { PrefixReuse } from "./prefix-reuse.ts";
import type { Sequence } from "./sequence.ts";

/** The rows of one sequence in a step. */
export interface PlannedRows {
  readonly sequence: Sequence;
  /** Position of the first row. */
  readonly position: number;
  readonly tokens: readonly number[];
  /** Rows whose logits are wanted: the last `numLogits` ones. 0 inside a prompt. */
  readonly numLogits: number;
}

interface Plan {
  readonly rows: PlannedRows[];
  /** Rows left. */
  budget: number;
  readonly preempted: Set<Sequence>;
}

/** Rows that a prompt is given at a time: small beside a step's budget, so that several prompts share it. */
const QUANTUM = 64;

export interface SchedulerOptions {
  /** Rows of a step, and so the largest chunk of a prompt. */
  readonly maxRows: number;
}

export class Scheduler {
  readonly #cache: HybridCache;
  readonly #reuse: PrefixReuse;
  readonly #options: SchedulerOptions;
  readonly #fairness = new Fairness();
  readonly #waiting: Sequence[] = [];
  readonly #running: Sequence[] = [];
  #numArrived = 0;
  #turn = 0;

  constructor(cache: HybridCache, reuse: PrefixReuse, options: SchedulerOptions) {
    this.#cache = cache;
    this.#reuse = reuse;
    this.#options = options;
  }

  get isIdle(): boolean {
    return this.#waiting.length === 0 && this.#running.length === 0;
  }

  add(sequence: Sequence): void {
    sequence.arrival = ++this.#numArrived;
    this.#fairness.enter(sequence);
    this.#waiting.push(sequence);
  }

  /** Forgets a sequence and frees its memory, wherever it stands. */
  remove(sequence: Sequence): void {
    removeFrom(sequence.cacheId === undefined ? this.#waiting : this.#running, sequence);
    this.#fairness.leave(sequence);
    this.#release(sequence);
  }

  find(id: number): Sequence | undefined {
    return [...this.#running, ...this.#waiting].find((sequence) => sequence.request.id === id);
  }

  /** The next step's rows; empty only when nothing is left to do. */
  plan(): PlannedRows[] {
    const plan: Plan = { rows: [], budget: this.#options.maxRows, preempted: new Set() };
    const decoding = this.#running.filter((sequence) => this.#numPending(sequence) === 1);
    for (const sequence of this.#inTurn(decoding)) this.#planDecode(sequence, plan);
    // Whoever just gave its memory back must not take it again in the same step.
    while (plan.budget > 0 && plan.preempted.size === 0 && this.#admit(plan));
    this.#planPrompts(plan);
    return plan.rows.filter(({ sequence }) => !plan.preempted.has(sequence));
  }

  /** Where not all fit into a step, each step begins with another sequence. */
  #inTurn(sequences: readonly Sequence[]): readonly Sequence[] {
    const rows = sequences.reduce((sum, { drafts }) => sum + 1 + drafts.length, 0);
    if (rows <= this.#options.maxRows) return sequences;
    const first = this.#turn++ % sequences.length;
    return [...sequences.slice(first), ...sequences.slice(0, first)];
  }

  #planDecode(sequence: Sequence, plan: Plan): void {
    const drafts = sequence.drafts.slice(0, Math.max(0, plan.budget - 1));
    const count = 1 + drafts.length;
    if (plan.budget < 1 || !this.#reserve(sequence, count, plan)) return;
    plan.rows.push(this.#rows(sequence, [...sequence.tokens.slice(-1), ...drafts], count));
    this.#fairness.charge(sequence, count);
    plan.budget -= count;
  }

  /** Divides what is left of the budget among prompts. */
  #planPrompts(plan: Plan): void {
    const planned = new Set(plan.rows.map(({ sequence }) => sequence));
    const open = this.#running.filter((sequence) => !planned.has(sequence));
    const counts = new Map<Sequence, number>();
    while (plan.budget > 0 && open.length > 0) {
      const sequence = this.#nextPrompt(open, counts);
      const given = counts.get(sequence) ?? 0;
      const most = this.#chunkEnd(sequence) - this.#cached(sequence) - given;
      const count = Math.min(QUANTUM, most, plan.budget);
      counts.set(sequence, given + count);
      this.#fairness.charge(sequence, count);
      plan.budget -= count;
      if (count === most) removeFrom(open, sequence);
    }
    for (const [sequence, count] of counts) this.#planPrompt(sequence, count, plan);
  }

  /** Of one tenant's prompts, the oldest and the one with least left take turns: no long one blocks, none starves. */
  #nextPrompt(open: readonly Sequence[], counts: ReadonlyMap<Sequence, number>): Sequence {
    const first = defined(this.#fairness.first(open), "an open prompt");
    const peers = open.filter(({ tenant, priority }) => tenant === first.tenant && priority === first.priority);
    const byAge = (a: Sequence, b: Sequence): number => a.arrival - b.arrival;
    const left = (sequence: Sequence): number => this.#numPending(sequence) - (counts.get(sequence) ?? 0);
    const byRest = (a: Sequence, b: Sequence): number => left(a) - left(b) || byAge(a, b);
    return defined(least(peers, this.#fairness.takeTurn(first) % 2 === 0 ? byAge : byRest), "a peer");
  }

  #planPrompt(sequence: Sequence, count: number, plan: Plan): void {
    if (!this.#reserve(sequence, count, plan)) return;
    const cached = this.#cached(sequence);
    const isLast = cached + count === sequence.tokens.length;
    plan.rows.push(this.#rows(sequence, sequence.tokens.slice(cached, cached + count), isLast ? 1 : 0));
  }

  /** Where the next chunk of a prompt must end. */
  #chunkEnd(sequence: Sequence): number {
    const { branchAt, tokens } = sequence;
    return branchAt > this.#cached(sequence) ? branchAt : tokens.length;
  }

  #rows(sequence: Sequence, tokens: readonly number[], numLogits: number): PlannedRows {
    return { sequence, position: this.#cached(sequence), tokens, numLogits };
  }

  /** Takes in the waiting sequence that is next, where the cache holds its tokens and one more. */
  #admit(plan: Plan): boolean {
    const next = this.#fairness.first(this.#waiting);
    if (next === undefined) return false;
    for (;;) {
      const match = this.#reuse.find(next);
      if (this.#cache.numFreeSequences > 0) {
        const { needed, available } = this.#reuse.demand(next, match);
        if (needed <= available - this.#numPromised()) {
          removeFrom(this.#waiting, next);
          this.#reuse.start(next, match);
          this.#running.push(next);
          return true;
        }
      }
      const victim = this.#victim();
      if (victim === undefined || victim.priority >= next.priority) return false;
      this.#preempt(victim, plan);
    }
  }

  /** Blocks that running prompts will need and have not reserved. */
  #numPromised(): number {
    return this.#running.reduce((sum, { tokens, cacheId }) => {
      const blocks = this.#cache.blocks(defined(cacheId, "a running sequence's cache"));
      return sum + Math.max(0, numBlocks(tokens.length + 1) - blocks.length);
    }, 0);
  }

  /** Makes room, by preempting others where it must; false where this one had to go itself. */
  #reserve(sequence: Sequence, count: number, plan: Plan): boolean {
    if (plan.preempted.has(sequence)) return false;
    const id = defined(sequence.cacheId, "a running sequence's cache");
    while (!this.#cache.reserve(id, count)) {
      const victim = defined(this.#victim(), "a running sequence");
      this.#preempt(victim, plan);
      if (victim === sequence) return false;
    }
    return true;
  }

  /** Who goes first when memory is short. */
  #victim(): Sequence | undefined {
    return least(this.#running, (a, b) => a.priority - b.priority || b.arrival - a.arrival);
  }

  #preempt(sequence: Sequence, plan: Plan): void {
    removeFrom(this.#running, sequence);
    this.#release(sequence);
    this.#waiting.push(sequence);
    plan.preempted.add(sequence);
  }

  #release(sequence: Sequence): void {
    if (sequence.cacheId === undefined) return;
    this.#reuse.keepEnding(sequence);
    this.#cache.release(sequence.cacheId);
    sequence.leaveCache();
  }

  #numPending(sequence: Sequence): number {
    return sequence.tokens.length - this.#cached(sequence);
  }

  #cached(sequence: Sequence): number {
    return this.#cache.length(defined(sequence.cacheId, "a running sequence's cache"));
  }
}

function removeFrom(queue: Sequence[], sequence: Sequence): void {
  const index = queue.indexOf(sequence);
  assert(index >= 0, `sequence ${sequence.request.id} is not scheduled`);
  queue.splice(index, 1);
}
