// Learns merges from counted pieces: again and again, the most frequent pair of neighbours becomes a token.
//
// Invariants: a pair counts once for every place where it stands, overlapping ones included. The highest count wins;
// among equals the pair whose left token has the lower id, then the one whose right token has: bytes before merged
// tokens, older before newer. So the order of the pieces does not matter. Within a piece, places are merged from left
// to right, as in encoding.
// Counts are kept up to date instead of being taken anew: a merge visits only the pieces that hold its pair.
// Two merges never make the same bytes: the first to make them joins them wherever they stand as tokens of their own.
// Refuses to know how tokens are spelled.

import { defined } from "../util/assert.ts";
import { MAX_IDS } from "./bpe.ts";
import { popHeap, pushHeap } from "./number-heap.ts";

const NUM_BYTES = 256;

/** A pair that stands in one place only says nothing about other texts. */
const MIN_COUNT = 2;

/** Left and right id. Ids below 256 are bytes; the merge of rank r makes the token 256 + r. */
export type IdPair = readonly [number, number];

interface Corpus {
  /** The ids of all pieces, one piece after the other; a piece that merges shrinks where it lies. */
  readonly ids: Int32Array;
  readonly starts: Int32Array;
  readonly lengths: Int32Array;
  /** How often every piece occurs. */
  readonly counts: readonly number[];
}

interface Pair {
  count: number;
  /** Pieces in which the pair stands or once stood; a piece may be listed twice. */
  readonly pieces: number[];
}

/** Pairs by `left · MAX_IDS + right`, an exact integer whose order is that of the tie-break. */
type Pairs = Map<number, Pair>;

/**
 * At most `numMerges` merges in order of rank; fewer where no pair stands in two places. `onMerge` is told how many
 * there are after each.
 */
export function learnMerges(
  pieces: ReadonlyMap<string, number>,
  numMerges: number,
  onMerge?: (numLearned: number) => void,
): readonly IdPair[] {
  const corpus = createCorpus(pieces);
  const pairs: Pairs = new Map();
  for (let piece = 0; piece < corpus.counts.length; piece++) countPairs(corpus, piece, pairs);
  const queue = new PairQueue();
  for (const [key, { count }] of pairs) queue.offer(key, count);

  const merges: IdPair[] = [];
  while (merges.length < numMerges) {
    const key = takeBest(queue, pairs);
    if (key === undefined) break;
    const made = mergePair(corpus, pairs, key, NUM_BYTES + merges.length);
    for (const pair of made) queue.offer(pair, defined(pairs.get(pair), "a pair that was just made").count);
    merges.push([Math.floor(key / MAX_IDS), key % MAX_IDS]);
    onMerge?.(merges.length);
  }
  return merges;
}

function createCorpus(pieces: ReadonlyMap<string, number>): Corpus {
  const utf8 = new TextEncoder();
  const texts = [...pieces.keys()];
  const lengths = Int32Array.from(texts, (text) => utf8.encode(text).length);
  const starts = new Int32Array(texts.length);
  let end = 0;
  for (const [piece, length] of lengths.entries()) {
    starts[piece] = end;
    end += length;
  }
  const ids = new Int32Array(end);
  for (const [piece, text] of texts.entries()) ids.set(utf8.encode(text), starts[piece]);
  return { ids, starts, lengths, counts: [...pieces.values()] };
}

function countPairs({ ids, starts, lengths, counts }: Corpus, piece: number, pairs: Pairs): void {
  const start = starts[piece]!;
  const end = start + lengths[piece]!;
  for (let i = start + 1; i < end; i++) changeCount(pairs, ids[i - 1]! * MAX_IDS + ids[i]!, counts[piece]!, piece);
}

function changeCount(pairs: Pairs, key: number, change: number, piece: number): void {
  const pair = pairs.get(key);
  if (pair === undefined) {
    pairs.set(key, { count: change, pieces: [piece] });
    return;
  }
  pair.count += change;
  if (change > 0 && pair.pieces.at(-1) !== piece) pair.pieces.push(piece);
}

/** Joins the pair wherever it stands. The pairs that came to be with it. */
function mergePair(corpus: Corpus, pairs: Pairs, key: number, merged: number): ReadonlySet<number> {
  const left = Math.floor(key / MAX_IDS);
  const right = key % MAX_IDS;
  const { ids, starts, lengths, counts } = corpus;
  const made = new Set<number>();
  for (const piece of defined(pairs.get(key), "the best pair").pieces) {
    const count = counts[piece]!;
    const replace = (oldKey: number, newKey: number): void => {
      changeCount(pairs, oldKey, -count, piece);
      changeCount(pairs, newKey, count, piece);
      made.add(newKey);
    };
    const start = starts[piece]!;
    const end = start + lengths[piece]!;
    let write = start;
    for (let read = start; read < end; read++) {
      if (ids[read] !== left || read + 1 === end || ids[read + 1] !== right) {
        ids[write++] = ids[read]!;
        continue;
      }
      // What stands before is rewritten already and what follows is not: a pair of two new tokens takes both steps.
      if (write > start) replace(ids[write - 1]! * MAX_IDS + left, ids[write - 1]! * MAX_IDS + merged);
      if (read + 2 < end) replace(right * MAX_IDS + ids[read + 2]!, merged * MAX_IDS + ids[read + 2]!);
      ids[write++] = merged;
      read++;
    }
    lengths[piece] = write - start;
  }
  pairs.delete(key);
  return made;
}

/** The pair to merge next. Counts of waiting pairs only ever fall, so a pair whose count has is offered again. */
function takeBest(queue: PairQueue, pairs: Pairs): number | undefined {
  for (;;) {
    const best = queue.take();
    if (best === undefined) return undefined;
    const count = pairs.get(best.key)?.count ?? 0;
    if (count === best.count) return best.key;
    queue.offer(best.key, count);
  }
}

/** Pairs by falling count, and by rising key among equals: a heap of counts, and a heap of keys for each of them. */
class PairQueue {
  readonly #negatedCounts: number[] = [];
  readonly #keys = new Map<number, number[]>();

  /** Pairs too rare to merge are not taken in. */
  offer(key: number, count: number): void {
    if (count < MIN_COUNT) return;
    let keys = this.#keys.get(count);
    if (keys === undefined) {
      keys = [];
      this.#keys.set(count, keys);
      pushHeap(this.#negatedCounts, -count);
    }
    pushHeap(keys, key);
  }

  take(): { readonly key: number; readonly count: number } | undefined {
    const highest = this.#negatedCounts[0];
    if (highest === undefined) return undefined;
    const count = -highest;
    const keys = defined(this.#keys.get(count), "the pairs of a count");
    const key = popHeap(keys);
    if (keys.length === 0) {
      popHeap(this.#negatedCounts);
      this.#keys.delete(count);
    }
    return { key, count };
  }
}
