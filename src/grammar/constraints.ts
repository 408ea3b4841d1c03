// Constraints for an engine's sequences: one vocabulary, and the matchers of the programs used last.
//
// A matcher learns while it is used, so requests with the same grammar share one. An engine has one tokenizer, so the
// first vocabulary stands for all. Without constraints, nothing of this exists.

import { MimoError } from "../util/errors.ts";
import { Constraint, type ConstraintSpec } from "./constraint.ts";
import { Matcher } from "./matcher.ts";
import type { Program } from "./program.ts";
import type { SliceCache } from "./slices.ts";
import type { Vocabulary } from "./vocabulary.ts";

const MAX_BYTES = 64 * 2 ** 20;

export class Constraints {
  #vocabulary: Vocabulary | undefined;
  readonly #slices: SliceCache = new Map();
  /** By key, the last used last. */
  readonly #matchers = new Map<string, { readonly matcher: Matcher; readonly byteLength: number }>();

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
    const { key, byteLength } = program;
    const known = this.#matchers.get(key);
    this.#matchers.delete(key);
    const entry = known ?? { matcher: new Matcher(program, vocabulary, this.#slices), byteLength };
    this.#matchers.set(key, entry);
    let total = 0;
    for (const each of this.#matchers.values()) total += each.byteLength;
    for (const [oldest, each] of this.#matchers) {
      if (total <= MAX_BYTES || oldest === key) break;
      this.#matchers.delete(oldest);
      total -= each.byteLength;
    }
    return entry.matcher;
  }
}
