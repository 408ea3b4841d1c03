// The tokens that stay inside a rule, for each of its states: the part of a mask that no stack changes.
//
// A slice also lists where tokens leave the rule, by its end or into a call: the node of the vocabulary's tree, and the
// state of the rule there. Where a rule counts, a state is as good as another as long as no token reaches a limit, so a
// string of any length needs few slices. The first slice of a string costs a walk through the vocabulary, in which
// plain tokens are taken together; all later ones cost a look.

import { countAfter, isViable, type Program } from "./program.ts";
import { PLAIN_BYTES, type Vocabulary } from "./vocabulary.ts";

export interface Slice {
  readonly mask: Uint32Array;
  /** (node, state counted from the first of its rule)… */
  readonly exits: Int32Array;
}

/** By rule, state and limits; the last used last. */
export type SliceCache = Map<string, Slice>;

const MAX_SLICES = 1024;

export class Slices {
  readonly #program: Program;
  readonly #vocabulary: Vocabulary;
  readonly #own: SliceCache = new Map();
  readonly #shared: SliceCache;
  /** By state: 0 not asked yet, 1 plain, 2 not. */
  readonly #plain: Uint8Array;
  #byteLength = 0;
  /** Longer than any token with a delimiter behind it. */
  readonly #reach: number;

  /** `shared` holds slices of rules that other programs have too: strings above all. */
  constructor(program: Program, vocabulary: Vocabulary, shared: SliceCache) {
    this.#shared = shared;
    this.#plain = new Uint8Array(program.accepts.length);
    this.#program = program;
    this.#vocabulary = vocabulary;
    this.#reach = vocabulary.maxLength + program.pending.reduce((most, pending) => Math.max(most, pending), 0) + 1;
  }

  /** Of those that are shared with no other program. */
  get byteLength(): number {
    return this.#byteLength;
  }

  of(state: number, count: number): Slice {
    const { minCount, maxCount, ruleOf, ruleKeys, firstState } = this.#program;
    const rule = ruleOf[state]!;
    const isCounted = maxCount[state]! >= 0;
    const clamp = (limit: number): number => Math.min(this.#reach, Math.max(-this.#reach, limit));
    const limits = isCounted ? `${clamp(minCount[state]! - count)},${clamp(maxCount[state]! - count)}` : "";
    const ruleKey = ruleKeys[rule]!;
    const cache = ruleKey === "" ? this.#own : this.#shared;
    const key = `${ruleKey === "" ? rule : ruleKey},${state - firstState[rule]!},${limits}`;
    const known = cache.get(key);
    cache.delete(key);
    const slice = known ?? this.#create(state, isCounted ? count : 0);
    cache.set(key, slice);
    const [oldest] = cache.size > MAX_SLICES ? cache : [];
    if (oldest !== undefined) cache.delete(oldest[0]);
    if (ruleKey === "" && known === undefined)
      this.#byteLength += sizeOf(slice) - (oldest === undefined ? 0 : sizeOf(oldest[1]));
    return slice;
  }

  #create(start: number, before: number): Slice {
    const { next, rowAt, classOf, classAt, accepts, callAt, maxCount } = this.#program;
    const { byte, depth, end, isPlain, height, tokenAt, tokens, numWords, maxLength } = this.#vocabulary;
    const mask = new Uint32Array(numWords);
    const exits: number[] = [];
    const states = new Int32Array(maxLength + 1);
    const counts = new Int32Array(maxLength + 1);
    states[0] = start;
    const first = this.#program.firstState[this.#program.ruleOf[start]!]!;
    const room = maxCount[start]! < 0 ? Infinity : maxCount[start]! - before;
    for (let node = 1; node < byte.length;) {
      const level = depth[node]!;
      const from = states[level - 1]!;
      if (isPlain[node] === 1 && height[node]! <= room - counts[level - 1]! && this.#isPlain(from)) {
        for (let t = tokenAt[node]!; t < tokenAt[end[node]!]!; t++) mask[tokens[t]! >> 5]! |= 1 << (tokens[t]! & 31);
        node = end[node]!;
        continue;
      }
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
      if (leaves && end[node]! > node + 1) exits.push(node, state - first);
      node++;
    }
    return { mask, exits: Int32Array.from(exits) };
  }

  /** Whether plain bytes leave the state where it is: each is a character then, where any are counted. */
  #isPlain(state: number): boolean {
    const { next, rowAt, classOf, classAt } = this.#program;
    const known = this.#plain[state]!;
    if (known > 0) return known === 1;
    const row = rowAt[state]!;
    const isPlain = PLAIN_BYTES.every((byte) => next[row + classOf[classAt[state]! + byte]!] === state);
    this.#plain[state] = isPlain ? 1 : 2;
    return isPlain;
  }
}

function sizeOf({ mask, exits }: Slice): number {
  return mask.byteLength + exits.byteLength;
}
