// How often every piece of a corpus occurs: all that learning merges needs to know of it.
//
// Invariants: memory is bounded whatever the corpus, by the characters of the pieces that are kept, and the counts
// depend on nothing but the texts and their order. Where the bound is met, the rarest pieces are forgotten, so what
// remains may count a little too low; a corpus within the bound is counted exactly.
// Refuses to know bytes and tokens.

import { splitPieces } from "./bpe.ts";

/** Characters of different pieces held at once: about a million pieces, some 200 MB of counts. */
const MAX_CHARACTERS = 2 ** 23;

/** Longer runs without a break are data rather than words, and would crowd out the others. */
const MAX_PIECE_LENGTH = 512;

/** Pieces of all texts in normal form C, with their counts. One text at a time is held. */
export function countPieces(texts: Iterable<string>, maxCharacters = MAX_CHARACTERS): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  let numCharacters = 0;
  for (const text of texts) {
    for (const piece of splitPieces(text.normalize("NFC"))) {
      const count = counts.get(piece);
      if (count !== undefined) {
        counts.set(piece, count + 1);
      } else if (piece.length <= MAX_PIECE_LENGTH) {
        const copy = copyText(piece);
        counts.set(copy, (counts.get(copy) ?? 0) + 1);
        numCharacters += copy.length;
        if (numCharacters > maxCharacters) numCharacters = forgetRarest(counts, maxCharacters / 2);
      }
    }
  }
  return counts;
}

const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * A string with memory of its own: engines keep a part of a text as a view that holds the whole text in memory. Half a
 * surrogate pair becomes U+FFFD, as it does in encoding.
 */
function copyText(text: string): string {
  return utf8Decoder.decode(utf8Encoder.encode(text));
}

/** Forgets pieces seen once, then up to twice, four times, … until few enough are left. The characters of those. */
function forgetRarest(counts: Map<string, number>, maxCharacters: number): number {
  for (let rarest = 1; ; rarest *= 2) {
    let numCharacters = 0;
    for (const [piece, count] of counts) {
      if (count <= rarest) counts.delete(piece);
      else numCharacters += piece.length;
    }
    if (numCharacters <= maxCharacters) return numCharacters;
  }
}
