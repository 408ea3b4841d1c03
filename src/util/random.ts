// Counter-based randomness: a number is a pure function of a seed and of where it is used, so it does not depend on
// how many others were drawn before, in which order, or in which batch.

/** A well-mixed 32-bit integer from two, signed. (Constants: C. Wellons' lowbias32 search, public domain.) */
export function mix(a: number, b: number): number {
  let h = (a ^ Math.imul(b, 0x9e3779b9)) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x21f0aaad);
  h = Math.imul(h ^ (h >>> 15), 0x735a2d97);
  return h ^ (h >>> 15);
}

/** Folds words into one 32-bit key. */
export function randomKey(...words: readonly number[]): number {
  return words.reduce((key, word) => mix(key, word | 0), 0x2545f491);
}

/** A number in the open interval (0, 1) with 53 random bits, for `counter` under `key`. */
export function randomUnit(key: number, counter: number): number {
  const high = mix(key, counter) >>> 5;
  const low = mix(key ^ 0x68bc21eb, counter) >>> 6;
  return (high * 0x4000000 + low + 0.5) / 0x20000000000000;
}

/** A fresh seed for a caller who gave none. */
export function freshSeed(): number {
  return Math.floor(Math.random() * 0x100000000);
}
