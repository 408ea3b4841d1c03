// What a compilation may cost: states and time. Schemas are hostile: a short pattern can stand for millions of states.

import { MimoError } from "../util/errors.ts";

export class Budget {
  readonly #deadline: number;
  readonly #maxStates: number;
  #states = 0;

  constructor(limits: { readonly maxStates: number; readonly maxMs: number }) {
    this.#maxStates = limits.maxStates;
    this.#deadline = performance.now() + limits.maxMs;
  }

  /** Throws `invalid_argument` once more is spent than there is. */
  spend(states = 1): void {
    const before = this.#states;
    this.#states += states;
    if (this.#states > this.#maxStates) this.#refuse(`more than ${this.#maxStates} states`);
    // Asking for the time costs more than a state does.
    if (before >> 10 !== this.#states >> 10 && performance.now() > this.#deadline) this.#refuse("too much time");
  }

  #refuse(found: string): never {
    throw new MimoError("invalid_argument", `The schema is too complex to be enforced: it needs ${found}.`, {
      remedy:
        "Make it smaller: shorter repetitions in patterns, smaller limits, fewer alternatives; or do without strict.",
    });
  }
}
