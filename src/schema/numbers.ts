// Numbers of JSON as languages: whole numbers and decimals between bounds.
//
// Digits are limited, so that no number loses its value on the way through a double: fifteen before the point, fifteen
// behind it, two in an exponent, and bounds inside ±(2^53 − 1).

import { choice, EMPTY, type Expression, optional, repeat, sequence, text } from "../grammar/expression.ts";

const DIGIT = digits(0, 9);
const MAX_INTEGER = 10n ** 15n - 1n;
const FRACTION = sequence(text("."), repeat(DIGIT, 1, 15));

/** Every number, where nothing bounds it. */
export const NUMBER: Expression = sequence(
  optional(text("-")),
  choice(text("0"), sequence(digits(1, 9), repeat(DIGIT, 0, 14))),
  optional(FRACTION),
  optional(sequence(choice(text("e"), text("E")), optional(choice(text("+"), text("-"))), repeat(DIGIT, 1, 2))),
);

export interface Bounds {
  /** Inclusive; undefined where there is none. */
  readonly min: bigint | undefined;
  readonly max: bigint | undefined;
}

/** Whole numbers; undefined where there is none between the bounds. */
export function integers(bounds: Bounds): Expression | undefined {
  const [min, max] = closed(bounds);
  if (min > max) return undefined;
  const options: Expression[] = [];
  if (max >= 0n) options.push(naturals(min > 0n ? min : 0n, max));
  if (min < 0n) options.push(sequence(text("-"), naturals(max < 0n ? -max : 1n, -min)));
  return choice(...options);
}

/** Decimals; undefined where there is none. */
export function decimals(bounds: Bounds): Expression | undefined {
  if (bounds.min === undefined && bounds.max === undefined) return NUMBER;
  const [min, max] = closed(bounds);
  if (min > max) return undefined;
  const options: Expression[] = [];
  if (max >= 0n) options.push(nonNegative(min > 0n ? min : 0n, max));
  if (min < 0n) options.push(sequence(text("-"), nonNegative(max < 0n ? -max : 0n, -min)));
  return choice(...options);
}

/** At least `min`, at most `max`: the largest has nothing but zeros behind its point. */
function nonNegative(min: bigint, max: bigint): Expression {
  const largest = sequence(naturals(max, max), optional(sequence(text("."), repeat(text("0"), 1, 15))));
  return min === max ? largest : choice(sequence(naturals(min, max - 1n), optional(FRACTION)), largest);
}

function closed({ min, max }: Bounds): [bigint, bigint] {
  const safe = BigInt(Number.MAX_SAFE_INTEGER);
  const least = (one: bigint, other: bigint): bigint => (one < other ? one : other);
  const most = (one: bigint, other: bigint): bigint => (one > other ? one : other);
  // Where only one bound is given and lies far out, the other must not contradict it.
  const low = min ?? least(-MAX_INTEGER, max ?? 0n);
  const high = max ?? most(MAX_INTEGER, min ?? 0n);
  return [most(low, -safe), least(high, safe)];
}

function digits(low: number, high: number): Expression {
  return { kind: "range", low: 0x30 + low, high: 0x30 + high };
}

/** Of `min` to `max`, both at least zero, without leading zeros. */
function naturals(min: bigint, max: bigint): Expression {
  const options: Expression[] = [];
  for (let low = min; low <= max;) {
    const last = 10n ** BigInt(String(low).length) - 1n;
    const high = last < max ? last : max;
    options.push(sameLength(String(low), String(high)));
    low = high + 1n;
  }
  return choice(...options);
}

function sameLength(low: string, high: string): Expression {
  if (low === "") return EMPTY;
  const [a, b] = [Number(low[0]), Number(high[0])];
  const [first, last] = [low.slice(1), high.slice(1)];
  const least = first.replaceAll(/./g, "0");
  const most = first.replaceAll(/./g, "9");
  if (first === least && last === most) return sequence(digits(a, b), repeat(DIGIT, first.length, first.length));
  if (a === b) return sequence(digits(a, a), sameLength(first, last));
  const options = [sequence(digits(a, a), sameLength(first, most)), sequence(digits(b, b), sameLength(least, last))];
  if (b - a > 1) options.push(sequence(digits(a + 1, b - 1), sameLength(least, most)));
  return choice(...options);
}

/** Whole numbers that `factor` divides, as an automaton of remainders. */
export function multiplesOf(factor: number): Expression {
  const edges = Array.from({ length: factor }, (_, remainder) =>
    Array.from({ length: 10 }, (_unused, digit) => ({
      from: 1 + remainder,
      to: 1 + ((10 * remainder + digit) % factor),
      item: digits(digit, digit),
    })),
  ).flat();
  // Place 0 is the start: without digits there is no number.
  const first = Array.from({ length: 10 }, (_, digit) => ({
    from: 0,
    to: 1 + (digit % factor),
    item: digits(digit, digit),
  }));
  return sequence(optional(text("-")), { kind: "graph", end: 1, edges: [...first, ...edges] });
}
