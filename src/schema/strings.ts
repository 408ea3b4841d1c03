// Strings by schema: lengths, patterns, formats, raw or in JSON.
//
// A string that only counts its characters is the plain one with a counter, whatever its length. A pattern is an
// automaton, together with lengths their product: exact, and paid for in states.

import { type Automaton, automatonOf, combine, isNever } from "../grammar/automaton.ts";
import type { Budget } from "../grammar/budget.ts";
import { type Expression, repeat, sequence, text } from "../grammar/expression.ts";
import type { JsonObject } from "../tokenizer/tokenizer-json.ts";
import { ANY, character, type Spelling } from "./characters.ts";
import { countOf, schemaError } from "./json-schema.ts";
import { patternExpression, PatternError } from "./pattern.ts";
import { END_OF, type Rules } from "./rules.ts";

/** Formats that are enforced; every other one is an annotation, as the standard has it. */
const FORMATS: Readonly<Record<string, string>> = {
  "date-time": `^${dateOf()}T${timeOf()}$`,
  date: `^${dateOf()}$`,
  time: `^${timeOf()}$`,
  uuid: "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
  ipv4: `^(${octet()}\\.){3}${octet()}$`,
  email: "^[a-zA-Z0-9_+-]+(\\.[a-zA-Z0-9_+-]+)*@[a-zA-Z0-9]+(-[a-zA-Z0-9]+)*(\\.[a-zA-Z0-9]+(-[a-zA-Z0-9]+)*)+$",
};

/** Days that every month has, the later ones of those that have them, and those of leap years. */
function dateOf(): string {
  const early = "(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])";
  const leapYear = "([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)";
  return `([0-9]{4}-(${early}|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)|${leapYear}-02-29)`;
}

function timeOf(): string {
  return "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])";
}

function octet(): string {
  return "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
}

/** Texts that a string must not be. */
export interface Excluded {
  /** With their ends. */
  readonly texts: Expression;
  /** The same and more: everything that begins like one of them. */
  readonly beginnings: Expression;
}

/** What stands behind the opening of a string, its end included. */
export function stringTail(
  schema: JsonObject,
  path: string,
  spelling: Spelling,
  rules: Rules,
  excluded?: Excluded,
): Expression {
  const { budget } = rules;
  const content = patternOf(schema, path, spelling, budget);
  if (content !== undefined) {
    const tail = tailOf(content, schema, path, spelling, rules);
    return rules.add(path, excluded === undefined ? tail : without(tail, excluded.texts, budget));
  }
  const { min, max, isOpen } = lengthsOf(schema, path);
  const tail = rules.tailAutomaton(spelling);
  if (isOpen)
    return excluded === undefined ? rules.stringTail(spelling) : rules.add(path, without(tail, excluded.texts, budget));
  // Who counts must be able to end behind every character, so nothing may begin like what is excluded.
  const body = excluded === undefined ? tail : without(tail, excluded.beginnings, budget);
  return rules.add(path, body, rules.counting(spelling, min, max));
}

export function without(texts: Automaton, excluded: Expression, budget: Budget): Automaton {
  return combine(texts, automatonOf(excluded, budget), false, budget);
}

function tailOf(content: Automaton, schema: JsonObject, path: string, spelling: Spelling, rules: Rules): Automaton {
  const { budget } = rules;
  const { min, max, isOpen } = lengthsOf(schema, path);
  const tail = rules.tailAutomaton(spelling);
  const characters = (): Automaton => automatonOf(repeat(character(ANY, spelling), min, max), budget);
  const counted = isOpen ? content : combine(content, characters(), true, budget);
  const whole = automatonOf(sequence({ kind: "automaton", automaton: counted }, text(END_OF[spelling])), budget);
  const ended = spelling === "raw" ? combine(whole, tail, true, budget) : whole;
  if (!isNever(ended)) return ended;
  const keyword = Object.hasOwn(schema, "pattern") ? "pattern" : "format";
  throw schemaError(`${path}.${keyword}`, "is matched by no string that the other keywords allow");
}

function lengthsOf(schema: JsonObject, path: string) {
  const min = countOf(schema, "minLength", path, 0);
  const max = countOf(schema, "maxLength", path, Infinity);
  if (min > max) throw schemaError(`${path}.maxLength`, `is ${max}, below minLength ${min}, so no string is allowed`);
  return { min, max, isOpen: min === 0 && max === Infinity };
}

/** Strings that pattern and format allow; undefined where there is neither. */
export function patternOf(schema: JsonObject, path: string, spelling: Spelling, budget: Budget): Automaton | undefined {
  const { pattern, format } = schema;
  if (pattern !== undefined && typeof pattern !== "string") throw schemaError(`${path}.pattern`, "must be a string");
  const known = typeof format === "string" && Object.hasOwn(FORMATS, format) ? FORMATS[format] : undefined;
  const read = (source: string, keyword: string): Automaton => {
    try {
      return automatonOf(patternExpression(source, spelling), budget);
    } catch (error) {
      if (!(error instanceof PatternError)) throw error;
      throw schemaError(`${path}.${keyword}`, `(${source.slice(0, 100)}) ${error.message}`);
    }
  };
  const first = pattern === undefined ? undefined : read(pattern, "pattern");
  const second = known === undefined ? undefined : read(known, "format");
  if (first === undefined || second === undefined) return first ?? second;
  return combine(first, second, true, budget);
}
