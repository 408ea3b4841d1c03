// What a compilation may cost: states and time. Schemas are hostile: a short pattern can stand for millions of states.

import { MimoError } from "../util/errors.ts";

export class Budget {
  readonly #deadline: number;
  readonly #maxStates: number;
  readonly #param: string | undefined;
  #states = 0;

  /** `param`: what is compiled, for errors. */
  constructor(limits: { readonly maxStates: number; readonly maxMs: number; readonly param?: string }) {
    this.#maxStates = limits.maxStates;
    this.#param = limits.param;
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
    const what = this.#param ?? "The schema";
    throw new MimoError("invalid_argument", `${what} is too complex to be enforced: it needs ${found}.`, {
      ...(this.#param === undefined ? {} : { param: this.#param }),
      remedy:
        "Make it smaller: shorter repetitions in patterns, smaller limits, fewer alternatives; or do without strict.",
    });
  }
}
