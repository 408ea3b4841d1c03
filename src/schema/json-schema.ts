// JSON Schema as it is read here: which keywords mean something, where a reference leads, what the limits are.
//
// Every keyword that asserts something is either enforced or refused by name; all others are annotations, as the
// standard has it. Refuses to know grammars and values.

import { isJsonObject, type JsonObject } from "../tokenizer/tokenizer-json.ts";
import { MimoError } from "../util/errors.ts";

export type Schema = JsonObject | boolean;
export type TypeName = "string" | "integer" | "number" | "boolean" | "null" | "object" | "array";

export const TYPES: readonly TypeName[] = ["string", "integer", "number", "boolean", "null", "object", "array"];

const LIMITS = { bytes: 256 * 1024, depth: 32 } as const;

/** Keywords that assert something about a value of a type. */
const ASSERTIONS: Readonly<Record<string, TypeName | undefined>> = {
  minLength: "string",
  maxLength: "string",
  pattern: "string",
  minimum: "number",
  maximum: "number",
  exclusiveMinimum: "number",
  exclusiveMaximum: "number",
  multipleOf: "number",
  properties: "object",
  required: "object",
  additionalProperties: "object",
  items: "array",
  prefixItems: "array",
  minItems: "array",
  maxItems: "array",
};
/** Keywords that stand for a whole schema. */
const COMPOSERS = ["$ref", "allOf", "anyOf", "oneOf", "enum", "const"] as const;

const REFUSED = (
  "not if then else dependentRequired dependentSchemas dependencies patternProperties propertyNames minProperties maxProperties " +
  "unevaluatedProperties contains minContains maxContains unevaluatedItems additionalItems $dynamicRef $recursiveRef"
).split(" ");

export function schemaError(path: string, problem: string): MimoError {
  return new MimoError("invalid_argument", `${path} ${problem}.`, { param: path });
}

/** Throws `invalid_argument` where a schema is larger or deeper than anyone needs. */
export function checkSize(schema: unknown, path: string): void {
  const { bytes, depth } = LIMITS;
  // Depth first: what follows must be able to recurse. A level of schemas takes two of JSON.
  if (!isShallow(schema, 2 * depth)) throw schemaError(path, `is more than ${depth} schemas deep`);
  const size = JSON.stringify(schema).length;
  if (size > bytes) throw schemaError(path, `has ${size} characters, more than ${bytes}`);
}

function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return depth > 0 && Object.values(value).every((each) => isShallow(each, depth - 1));
}

export function asSchema(value: unknown, path: string): Schema {
  if (typeof value === "boolean" || isJsonObject(value)) return value;
  throw schemaError(path, "must be a JSON Schema, which is an object or a boolean");
}

/** Throws `invalid_argument` for a keyword that cannot be enforced, naming it and its place. */
export function checkKeywords(schema: JsonObject, path: string): void {
  const refused = REFUSED.find((keyword) => Object.hasOwn(schema, keyword));
  if (refused !== undefined) throw schemaError(`${path}.${refused}`, "is a keyword that cannot be enforced");
  if (schema["uniqueItems"] === true) throw schemaError(`${path}.uniqueItems`, "is a keyword that cannot be enforced");
}

/** The keyword among COMPOSERS that the schema consists of. Throws where another assertion stands beside it. */
export function composerOf(schema: JsonObject, path: string): (typeof COMPOSERS)[number] | undefined {
  const found = COMPOSERS.filter((keyword) => Object.hasOwn(schema, keyword));
  const [composer] = found;
  // An enumeration is compared with its neighbours value by value.
  if (composer === undefined || composer === "enum" || composer === "const") return composer;
  const beside = [...found.slice(1), ...Object.keys(schema).filter((key) => Object.hasOwn(ASSERTIONS, key))];
  if (Object.hasOwn(schema, "type") && composer !== "anyOf" && composer !== "oneOf") beside.push("type");
  if (beside.length === 0) return composer;
  throw schemaError(`${path}.${composer}`, `stands beside ${beside.join(", ")}, which cannot be enforced together`);
}

/** Types that a value may have; undefined where the schema says nothing about it at all. */
export function declaredTypes(schema: JsonObject, path: string): readonly TypeName[] | undefined {
  const { type } = schema;
  if (type === undefined) {
    const implied = [...new Set(Object.keys(schema).flatMap((key) => ASSERTIONS[key] ?? []))];
    return implied.length === 0 ? undefined : implied;
  }
  const list: readonly unknown[] = Array.isArray(type) ? type : [type];
  const isKnown = list.length > 0 && list.every((each) => TYPES.some((known) => known === each));
  if (!isKnown) throw schemaError(`${path}.type`, `must be one or more of ${TYPES.join(", ")}`);
  return [...new Set(list as TypeName[])];
}

/** The schema that a reference within `root` names, and its path. */
export function resolve(reference: unknown, root: Schema, path: string): Schema {
  const steps = typeof reference === "string" && /^#(\/|$)/.test(reference) ? reference.split("/").slice(1) : undefined;
  if (steps === undefined)
    throw schemaError(`${path}.$ref`, 'must be "#" or begin with "#/": nothing else is looked up');
  let found: unknown = root;
  for (const step of steps) {
    const key = decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~");
    const holder = Array.isArray(found) || isJsonObject(found) ? (found as Readonly<Record<string, unknown>>) : {};
    if (!Object.hasOwn(holder, key))
      throw schemaError(`${path}.$ref`, `names ${String(reference)}, which does not exist`);
    found = holder[key];
  }
  return asSchema(found, `${path}.$ref`);
}

/** A keyword that counts something. */
export function countOf(schema: JsonObject, keyword: string, path: string, fallback: number): number {
  const value = schema[keyword];
  if (value === undefined) return fallback;
  if (typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
  throw schemaError(`${path}.${keyword}`, "must be a whole number of at least 0");
}

export function listOf(schema: JsonObject, keyword: string, path: string): readonly unknown[] {
  const value = schema[keyword];
  if (Array.isArray(value) && value.length > 0) return value;
  throw schemaError(`${path}.${keyword}`, "must be a list that is not empty");
}

/** Whether no value satisfies both: what `oneOf` needs, and what can be seen without solving anything. */
export function areDisjoint(a: Schema, b: Schema, root: Schema, path: string): boolean {
  const [left, right] = [deref(a, root, path), deref(b, root, path)];
  if (left === false || right === false) return true;
  if (left === true || right === true) return false;
  const [values, others] = [constants(left), constants(right)];
  if (values !== undefined && others !== undefined) return !values.some((value) => others.includes(value));
  const [types, otherTypes] = [typesOf(left, path), typesOf(right, path)];
  if (types === undefined || otherTypes === undefined) return false;
  const shared = types.filter((type) => otherTypes.includes(type));
  const areNumbers = [types, otherTypes].every((each) => each.includes("integer") || each.includes("number"));
  if (shared.length === 0 && !areNumbers) return true;
  if (shared.join() !== "object") return false;
  // Told apart by a property that both must have.
  const required = (schema: JsonObject): readonly unknown[] =>
    Array.isArray(schema["required"]) ? schema["required"] : [];
  return required(left).some((key) => {
    if (typeof key !== "string" || !required(right).includes(key)) return false;
    const property = (schema: JsonObject): readonly string[] | undefined => {
      const properties = schema["properties"];
      const one = isJsonObject(properties) && Object.hasOwn(properties, key) ? properties[key] : undefined;
      return isJsonObject(one) ? constants(one) : undefined;
    };
    const [tags, otherTags] = [property(left), property(right)];
    return tags !== undefined && otherTags !== undefined && !tags.some((tag) => otherTags.includes(tag));
  });
}

function deref(schema: Schema, root: Schema, path: string): Schema {
  let found = schema;
  for (let i = 0; i < LIMITS.depth && isJsonObject(found) && Object.hasOwn(found, "$ref"); i++) {
    found = resolve(found["$ref"], root, path);
  }
  return found;
}

/** The values of an enumeration as JSON. */
function constants(schema: JsonObject): readonly string[] | undefined {
  if (Object.hasOwn(schema, "const")) return [JSON.stringify(schema["const"])];
  return Array.isArray(schema["enum"]) ? schema["enum"].map((value) => JSON.stringify(value)) : undefined;
}

function typesOf(schema: JsonObject, path: string): readonly TypeName[] | undefined {
  const values = constants(schema);
  if (values === undefined) return schema["type"] === undefined ? undefined : declaredTypes(schema, path);
  return [...new Set(values.map((json) => typeOf(JSON.parse(json))))];
}

export function typeOf(value: unknown): TypeName {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value as TypeName;
}
