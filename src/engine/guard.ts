// What ends thinking, or an answer, before the model does: a budget, a word from outside, a loop.
//
// A thought is ended by forcing the token that ends it: the next one, and never more than that one. So whether a token
// is forced follows from the tokens before it alone, and drafts change nothing: what was drafted or sampled behind the
// token that made the difference is dropped. Knows ids, and neither text nor probabilities.

import type { Markers } from "../grammar/constraint.ts";

/** Plain data, made by whoever knows the request. */
export interface GuardSpec {
  /** Undefined where thinking is not told from the rest. */
  readonly thinking?:
    | {
        readonly markers: Markers;
        /** Whether the prompt ends inside it. */
        readonly isOpen: boolean;
        /** Most tokens of it, markers not counted; Infinity is no limit. */
        readonly budget: number;
      }
    | undefined;
  /** Tokens that may be a repetition, see `isRepetition`; 0 is no limit. */
  readonly maxRepetition: number;
}

type Phase = "thinking" | "call" | "other";

/** Times that a piece must stand in a row to be a repetition. */
const REPEATS = 4;
/** Looks at the tail for each tail's length. */
const LOOKS = 32;

/**
 * Whether the last `length` of `tokens` are one piece over and over: of at most a quarter of them, so at least four
 * times. The piece is what the tail has beyond its longest border, as Knuth, Morris and Pratt find it: in linear time,
 * whatever a client makes the model write.
 */
export function isRepetition(tokens: readonly number[], length: number): boolean {
  const first = tokens.length - length;
  if (first < 0) return false;
  const borders = new Int32Array(length);
  let border = 0;
  for (let i = 1; i < length; i++) {
    while (border > 0 && tokens[first + i] !== tokens[first + border]) border = borders[border - 1]!;
    if (tokens[first + i] === tokens[first + border]) border++;
    borders[i] = border;
  }
  return (length - border) * REPEATS <= length;
}

export class Guard {
  /** Whether the answer goes round in circles, and not in thinking. */
  isLooping = false;
  readonly #spec: GuardSpec;
  readonly #output: number[] = [];
  #phase: Phase;
  #numThoughts = 0;
  #budget: number;

  constructor(spec: GuardSpec) {
    this.#spec = spec;
    this.#phase = spec.thinking?.isOpen === true ? "thinking" : "other";
    this.#budget = spec.thinking?.budget ?? Infinity;
  }

  /** The only token that may come next; undefined where any may. */
  get forced(): number | undefined {
    const isSpent = this.#phase === "thinking" && this.#numThoughts >= this.#budget;
    return isSpent ? this.#spec.thinking?.markers.thinkEnd : undefined;
  }

  /** No further token of thinking, now or later. */
  endThinking(): void {
    this.#budget = 0;
  }

  append(token: number): void {
    const before = this.#phase;
    this.#phase = this.#phaseAfter(token);
    if (before === "thinking" && this.#phase === "thinking") this.#numThoughts++;
    this.#output.push(token);
    const { maxRepetition } = this.#spec;
    // A look costs as much as the tail is long, and there are so few of them that a token costs the same with any.
    const isTime = maxRepetition > 0 && this.#output.length % Math.max(1, Math.floor(maxRepetition / LOOKS)) === 0;
    if (!isTime || !isRepetition(this.#output, maxRepetition)) return;
    if (this.#phase === "thinking") this.endThinking();
    else this.isLooping = true;
  }

  /** As the reader of the output has it: a call ends thinking, and markers inside a call are its text. */
  #phaseAfter(token: number): Phase {
    const { thinkStart, thinkEnd, callStart, callEnd } = this.#spec.thinking?.markers ?? {};
    if (token === callStart) return "call";
    if (this.#phase === "call") return token === callEnd ? "other" : "call";
    if (token === thinkStart) return "thinking";
    return token === thinkEnd ? "other" : this.#phase;
  }
}
