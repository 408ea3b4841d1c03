// Drafts tokens with the MTP heads, and keeps the heads' keys in step with the trunk.
//
// Head k at position i reads the hidden state i and token i + 1 + k, and predicts token i + 2 + k. With n cached
// positions and the pending token x_n, head k drafts at position n − 1; where token i + 1 + k is itself a draft, the
// key it wrote is tentative and is computed again after verification. Drafts never change the output: the trunk
// verifies each of them. `parallel` heads all read the trunk's hidden state; `chained` head k reads head k − 1's.

import { RING_SLACK } from "../cache/geometry.ts";
import type { RowSpan } from "../cache/hybrid-cache.ts";
import type { HiddenSource } from "../model/model.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { defined } from "../util/assert.ts";
import type { ModelRunner } from "./model-runner.ts";
import type { PlannedRows } from "./scheduler.ts";
import type { Sequence } from "./sequence.ts";

export type MtpMode = "parallel" | "chained";

/** Positions [from, to) of one sequence that a head is to process. */
interface HeadSpan {
  readonly sequence: Sequence;
  readonly from: number;
  readonly to: number;
}

export class Speculator {
  readonly #runner: ModelRunner;
  readonly #mode: MtpMode;

  constructor(runner: ModelRunner, mode: MtpMode) {
    this.#runner = runner;
    this.#mode = mode;
  }

  get maxDepth(): number {
    return this.#runner.model.numMtpHeads;
  }

  /** Keeps what later drafts need of a trunk pass: its last hidden states, and the heads' keys inside prompts. */
  absorb(planned: readonly PlannedRows[], hidden: Tensor): void {
    if (this.maxDepth === 0) return;
    const { cache, model } = this.#runner;
    const targets = planned.flatMap(({ sequence, position, tokens }) =>
      tokens.map((_, i) =>
        sequence.cacheId === undefined || i < tokens.length - RING_SLACK
          ? -1
          : cache.hiddenRow(cacheId(sequence), position + i),
      ),
    );
    // Before the ring takes this pass's hidden states, prompts use those of the pass before.
    let row = 0;
    for (const rows of planned) {
      const inPrompt = rows.numLogits === 0 || rows.tokens.length > RING_SLACK;
      if (inPrompt && rows.sequence.cacheId !== undefined) this.#absorbPrompt(rows, hidden, row);
      row += rows.tokens.length;
    }
    model.saveHidden(hidden, cache.hidden, Int32Array.from(targets));
  }

  /** Drafts up to `depth` tokens for each sequence; every one has exactly one pending token. */
  draft(sequences: readonly Sequence[], depth: number): void {
    for (const sequence of sequences) sequence.drafts = [];
    const numHeads = Math.min(depth, this.maxDepth);
    let previous: { readonly out: Tensor; readonly spans: readonly HeadSpan[] } | undefined;
    for (let head = 0; head < numHeads && sequences.length > 0; head++) {
      const spans = sequences.map((sequence) => this.#draftSpan(sequence, head, numHeads));
      const source =
        this.#mode === "chained" && previous !== undefined
          ? { tensor: previous.out, rows: Int32Array.from({ length: countRows(spans) }, (_, i) => i) }
          : this.#savedHidden(spans);
      const out = this.#forward(head, spans, source);
      this.#sample(head, spans, out);
      previous = { out, spans };
    }
    this.#catchUp(sequences, numHeads);
  }

  #draftSpan(sequence: Sequence, head: number, numHeads: number): HeadSpan {
    const to = this.#cached(sequence);
    // Chained heads read each other's rows, so they all start where the last of them must.
    const cached =
      this.#mode === "chained" ? Math.min(...sequence.mtpCached.slice(0, numHeads)) : sequence.mtpCached[head]!;
    return { sequence, from: Math.max(cached, to - RING_SLACK, 0), to };
  }

  #forward(head: number, spans: readonly HeadSpan[], source: HiddenSource): Tensor {
    const { cache, model } = this.#runner;
    const out = model.mtpForward(head, this.#batch(head, spans), source, cache);
    this.#markCached(head, spans);
    return out;
  }

  /** Samples the draft of each sequence from the head's last row, with the noise the trunk will use. */
  #sample(head: number, spans: readonly HeadSpan[], out: Tensor): void {
    let row = -1;
    const requests = spans.map(({ sequence, from, to }) => ({
      ...sequence.samplingAfter(sequence.drafts),
      row: (row += to - from),
    }));
    this.#runner.sample(out, head, requests).forEach(({ token }, i) => {
      const { sequence } = defined(spans[i], "a drafted span");
      sequence.drafts = [...sequence.drafts, token];
    });
  }

  /** Heads that did not draft take in keys before the hidden states they need are overwritten. */
  #catchUp(sequences: readonly Sequence[], firstHead: number): void {
    if (this.#mode === "chained") return;
    for (let head = firstHead; head < this.maxDepth; head++) {
      const spans = sequences
        .map((sequence) => ({ sequence, from: sequence.mtpCached[head]!, to: this.#known(sequence, head) }))
        .filter(({ sequence, from }) => this.#cached(sequence) - from > RING_SLACK / 2)
        .map((span) => ({ ...span, from: Math.max(span.from, this.#cached(span.sequence) - RING_SLACK) }));
      if (spans.length > 0) this.#absorbSpans(head, spans, this.#savedHidden(spans));
    }
  }

  /** Keys of the part of a prompt's chunk that is still in the window when the prompt ends. */
  #absorbPrompt({ sequence, position, tokens }: PlannedRows, hidden: Tensor, firstRow: number): void {
    if (this.#mode === "chained") return;
    const end = position + tokens.length;
    const needed = sequence.tokens.length - this.#runner.cache.geometry.window - RING_SLACK;
    for (let head = 0; head < this.maxDepth; head++) {
      const from = Math.max(sequence.mtpCached[head]!, needed, 0);
      // The last position is left to the first draft, which needs its output.
      const to = Math.min(end, sequence.tokens.length - Math.max(2, 1 + head));
      const before = { sequence, from: Math.max(from, position - RING_SLACK), to: Math.min(to, position) };
      if (before.from < before.to) this.#absorbSpans(head, [before], this.#savedHidden([before]));
      for (let start = Math.max(from, position); start < to; start += this.#runner.options.maxRows) {
        const span = { sequence, from: start, to: Math.min(to, start + this.#runner.options.maxRows) };
        const rows = Int32Array.from({ length: span.to - span.from }, (_, i) => firstRow + span.from - position + i);
        this.#absorbSpans(head, [span], { tensor: hidden, rows });
      }
    }
  }

  #absorbSpans(head: number, spans: readonly HeadSpan[], source: HiddenSource): void {
    const { cache, model } = this.#runner;
    model.mtpAbsorb(head, this.#batch(head, spans), source, cache);
    this.#markCached(head, spans);
  }

  #markCached(head: number, spans: readonly HeadSpan[]): void {
    for (const { sequence, to } of spans) {
      sequence.mtpCached[head] = Math.max(sequence.mtpCached[head]!, Math.min(to, this.#known(sequence, head)));
    }
  }

  #batch(head: number, spans: readonly HeadSpan[]) {
    const tokens = spans.flatMap(({ sequence, from, to }) =>
      Array.from({ length: to - from }, (_, i) => {
        const index = from + i + 1 + head;
        return defined(sequence.tokens[index] ?? sequence.drafts[index - sequence.tokens.length], "a drafted token");
      }),
    );
    const rowSpans = spans.map(({ sequence, from, to }): RowSpan => ({
      sequence: cacheId(sequence),
      position: from,
      count: to - from,
    }));
    return { tokens: Int32Array.from(tokens), ring: this.#runner.cache.planRings(rowSpans) };
  }

  #savedHidden(spans: readonly HeadSpan[]): HiddenSource {
    const { cache } = this.#runner;
    const rows = spans.flatMap(({ sequence, from, to }) =>
      Array.from({ length: to - from }, (_, i) => cache.hiddenRow(cacheId(sequence), from + i)),
    );
    return { tensor: cache.hidden, rows: Int32Array.from(rows) };
  }

  /** Positions below it have a hidden state and a known token for this head. */
  #known(sequence: Sequence, head: number): number {
    return Math.min(this.#cached(sequence), sequence.tokens.length - 1 - head);
  }

  #cached(sequence: Sequence): number {
    return this.#runner.cache.length(cacheId(sequence));
  }
}

function cacheId(sequence: Sequence): number {
  return defined(sequence.cacheId, "a running sequence's cache");
}

function countRows(spans: readonly HeadSpan[]): number {
  return spans.reduce((sum, { from, to }) => sum + to - from, 0);
}
