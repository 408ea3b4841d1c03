// JSON from hostile files. Size and number of values are bounded before anything is parsed, because an object of
// values takes far more memory than its text. Every failure is `checkpoint_invalid`.

import { InputFile } from "./input-file.ts";
import { invalid } from "./errors.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

/** The published checkpoint's index has 72 000 entries of one value; a header entry has eight. */
const MAX_VALUES = 4_000_000;
const MAX_BYTES = 100_000_000;

const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;
const COMMA = 0x2c;

/** The object in a JSON file. */
export function readJsonObject(path: string): JsonObject {
  using file = new InputFile(path);
  if (file.size > MAX_BYTES) throw invalid(path, "size", `at most ${MAX_BYTES} bytes`, String(file.size));
  return parseJsonObject(file.read(0, file.size), path, "JSON");
}

/** The object in `bytes`, which are the part `field` of `file`. */
export function parseJsonObject(bytes: Uint8Array, file: string, field: string): JsonObject {
  // Each value but the outermost follows one of these; inside strings they count too much, never too little.
  let numValues = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (byte === COMMA || byte === OPEN_BRACE || byte === OPEN_BRACKET) numValues++;
  }
  if (numValues > MAX_VALUES) throw invalid(file, field, `at most ${MAX_VALUES} values`, String(numValues));

  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (thrown) {
    throw invalid(file, field, "JSON in UTF-8", thrown instanceof Error ? thrown.message : String(thrown));
  }
  if (!isJsonObject(value)) throw invalid(file, field, "a JSON object", describe(value));
  return value;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value as it may appear in an error: short, whatever it is. */
export function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  if (isJsonObject(value)) return "an object";
  // Nested values are not printed: JSON.stringify recurses, and a hostile file nests deeper than the stack.
  if (Array.isArray(value) && (value.length > 8 || value.some((item) => typeof item === "object"))) {
    return `an array of ${value.length}`;
  }
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
