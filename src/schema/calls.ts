// Tools to the grammar of their calls, in the model's own format: what stands between `<tool_call>` and `</tool_call>`.
//
//   <function=NAME> <parameter=KEY>VALUE</parameter> … </function>
//
// Newlines stand where the model was taught them, or nowhere, as later versions write. Parameters come in the order of
// the schema. How a VALUE is spelled is what `readValue` will read: raw where only a string is allowed, otherwise JSON,
// and where both are, raw text that no JSON value could be mistaken for. A tool that is not strict has its name
// enforced, and the form of its call. Refuses to know how calls are found among tokens.

import { automatonOf } from "../grammar/automaton.ts";
import { choice, type Edge, EMPTY, type Expression, optional, repeat, sequence, text } from "../grammar/expression.ts";
import { isJsonObject, type JsonObject } from "../tokenizer/tokenizer-json.ts";
import { allowedTypes, type AllowedTypes, isStringOnly } from "../tokenizer/tool-calls.ts";
import { character, complement } from "./characters.ts";
import * as schemas from "./json-schema.ts";
import { asSchema, type Schema, schemaError } from "./json-schema.ts";
import { NUMBER } from "./numbers.ts";
import { PARAMETER_END, type Rules } from "./rules.ts";
import { type Excluded, stringTail, without } from "./strings.ts";
import { allowedConstants, branchesOf, type Member, membersOf, ValueGrammar } from "./values.ts";

export interface CallableTool {
  readonly name: string;
  readonly parameters?: Readonly<Record<string, unknown>> | undefined;
  readonly isStrict: boolean;
  /** Where it stands in the request, for errors. */
  readonly path: string;
}

const NEWLINE = optional(text("\n"));
const NAME_CHARACTERS = complement([
  [0x0a, 0x0a],
  [0x3c, 0x3c],
  [0x3e, 0x3e],
]);

/** A call of one of the tools. Throws `invalid_argument`, naming keyword and place. */
export function callExpression(tools: readonly CallableTool[], rules: Rules): Expression {
  const call = (tool: CallableTool): Expression => {
    const parameters = tool.isStrict ? strictParameters(tool, rules) : anyParameters(rules);
    return sequence(text(`<function=${tool.name}>`), NEWLINE, parameters, text("</function>"));
  };
  return sequence(NEWLINE, choice(...tools.map((tool) => rules.add(tool.path, call(tool)))), NEWLINE);
}

function anyParameters(rules: Rules): Expression {
  const name = repeat(character(NAME_CHARACTERS, "raw"), 1);
  return repeat(sequence(text("<parameter="), name, text(">"), rules.stringTail("raw"), NEWLINE));
}

function strictParameters({ parameters = {}, path }: CallableTool, rules: Rules): Expression {
  const at = `${path}.parameters`;
  schemas.checkSize(parameters, at);
  const object = objectOf(parameters, parameters, at);
  const { members } = membersOf(object, at);
  const values = new ValueGrammar(rules, parameters);
  const edges: Edge[] = [];
  members.forEach((member, i) => {
    if (member.schema !== false) edges.push({ from: i, to: i + 1, item: parameter(member, parameters, values) });
    if (!member.isRequired) edges.push({ from: i, to: i + 1, item: EMPTY });
  });
  return { kind: "graph", end: members.length, edges };
}

/** The schema of an object that the parameters are, whatever leads there. */
function objectOf(schema: JsonObject, root: Schema, path: string): JsonObject {
  let found: Schema = schema;
  for (let i = 0; i < 32; i++) {
    schemas.checkKeywords(found, path);
    const composer = schemas.composerOf(found, path);
    if (composer === "$ref") found = asObject(schemas.resolve(found["$ref"], root, path), path);
    else if (composer === "allOf" && schemas.listOf(found, "allOf", path).length === 1)
      found = asObject(asSchema(schemas.listOf(found, "allOf", path)[0], path), path);
    else if (composer !== undefined)
      throw schemaError(`${path}.${composer}`, "cannot be enforced for a tool's parameters");
    else if ((schemas.declaredTypes(found, path) ?? ["object"]).join() === "object") return found;
    else throw schemaError(`${path}.type`, "must be object: a call has named parameters");
  }
  throw schemaError(path, "refers to itself with nothing between");
}

function asObject(schema: Schema, path: string): JsonObject {
  if (isJsonObject(schema)) return schema;
  throw schemaError(path, "must be a schema of an object");
}

function parameter({ key, schema, path }: Member, root: JsonObject, values: ValueGrammar): Expression {
  if (!/^[^<>\n]+$/.test(key)) {
    throw schemaError(path, "has a name that cannot be written in a call: no angle brackets, no newlines, not empty");
  }
  const value = parameterValue(schema, path, allowedTypes(root, key), values);
  return sequence(text(`<parameter=${key}>`), value, NEWLINE);
}

/** A value and its closing tag. */
function parameterValue(schema: Schema, path: string, types: AllowedTypes, values: ValueGrammar): Expression {
  if (isStringOnly(types)) return choice(...rawStrings(schema, path, values));
  const ending = text(PARAMETER_END);
  if (types !== undefined && !types.has("string")) return sequence(values.value(schema, path), ending);
  const other = withoutStrings(schema, path, values);
  const json = other === undefined ? [] : [sequence(values.value(other, path), ending)];
  return choice(...json, ...rawStrings(schema, path, values, jsonLike(types)));
}

/** Raw texts that are read as another kind of value. */
function jsonLike(types: AllowedTypes): Excluded {
  const space = repeat(choice(...Array.from(" \t\n\r", text)));
  const anything = repeat({ kind: "range", low: 0, high: 255 });
  const may = (...names: string[]): boolean => types === undefined || names.some((name) => types.has(name as "null"));
  const words = [
    ...(may("number", "integer") ? [LONG_NUMBER] : []),
    ...(may("boolean") ? [text("true"), text("false")] : []),
    ...(may("null") ? [text("null")] : []),
  ];
  // Whatever begins like these is left out in any case.
  const open = [...(may("object") ? [text("{")] : []), ...(may("array") ? [text("[")] : [])];
  const opened = open.map((each) => sequence(space, each, anything));
  return {
    texts: choice(...words.map((word) => sequence(space, word, space, text(PARAMETER_END))), ...opened),
    beginnings: choice(...words.map((word) => sequence(space, word, anything)), ...opened),
  };
}

const DIGITS = repeat({ kind: "range", low: 0x30, high: 0x39 }, 1);
/** What following a schema costs, so that references in a circle end at the budget and not on the stack. */
const STATES_PER_STEP = 64;
/** NUMBER, of any length. */
const LONG_NUMBER: Expression = choice(
  NUMBER,
  sequence(
    optional(text("-")),
    DIGITS,
    optional(sequence(text("."), DIGITS)),
    optional(sequence(choice(text("e"), text("E")), optional(choice(text("+"), text("-"))), DIGITS)),
  ),
);

/** The ways to write a string of the schema raw, each with the closing tag. */
function rawStrings(schema: Schema, path: string, values: ValueGrammar, excluded?: Excluded): Expression[] {
  const { rules, root } = values;
  const plain = (object: JsonObject): Expression => stringTail(object, path, "raw", rules, excluded);
  if (schema === true) return [plain({})];
  if (schema === false) return [];
  rules.budget.spend(STATES_PER_STEP);
  schemas.checkKeywords(schema, path);
  const composer = schemas.composerOf(schema, path);
  if (composer === "$ref") return rawStrings(schemas.resolve(schema["$ref"], root, path), path, values, excluded);
  if (composer === "allOf") {
    const [only, ...others] = schemas.listOf(schema, "allOf", path);
    if (others.length > 0) throw schemaError(`${path}.allOf`, "of several schemas cannot be enforced");
    return rawStrings(asSchema(only, path), path, values, excluded);
  }
  if (composer === "anyOf" || composer === "oneOf") {
    return branchesOf(schema, root, path).flatMap(([branch, at]) => rawStrings(branch, at, values, excluded));
  }
  if (composer === undefined) {
    const types = schemas.declaredTypes(schema, path);
    return types === undefined || types.includes("string") ? [plain(schema)] : [];
  }
  const strings = allowedConstants(schema, root, path).filter((value) => typeof value === "string");
  const written = strings.filter((value) => !value.includes(PARAMETER_END) && isUnicode(value));
  if (strings.length > 0 && written.length === 0) {
    throw schemaError(`${path}.${composer}`, `has no string that can be written in a call`);
  }
  const options = written.map((value) => text(`${value}${PARAMETER_END}`));
  if (excluded === undefined || options.length === 0) return options;
  const { budget } = rules;
  return [{ kind: "automaton", automaton: without(automatonOf(choice(...options), budget), excluded.texts, budget) }];
}

/** Half of a character has no bytes. */
function isUnicode(value: string): boolean {
  return Buffer.from(value).toString() === value;
}

/** The schema for values that are no strings; undefined where there are none. */
function withoutStrings(schema: Schema, path: string, values: ValueGrammar): Schema | undefined {
  if (schema === false) return undefined;
  values.rules.budget.spend(STATES_PER_STEP);
  const others = schemas.TYPES.filter((type) => type !== "string" && type !== "integer");
  if (schema === true) return { type: others };
  const composer = schemas.composerOf(schema, path);
  switch (composer) {
    case "$ref":
      return withoutStrings(schemas.resolve(schema["$ref"], values.root, path), path, values);
    case "allOf":
      return withoutStrings(asSchema(schemas.listOf(schema, "allOf", path)[0], path), path, values);
    case "anyOf":
    case "oneOf": {
      const branches = branchesOf(schema, values.root, path).map(([branch, at]) => withoutStrings(branch, at, values));
      const kept = branches.filter((branch) => branch !== undefined);
      return kept.length === 0 ? undefined : { anyOf: kept };
    }
    case "enum":
    case "const": {
      const kept = allowedConstants(schema, values.root, path).filter((value) => typeof value !== "string");
      return kept.length === 0 ? undefined : { enum: kept };
    }
    case undefined: {
      const types = schemas.declaredTypes(schema, path) ?? others;
      const kept = types.filter((type) => type !== "string");
      return kept.length === 0 ? undefined : { ...schema, type: kept };
    }
    default:
      return composer satisfies never;
  }
}
