// JSON of strangers: bytes to a value, or `invalid_argument`.
//
// The text is looked over once before it is parsed, so that depth costs nothing. Refused beside malformed JSON: bytes
// that are no UTF-8, a byte order mark, nesting beyond the limit, a key twice in one object (readers differ in which one
// they take), the key `__proto__`, and strings with half a surrogate pair, which no text has.

import { MimoError } from "../util/errors.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function parseJson(bytes: Uint8Array, maxDepth: number): unknown {
  const text = decodeText(bytes);
  checkStructure(text, maxDepth);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw refused("is not valid JSON", cause);
  }
  checkStrings(value);
  return value;
}

function refused(problem: string, cause?: unknown): MimoError {
  return new MimoError("invalid_argument", `The request's body ${problem}.`, { cause });
}

function decodeText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw refused("is not valid UTF-8", cause);
  }
}

/** Depth and keys. Text that is no JSON passes through as well: parsing finds out. */
function checkStructure(text: string, maxDepth: number): void {
  // The keys of each open object; undefined for a list.
  const open: (Set<string> | undefined)[] = [];
  let isKey = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '"') {
      const end = endOfString(text, i);
      const keys = open.at(-1);
      if (isKey && keys !== undefined) addKey(keys, text.slice(i, end + 1));
      isKey = false;
      i = end;
    } else if (character === "{" || character === "[") {
      if (open.length === maxDepth) throw refused(`is nested more than ${maxDepth} deep`);
      open.push(character === "{" ? new Set() : undefined);
      isKey = character === "{";
    } else if (character === "}" || character === "]") open.pop();
    else if (character === ",") isKey = open.at(-1) !== undefined;
  }
}

function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let slash = end;
    while (text[slash - 1] === "\\") slash--;
    if ((end - slash) % 2 === 0) return end;
  }
  return text.length;
}

function addKey(keys: Set<string>, literal: string): void {
  const key = literal.includes("\\") ? unescape(literal) : literal.slice(1, -1);
  if (key === "__proto__") throw refused("has a key __proto__");
  if (keys.has(key)) throw refused(`has the key ${JSON.stringify(key.slice(0, 64))} twice in one object`);
  keys.add(key);
}

function unescape(literal: string): string {
  try {
    return JSON.parse(literal) as string;
  } catch {
    // Parsing the whole will say so.
    return literal;
  }
}

function checkStrings(value: unknown): void {
  if (typeof value === "string") {
    if (!isWellFormed(value)) throw refused("has a string with half of a surrogate pair");
  } else if (Array.isArray(value)) value.forEach(checkStrings);
  else if (typeof value === "object" && value !== null) {
    for (const [key, inner] of Object.entries(value)) {
      checkStrings(key);
      checkStrings(inner);
    }
  }
}

function isWellFormed(text: string): boolean {
  return !/[\ud800-\udfff]/u.test(text);
}

/** How deep a value is nested: 0 for what holds nothing. */
export function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Object.values(value).reduce((depth: number, inner) => Math.max(depth, depthOf(inner)), 0);
}
