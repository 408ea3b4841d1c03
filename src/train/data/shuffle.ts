// A shuffled order of any number of rows that is nowhere written down: a permutation by a Feistel network, which any
// place can be asked of alone.

import { mix } from "../../util/random.ts";

const ROUNDS = 6;

/** The row at a place of the order that `key` names: each row of `size` stands at one place. */
export function shuffled(place: number, size: number, key: number): number {
  let bits = 1;
  while (4 ** bits < size) bits++;
  const half = 2 ** bits;
  let at = place;
  do {
    let [left, right] = [Math.floor(at / half), at % half];
    for (let round = 0; round < ROUNDS; round++) {
      [left, right] = [right, (left ^ mix(mix(key, round), right)) & (half - 1)];
    }
    at = left * half + right;
    // The network permutes a power of four: places beyond the rows lead on until one does not.
  } while (at >= size);
  return at;
}
