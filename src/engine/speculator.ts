// Drafts tokens with the MTP heads from the trunk's hidden states.
//
// Head k at position i reads the hidden state i and token i + 1 + k, and predicts token i + 2 + k. With n cached
// positions and the pending token x_n, head k drafts at position n − 1; where token i + 1 + k is itself a draft, the
// key it wrote is tentative and is computed again after verification. Drafts never change the output: the trunk
// verifies each of them. `parallel` heads all read the trunk's hidden state; `chained` head k reads head k − 1's.
//
// Nothing is kept up for a head that does not draft. When it does again, it takes in the hidden states that are still
// kept, at most RING_SLACK; if keys are missing between those and its own, it starts anew with an empty window. Head
// positions count from there: attention knows distances only.

import { RING_SLACK } from "../cache/geometry.ts";
import type { RowSpan } from "../cache/hybrid-cache.ts";
import type { MtpBatch } from "../model/batch.ts";
import type { HiddenSource } from "../model/model.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { defined } from "../util/assert.ts";
import { MAX_LOGIT_ROWS, type ModelRunner, type SampleRequest } from "./model-runner.ts";
import type { PlannedRows } from "./scheduler.ts";
import type { PositionRange, Sequence } from "./sequence.ts";

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
    const { cache, model } = this.#runner;
    const targets: number[] = [];
    for (const rows of planned) {
      const { sequence, position, tokens } = rows;
      const isRunning = sequence.cacheId !== undefined;
      const firstRow = targets.length;
      const firstKept = tokens.length - RING_SLACK;
      for (let i = 0; i < tokens.length; i++) {
        targets.push(isRunning && i >= firstKept ? cache.hiddenRow(cacheId(sequence), position + i) : -1);
      }
      if (!isRunning) continue;
      sequence.hidden = extend(sequence.hidden, position + Math.max(0, firstKept), this.#cached(sequence));
      if (rows.numLogits === 0 || firstKept > 0) this.#absorbPrompt(rows, hidden, firstRow);
    }
    model.saveHidden(hidden, cache.hidden, Int32Array.from(targets));
  }

  /** Drafts up to `depth` tokens for each sequence; every one has exactly one pending token. */
  draft(sequences: readonly Sequence[], depth: number): void {
    for (let start = 0; start < sequences.length; start += MAX_LOGIT_ROWS) {
      this.#draftTogether(sequences.slice(start, start + MAX_LOGIT_ROWS), Math.min(depth, this.maxDepth));
    }
  }

  #draftTogether(sequences: readonly Sequence[], numHeads: number): void {
    for (const sequence of sequences) sequence.drafts = [];
    let previous: Tensor | undefined;
    for (let head = 0; head < numHeads; head++) {
      const spans = sequences.map((sequence) => this.#draftSpan(sequence, head, numHeads));
      const source =
        this.#mode === "chained" && previous !== undefined
          ? { tensor: previous, rows: Int32Array.from({ length: countRows(spans) }, (_, i) => i) }
          : this.#savedHidden(spans);
      const batch = this.#batch(head, spans);
      const { out, samples } = this.#runner.draft(head, batch, source, this.#requests(spans));
      sequences.forEach((sequence, i) => {
        sequence.drafts = [...sequence.drafts, samples[i]!.token];
      });
      previous = out;
    }
    // Drafts are sampled under the constraint, but heads do not know where it ends.
    for (const sequence of sequences) sequence.drafts = sequence.allowedDrafts(sequence.drafts);
  }

  #draftSpan(sequence: Sequence, head: number, numHeads: number): HeadSpan {
    const to = this.#cached(sequence);
    // Chained heads read each other's rows, so they all start where the last of them must.
    const heads = this.#mode === "chained" ? sequence.mtp.slice(0, numHeads) : [sequence.mtp[head]!];
    const from = Math.max(to - RING_SLACK, sequence.hidden.from, Math.min(...heads.map((keys) => keys.to)));
    return { sequence, from, to };
  }

  /** The draft of each sequence comes from the head's last row, with the noise the trunk will use. */
  #requests(spans: readonly HeadSpan[]): SampleRequest[] {
    let row = -1;
    return spans.map(({ sequence, from, to }) => ({
      ...sequence.samplingAfter(sequence.drafts, this.#runner.numTokens),
      row: (row += to - from),
    }));
  }

  /** Keys of the part of a prompt's chunk that is still in the window when the prompt ends. */
  #absorbPrompt({ sequence, position, tokens }: PlannedRows, hidden: Tensor, firstRow: number): void {
    if (this.#mode === "chained") return;
    const { cache, model } = this.#runner;
    const needed = sequence.tokens.length - cache.geometry.window - RING_SLACK;
    for (let head = 0; head < this.maxDepth; head++) {
      // The last position is left to the first draft, which needs its output.
      const to = Math.min(position + tokens.length, sequence.tokens.length - Math.max(2, 1 + head));
      const from = Math.max(position, needed);
      if (from >= to) continue;
      const rows = Int32Array.from({ length: to - from }, (_, i) => firstRow + from - position + i);
      model.mtpAbsorb(head, this.#batch(head, [{ sequence, from, to }]), { tensor: hidden, rows }, cache);
    }
  }

  /** The rows of a pass, whose keys are then the head's; those of tokens that are themselves drafts do not count. */
  #batch(head: number, spans: readonly HeadSpan[]): MtpBatch {
    const tokens: number[] = [];
    for (const { sequence, from, to } of spans) {
      for (let index = from + 1 + head; index < to + 1 + head; index++) {
        const token = sequence.tokens[index] ?? sequence.drafts[index - sequence.tokens.length];
        tokens.push(defined(token, "a drafted token"));
      }
    }
    const rowSpans = spans.map(({ sequence, from, to }): RowSpan => {
      // Positions below it have a hidden state and a known token for this head.
      const known = Math.min(this.#cached(sequence), sequence.tokens.length - 1 - head);
      const keys = extend(sequence.mtp[head]!, from, Math.min(to, known));
      sequence.mtp[head] = keys;
      return { sequence: cacheId(sequence), position: from - keys.from, count: to - from };
    });
    return { tokens: Int32Array.from(tokens), ring: this.#runner.cache.planRings(rowSpans) };
  }

  #savedHidden(spans: readonly HeadSpan[]): HiddenSource {
    const { cache } = this.#runner;
    const rows: number[] = [];
    for (const { sequence, from, to } of spans) {
      for (let position = from; position < to; position++) rows.push(cache.hiddenRow(cacheId(sequence), position));
    }
    return { tensor: cache.hidden, rows: Int32Array.from(rows) };
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

/** The range with [from, to) added; where a gap would be left, only what was added. */
function extend(range: PositionRange, from: number, to: number): PositionRange {
  return from > range.to ? { from, to: Math.max(from, to) } : { from: range.from, to: Math.max(range.to, to) };
}
