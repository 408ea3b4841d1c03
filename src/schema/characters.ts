// Sets of characters as languages of bytes: as UTF-8 stands in raw text, and as it stands inside a JSON string.
//
// A set is a sorted list of ranges of code points. Surrogates are in none: they have no UTF-8. Inside JSON a character
// has exactly one spelling (JSON.stringify's), so that texts can be compared and counted by their characters.

import { choice, type Expression, sequence, text } from "../grammar/expression.ts";

export type CharacterSet = readonly (readonly [low: number, high: number])[];
export type Spelling = "raw" | "json";

const LAST = 0x10ffff;
const SURROGATES: CharacterSet = [[0xd800, 0xdfff]];

/** Every character that UTF-8 has. */
export const ANY: CharacterSet = [
  [0, 0xd7ff],
  [0xe000, LAST],
];

/** Sorted, joined, and without surrogates. */
export function union(...sets: readonly CharacterSet[]): CharacterSet {
  const merged: [number, number][] = [];
  for (const [low, high] of sets.flat().toSorted((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last !== undefined && low <= last[1] + 1) last[1] = Math.max(last[1], high);
    else merged.push([low, high]);
  }
  return merged;
}

export function complement(set: CharacterSet): CharacterSet {
  const result: [number, number][] = [];
  let next = 0;
  for (const [low, high] of union(set, SURROGATES)) {
    if (low > next) result.push([next, low - 1]);
    next = high + 1;
  }
  if (next <= LAST) result.push([next, LAST]);
  return result;
}

export function intersection(a: CharacterSet, b: CharacterSet): CharacterSet {
  return complement(union(complement(a), complement(b)));
}

/** One character of the set. */
export function character(set: CharacterSet, spelling: Spelling): Expression {
  if (spelling === "raw") return choice(...utf8(set));
  const escaped: CharacterSet = [
    [0, 0x1f],
    [0x22, 0x22],
    [0x5c, 0x5c],
  ];
  const escapes: Expression[] = [];
  for (const [low, high] of intersection(set, escaped)) {
    for (let code = low; code <= high; code++) {
      escapes.push(text(JSON.stringify(String.fromCodePoint(code)).slice(1, -1)));
    }
  }
  return choice(...utf8(intersection(set, complement(escaped))), ...escapes);
}

const BORDERS = [0x7f, 0x7ff, 0xffff, LAST];

function utf8(set: CharacterSet): Expression[] {
  const result: Expression[] = [];
  for (const [low, high] of union(set)) {
    let from = low;
    for (const border of BORDERS) {
      if (from > high) break;
      const to = Math.min(high, border);
      if (from <= to) result.push(...sameLength(bytesOf(from), bytesOf(to)));
      from = Math.max(from, border + 1);
    }
  }
  return result;
}

function bytesOf(code: number): Uint8Array {
  return new TextEncoder().encode(String.fromCodePoint(code));
}

/** All sequences between two of one length: the first byte of either border has tails of its own. */
function sameLength(low: Uint8Array, high: Uint8Array): Expression[] {
  const [a, b] = [low[0]!, high[0]!];
  const range = (from: number, to: number): Expression => ({ kind: "range", low: from, high: to });
  if (low.length === 1) return [range(a, b)];
  const [first, last] = [low.subarray(1), high.subarray(1)];
  const least = first.map(() => 0x80);
  const most = first.map(() => 0xbf);
  const behind = (byte: number, from: Uint8Array, to: Uint8Array): Expression =>
    sequence(range(byte, byte), choice(...sameLength(from, to)));
  if (a === b) return [behind(a, first, last)];
  const result = [behind(a, first, most), behind(b, least, last)];
  if (b - a > 1) result.push(sequence(range(a + 1, b - 1), choice(...sameLength(least, most))));
  return result;
}
