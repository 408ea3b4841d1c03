// What an answer may be, token by token: thinking, then text or a grammar's text, then calls that a grammar writes.
//
// Borders are tokens: thinking ends with the token `</think>` and a call begins with the token `<tool_call>`, whatever
// text spells. Thinking is free, but no call begins in it; an answer that must hold something cannot end before. A
// state is a value, so drafts are tried without being undone. Knows ids, and neither text nor schemas.

import { type MatchState, Matcher } from "./matcher.ts";
import type { Program } from "./program.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** Tokens that begin and end thinking and calls; undefined where a vocabulary has none. */
export type Markers = Readonly<Record<"thinkStart" | "thinkEnd" | "callStart" | "callEnd", number | undefined>>;

/** Plain data, made by whoever knows the request. */
export interface ConstraintSpec {
  readonly vocabulary: Vocabulary;
  readonly markers: Markers;
  /** Tokens that end the answer. */
  readonly endTokens: readonly number[];
  /** Whether the prompt ends inside thinking, or the answer may begin with it. */
  readonly thinking: "open" | "allowed" | "over";
  /** The text of an answer: whatever it likes, nothing but calls, or a text of the program. */
  readonly answer: "free" | "none" | Program;
  readonly calls: "none" | "free" | Program;
  /** Most calls of an answer. */
  readonly maxCalls: number;
}

export interface ConstraintState {
  readonly phase: "thinking" | "answer" | "call" | "called" | "ended";
  /** Whether nothing has been written yet. */
  readonly isFirst: boolean;
  /** Where the grammar of the phase stands. */
  readonly match: MatchState | undefined;
  readonly numCalls: number;
}

/** The matchers of a spec's programs; undefined where there is no program. */
export interface ConstraintMatchers {
  readonly answer: Matcher | undefined;
  readonly calls: Matcher | undefined;
}

export class Constraint {
  readonly start: ConstraintState;
  readonly #spec: ConstraintSpec;
  readonly #vocabulary: Vocabulary;
  readonly #matchers: ConstraintMatchers;
  readonly #masks = new WeakMap<ConstraintState, Uint32Array>();

  constructor(spec: ConstraintSpec, matchers: ConstraintMatchers) {
    this.#spec = spec;
    this.#vocabulary = spec.vocabulary;
    this.#matchers = matchers;
    const phase = spec.thinking === "open" ? "thinking" : "answer";
    this.start = { phase, isFirst: true, match: matchers.answer?.start, numCalls: 0 };
  }

  /** Bit t of the words is whether token t may come next; none is set where the answer is over. Not to be changed. */
  mask(state: ConstraintState): Uint32Array {
    const known = this.#masks.get(state);
    if (known !== undefined) return known;
    const mask = this.#createMask(state);
    this.#masks.set(state, mask);
    return mask;
  }

  /** Whether no token may follow. */
  isOver(state: ConstraintState): boolean {
    return state.phase === "ended" || this.mask(state).every((word) => word === 0);
  }

  /** The state behind a token; undefined where the token is not allowed. */
  after(state: ConstraintState, token: number): ConstraintState | undefined {
    if ((this.mask(state)[token >> 5]! & (1 << (token & 31))) === 0) return undefined;
    const { markers, endTokens } = this.#spec;
    const { match, numCalls } = state;
    const next = { ...state, isFirst: false };
    switch (state.phase) {
      case "thinking":
        if (token === markers.thinkEnd) return { ...next, phase: "answer" };
        return endTokens.includes(token) ? { ...next, phase: "ended" } : next;
      case "answer":
      case "called":
        if (endTokens.includes(token)) return { ...next, phase: "ended" };
        if (token === markers.thinkStart) return { ...next, phase: "thinking" };
        if (token === markers.callStart)
          return { ...next, phase: "call", match: this.#matchers.calls?.start, numCalls: numCalls + 1 };
        return match === undefined ? next : { ...next, match: this.#matchers.answer?.advance(match, token) };
      case "call":
        if (token === markers.callEnd) {
          const phase = this.#spec.answer === "free" ? "answer" : "called";
          return { ...next, phase, match: undefined };
        }
        return match === undefined ? next : { ...next, match: this.#matchers.calls?.advance(match, token) };
      case "ended":
        return undefined;
      default:
        return state.phase satisfies never;
    }
  }

  #createMask(state: ConstraintState): Uint32Array {
    const { markers, endTokens, answer, calls } = this.#spec;
    const { phase, match, isFirst, numCalls } = state;
    const { thinkStart, thinkEnd, callStart, callEnd } = markers;
    const mayCall = calls !== "none" && numCalls < this.#spec.maxCalls;
    const mayThink = isFirst && this.#spec.thinking === "allowed";
    switch (phase) {
      case "thinking":
        return this.#all([thinkStart, callStart, callEnd, ...(answer === "free" ? [] : endTokens)]);
      case "answer": {
        const starts = [...(mayCall ? [callStart] : []), ...(mayThink ? [thinkStart] : [])];
        if (answer === "free") {
          return this.#all([thinkStart, thinkEnd, callStart, callEnd].filter((token) => !starts.includes(token)));
        }
        if (match === undefined) return this.#only(starts);
        // A call stands in the place of a text, not in its middle.
        if (match !== this.#matchers.answer!.start) return this.#matched(this.#matchers.answer!, match, endTokens);
        return this.#matched(this.#matchers.answer!, match, endTokens, starts);
      }
      case "called":
        return this.#only([...(mayCall ? [callStart] : []), ...endTokens]);
      case "call":
        if (match === undefined) return this.#all([callStart]);
        return this.#matched(this.#matchers.calls!, match, [callEnd]);
      case "ended":
        return this.#only([]);
      default:
        return phase satisfies never;
    }
  }

  #all(except: readonly (number | undefined)[]): Uint32Array {
    const { numWords, numTokens } = this.#vocabulary;
    const mask = new Uint32Array(numWords).fill(0xffff_ffff);
    if (numTokens % 32 > 0) mask[numWords - 1] = 2 ** (numTokens % 32) - 1;
    for (const token of except) if (token !== undefined) mask[token >> 5]! &= ~(1 << (token & 31));
    return mask;
  }

  #only(tokens: readonly (number | undefined)[], mask = new Uint32Array(this.#vocabulary.numWords)): Uint32Array {
    for (const token of tokens) if (token !== undefined) mask[token >> 5]! |= 1 << (token & 31);
    return mask;
  }

  /** What the grammar allows, and the tokens that may follow it where it has come to an end. */
  #matched(
    matcher: Matcher,
    match: MatchState,
    atEnd: readonly (number | undefined)[],
    beside: readonly (number | undefined)[] = [],
  ): Uint32Array {
    const others = match.isFinal ? [...atEnd, ...beside] : beside;
    const mask = matcher.mask(match);
    return others.length === 0 ? mask : this.#only(others, mask.slice());
  }
}
