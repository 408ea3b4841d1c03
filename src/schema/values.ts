// A JSON Schema to the grammar of its JSON texts.
//
// The texts are a part of what the schema allows, never more: properties come in the order of the schema, undeclared
// ones only where they are asked for (`additionalProperties`, or an object that declares nothing), numbers have
// bounded digits. What cannot be enforced is refused, with keyword and place. References may recurse.

import { type Automaton, automatonOf, combine, isNever } from "../grammar/automaton.ts";
import { choice, type Edge, EMPTY, type Expression, repeat, sequence, text } from "../grammar/expression.ts";
import { isJsonObject, type JsonObject } from "../tokenizer/tokenizer-json.ts";
import { ANY, character } from "./characters.ts";
import * as schemas from "./json-schema.ts";
import { asSchema, type Schema, schemaError, type TypeName } from "./json-schema.ts";
import { decimals, integers, multiplesOf } from "./numbers.ts";
import type { Rules } from "./rules.ts";
import { stringTail } from "./strings.ts";
import { validateValue } from "./validate.ts";

const MAX_ITEMS = 1000;
const MAX_BRANCHES = 64;
const MAX_FACTOR = 1000;

export class ValueGrammar {
  readonly rules: Rules;
  readonly root: Schema;
  /** By schema, so that references meet themselves. */
  readonly #known = new Map<JsonObject, Expression>();

  constructor(rules: Rules, root: Schema) {
    this.rules = rules;
    this.root = root;
  }

  /** JSON texts of a schema. Throws `invalid_argument`, naming keyword and place. */
  value(schema: Schema, path: string): Expression {
    if (schema === true) return this.rules.anyValue;
    if (schema === false) throw schemaError(path, "is false, so no value is allowed");
    const known = this.#known.get(schema);
    if (known !== undefined) return known;
    const id = this.rules.reserve();
    const expression: Expression = { kind: "call", rule: id };
    this.#known.set(schema, expression);
    this.rules.define(id, { name: path, body: this.#body(schema, path) });
    return expression;
  }

  #body(schema: JsonObject, path: string): Expression {
    schemas.checkKeywords(schema, path);
    const composer = schemas.composerOf(schema, path);
    switch (composer) {
      case "$ref":
        return this.value(schemas.resolve(schema["$ref"], this.root, path), `${path}.$ref`);
      case "allOf": {
        const parts = schemas.listOf(schema, "allOf", path);
        if (parts.length > 1) throw schemaError(`${path}.allOf`, "of several schemas cannot be enforced");
        return this.value(asSchema(parts[0], `${path}.allOf[0]`), `${path}.allOf[0]`);
      }
      case "anyOf":
      case "oneOf":
        return choice(...branchesOf(schema, this.root, path).map(([branch, at]) => this.value(branch, at)));
      case "enum":
      case "const":
        return choice(...allowedConstants(schema, this.root, path).map((value) => text(JSON.stringify(value))));
      case undefined: {
        const types = schemas.declaredTypes(schema, path);
        if (types === undefined) return this.rules.anyValue;
        return choice(...types.map((type) => this.#typed(schema, type, path)));
      }
      default:
        return composer satisfies never;
    }
  }

  #typed(schema: JsonObject, type: TypeName, path: string): Expression {
    switch (type) {
      case "string":
        return sequence(text('"'), stringTail(schema, path, "json", this.rules));
      case "integer":
      case "number":
        return this.#number(schema, type, path);
      case "boolean":
        return choice(text("true"), text("false"));
      case "null":
        return text("null");
      case "array":
        return this.#array(schema, path);
      case "object":
        return this.#object(schema, path);
      default:
        return type satisfies never;
    }
  }

  #number(schema: JsonObject, type: "integer" | "number", path: string): Expression {
    const factor = schema["multipleOf"];
    const bounds = { min: boundOf(schema, "min", path), max: boundOf(schema, "max", path) };
    if (factor === undefined && bounds.min === undefined && bounds.max === undefined) {
      return type === "integer" ? this.rules.integer : this.rules.number;
    }
    const numbers = type === "integer" || factor !== undefined ? integers(bounds) : decimals(bounds);
    if (numbers === undefined) {
      const keyword = ["minimum", "exclusiveMinimum"].find((each) => Object.hasOwn(schema, each)) ?? "maximum";
      throw schemaError(`${path}.${keyword}`, "leaves no number that could be written: bounds are rounded inwards");
    }
    if (factor === undefined || factor === 1) return numbers;
    if (typeof factor !== "number" || !Number.isInteger(factor) || factor < 1 || factor > MAX_FACTOR) {
      throw schemaError(`${path}.multipleOf`, `can be enforced for whole numbers from 1 to ${MAX_FACTOR} only`);
    }
    const { budget } = this.rules;
    const automaton = combine(automatonOf(numbers, budget), automatonOf(multiplesOf(factor), budget), true, budget);
    if (isNever(automaton)) throw schemaError(`${path}.multipleOf`, "has no multiple between the bounds");
    return { kind: "automaton", automaton };
  }

  #array(schema: JsonObject, path: string): Expression {
    const prefix = schema["prefixItems"] === undefined ? [] : schemas.listOf(schema, "prefixItems", path);
    const rest = asSchema(schema["items"] ?? true, `${path}.items`);
    const min = schemas.countOf(schema, "minItems", path, 0);
    const most = schemas.countOf(schema, "maxItems", path, Infinity);
    const max = rest === false ? Math.min(most, prefix.length) : most;
    if (min > max) throw schemaError(`${path}.minItems`, `is ${min}, but at most ${max} items are allowed`);
    if (min > MAX_ITEMS || (max !== Infinity && max > MAX_ITEMS)) {
      throw schemaError(`${path}.${min > MAX_ITEMS ? "minItems" : "maxItems"}`, `is above ${MAX_ITEMS}`);
    }
    const itemAt = (i: number): Expression => {
      const [item, at] = i < prefix.length ? [prefix[i], `${path}.prefixItems[${i}]`] : [rest, `${path}.items`];
      const value = this.value(asSchema(item, at), at);
      return i === 0 ? value : sequence(text(","), this.rules.space, value);
    };
    // Place i is behind i items; where their number is not limited, the last place has a loop.
    const last = max === Infinity ? Math.max(min, prefix.length, 1) : max;
    const edges: Edge[] = Array.from({ length: last }, (_, i) => ({ from: i, to: i + 1, item: itemAt(i) }));
    if (max === Infinity) edges.push({ from: last, to: last, item: itemAt(Math.max(last, prefix.length)) });
    for (let i = min; i <= last; i++) edges.push({ from: i, to: last + 1, item: i === 0 ? EMPTY : this.rules.space });
    return sequence(text("["), this.rules.space, { kind: "graph", end: last + 1, edges }, text("]"));
  }

  #object(schema: JsonObject, path: string): Expression {
    const { members, extra } = membersOf(schema, path);
    if (members.length === 0 && extra === true) return this.rules.anyObject;
    const { space } = this.rules;
    const edges: Edge[] = [];
    // Places 2i and 2i + 1 are before member i: as long as there was none, and behind one.
    const add = (i: number, to: number, item: Expression): void => {
      edges.push({ from: 2 * i, to: 2 * to + 1, item });
      edges.push({ from: 2 * i + 1, to: 2 * to + 1, item: sequence(text(","), space, item) });
    };
    members.forEach(({ key, schema: value, isRequired, path: at }, i) => {
      if (value !== false) add(i, i + 1, this.rules.member(text(JSON.stringify(key)), this.value(value, at)));
      if (isRequired) return;
      edges.push({ from: 2 * i, to: 2 * i + 2, item: EMPTY }, { from: 2 * i + 1, to: 2 * i + 3, item: EMPTY });
    });
    const n = members.length;
    if (extra !== false) {
      const value = this.value(extra, `${path}.additionalProperties`);
      const key =
        members.length === 0
          ? this.rules.string
          : this.#otherKeys(
              members.map((member) => member.key),
              path,
            );
      add(n, n, this.rules.member(key, value));
    }
    const end = 2 * n + 2;
    edges.push({ from: 2 * n, to: end, item: EMPTY }, { from: 2 * n + 1, to: end, item: space });
    return sequence(text("{"), space, { kind: "graph", end, edges }, text("}"));
  }

  /** Keys in their one spelling, except these. */
  #otherKeys(keys: readonly string[], path: string): Expression {
    const { budget } = this.rules;
    const all = automatonOf(sequence(text('"'), repeat(character(ANY, "json")), text('"')), budget);
    const taken = automatonOf(choice(...keys.map((key) => text(JSON.stringify(key)))), budget);
    const automaton: Automaton = combine(all, taken, false, budget);
    return this.rules.add(`${path}.additionalProperties`, automaton);
  }
}

export interface Member {
  readonly key: string;
  readonly schema: Schema;
  readonly isRequired: boolean;
  readonly path: string;
}

/** Properties in the order of the schema, and the schema of all others; false where no other is written. */
export function membersOf(schema: JsonObject, path: string): { members: readonly Member[]; extra: Schema } {
  const properties = schema["properties"] ?? {};
  if (!isJsonObject(properties)) throw schemaError(`${path}.properties`, "must be an object");
  const required: readonly unknown[] = Array.isArray(schema["required"]) ? schema["required"] : [];
  if (schema["required"] !== undefined && !Array.isArray(schema["required"])) {
    throw schemaError(`${path}.required`, "must be a list of names");
  }
  const additional = schema["additionalProperties"];
  const others = asSchema(additional ?? true, `${path}.additionalProperties`);
  const declared = Object.entries(properties).map(([key, value]): Member => {
    const at = `${path}.properties.${key}`;
    return { key, schema: asSchema(value, at), isRequired: required.includes(key), path: at };
  });
  const undeclared = [...new Set(required)].filter((key) => !declared.some((member) => member.key === key));
  const needed = undeclared.map((key): Member => {
    if (typeof key !== "string") throw schemaError(`${path}.required`, "must be a list of names");
    return { key, schema: others, isRequired: true, path: `${path}.additionalProperties` };
  });
  const members = [...declared, ...needed];
  const impossible = members.find((member) => member.isRequired && member.schema === false);
  if (impossible !== undefined) {
    throw schemaError(`${path}.required`, `names ${JSON.stringify(impossible.key)}, for which no value is allowed`);
  }
  // Silence allows others; they are written only where nothing else could be.
  return { members, extra: additional === undefined && members.length > 0 ? false : others };
}

/** The schemas of `anyOf`, or of a `oneOf` whose schemas exclude each other, each with a type that stands beside them. */
export function branchesOf(schema: JsonObject, root: Schema, path: string): readonly (readonly [Schema, string])[] {
  const keyword = Object.hasOwn(schema, "anyOf") ? "anyOf" : "oneOf";
  const list = schemas.listOf(schema, keyword, path);
  if (list.length > MAX_BRANCHES) throw schemaError(`${path}.${keyword}`, `has more than ${MAX_BRANCHES} schemas`);
  const branches = list.map(
    (each, i) => [asSchema(each, `${path}.${keyword}[${i}]`), `${path}.${keyword}[${i}]`] as const,
  );
  if (keyword === "oneOf") {
    branches.forEach(([branch, at], i) => {
      const other = branches.slice(0, i).find(([each]) => !schemas.areDisjoint(branch, each, root, at));
      if (other !== undefined)
        throw schemaError(at, `may allow what ${other[1]} allows, so oneOf cannot be enforced; use anyOf`);
    });
  }
  if (schema["type"] === undefined) return branches;
  const outer = schemas.declaredTypes(schema, path) ?? [];
  return branches.map(([branch, at]) => {
    if (branch === false || (branch !== true && Object.hasOwn(branch, "$ref"))) {
      throw schemaError(`${path}.type`, `stands beside ${keyword}, which cannot be enforced together`);
    }
    const inner = branch === true ? undefined : schemas.declaredTypes(branch, at);
    const type = inner === undefined ? outer : inner.filter((one) => outer.includes(one));
    if (type.length === 0) throw schemaError(at, `allows none of the types ${outer.join(", ")}`);
    return [{ ...(branch === true ? {} : branch), type }, at] as const;
  });
}

/** The values of `enum` or `const` that the keywords beside it allow. */
export function allowedConstants(schema: JsonObject, root: Schema, path: string): readonly unknown[] {
  const { enum: values, const: single, ...beside } = schema;
  const listed = values === undefined ? [single] : schemas.listOf(schema, "enum", path);
  const both = values !== undefined && Object.hasOwn(schema, "const");
  const candidates = both ? listed.filter((value) => JSON.stringify(value) === JSON.stringify(single)) : listed;
  const allowed = candidates.filter((value) => validateValue(value, beside, root).length === 0);
  if (allowed.length > 0) return allowed;
  throw schemaError(`${path}.${values === undefined ? "const" : "enum"}`, "has no value that its neighbours allow");
}

/** The nearest whole number inside a bound. */
function boundOf(schema: JsonObject, side: "min" | "max", path: string): bigint | undefined {
  const bounds: bigint[] = [];
  for (const keyword of [`${side}imum`, `exclusive${side === "min" ? "Min" : "Max"}imum`]) {
    const value = schema[keyword];
    if (value === undefined) continue;
    if (typeof value !== "number") throw schemaError(`${path}.${keyword}`, "must be a number");
    const isExclusive = keyword.startsWith("exclusive") && Number.isInteger(value);
    const rounded = BigInt(side === "min" ? Math.ceil(value) : Math.floor(value));
    const inwards = side === "min" ? 1n : -1n;
    bounds.push(isExclusive ? rounded + inwards : rounded);
  }
  if (bounds.length === 0) return undefined;
  return bounds.reduce((a, b) => ((side === "min" ? a > b : a < b) ? a : b));
}
