// The tokens that stay inside a rule, for each of its states: the part of a mask that no stack changes.
//
// A slice also lists where tokens leave the rule, by its end or into a call: the node of the vocabulary's tree, the
// state of the rule there, and the characters counted on the way. Where a rule counts, a state is as good as another
// as long as no token reaches a limit, so a string of any length needs few slices. The first slice of a string costs
// a walk through the whole vocabulary, all later ones a look.

import { countAfter, isViable, type Program } from "./program.ts";
import type { Vocabulary } from "./vocabulary.ts";

export interface Slice {
  readonly mask: Uint32Array;
  /** (node, state, characters)… */
  readonly exits: Int32Array;
}

const MAX_SLICES = 1024;

export class Slices {
  readonly #program: Program;
  readonly #vocabulary: Vocabulary;
  readonly #slices = new Map<string, Slice>();
  /** Longer than any token with a delimiter behind it. */
  readonly #reach: number;

  constructor(program: Program, vocabulary: Vocabulary) {
    this.#program = program;
    this.#vocabulary = vocabulary;
    this.#reach = vocabulary.maxLength + program.pending.reduce((most, pending) => Math.max(most, pending), 0) + 1;
  }

  of(state: number, count: number): Slice {
    const { minCount, maxCount } = this.#program;
    const isCounted = maxCount[state]! >= 0;
    const clamp = (limit: number): number => Math.min(this.#reach, Math.max(-this.#reach, limit));
    const key = isCounted ? `${state},${clamp(minCount[state]! - count)},${clamp(maxCount[state]! - count)}` : `${state}`;
    const known = this.#slices.get(key);
    // The last used are the last to go.
    this.#slices.delete(key);
    const slice = known ?? this.#create(state, isCounted ? count : 0);
    this.#slices.set(key, slice);
    if (this.#slices.size > MAX_SLICES) this.#slices.delete(this.#slices.keys().next().value!);
    return slice;
  }

  #create(start: number, before: number): Slice {
    const { next, rowAt, classOf, classAt, accepts, callAt } = this.#program;
    const { byte, depth, end, tokenAt, tokens, numWords, maxLength } = this.#vocabulary;
    const mask = new Uint32Array(numWords);
    const exits: number[] = [];
    const states = new Int32Array(maxLength + 1);
    const counts = new Int32Array(maxLength + 1);
    states[0] = start;
    for (let node = 1; node < byte.length; ) {
      const level = depth[node]!;
      const from = states[level - 1]!;
      const state = next[rowAt[from]! + classOf[classAt[from]! + byte[node]!]!]!;
      const count = state < 0 ? 0 : countAfter(this.#program, state, counts[level - 1]!);
      if (state < 0 || !isViable(this.#program, state, count, before)) {
        node = end[node]!;
        continue;
      }
      states[level] = state;
      counts[level] = count;
      for (let t = tokenAt[node]!; t < tokenAt[node + 1]!; t++) mask[tokens[t]! >> 5]! |= 1 << (tokens[t]! & 31);
      const leaves = accepts[state] === 1 || callAt[state]! < callAt[state + 1]!;
      if (leaves && end[node]! > node + 1) exits.push(node, state, count);
      node++;
    }
    return { mask, exits: Int32Array.from(exits) };
  }
}
