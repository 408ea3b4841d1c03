// Patterns of JSON Schema (ECMA-262 with the flag u) as languages: what of them is regular.
//
// A pattern that is not anchored is found anywhere, so text may surround it. Captures mean nothing here, and lazy
// quantifiers match the same texts. Refused, by name: look-around, back-references, word borders, properties of
// characters, anchors inside a pattern.

import { choice, EMPTY, type Expression, repeat, sequence } from "../grammar/expression.ts";
import { ANY, character, type CharacterSet, complement, type Spelling, union } from "./characters.ts";

const DIGITS: CharacterSet = [[0x30, 0x39]];
const WORD: CharacterSet = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
];
const SPACE = union(Array.from("\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff", codes), [
  [0x2000, 0x200a],
]);
const LINE_ENDS = union(Array.from("\n\r\u2028\u2029", codes));
const CLASSES: Readonly<Record<string, CharacterSet>> = {
  d: DIGITS,
  D: complement(DIGITS),
  w: WORD,
  W: complement(WORD),
  s: SPACE,
  S: complement(SPACE),
};
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, "0": 0 };
/** Beyond this a repetition is refused before it is written out. */
const MAX_REPEAT = 10_000;
const MAX_DEPTH = 64;

/** Why a pattern cannot be enforced; the caller knows where it stands. */
export class PatternError extends Error {}

/** The texts in which the pattern is found, spelled as asked. Throws PatternError. */
export function patternExpression(pattern: string, spelling: Spelling): Expression {
  return new PatternParser(pattern, spelling).parse();
}

function codes(one: string): [number, number] {
  const code = one.codePointAt(0)!;
  return [code, code];
}

class PatternParser {
  readonly #characters: readonly string[];
  readonly #spelling: Spelling;
  #at = 0;
  #depth = 0;

  constructor(pattern: string, spelling: Spelling) {
    this.#characters = Array.from(pattern);
    this.#spelling = spelling;
  }

  parse(): Expression {
    const anything = repeat(character(ANY, this.#spelling));
    const options: Expression[] = [];
    do {
      const fromStart = this.#take("^");
      const body = this.#sequence();
      const toEnd = this.#take("$");
      options.push(sequence(fromStart ? EMPTY : anything, body, toEnd ? EMPTY : anything));
    } while (this.#take("|"));
    if (this.#at < this.#characters.length) this.#refuse(`"${this.#peek()}" at its place ${this.#at + 1}`);
    return choice(...options);
  }

  #peek(): string | undefined {
    return this.#characters[this.#at];
  }

  #take(expected: string): boolean {
    if (this.#peek() !== expected) return false;
    this.#at++;
    return true;
  }

  #next(): string {
    const next = this.#characters[this.#at++];
    return next ?? this.#refuse("an end in the middle");
  }

  #refuse(what: string): never {
    throw new PatternError(`has ${what}, which cannot be enforced`);
  }

  #choice(): Expression {
    const options: Expression[] = [];
    do options.push(this.#sequence());
    while (this.#take("|"));
    return choice(...options);
  }

  #sequence(): Expression {
    const items: Expression[] = [];
    for (let next = this.#peek(); next !== undefined && next !== "|" && next !== ")" && next !== "$";) {
      if (next === "^") this.#refuse("an anchor inside");
      items.push(this.#quantified(this.#atom()));
      next = this.#peek();
    }
    return sequence(...items);
  }

  #quantified(item: Expression): Expression {
    const bounds = this.#quantifier();
    if (bounds === undefined) return item;
    this.#take("?");
    const [min, max] = bounds;
    if (min > max) this.#refuse("a quantifier whose limits are out of order");
    if (min > MAX_REPEAT || (max !== Infinity && max > MAX_REPEAT)) this.#refuse(`more than ${MAX_REPEAT} repetitions`);
    return repeat(item, min, max);
  }

  #quantifier(): [number, number] | undefined {
    if (this.#take("*")) return [0, Infinity];
    if (this.#take("+")) return [1, Infinity];
    if (this.#take("?")) return [0, 1];
    if (this.#peek() !== "{") return undefined;
    const end = this.#characters.indexOf("}", this.#at);
    const match = /^\{(\d+)(,(\d*))?$/.exec(this.#characters.slice(this.#at, Math.max(end, this.#at)).join(""));
    if (match === null) return this.#refuse('a "{" that begins no quantifier');
    this.#at = end + 1;
    const min = Number(match[1]);
    if (match[2] === undefined) return [min, min];
    return [min, match[3] === "" ? Infinity : Number(match[3])];
  }

  #atom(): Expression {
    const next = this.#next();
    switch (next) {
      case ".":
        return this.#one(complement(LINE_ENDS));
      case "[":
        return this.#one(this.#class());
      case "(":
        return this.#group();
      case "\\":
        return this.#one(this.#escape());
      case "*":
      case "+":
      case "?":
      case "{":
      case "}":
      case "]":
        return this.#refuse(`a bare "${next}"`);
      default:
        return this.#one([codes(next)]);
    }
  }

  #one(set: CharacterSet): Expression {
    return character(set, this.#spelling);
  }

  #group(): Expression {
    if (this.#take("?")) {
      const isNamed = this.#take("<");
      if (isNamed && this.#peek() !== "=" && this.#peek() !== "!") while (this.#next() !== ">");
      else if (isNamed || !this.#take(":")) this.#refuse("look-around");
    }
    if (++this.#depth > MAX_DEPTH) this.#refuse(`groups more than ${MAX_DEPTH} deep`);
    const body = this.#choice();
    this.#depth--;
    if (this.#peek() === "$") this.#refuse("an anchor inside");
    if (!this.#take(")")) this.#refuse("a group without its end");
    return body;
  }

  #escape(): CharacterSet {
    const next = this.#next();
    const known = CLASSES[next];
    if (known !== undefined) return known;
    if (CONTROLS[next] !== undefined) return [[CONTROLS[next], CONTROLS[next]]];
    if (next === "x") return this.#hexadecimal(2);
    if (next === "u") return this.#unicode();
    if (next === "c") {
      const code = this.#next().charCodeAt(0) % 32;
      return [[code, code]];
    }
    if (/[A-Za-z0-9]/.test(next)) return this.#refuse(`the escape "\\${next}"`);
    return [codes(next)];
  }

  #hexadecimal(length: number): CharacterSet {
    let digits = "";
    while (digits.length < length) digits += this.#next();
    return this.#code(digits);
  }

  #unicode(): CharacterSet {
    if (!this.#take("{")) return this.#hexadecimal(4);
    let digits = "";
    for (let next = this.#next(); next !== "}"; next = this.#next()) digits += next;
    return this.#code(digits);
  }

  #code(digits: string): CharacterSet {
    const code = /^[0-9a-fA-F]+$/.test(digits) ? Number.parseInt(digits, 16) : Infinity;
    if (code > 0x10ffff) this.#refuse(`the escape of "${digits}"`);
    if (code >= 0xd800 && code <= 0xdfff) this.#refuse("half of a character");
    return [[code, code]];
  }

  /** Behind "[". */
  #class(): CharacterSet {
    const isNegated = this.#take("^");
    const sets: CharacterSet[] = [];
    while (!this.#take("]")) {
      const first = this.#classAtom();
      if (this.#peek() !== "-" || this.#characters[this.#at + 1] === "]") {
        sets.push(first);
        continue;
      }
      this.#at++;
      const last = this.#classAtom();
      const [from, to] = [singleOf(first), singleOf(last)];
      if (from === undefined || to === undefined || from > to) this.#refuse("a range between things without an order");
      sets.push(intersectAny([[from, to]]));
    }
    const set = union(...sets);
    return isNegated ? complement(set) : set;
  }

  #classAtom(): CharacterSet {
    const next = this.#next();
    if (next !== "\\") return [codes(next)];
    if (this.#take("b")) return [[8, 8]];
    if (this.#take("-")) return [codes("-")];
    return this.#escape();
  }
}

function singleOf(set: CharacterSet): number | undefined {
  return set.length === 1 && set[0]![0] === set[0]![1] ? set[0]![0] : undefined;
}

/** A range may run across surrogates, which it then leaves out. */
function intersectAny(set: CharacterSet): CharacterSet {
  return complement(complement(set));
}
