// Blocks of KV memory by number: which are free, and how many holders each of the others has.
//
// Invariants: a block is free exactly when nobody holds it; a block with more than one holder is never written.

import { assert } from "../util/assert.ts";

/** Whoever holds blocks that nobody needs right now. */
export interface BlockReclaimer {
  readonly numReclaimable: number;
  /** Frees up to `count` blocks. */
  reclaim(count: number): void;
  /** Every block it holds, once for each time. */
  holds(): Iterable<number>;
}

export class BlockPool {
  readonly numBlocks: number;
  readonly #holders: Uint32Array;
  readonly #free: number[];

  constructor(numBlocks: number) {
    this.numBlocks = numBlocks;
    this.#holders = new Uint32Array(numBlocks);
    this.#free = Array.from({ length: numBlocks }, (_, i) => numBlocks - 1 - i);
  }

  get numFree(): number {
    return this.#free.length;
  }

  /** A block with one holder. The caller has checked `numFree`. */
  take(): number {
    const block = this.#free.pop();
    assert(block !== undefined, "no block is free");
    this.#holders[block] = 1;
    return block;
  }

  retain(block: number): void {
    assert(this.isHeld(block), `block ${block} is retained but free`);
    this.#holders[block]!++;
  }

  release(block: number): void {
    assert(this.isHeld(block), `block ${block} is released but free`);
    if (--this.#holders[block]! === 0) this.#free.push(block);
  }

  isHeld(block: number): boolean {
    return (this.#holders[block] ?? 0) > 0;
  }

  isShared(block: number): boolean {
    return (this.#holders[block] ?? 0) > 1;
  }

  /** Compares the counts with `holders`, the holders that the pool's users know of. */
  checkIntegrity(holders: ReadonlyMap<number, number>): void {
    const free = new Set(this.#free);
    assert(free.size === this.#free.length, "a block is free twice");
    for (let block = 0; block < this.numBlocks; block++) {
      const count = this.#holders[block] ?? 0;
      assert(
        count === (holders.get(block) ?? 0),
        `block ${block} has ${count} holders, its users know ${holders.get(block) ?? 0}`,
      );
      assert(
        free.has(block) === (count === 0),
        `block ${block} has ${count} holders and is ${free.has(block) ? "" : "not "}free`,
      );
    }
  }
}
