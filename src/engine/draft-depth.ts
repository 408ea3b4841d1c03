// Chooses how many tokens to draft, from what was measured: the time to verify and to draft at each depth, and how
// often the draft at each position was accepted. Depth 0 is plain decoding, so speculation that loses ends itself.
//
// Expected tokens of a step at depth d: 1 + Σ_{k≤d} Π_{i≤k} a_i. The best depth yields the most per millisecond.
// Every depth is measured a few times first, and a neighbour of the best one now and then after.

/** Weight of the newest measurement in a moving average. */
const SMOOTHING = 0.1;
/** Measurements of each depth before the first choice; the very first pays for cold caches and is dropped. */
const WARM_UP = 3;
/** One step in so many tries a depth beside the best. */
const EXPLORE_EVERY = 48;

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

  constructor(maxDepth: number) {
    this.#maxDepth = maxDepth;
    this.#verify = Array.from({ length: maxDepth + 1 }, () => ({ count: 0, ms: undefined }));
    this.#draft = Array.from({ length: maxDepth + 1 }, () => ({ count: 0, ms: undefined }));
    this.#acceptance = Array.from({ length: maxDepth }, () => 0.5);
  }

  /** The depth of the next drafts. */
  choose(): number {
    this.#steps++;
    for (let depth = this.#maxDepth; depth >= 0; depth--) {
      if (Math.min(this.#verify[depth]!.count, this.#draft[depth]!.count) < WARM_UP) return depth;
    }
    const best = this.#best();
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
  }

  recordDraft(depth: number, ms: number): void {
    record(this.#draft[depth]!, ms);
  }

  #best(): number {
    let best = 0;
    let bestRate = 0;
    let expected = 1;
    let reach = 1;
    for (let depth = 0; depth <= this.#maxDepth; depth++) {
      if (depth > 0) expected += reach *= this.#acceptance[depth - 1]!;
      const rate = expected / ((this.#verify[depth]!.ms ?? Infinity) + (this.#draft[depth]!.ms ?? Infinity));
      if (rate > bestRate) {
        bestRate = rate;
        best = depth;
      }
    }
    return best;
  }
}

function record(cost: Cost, ms: number): void {
  if (cost.count++ === 0) return;
  cost.ms = cost.ms === undefined ? ms : cost.ms + SMOOTHING * (ms - cost.ms);
}
