// Byte-level BPE of the Qwen2 kind: normal form, split pattern, then merges inside each piece.
//
// Invariants: the merge of lowest rank goes first, the leftmost among equals; a piece of n bytes costs
// O(n log n), so one hostile word of a megabyte cannot stall the program. The merge table is keyed by a pair of
// ids in one number, which is several times faster than keys made of strings.
// Refuses to know added tokens and files: it turns text into the ids of ordinary tokens, and nothing else.

import { popHeap, pushHeap } from "./number-heap.ts";

/** The split pattern as tokenizer files spell it (Rust and Oniguruma syntax). The only one accepted. */
export const QWEN2_PATTERN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

// The same in JavaScript: there is no (?i:) group in Node 20, and \s differs from Unicode white space in
// U+FEFF and U+0085.
const SPLIT =
  /'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\p{White_Space}\p{L}\p{N}]+[\r\n]*|\p{White_Space}*[\r\n]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

const MAX_CACHED_PIECES = 32_768;
const MAX_CACHED_PIECE_LENGTH = 64;
const POSITION_SPACE = 2 ** 32;

/** Ids are below this, so that `left * MAX_IDS + right` is an exact integer. */
export const MAX_IDS = 2 ** 22;

/** The pieces of a text in order, which no token crosses; joined they are the text. */
export function splitPieces(text: string): readonly string[] {
  return text.match(SPLIT) ?? [];
}

export interface Merge {
  readonly left: number;
  readonly right: number;
  readonly merged: number;
}

export class BytePairEncoder {
  readonly #byteIds: readonly number[];
  readonly #ranks = new Map<number, number>();
  readonly #mergedIds: Int32Array;
  readonly #normalize: boolean;
  readonly #cache = new Map<string, readonly number[]>();
  readonly #utf8 = new TextEncoder();

  /** `byteIds` maps a byte to its token; `merges` stand in order of rank. */
  constructor(byteIds: readonly number[], merges: readonly Merge[], options: { readonly normalize: boolean }) {
    this.#byteIds = byteIds;
    this.#normalize = options.normalize;
    this.#mergedIds = new Int32Array(merges.length);
    for (const [rank, { left, right, merged }] of merges.entries()) {
      const key = left * MAX_IDS + right;
      if (!this.#ranks.has(key)) this.#ranks.set(key, rank);
      this.#mergedIds[rank] = merged;
    }
  }

  /** Appends the ids of `text` to `ids`. */
  encode(text: string, ids: number[]): void {
    for (const piece of splitPieces(this.#normalize ? text.normalize("NFC") : text)) {
      for (const id of this.#encodePiece(piece)) ids.push(id);
    }
  }

  #encodePiece(piece: string): readonly number[] {
    const cached = this.#cache.get(piece);
    if (cached !== undefined) return cached;
    const ids = this.#mergeBytes(this.#utf8.encode(piece));
    if (piece.length <= MAX_CACHED_PIECE_LENGTH) {
      if (this.#cache.size >= MAX_CACHED_PIECES) this.#cache.clear();
      this.#cache.set(piece, ids);
    }
    return ids;
  }

  /**
   * Symbols form a linked list over byte positions. A heap holds `rank · 2³² + position` of every pair that may
   * merge; an entry whose pair has changed since is recognised by its rank and skipped.
   */
  #mergeBytes(bytes: Uint8Array): number[] {
    const end = bytes.length;
    const symbols = new Int32Array(end);
    const next = new Int32Array(end);
    const previous = new Int32Array(end);
    const alive = new Uint8Array(end).fill(1);
    for (let i = 0; i < end; i++) {
      symbols[i] = this.#byteIds[bytes[i] as number] as number;
      next[i] = i + 1;
      previous[i] = i - 1;
    }
    const rankAt = (position: number): number | undefined => {
      const right = next[position] as number;
      if (right >= end) return undefined;
      return this.#ranks.get((symbols[position] as number) * MAX_IDS + (symbols[right] as number));
    };
    const heap: number[] = [];
    const offer = (position: number): void => {
      const rank = rankAt(position);
      if (rank !== undefined) pushHeap(heap, rank * POSITION_SPACE + position);
    };
    for (let i = 0; i + 1 < end; i++) offer(i);

    while (heap.length > 0) {
      const entry = popHeap(heap);
      const position = entry % POSITION_SPACE;
      const rank = (entry - position) / POSITION_SPACE;
      if (alive[position] === 0 || rankAt(position) !== rank) continue;
      const right = next[position] as number;
      const after = next[right] as number;
      symbols[position] = this.#mergedIds[rank] as number;
      alive[right] = 0;
      next[position] = after;
      if (after < end) previous[after] = position;
      offer(position);
      const before = previous[position] as number;
      if (before >= 0) offer(before);
    }

    const ids: number[] = [];
    for (let i = 0; i < end; i = next[i] as number) ids.push(symbols[i] as number);
    return ids;
  }
}
