// Whether a value is what a JSON Schema asks for, and if not, why.
//
// Model output is hostile, and schemas may be: patterns are matched by automata, never by backtracking, and a check
// that takes too many steps is itself an error. A pattern that no automaton can decide is passed over.

import { accepts, type Automaton } from "../grammar/automaton.ts";
import { Budget } from "../grammar/budget.ts";
import { isJsonObject, type JsonObject } from "../tokenizer/tokenizer-json.ts";
import { MimoError } from "../util/errors.ts";
import { resolve, type Schema, typeOf } from "./json-schema.ts";
import { patternOf } from "./strings.ts";

const MAX_ERRORS = 10;
const MAX_STEPS = 20_000;
const MAX_DEPTH = 200;
const MAX_PATTERNS = 256;

interface Check {
  readonly root: Schema;
  steps: number;
  depth: number;
}

/** What is wrong, as sentences that name the place in the value; none where it is right. */
export function validateValue(value: unknown, schema: Schema, root: Schema = schema): string[] {
  try {
    return problemsOf(value, schema, "", { root, steps: MAX_STEPS, depth: MAX_DEPTH }).slice(0, MAX_ERRORS);
  } catch (error) {
    if (error instanceof MimoError) return [error.message];
    throw error;
  }
}

function problemsOf(value: unknown, schema: unknown, at: string, check: Check): string[] {
  if (schema === false) return [`${at || "The value"} is not allowed.`];
  if (!isJsonObject(schema)) return [];
  if (check.steps-- <= 0 || check.depth <= 0)
    throw new MimoError("invalid_argument", "The value took too long to check.");
  check.depth--;
  const problems = [...composed(value, schema, at, check), ...typed(value, schema, at)];
  if (typeof value === "string") problems.push(...stringProblems(value, schema, at));
  if (typeof value === "number") problems.push(...numberProblems(value, schema, at));
  if (Array.isArray(value)) problems.push(...arrayProblems(value, schema, at, check));
  if (isJsonObject(value)) problems.push(...objectProblems(value, schema, at, check));
  check.depth++;
  return problems;
}

function problem(at: string, text: string): string {
  return `${at || "The value"} ${text}.`;
}

function composed(value: unknown, schema: JsonObject, at: string, check: Check): string[] {
  const { $ref, allOf, anyOf, oneOf, not, enum: values } = schema;
  const problems: string[] = [];
  const list = (schemas: unknown): readonly unknown[] => (Array.isArray(schemas) ? schemas : []);
  const fits = (each: unknown): boolean => problemsOf(value, each, at, check).length === 0;
  if ($ref !== undefined) problems.push(...problemsOf(value, resolve($ref, check.root, at), at, check));
  for (const each of list(allOf)) problems.push(...problemsOf(value, each, at, check));
  if (Array.isArray(anyOf) && !anyOf.some(fits)) problems.push(problem(at, "fits none of the allowed schemas"));
  if (Array.isArray(oneOf)) {
    const count = oneOf.filter(fits).length;
    if (count !== 1) problems.push(problem(at, `fits ${count} of the schemas of which it must fit one`));
  }
  if (not !== undefined && fits(not)) problems.push(problem(at, "is what is not allowed"));
  if (schema["if"] !== undefined) {
    const branch = fits(schema["if"]) ? schema["then"] : schema["else"];
    problems.push(...problemsOf(value, branch ?? true, at, check));
  }
  if (Array.isArray(values) && !values.some((each) => isSame(each, value))) {
    problems.push(
      problem(
        at,
        `must be one of ${values
          .map((each) => JSON.stringify(each))
          .join(", ")
          .slice(0, 200)}`,
      ),
    );
  }
  if (Object.hasOwn(schema, "const") && !isSame(schema["const"], value)) {
    problems.push(problem(at, `must be ${JSON.stringify(schema["const"]).slice(0, 200)}`));
  }
  return problems;
}

function typed(value: unknown, { type }: JsonObject, at: string): string[] {
  if (type === undefined) return [];
  const allowed: readonly unknown[] = Array.isArray(type) ? type : [type];
  const found = typeOf(value);
  if (allowed.includes(found) || (found === "integer" && allowed.includes("number"))) return [];
  return [problem(at, `must be ${allowed.join(" or ")}, not ${found}`)];
}

function stringProblems(value: string, schema: JsonObject, at: string): string[] {
  const { minLength, maxLength } = schema;
  const problems: string[] = [];
  const length = Array.from(value).length;
  if (typeof minLength === "number" && length < minLength)
    problems.push(problem(at, `has ${length} characters, fewer than ${minLength}`));
  if (typeof maxLength === "number" && length > maxLength)
    problems.push(problem(at, `has ${length} characters, more than ${maxLength}`));
  const pattern = automatonFor(schema);
  if (pattern !== undefined && !accepts(pattern, new TextEncoder().encode(value))) {
    const expected = schema["pattern"] === undefined ? `a ${String(schema["format"])}` : "what its pattern matches";
    problems.push(problem(at, `is not ${expected}`));
  }
  return problems;
}

/** By pattern and format; null where they cannot be decided. */
const PATTERNS = new Map<string, Automaton | null>();

function automatonFor({ pattern, format }: JsonObject): Automaton | undefined {
  const key = JSON.stringify([pattern, format]);
  const known = PATTERNS.get(key);
  if (known !== undefined) return known ?? undefined;
  let automaton: Automaton | undefined;
  try {
    automaton = patternOf({ pattern, format }, "", "raw", new Budget({ maxStates: 20_000, maxMs: 200 }));
  } catch {
    automaton = undefined;
  }
  if (PATTERNS.size >= MAX_PATTERNS) PATTERNS.clear();
  PATTERNS.set(key, automaton ?? null);
  return automaton;
}

function numberProblems(value: number, schema: JsonObject, at: string): string[] {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
  const problems: string[] = [];
  const is = (bound: unknown): bound is number => typeof bound === "number";
  if (is(minimum) && value < minimum) problems.push(problem(at, `is below ${minimum}`));
  if (is(maximum) && value > maximum) problems.push(problem(at, `is above ${maximum}`));
  if (is(exclusiveMinimum) && value <= exclusiveMinimum) problems.push(problem(at, `is not above ${exclusiveMinimum}`));
  if (is(exclusiveMaximum) && value >= exclusiveMaximum) problems.push(problem(at, `is not below ${exclusiveMaximum}`));
  if (is(multipleOf) && multipleOf > 0 && !Number.isInteger(value / multipleOf))
    problems.push(problem(at, `is no multiple of ${multipleOf}`));
  return problems;
}

function arrayProblems(value: readonly unknown[], schema: JsonObject, at: string, check: Check): string[] {
  const { minItems, maxItems, uniqueItems, prefixItems, items, contains } = schema;
  const problems: string[] = [];
  if (typeof minItems === "number" && value.length < minItems)
    problems.push(problem(at, `has ${value.length} items, fewer than ${minItems}`));
  if (typeof maxItems === "number" && value.length > maxItems)
    problems.push(problem(at, `has ${value.length} items, more than ${maxItems}`));
  if (uniqueItems === true && value.some((each, i) => value.slice(0, i).some((other) => isSame(other, each))))
    problems.push(problem(at, "has an item twice"));
  if (contains !== undefined && !value.some((each) => problemsOf(each, contains, at, check).length === 0))
    problems.push(problem(at, "has no item of the kind that it must contain"));
  const prefix: readonly unknown[] = Array.isArray(prefixItems) ? prefixItems : [];
  value.forEach((each, i) =>
    problems.push(...problemsOf(each, i < prefix.length ? prefix[i] : items, `${at}[${i}]`, check)),
  );
  return problems;
}

function objectProblems(value: JsonObject, schema: JsonObject, at: string, check: Check): string[] {
  const { required, additionalProperties, minProperties, maxProperties, propertyNames } = schema;
  const properties = isJsonObject(schema["properties"]) ? schema["properties"] : {};
  const problems: string[] = [];
  const keys = Object.keys(value);
  const place = (key: string): string => (at === "" ? key : `${at}.${key}`);
  for (const key of Array.isArray(required) ? required : []) {
    if (typeof key === "string" && !Object.hasOwn(value, key)) problems.push(problem(place(key), "is missing"));
  }
  if (typeof minProperties === "number" && keys.length < minProperties)
    problems.push(problem(at, `has fewer than ${minProperties} properties`));
  if (typeof maxProperties === "number" && keys.length > maxProperties)
    problems.push(problem(at, `has more than ${maxProperties} properties`));
  for (const key of keys) {
    if (propertyNames !== undefined) problems.push(...problemsOf(key, propertyNames, place(key), check));
    const isDeclared = Object.hasOwn(properties, key);
    // With patterns of names beside it, whether a name is additional is not decided here.
    const other = schema["patternProperties"] === undefined ? additionalProperties : undefined;
    problems.push(...problemsOf(value[key], isDeclared ? properties[key] : (other ?? true), place(key), check));
  }
  return problems;
}

function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((each, i) => isSame(each, b[i]));
  if (!isJsonObject(a) || !isJsonObject(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && isSame(a[key], b[key]));
}
