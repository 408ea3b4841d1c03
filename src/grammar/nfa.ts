// An expression as a nondeterministic automaton (Thompson's construction), the step between it and its automaton.

import { assert } from "../util/assert.ts";
import type { Budget } from "./budget.ts";
import type { Expression } from "./expression.ts";

export interface ByteEdge {
  readonly low: number;
  readonly high: number;
  readonly to: number;
}

export interface CallEdge {
  readonly rule: number;
  readonly to: number;
}

export class Nfa {
  readonly silent: number[][] = [];
  readonly bytes: ByteEdge[][] = [];
  readonly calls: CallEdge[][] = [];
  readonly start: number;
  readonly end: number;
  readonly #budget: Budget;

  constructor(expression: Expression, budget: Budget) {
    this.#budget = budget;
    this.start = this.#add();
    this.end = this.#append(expression, this.start);
  }

  #add(): number {
    this.#budget.spend();
    this.silent.push([]);
    this.bytes.push([]);
    this.calls.push([]);
    return this.silent.length - 1;
  }

  #link(from: number, to: number): void {
    this.silent[from]!.push(to);
  }

  /** Appends the expression behind a state that may have other ways out; returns where it ends. */
  #append(expression: Expression, from: number): number {
    switch (expression.kind) {
      case "bytes": {
        let at = from;
        for (const byte of expression.bytes) {
          const to = this.#add();
          this.bytes[at]!.push({ low: byte, high: byte, to });
          at = to;
        }
        return at;
      }
      case "range": {
        const to = this.#add();
        this.bytes[from]!.push({ low: expression.low, high: expression.high, to });
        return to;
      }
      case "sequence":
        return expression.items.reduce((at, item) => this.#append(item, at), from);
      case "choice": {
        const end = this.#add();
        for (const item of expression.items) this.#link(this.#append(item, this.#entry(from)), end);
        return end;
      }
      case "repeat":
        return this.#appendRepeat(expression, from);
      case "call": {
        const to = this.#add();
        this.calls[from]!.push({ rule: expression.rule, to });
        return to;
      }
      case "automaton":
        return this.#appendAutomaton(expression, from);
      case "graph": {
        const places = new Map<number, number>([[0, this.#entry(from)]]);
        const place = (index: number): number => {
          const known = places.get(index) ?? this.#add();
          places.set(index, known);
          return known;
        };
        for (const { from: tail, to, item } of expression.edges) {
          this.#link(this.#append(item, this.#entry(place(tail))), place(to));
        }
        return place(expression.end);
      }
      default:
        return expression satisfies never;
    }
  }

  /** A state of its own, so that loops inside do not reach what else leaves `from`. */
  #entry(from: number): number {
    const entry = this.#add();
    this.#link(from, entry);
    return entry;
  }

  #appendRepeat({ item, min, max }: Expression & { readonly kind: "repeat" }, from: number): number {
    let at = this.#entry(from);
    for (let i = 0; i < min; i++) at = this.#append(item, this.#entry(at));
    if (max === Infinity) {
      const loop = this.#entry(at);
      this.#link(this.#append(item, this.#entry(loop)), loop);
      return loop;
    }
    const end = this.#add();
    this.#link(at, end);
    for (let i = min; i < max; i++) {
      at = this.#append(item, this.#entry(at));
      this.#link(at, end);
    }
    return end;
  }

  #appendAutomaton({ automaton }: Expression & { readonly kind: "automaton" }, from: number): number {
    const { numStates, numClasses, classOf, next, accepts, calls } = automaton;
    const states = Array.from({ length: numStates }, () => this.#add());
    const end = this.#add();
    this.#link(from, states[0]!);
    for (let state = 0; state < numStates; state++) {
      assert(calls[state]!.length === 0, "an automaton inside an expression calls no rules");
      if (accepts[state] === 1) this.#link(states[state]!, end);
      for (let low = 0; low < 256;) {
        const target = next[state * numClasses + classOf[low]!]!;
        let high = low;
        while (high < 255 && next[state * numClasses + classOf[high + 1]!] === target) high++;
        if (target >= 0) this.bytes[states[state]!]!.push({ low, high, to: states[target]! });
        low = high + 1;
      }
    }
    return end;
  }
}
