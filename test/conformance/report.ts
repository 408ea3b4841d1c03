// Measures how far a kernel is from its definition, and prints what was measured as one table.

export interface Measured {
  /** Largest |actual − expected|. */
  readonly max: number;
  /** Error in the unit in which the op's contract states its tolerance. */
  readonly normalised: number;
}

export type Values = Float32Array | Uint8Array;
export type Measure = (actual: Values, expected: Values) => Measured;

/** NaN counts as infinitely wrong, unless both are NaN. */
function difference(a: number, b: number): number {
  const d = Math.abs(a - b);
  return Number.isNaN(d) ? (Object.is(a, b) ? 0 : Infinity) : d;
}

/** Each difference divided by a scale of its own. */
export function relativeTo(scaleOf: (index: number, expected: Values) => number): Measure {
  return (actual, expected) => {
    let max = actual.length === expected.length ? 0 : Infinity;
    let normalised = max;
    for (let i = 0; i < expected.length; i++) {
      const d = difference(actual[i]!, expected[i]!);
      if (d === 0) continue;
      max = Math.max(max, d);
      normalised = Math.max(normalised, d / scaleOf(i, expected));
    }
    return { max, normalised };
  };
}

export const ABSOLUTE: Measure = relativeTo(() => 1);
/** Byte by byte, so that −0 is not 0. */
export const EXACT: Measure = (actual, expected) => {
  const bytes = (values: Values): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return ABSOLUTE(bytes(actual), bytes(expected));
};
/** Relative to each expected value; below `floor` absolute. */
export function relative(floor: number): Measure {
  return relativeTo((i, expected) => Math.max(floor, Math.abs(expected[i]!)));
}
/** ‖Δ‖ / ‖expected‖ of the worst row. */
export function relativeToRows(width: number): Measure {
  return (actual, expected) => {
    let normalised = 0;
    for (let start = 0; start < expected.length; start += width) {
      let error = 0;
      let norm = 0;
      for (let i = start; i < start + width; i++) {
        error += difference(actual[i]!, expected[i]!) ** 2;
        norm += expected[i]! ** 2;
      }
      normalised = Math.max(normalised, Math.sqrt(error / norm));
    }
    return { max: ABSOLUTE(actual, expected).max, normalised };
  };
}

export interface Entry extends Measured {
  readonly op: string;
  readonly backend: string;
  readonly dtype: string;
  readonly shape: string;
  readonly tolerance: number;
}

/** One line per op, backend and dtype: its worst shape. */
export function formatTable(entries: readonly Entry[]): string {
  const worst = new Map<string, Entry & { readonly cases: number }>();
  for (const entry of entries) {
    const key = `${entry.op}|${entry.backend}|${entry.dtype}|${entry.tolerance}`;
    const known = worst.get(key);
    const cases = (known?.cases ?? 0) + 1;
    worst.set(
      key,
      known === undefined || entry.normalised > known.normalised ? { ...entry, cases } : { ...known, cases },
    );
  }
  const number = (value: number): string => (value === 0 ? "0" : value.toExponential(1));
  const rows = [
    ["op", "backend", "dtype", "cases", "max error", "normalised", "tolerance", "worst shape"],
    ...[...worst.values()].map((entry) => [
      entry.op,
      entry.backend,
      entry.dtype,
      String(entry.cases),
      number(entry.max),
      number(entry.normalised),
      entry.tolerance === 0 ? "exact" : number(entry.tolerance),
      entry.shape,
    ]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
