// MiMo's tool calls: the text between `<tool_call>` and `</tool_call>` ⇄ a name and arguments.
//
//   <function=NAME>
//   <parameter=KEY>VALUE</parameter>
//   </function>
//
// White space between tags means nothing and may be missing (V2.6 writes none). A VALUE is exact to the byte,
// and the tool's schema tells its kind: a string stands raw, never trimmed or unescaped; any other type is JSON.
// Where the schema allows both, or there is none, a text that is JSON of an allowed non-string type is that value,
// and every other text is the string itself. A text that fits no allowed type is handed on as the string it is, so
// that whoever checks the arguments sees what the model wrote.
// Refuses to check arguments against the schema any further, and knows no tokens.

import { MimoError } from "../util/errors.ts";
import type { ToolDefinition } from "./chat-request.ts";
import { isJsonObject } from "./tokenizer-json.ts";

export interface ToolCall {
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

export interface ToolCallFailure {
  /** What is wrong with the text, as a sentence that can be shown to the model. */
  readonly error: string;
}

export type JsonType = "string" | "number" | "boolean" | "null" | "object" | "array";
/** The types a value may have; undefined where the schema does not say. */
export type AllowedTypes = ReadonlySet<JsonType | "integer"> | undefined;

export type Schema = Readonly<Record<string, unknown>> | undefined;

const FUNCTION_START = /\s*<function=([^<>\n]+)>\s*/y;
const PARAMETER_START = /<parameter=([^<>\n]+)>/y;
const FUNCTION_END = /\s*<\/function>\s*$/y;
// A value may itself contain the closing tag: the one that counts is followed by the next tag of the call.
const PARAMETER_END = /<\/parameter>(?=\s*<(?:parameter=|\/function>))\s*/g;
const MAX_SCHEMA_NODES = 256;

/** The call that the text between the markers spells, or what is wrong with it. */
export function parseToolCall(raw: string, tools: readonly ToolDefinition[] = []): ToolCall | ToolCallFailure {
  const start = matchAt(FUNCTION_START, raw, 0);
  if (start === null) return { error: "A tool call must begin with <function=NAME>." };
  const name = start[1] as string;
  const schema = parametersOf(name, tools);
  const values: [string, unknown][] = [];
  let position = start[0].length;
  for (;;) {
    const parameter = matchAt(PARAMETER_START, raw, position);
    if (parameter === null) break;
    const key = parameter[1] as string;
    const valueStart = position + parameter[0].length;
    const end = matchAt(PARAMETER_END, raw, valueStart);
    if (end === null) {
      return { error: `The parameter ${key} of the call to ${name} is not closed.` };
    }
    values.push([key, readValue(raw.slice(valueStart, end.index), allowedTypes(schema, key)).value]);
    position = end.index + end[0].length;
  }
  if (matchAt(FUNCTION_END, raw, position) === null) {
    return { error: `The call to ${name} must hold parameters only and end with </function>.` };
  }
  return { name, arguments: Object.fromEntries(values) };
}

/**
 * The text of a call, which `parseToolCall` reads back as the same call. Throws `invalid_argument` where no text
 * would: a name with angle brackets, or a value that the format cannot tell from another.
 */
export function formatToolCall(call: ToolCall, tools: readonly ToolDefinition[] = []): string {
  const schema = parametersOf(call.name, tools);
  const parameters = Object.entries(call.arguments).map(([key, value]) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    const isAmbiguous =
      (typeof readValue(text, allowedTypes(schema, key)).value === "string") !== (typeof value === "string");
    if (isAmbiguous || matchAt(PARAMETER_END, `${text}</parameter></function>`, 0)?.index !== text.length) {
      throw new MimoError("invalid_argument", `The argument ${key} of ${call.name} cannot be written as a tool call.`);
    }
    return `${formatTag("parameter", key)}${text}</parameter>\n`;
  });
  return `\n${formatTag("function", call.name)}\n${parameters.join("")}</function>\n`;
}

function formatTag(tag: "function" | "parameter", name: string): string {
  if (!/^[^<>\n]+$/.test(name)) {
    throw new MimoError("invalid_argument", `${JSON.stringify(name)} cannot name a ${tag} of a tool call.`);
  }
  return `<${tag}=${name}>`;
}

function matchAt(pattern: RegExp, text: string, position: number): RegExpExecArray | null {
  pattern.lastIndex = position;
  return pattern.exec(text);
}

/**
 * A parameter's value, and its JSON: the model's own text where that is JSON, so that no number loses digits.
 */
export function readValue(text: string, allowed: AllowedTypes): { readonly value: unknown; readonly json: string } {
  if (!isStringOnly(allowed)) {
    const parsed = parseJson(text);
    const found = parsed ?? parsePythonLiteral(text, allowed);
    if (found !== undefined && typeof found.value !== "string" && fits(found.value, allowed))
      return { value: found.value, json: parsed === undefined ? JSON.stringify(found.value) : text.trim() };
  }
  return { value: text, json: JSON.stringify(text) };
}

/** Whether every text is the value itself. */
export function isStringOnly(allowed: AllowedTypes): boolean {
  return allowed?.size === 1 && allowed.has("string");
}

function parseJson(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

/** Templates rendered by Python show these to the model, which then writes them; only where the schema expects them. */
function parsePythonLiteral(text: string, allowed: AllowedTypes): { readonly value: unknown } | undefined {
  if (allowed === undefined || allowed.has("string")) return undefined;
  if (text === "True" || text === "False") return { value: text === "True" };
  return text === "None" ? { value: null } : undefined;
}

function typeOf(value: unknown): JsonType {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return typeof value as JsonType;
}

function fits(value: unknown, allowed: AllowedTypes): boolean {
  return allowed === undefined || allowed.has(typeOf(value)) || (allowed.has("integer") && Number.isInteger(value));
}

/** The JSON Schema of a function's arguments; undefined where it is not declared. */
export function parametersOf(name: string, tools: readonly ToolDefinition[]): Schema {
  return tools.find((tool) => tool.function.name === name)?.function.parameters;
}

/** The types that a tool's schema allows for a parameter. */
export function allowedTypes(schema: Schema, key: string): AllowedTypes {
  const properties = schema?.["properties"];
  if (!isJsonObject(properties) || !Object.hasOwn(properties, key)) return undefined;
  return typesOf(properties[key], schema, { numNodes: MAX_SCHEMA_NODES });
}

/** `budget` is shared by the whole search: references can make a small schema endless, or exponentially large. */
function typesOf(schema: unknown, root: unknown, budget: { numNodes: number }): AllowedTypes {
  if (!isJsonObject(schema) || budget.numNodes-- <= 0) return undefined;
  const { type, enum: values, anyOf, oneOf, $ref } = schema;
  if (typeof type === "string") return new Set([type as JsonType]);
  if (Array.isArray(type)) return new Set(type as JsonType[]);
  if (Array.isArray(values)) return new Set(values.map(typeOf));
  if (Object.hasOwn(schema, "const")) return new Set([typeOf(schema["const"])]);
  if (typeof $ref === "string") return typesOf(resolveReference($ref, root), root, budget);
  const choices = anyOf ?? oneOf;
  if (!Array.isArray(choices)) return undefined;
  const union = new Set<JsonType | "integer">();
  for (const choice of choices as readonly unknown[]) {
    const types = typesOf(choice, root, budget);
    if (types === undefined) return undefined;
    for (const each of types) union.add(each);
  }
  return union;
}

/** A reference within the schema, such as `#/$defs/place`. */
function resolveReference(reference: string, root: unknown): unknown {
  let found = root;
  for (const part of reference.split("/").slice(1)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    found = isJsonObject(found) && Object.hasOwn(found, key) ? found[key] : undefined;
  }
  return found;
}
