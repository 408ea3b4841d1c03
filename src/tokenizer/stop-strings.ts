// Finds stop strings in a stream of text.
//
// Text is let through as soon as it cannot be the beginning of a stop string, so no part of one is ever seen by
// the reader. The automaton of Aho and Corasick looks at every character once, however many stop strings there
// are and however they overlap; what is held back is exactly as long as its state is deep.
// The match that ends first wins, and of those ending together the longest. Knows text only, not tokens.

import { MimoError } from "../util/errors.ts";

interface State {
  readonly next: Map<number, State>;
  /** The state of the longest proper suffix that is also a beginning of a stop string. */
  fallback: State | undefined;
  readonly depth: number;
  /** The longest stop string that ends here. */
  found: string | undefined;
}

export interface StopResult {
  /** Text that may be shown now. */
  readonly text: string;
  /** The stop string that ended the text; nothing is let through after it until `reset`. */
  readonly stop: string | undefined;
  /** What followed the stop string in the piece it was found in. */
  readonly rest: string;
}

export class StopStrings {
  readonly #root: State;
  #state: State;
  #held = "";
  #stop: string | undefined;

  constructor(stops: readonly string[]) {
    if (stops.includes("")) {
      throw new MimoError("invalid_argument", "A stop string must not be empty.", {
        param: "stop",
      });
    }
    this.#root = createAutomaton(stops);
    this.#state = this.#root;
  }

  push(text: string): StopResult {
    if (this.#stop !== undefined) return { text: "", stop: this.#stop, rest: text };
    for (let i = 0; i < text.length; i++) {
      this.#state = this.#advance(text.charCodeAt(i));
      const { found } = this.#state;
      if (found === undefined) continue;
      const seen = this.#held + text.slice(0, i + 1);
      this.#held = "";
      this.#stop = found;
      return {
        text: seen.slice(0, seen.length - found.length),
        stop: found,
        rest: text.slice(i + 1),
      };
    }
    const seen = this.#held + text;
    const numCertain = seen.length - this.#state.depth;
    this.#held = seen.slice(numCertain);
    return { text: seen.slice(0, numCertain), stop: undefined, rest: "" };
  }

  /** At the end of the stream: what was held back was no stop string after all. */
  flush(): string {
    const held = this.#held;
    this.reset();
    return held;
  }

  /** Starts over, as if nothing had been seen. */
  reset(): void {
    this.#held = "";
    this.#stop = undefined;
    this.#state = this.#root;
  }

  #advance(code: number): State {
    let state: State | undefined = this.#state;
    while (state !== undefined) {
      const next = state.next.get(code);
      if (next !== undefined) return next;
      state = state.fallback;
    }
    return this.#root;
  }
}

function createAutomaton(stops: readonly string[]): State {
  const root: State = { next: new Map(), fallback: undefined, depth: 0, found: undefined };
  for (const stop of stops) {
    let state = root;
    for (let i = 0; i < stop.length; i++) {
      const code = stop.charCodeAt(i);
      const next = state.next.get(code) ?? {
        next: new Map(),
        fallback: root,
        depth: i + 1,
        found: undefined,
      };
      state.next.set(code, next);
      state = next;
    }
    state.found = stop;
  }
  // Breadth first, so that a fallback, being shallower, is complete before it is used. The loop appends as it goes.
  const queue = [...root.next.values()];
  for (const state of queue) {
    for (const [code, next] of state.next) {
      let fallback = state.fallback;
      while (fallback !== undefined && !fallback.next.has(code)) fallback = fallback.fallback;
      next.fallback = fallback?.next.get(code) ?? root;
      next.found ??= next.fallback.found;
      queue.push(next);
    }
  }
  return root;
}
