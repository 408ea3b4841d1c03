// Chooses how many tokens to draft, from what was measured: the time to verify and to draft at each depth, and how
// often the draft at each position was accepted. Depth 0 is plain decoding, so speculation that loses ends itself.
//
// Expected tokens of a step at depth d: 1 + Σ_{k≤d} Π_{i≤k} a_i. The best depth yields the most per millisecond; the
// others are tried now and then. What drafting lost against plain decoding is accounted for, gains subtracted: while it
// exceeds a small share of all time, nothing is drafted at all, so that generation is never noticeably slower than
// without drafts, whatever was measured. Tries are announced, so that nothing need be kept for heads that rest.

import { RING_SLACK } from "../cache/geometry.ts";

/** Measurements of a cost, of which the median counts: a machine that does other work too makes single ones useless. */
const RECENT = 16;
/** Measurements between two looks at that median, once there are enough. */
const UPDATE_EVERY = 8;
/** Weight of the newest draft in the moving average of acceptance. */
const SMOOTHING = 0.05;
/** Measurements of a depth before it can be chosen; the very first pays for cold caches and is dropped. */
const WARM_UP = 3;
/** So many steps after another, another depth than the best is tried: one more, none and one less in turn. */
const TRY_EVERY = 32;
const CYCLE = 3 * TRY_EVERY;
/** Steps of a try: in the first one, heads that rested take in what they missed, which is not the depth's own cost. */
const TRY_STEPS = 2;
/** Share of all time that drafting may lose. */
const MAX_LOSS = 0.01;
/** Steps of plain decoding that it may lose beyond that, so that the first choice comes early. */
const CREDIT = 5;

export class DraftDepth {
  readonly #maxDepth: number;
  readonly #verify: Cost[];
  readonly #draft: Cost[];
  readonly #acceptance: Acceptance[];
  #steps = 0;
  #chosen = 0;
  #previous = 0;
  #triesLeft = 0;
  #draftMs = 0;
  #totalMs = 0;
  #lostMs = 0;

  constructor(maxDepth: number) {
    this.#maxDepth = maxDepth;
    this.#verify = Array.from({ length: maxDepth + 1 }, () => new Cost());
    this.#draft = Array.from({ length: maxDepth + 1 }, () => new Cost());
    this.#acceptance = Array.from({ length: maxDepth }, () => new Acceptance());
  }

  /** The depth of the next drafts. */
  choose(): number {
    this.#steps++;
    this.#previous = this.#chosen;
    if (!this.#isMeasured(0) || !this.#mayDraft) [this.#chosen, this.#triesLeft] = [0, 0];
    else if (this.#triesLeft > 0) this.#triesLeft--;
    else {
      const best = this.#best();
      this.#chosen = this.#unmeasured || this.#beside(best);
      if (this.#chosen !== best) this.#triesLeft = TRY_STEPS - 1;
    }
    return this.#chosen;
  }

  /** Whether there is something to draft now, or soon enough that heads need the hidden states from now on. */
  get expectsDrafts(): boolean {
    if (this.#chosen > 0) return true;
    return this.#mayDraft && (this.#unmeasured > 0 || this.#steps % CYCLE >= CYCLE - RING_SLACK);
  }

  /** A step verified `depth` drafts, of which the first `accepted` held. */
  recordVerify(depth: number, accepted: number, ms: number): void {
    this.#verify[depth]!.record(ms);
    for (let k = 0; k < Math.min(depth, accepted + 1); k++) this.#acceptance[k]!.record(k < accepted);
    this.#account(depth, accepted + 1, ms + this.#draftMs);
  }

  recordDraft(depth: number, ms: number): void {
    this.#draftMs = ms;
    if (depth <= this.#previous || !this.#isMeasured(depth)) this.#draft[depth]!.record(ms);
  }

  #account(depth: number, tokens: number, ms: number): void {
    const plainMs = this.#stepMs(0);
    if (plainMs === Infinity) return;
    // Medians on both sides: a machine that is interrupted now and then would make drafts look worse than steps. Before a
    // depth is known, its rows count like steps, and what took far longer was not the drafts' fault.
    const usualMs = this.#stepMs(depth);
    const fairMs = usualMs === Infinity ? Math.min(ms, 3 * (1 + depth) * plainMs) : usualMs;
    this.#totalMs += fairMs;
    if (depth > 0) this.#lostMs = Math.max(0, this.#lostMs + fairMs - tokens * plainMs);
  }

  get #mayDraft(): boolean {
    return this.#lostMs <= MAX_LOSS * this.#totalMs + CREDIT * this.#stepMs(0);
  }

  /** The deepest depth that was not measured yet; 0 where all were. */
  get #unmeasured(): number {
    let depth = this.#maxDepth;
    while (depth > 0 && this.#isMeasured(depth)) depth--;
    return depth;
  }

  /** The best depth, or when it is time another to try. Beside 0 there is only 1, once in a cycle. */
  #beside(best: number): number {
    if (this.#steps % TRY_EVERY !== 0) return best;
    const beside = [best + 1, 0, best - 1][(this.#steps % CYCLE) / TRY_EVERY]!;
    return Math.min(this.#maxDepth, Math.max(0, beside));
  }

  #isMeasured(depth: number): boolean {
    return Math.min(this.#verify[depth]!.count, this.#draft[depth]!.count) >= WARM_UP;
  }

  #stepMs(depth: number): number {
    return this.#verify[depth]!.ms + this.#draft[depth]!.ms;
  }

  /** The depth with the most tokens per millisecond, of those that were measured. */
  #best(): number {
    let best = 0;
    let bestRate = 1 / this.#stepMs(0);
    let expected = 1;
    let reach = 1;
    for (let depth = 1; depth <= this.#maxDepth; depth++) {
      expected += reach *= this.#acceptance[depth - 1]!.share;
      const rate = expected / this.#stepMs(depth);
      if (this.#isMeasured(depth) && rate > bestRate) [best, bestRate] = [depth, rate];
    }
    return best;
  }
}

/** What something takes: the median of what it took lately. */
class Cost {
  count = 0;
  ms = Infinity;
  readonly #recent: number[] = [];

  record(ms: number): void {
    if (this.count++ === 0) return;
    this.#recent[(this.count - 2) % RECENT] = ms;
    // Steps of a small model take about as long as sorting does: what is known well is looked at anew now and then.
    if (this.count > RECENT && this.count % UPDATE_EVERY !== 0) return;
    const sorted = this.#recent.toSorted((a, b) => a - b);
    this.ms = sorted[(sorted.length - 1) >> 1]!;
  }
}

/** How often a draft held: the mean of all at first, then of the last ones above all. */
class Acceptance {
  share = 0.5;
  #count = 1;

  record(held: boolean): void {
    this.share += Math.max(SMOOTHING, 1 / ++this.#count) * ((held ? 1 : 0) - this.share);
  }
}
