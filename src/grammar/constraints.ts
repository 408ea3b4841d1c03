// Constraints for an engine's sequences: one vocabulary, and the matchers of the programs used last.
//
// A matcher learns while it is used, so requests with the same grammar share one, and the last used ones are kept as long
// as programs and what was learned of them fit together. An engine has one tokenizer, so the first vocabulary stands for
// all. Without constraints, nothing of this exists.

import { MimoError } from "../util/errors.ts";
import { Constraint, type ConstraintSpec } from "./constraint.ts";
import { Matcher } from "./matcher.ts";
import type { Program } from "./program.ts";
import type { SliceCache } from "./slices.ts";
import type { Vocabulary } from "./vocabulary.ts";

const MAX_BYTES = 128 * 2 ** 20;

export class Constraints {
  #vocabulary: Vocabulary | undefined;
  readonly #slices: SliceCache = new Map();
  /** By key, the last used last. */
  readonly #matchers = new Map<string, Matcher>();
  readonly #maxBytes: number;

  constructor(maxBytes = MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** What matchers take now. */
  get byteLength(): number {
    let total = 0;
    for (const matcher of this.#matchers.values()) total += matcher.byteLength;
    return total;
  }

  /** Throws `invalid_argument` where the vocabulary cannot write every text, or is not the model's. */
  create(spec: ConstraintSpec, numTokens: number): Constraint {
    const vocabulary = (this.#vocabulary ??= spec.vocabulary);
    if (vocabulary.numTokens !== numTokens || !vocabulary.hasAllBytes) {
      throw new MimoError("invalid_argument", "The vocabulary of this model cannot be constrained.");
    }
    const matcherOf = (program: Program | string): Matcher | undefined =>
      typeof program === "string" ? undefined : this.#matcher(program, vocabulary);
    return new Constraint(spec, { answer: matcherOf(spec.answer), calls: matcherOf(spec.calls) });
  }

  #matcher(program: Program, vocabulary: Vocabulary): Matcher {
    const known = this.#matchers.get(program.key);
    this.#matchers.delete(program.key);
    const matcher = known ?? new Matcher(program, vocabulary, this.#slices);
    this.#matchers.set(program.key, matcher);
    let total = this.byteLength;
    for (const [oldest, { byteLength }] of this.#matchers) {
      if (total <= this.#maxBytes || oldest === program.key) break;
      this.#matchers.delete(oldest);
      total -= byteLength;
    }
    return matcher;
  }
}
