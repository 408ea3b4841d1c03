// A cursor over counter-based randomness, and the split of items into training and held-out ones.
//
// Everything drawn is a pure function of the words a cursor was made from. The stream is named by 64 bits, so two
// samples of a data set never share one by accident. Whether an item is held out depends on its key alone: not on
// seeds, indices or generators, so a problem asked in an evaluation was never drawn for training by anyone.
// Refuses to know what is drawn.

import { assert } from "../../util/assert.ts";
import { MimoError } from "../../util/errors.ts";
import { mix, randomKey } from "../../util/random.ts";

export type Split = "train" | "heldout";

/** One item in this many is held out. */
const HELDOUT_EVERY = 16;
const MAX_DRAWS = 10_000;

export class Random {
  readonly split: Split;
  readonly #low: number;
  readonly #high: number;
  #counter = 0;

  constructor(words: readonly number[], split: Split = "train") {
    this.split = split;
    this.#low = randomKey(...words, 1);
    this.#high = randomKey(...words, 2);
  }

  /** A number in [0, 1) with 32 random bits. */
  unit(): number {
    return (mix(mix(this.#low, this.#counter++), this.#high) >>> 0) / 0x100000000;
  }

  /** A whole number from `low` to `high`, both included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.unit() * (high - low + 1));
  }

  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  pick<T>(list: readonly T[]): T {
    assert(list.length > 0, "a pick needs something to pick from");
    return list[Math.floor(this.unit() * list.length)]!;
  }

  /** `count` different entries, in random order. */
  sample<T>(list: readonly T[], count: number): T[] {
    assert(count <= list.length, () => `cannot draw ${count} different entries of ${list.length}`);
    const chosen = new Set<number>();
    while (chosen.size < count) {
      // Beyond half of the list, misses become frequent; then a shuffle is cheaper.
      if (count * 2 > list.length) return this.shuffle(list).slice(0, count);
      chosen.add(Math.floor(this.unit() * list.length));
    }
    return [...chosen].map((i) => list[i]!);
  }

  shuffle<T>(list: readonly T[]): T[] {
    const shuffled = [...list];
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = Math.floor(this.unit() * (i + 1));
      [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
    }
    return shuffled;
  }

  /** Draws until the item's key belongs to this cursor's split. */
  fresh<T>(draw: (random: Random) => T, keyOf: (item: T) => string): T {
    return this.drawUntil(draw, (item) => belongsTo(keyOf(item), this.split));
  }

  /** Draws until an item fits. Throws `invalid_argument` where options leave none that does. */
  drawUntil<T>(draw: (random: Random) => T, fits: (item: T) => boolean): T {
    for (let i = 0; i < MAX_DRAWS; i++) {
      const item = draw(this);
      if (fits(item)) return item;
    }
    throw new MimoError("invalid_argument", `Expected ${this.split} samples, found none in ${MAX_DRAWS} draws.`, {
      remedy: "The generator's options leave too few items to keep some for evaluation: widen them.",
    });
  }
}

export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mix(hash, text.length);
}

export function belongsTo(key: string, split: Split): boolean {
  return ((hashText(key) >>> 0) % HELDOUT_EVERY === 0) === (split === "heldout");
}
