// Chooses how many tokens to draft, from what was measured: the time to verify and to draft at each depth, and how
// often the draft at each position was accepted. Depth 0 is plain decoding, so speculation that loses ends itself.
//
// Expected tokens of a step at depth d: 1 + Σ_{k≤d} Π_{i≤k} a_i. The best depth yields the most per millisecond.
// Measuring the others costs time, which is accounted: what a step took beyond what its tokens would have taken at the
// best depth. It is done only while that loss is below a small share of all time, so that measuring, like drafting,
// never makes generation noticeably slower than the best depth alone.

/** Weight of the newest measurement in a moving average. */
const SMOOTHING = 0.1;
/** Measurements of a depth before it can be chosen; the very first pays for cold caches and is dropped. */
const WARM_UP = 3;
/** At most one step in so many tries a depth beside the best. */
const EXPLORE_EVERY = 24;
/** Share of all time that measuring may lose. */
const MAX_LOSS = 0.01;
/** Steps of plain decoding that it may lose beyond that, so that the first choice comes early. */
const CREDIT = 10;

interface Cost {
  count: number;
  ms: number | undefined;
}

export class DraftDepth {
  readonly #maxDepth: number;
  readonly #verify: Cost[];
  readonly #draft: Cost[];
  readonly #acceptance: number[];
  #steps = 0;
  #totalMs = 0;
  #lostMs = 0;

  constructor(maxDepth: number) {
    this.#maxDepth = maxDepth;
    this.#verify = Array.from({ length: maxDepth + 1 }, () => ({ count: 0, ms: undefined }));
    this.#draft = Array.from({ length: maxDepth + 1 }, () => ({ count: 0, ms: undefined }));
    this.#acceptance = Array.from({ length: maxDepth }, () => 0.5);
  }

  /** The depth of the next drafts. */
  choose(): number {
    this.#steps++;
    if (!this.#isMeasured(0)) return 0;
    const best = this.#best().depth;
    if (this.#lostMs > MAX_LOSS * this.#totalMs + CREDIT * this.#stepMs(0)) return best;
    for (let depth = this.#maxDepth; depth > 0; depth--) if (!this.#isMeasured(depth)) return depth;
    if (this.#steps % EXPLORE_EVERY !== 0) return best;
    const beside = (this.#steps / EXPLORE_EVERY) % 2 === 0 ? best - 1 : best + 1;
    return Math.min(this.#maxDepth, Math.max(0, beside));
  }

  /** A step verified `depth` drafts, of which the first `accepted` held. */
  recordVerify(depth: number, accepted: number, ms: number): void {
    record(this.#verify[depth]!, ms);
    for (let k = 0; k < Math.min(depth, accepted + 1); k++) {
      this.#acceptance[k]! += SMOOTHING * ((k < accepted ? 1 : 0) - this.#acceptance[k]!);
    }
    this.#account(depth, accepted + 1, ms + (this.#draft[depth]!.ms ?? 0));
  }

  recordDraft(depth: number, ms: number): void {
    record(this.#draft[depth]!, ms);
  }

  /** Loss is what the step's time could have brought at the best depth; luck at another one makes up for it. */
  #account(depth: number, tokens: number, ms: number): void {
    this.#totalMs += ms;
    const best = this.#best();
    if (depth !== best.depth) this.#lostMs = Math.max(0, this.#lostMs + ms - tokens / best.rate);
  }

  #isMeasured(depth: number): boolean {
    return Math.min(this.#verify[depth]!.count, this.#draft[depth]!.count) >= WARM_UP;
  }

  #stepMs(depth: number): number {
    return (this.#verify[depth]!.ms ?? Infinity) + (this.#draft[depth]!.ms ?? Infinity);
  }

  /** The depth with the most tokens per millisecond, of those that were measured. */
  #best(): { readonly depth: number; readonly rate: number } {
    let best = { depth: 0, rate: 1 / this.#stepMs(0) };
    let expected = 1;
    let reach = 1;
    for (let depth = 1; depth <= this.#maxDepth; depth++) {
      expected += reach *= this.#acceptance[depth - 1]!;
      const rate = expected / this.#stepMs(depth);
      if (this.#isMeasured(depth) && rate > best.rate) best = { depth, rate };
    }
    return best;
  }
}

function record(cost: Cost, ms: number): void {
  if (cost.count++ === 0) return;
  cost.ms = cost.ms === undefined ? ms : cost.ms + SMOOTHING * (ms - cost.ms);
}
