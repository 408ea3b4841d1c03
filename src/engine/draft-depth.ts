// Chooses how many tokens to draft, from what was measured: the time to verify and to draft at each depth, and how
// often the draft at each position was accepted. Depth 0 is plain decoding, so speculation that loses ends itself.
//
// Times are the machine's; acceptance is the text's, and so each sequence has its own, which begins as that of all.
//
// Expected tokens of a step at depth d: 1 + Σ_{k≤d} Π_{i≤k} a_i. The best depth yields the most per millisecond; the
// others are tried now and then. What drafting lost against plain decoding is accounted for, gains subtracted, of which
// some are kept for later: while it exceeds a small share of all time, nothing is drafted at all, so that generation is
// never noticeably slower than without drafts, whatever was measured. Tries are announced, so that nothing need be kept
// for heads that rest.

import { RING_SLACK } from "../cache/geometry.ts";

/** Measurements of a cost, of which the median counts: a machine that does other work too makes single ones useless. */
const RECENT = 16;
/** Measurements between two looks at that median, once there are enough. */
const UPDATE_EVERY = 8;
/** Weight of the newest draft in the moving average of acceptance: of a sequence, and of all. */
const SMOOTHING = 0.05;
const SMOOTHING_OF_ALL = 0.005;
/** What the acceptance of all counts for in a sequence's own, in drafts. */
const PRIOR_DRAFTS = 8;
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
/** Steps of plain decoding that it may have gained and lose again. */
const SAVINGS = 20;

export class DraftDepth {
  readonly #maxDepth: number;
  readonly #verify: Cost[];
  readonly #draft: Cost[];
  readonly #acceptance: Acceptance;
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
    this.#acceptance = new Acceptance(
      Array.from({ length: maxDepth }, () => 0.5),
      1,
      SMOOTHING_OF_ALL,
    );
  }

  /** That of a sequence that begins. */
  newAcceptance(): Acceptance {
    return new Acceptance(this.#acceptance.shares, PRIOR_DRAFTS, SMOOTHING);
  }

  /** The depth of the next drafts, for sequences of such acceptance. */
  choose(sequences: readonly Acceptance[]): number {
    this.#steps++;
    this.#previous = this.#chosen;
    if (!this.#isMeasured(0) || !this.#mayDraft) [this.#chosen, this.#triesLeft] = [0, 0];
    else if (this.#triesLeft > 0) this.#triesLeft--;
    else {
      const best = this.#best(sequences);
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

  /** A step verified `depth` drafts of a sequence, of which the first `accepted` held. */
  recordVerify(sequence: Acceptance, depth: number, accepted: number, ms: number): void {
    this.#verify[depth]!.record(ms);
    for (const acceptance of [sequence, this.#acceptance]) acceptance.record(depth, accepted);
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
    if (depth > 0) this.#lostMs = Math.max(-SAVINGS * plainMs, this.#lostMs + fairMs - tokens * plainMs);
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
  #best(sequences: readonly Acceptance[]): number {
    let best = 0;
    let bestRate = 1 / this.#stepMs(0);
    let expected = 1;
    let reach = 1;
    for (let depth = 1; depth <= this.#maxDepth; depth++) {
      expected += reach *= mean(sequences.map(({ shares }) => shares[depth - 1]!));
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

/** How often the draft at each position held, where those before it did: the mean of all at first, then of the last ones. */
export class Acceptance {
  readonly shares: number[];
  readonly #counts: number[];
  readonly #smoothing: number;

  /** Begins with shares that count for so many drafts. */
  constructor(shares: readonly number[], count: number, smoothing: number) {
    this.shares = [...shares];
    this.#counts = shares.map(() => count);
    this.#smoothing = smoothing;
  }

  /** Of `depth` drafts the first `accepted` held. */
  record(depth: number, accepted: number): void {
    for (let k = 0; k < Math.min(depth, accepted + 1); k++) {
      const weight = Math.max(this.#smoothing, 1 / ++this.#counts[k]!);
      this.shares[k]! += weight * ((k < accepted ? 1 : 0) - this.shares[k]!);
    }
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
