// Typed access to the untyped key-values of a configuration file. Every mistake names file, field and expectation.

import { MimoError } from "../util/errors.ts";

/** Sizes above this are no model's: they are refused before anything is allocated or multiplied. */
const MAX_SIZE = 2 ** 31 - 1;

export interface Fields {
  readonly file: string;
  readonly has: (key: string) => boolean;
  readonly raw: (key: string) => unknown;
  /** A positive integer. */
  readonly size: (key: string, fallback?: number) => number;
  /** A non-negative integer. */
  readonly index: (key: string, fallback?: number) => number;
  /** A finite number. */
  readonly number: (key: string, fallback?: number) => number;
  readonly boolean: (key: string, fallback?: boolean) => boolean;
  readonly string: (key: string, fallback?: string) => string;
  /** A list of `length` non-negative integers. */
  readonly integers: (key: string, length?: number) => number[];
  readonly strings: (key: string, length?: number) => string[];
  /** A list of `length` flags, written as booleans or as 0 and 1. */
  readonly bits: (key: string, length: number) => boolean[];
  readonly fail: (key: string, expected: string) => never;
}

export function fieldsOf(values: ReadonlyMap<string, unknown>, file: string, prefix = ""): Fields {
  const raw = (key: string): unknown => values.get(prefix + key);
  const has = (key: string): boolean => raw(key) !== undefined && raw(key) !== null;
  const fail = (key: string, expected: string): never => {
    const found = has(key) ? describe(raw(key)) : "nothing";
    throw new MimoError("checkpoint_invalid", `${file}: ${prefix}${key}: expected ${expected}, found ${found}.`);
  };
  const typed =
    <T>(accepts: (value: unknown) => value is T, expected: string) =>
    (key: string, fallback?: T): T => {
      if (!has(key) && fallback !== undefined) return fallback;
      const value = normalise(raw(key));
      return accepts(value) ? value : fail(key, expected);
    };
  const list =
    <T>(accepts: (value: unknown) => value is T, expected: string) =>
    (key: string, length?: number): T[] => {
      const value = raw(key);
      const items =
        Array.isArray(value) || ArrayBuffer.isView(value)
          ? Array.from(value as Iterable<unknown>, normalise)
          : undefined;
      const ofLength = length === undefined ? "" : ` of length ${length}`;
      if (items === undefined || (length !== undefined && items.length !== length) || !items.every(accepts)) {
        return fail(key, `a list${ofLength} of ${expected}`);
      }
      return items;
    };
  return {
    file,
    has,
    raw,
    fail,
    size: typed(isSize, "a positive integer"),
    index: typed(isIndex, "a non-negative integer"),
    number: typed(isFiniteNumber, "a finite number"),
    boolean: typed((value): value is boolean => typeof value === "boolean", "true or false"),
    string: typed(isString, "a string"),
    integers: list(isIndex, "non-negative integers"),
    strings: list(isString, "strings"),
    bits: (key, length) => list(isBit, "true or false")(key, length).map(Boolean),
  };
}

const isSize = (value: unknown): value is number => isIndex(value) && value > 0;
const isIndex = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= MAX_SIZE;
const isBit = (value: unknown): value is boolean | number => typeof value === "boolean" || value === 0 || value === 1;
const isFiniteNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
const isString = (value: unknown): value is string => typeof value === "string";

/** GGUF integers of 64 bits arrive as bigint, booleans inside integer lists as booleans. */
function normalise(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  return value;
}

function describe(value: unknown): string {
  const text = typeof value === "bigint" ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
