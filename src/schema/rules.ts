// The rules of a grammar under construction, and those that every grammar shares: strings, numbers, any JSON.
//
// A rule is reserved before it is defined, so that it may call itself.

import { type Automaton, automatonOf, firstMatches } from "../grammar/automaton.ts";
import type { Budget } from "../grammar/budget.ts";
import { call, choice, type Expression, optional, repeat, sequence, text } from "../grammar/expression.ts";
import type { Counting, Rule } from "../grammar/program.ts";
import { defined } from "../util/assert.ts";
import { ANY, character, type Spelling } from "./characters.ts";
import { integers, NUMBER } from "./numbers.ts";

export const PARAMETER_END = "</parameter>";
export const END_OF: Readonly<Record<Spelling, string>> = { raw: PARAMETER_END, json: '"' };
const UTF8 = new TextEncoder();

/** Automata that depend on no schema, made once for each thread. */
const FIXED = new Map<string, Automaton>();

export class Rules {
  readonly budget: Budget;
  readonly #rules: (Rule | undefined)[] = [];
  readonly #shared = new Map<string, number>();

  constructor(budget: Budget) {
    this.budget = budget;
  }

  reserve(): number {
    return this.#rules.push(undefined) - 1;
  }

  define(id: number, rule: Rule): void {
    this.#rules[id] = rule;
  }

  add(name: string, body: Rule["body"], counting?: Counting): Expression {
    const id = this.reserve();
    this.define(id, { name, body, counting });
    return call(id);
  }

  finished(): readonly Rule[] {
    return this.#rules.map((rule) => defined(rule, "a rule that was reserved"));
  }

  /** The rest of a string, its end included: in JSON behind the opening quote, raw behind the opening tag. */
  stringTail(spelling: Spelling): Expression {
    return this.#once(`${spelling} string`, () => this.tailAutomaton(spelling));
  }

  tailAutomaton(spelling: Spelling): Automaton {
    const body = sequence(repeat(anyCharacter(spelling)), text(END_OF[spelling]));
    return this.#fixed(`${spelling} string`, () => firstMatches(automatonOf(body, this.budget)));
  }

  counting(spelling: Spelling, min: number, max: number): Counting {
    return { min, max, delimiter: UTF8.encode(END_OF[spelling]) };
  }

  get string(): Expression {
    return sequence(text('"'), this.stringTail("json"));
  }

  get integer(): Expression {
    return this.#plain("integer", () => integers({ min: undefined, max: undefined })!);
  }

  get number(): Expression {
    return this.#plain("number", () => NUMBER);
  }

  /** A blank, or a new line with its indentation, or nothing. Bounded: white space must not go on for ever. */
  get space(): Expression {
    return optional(this.#plain("space", () => choice(text(" "), sequence(text("\n"), repeat(text(" "), 0, 32)))));
  }

  get anyValue(): Expression {
    return this.#once("value", () =>
      choice(this.anyObject, this.anyArray, this.string, this.number, text("true"), text("false"), text("null")),
    );
  }

  get anyArray(): Expression {
    return this.#once("array", () => this.list("[", this.anyValue, "]"));
  }

  get anyObject(): Expression {
    return this.#once("object", () => this.list("{", this.member(this.string, this.anyValue), "}"));
  }

  member(key: Expression, value: Expression): Expression {
    return sequence(key, text(":"), this.space, value);
  }

  list(open: string, item: Expression, close: string): Expression {
    const items = sequence(item, repeat(sequence(text(","), this.space, item)));
    return sequence(text(open), this.space, optional(sequence(items, this.space)), text(close));
  }

  /** A rule that calls no other. */
  #plain(name: string, body: () => Expression): Expression {
    return this.#once(name, () => this.#fixed(name, () => automatonOf(body(), this.budget)));
  }

  #fixed(name: string, make: () => Automaton): Automaton {
    const automaton = FIXED.get(name) ?? make();
    FIXED.set(name, automaton);
    return automaton;
  }

  #once(name: string, body: () => Rule["body"]): Expression {
    const known = this.#shared.get(name);
    if (known !== undefined) return call(known);
    const id = this.reserve();
    this.#shared.set(name, id);
    this.define(id, { name, body: body() });
    return call(id);
  }
}

/** One character of a string that no pattern looks at, so that inside JSON every escape will do, but for surrogates. */
export function anyCharacter(spelling: Spelling): Expression {
  if (spelling === "raw") return character(ANY, "raw");
  const hex = (from: string, to: string): Expression => ({
    kind: "range",
    low: from.charCodeAt(0),
    high: to.charCodeAt(0),
  });
  const digit = choice(hex("0", "9"), hex("a", "f"), hex("A", "F"));
  const isNoSurrogate = choice(
    sequence(choice(hex("0", "9"), hex("a", "c"), hex("A", "C"), hex("e", "f"), hex("E", "F")), digit),
    sequence(choice(text("d"), text("D")), hex("0", "7")),
  );
  return choice(character(ANY, "json"), text("\\/"), sequence(text("\\u"), isNoSurrogate, digit, digit));
}
