// Decides which rows run in the next step: every decoding sequence first, then prompts in chunks, within a budget.
//
// Invariants: a running sequence has a place in the cache, a waiting one has none; rows of a plan are reserved.
// When blocks run out, the sequence that arrived last gives its blocks back and waits to be computed again.

import type { HybridCache } from "../cache/hybrid-cache.ts";
import { assert, defined } from "../util/assert.ts";
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

export interface SchedulerOptions {
  /** Rows of a step, and so the largest chunk of a prompt. */
  readonly maxRows: number;
  readonly maxSequences: number;
}

export class Scheduler {
  readonly #cache: HybridCache;
  readonly #options: SchedulerOptions;
  readonly #waiting: Sequence[] = [];
  /** In order of arrival. */
  readonly #running: Sequence[] = [];
  #turn = 0;

  constructor(cache: HybridCache, options: SchedulerOptions) {
    this.#cache = cache;
    this.#options = options;
  }

  get isIdle(): boolean {
    return this.#waiting.length === 0 && this.#running.length === 0;
  }

  add(sequence: Sequence): void {
    this.#waiting.push(sequence);
  }

  /** Forgets a sequence and frees its memory, wherever it stands. */
  remove(sequence: Sequence): void {
    const queue = sequence.cacheId === undefined ? this.#waiting : this.#running;
    const index = queue.indexOf(sequence);
    assert(index >= 0, `sequence ${sequence.request.id} is not scheduled`);
    queue.splice(index, 1);
    this.#release(sequence);
  }

  find(id: number): Sequence | undefined {
    return [...this.#running, ...this.#waiting].find((sequence) => sequence.request.id === id);
  }

  /** The next step's rows; empty only when nothing is left to do. */
  plan(): PlannedRows[] {
    const plan: Plan = { rows: [], budget: this.#options.maxRows, preempted: new Set() };
    const pending = (sequence: Sequence): number => sequence.tokens.length - this.#cached(sequence);
    const decoding = this.#running.filter((sequence) => pending(sequence) === 1);
    const prompts = this.#running.filter((sequence) => pending(sequence) > 1);
    for (const sequence of this.#inTurn(decoding)) this.#planDecode(sequence, plan);
    for (const sequence of prompts) this.#planPrompt(sequence, plan);
    // Whoever just gave its memory back must not take it again in the same step.
    while (plan.budget > 0 && plan.preempted.size === 0 && this.#admit()) {
      this.#planPrompt(defined(this.#running.at(-1), "the admitted sequence"), plan);
    }
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
    plan.budget -= count;
  }

  #planPrompt(sequence: Sequence, plan: Plan): void {
    if (plan.budget < 1 || plan.preempted.has(sequence)) return;
    const cached = this.#cached(sequence);
    const count = Math.min(plan.budget, sequence.tokens.length - cached);
    if (!this.#reserve(sequence, count, plan)) return;
    const isLast = cached + count === sequence.tokens.length;
    plan.rows.push(this.#rows(sequence, sequence.tokens.slice(cached, cached + count), isLast ? 1 : 0));
    plan.budget -= count;
  }

  #rows(sequence: Sequence, tokens: readonly number[], numLogits: number): PlannedRows {
    return { sequence, position: this.#cached(sequence), tokens, numLogits };
  }

  /** Takes the next waiting sequence in, where the cache holds its tokens and one more block. */
  #admit(): boolean {
    const next = this.#waiting[0];
    if (next === undefined || this.#cache.numFreeSequences === 0) return false;
    if (next.tokens.length + 1 > this.#cache.numFreeTokens) return false;
    this.#waiting.shift();
    next.cacheId = this.#cache.open();
    this.#running.push(next);
    return true;
  }

  /** Makes room, by preempting later sequences where it must; false where this one had to go itself. */
  #reserve(sequence: Sequence, count: number, plan: Plan): boolean {
    if (plan.preempted.has(sequence)) return false;
    const id = defined(sequence.cacheId, "a running sequence's cache");
    while (!this.#cache.reserve(id, count)) {
      const victim = defined(this.#running.at(-1), "a running sequence");
      this.#preempt(victim);
      plan.preempted.add(victim);
      if (victim === sequence) return false;
    }
    return true;
  }

  #preempt(sequence: Sequence): void {
    this.#running.splice(this.#running.indexOf(sequence), 1);
    this.#release(sequence);
    this.#waiting.unshift(sequence);
  }

  #release(sequence: Sequence): void {
    if (sequence.cacheId === undefined) return;
    this.#cache.release(sequence.cacheId);
    sequence.leaveCache();
  }

  #cached(sequence: Sequence): number {
    return this.#cache.length(defined(sequence.cacheId, "a running sequence's cache"));
  }
}
