// The experts that were chosen for the tokens of a text: the same number of ids for each token, from its first one on.
//
// There are no holes, and what is known stays: a row that is computed again, because its memory was given back or to
// rebuild rings, is not recorded twice. Rows that rebuild rings would choose other experts.

import { assert } from "../util/assert.ts";

/** Bytes where they are enough for every id. */
export type ExpertIds = Uint8Array | Uint16Array;

export class RouteLog {
  /** Ids of a token. */
  readonly width: number;
  #ids: ExpertIds;
  #numTokens = 0;
  #numTaken = 0;

  constructor(width: number, numExperts: number) {
    this.width = width;
    this.#ids = expertIds(0, numExperts);
  }

  get numTokens(): number {
    return this.#numTokens;
  }

  /** Adds what is not known yet of the tokens from `position` on, for which `ids` are given. */
  append(position: number, ids: ExpertIds): void {
    const known = this.#numTokens;
    const end = position + ids.length / this.width;
    if (end <= known) return;
    assert(position <= known, () => `routes from token ${position} on, but they are known up to ${known}`);
    this.#reserve(end * this.width);
    this.#ids.set(ids.subarray((known - position) * this.width), known * this.width);
    this.#numTokens = end;
  }

  /** A copy of the ids of tokens [from, to), as far as they are known. */
  slice(from: number, to: number): ExpertIds {
    return this.#ids.slice(from * this.width, Math.min(to, this.#numTokens) * this.width);
  }

  /** What was added since this was called last. */
  takeNew(): ExpertIds {
    const from = this.#numTaken;
    this.#numTaken = this.#numTokens;
    return this.slice(from, this.#numTokens);
  }

  #reserve(length: number): void {
    if (length <= this.#ids.length) return;
    const old = this.#ids;
    const size = Math.max(length, 2 * old.length);
    this.#ids = old instanceof Uint8Array ? new Uint8Array(size) : new Uint16Array(size);
    this.#ids.set(old);
  }
}

/** Zeros, of the type that holds an id of so many experts. */
export function expertIds(length: number, numExperts: number): ExpertIds {
  return numExperts <= 256 ? new Uint8Array(length) : new Uint16Array(length);
}
