// Numbers and tables for people: three significant digits, decimal units, columns that line up.

const SCALES: readonly (readonly [number, string])[] = [
  [1e12, "T"],
  [1e9, "B"],
  [1e6, "M"],
  [1e3, "K"],
];

/** 309 B parameters as "309B". */
export function formatCount(count: number): string {
  const [unit, suffix] = SCALES.find(([size]) => count >= size) ?? [1, ""];
  return `${significant(count / unit)}${suffix}`;
}

/** Decimal units, as disks and memory bandwidth have them. */
export function formatBytes(bytes: number): string {
  return formatAmount(bytes, "B");
}

/** 114e9 "FLOP/s" as "114 GFLOP/s". */
export function formatAmount(amount: number, unit: string): string {
  const [size, suffix] = SCALES.find(([scale]) => amount >= scale) ?? [1, ""];
  const prefix = suffix === "B" ? "G" : suffix === "K" ? "k" : suffix;
  return `${significant(amount / size)} ${prefix}${unit}`;
}

export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${significant(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes} min ${Math.round(seconds % 60)} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Contexts in binary thousands: 32768 as "32K". */
export function formatContext(tokens: number): string {
  return tokens >= 1024 && tokens % 1024 === 0 ? `${tokens / 1024}K` : String(tokens);
}

/** Three significant digits, never in exponent form. */
export function significant(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return String(Number(value.toFixed(Math.min(digits, 6))));
}

export function plural(count: number, noun: string, nouns = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : nouns}`;
}

/** Rows of equal length as lines; the first column is flush left, the others flush right. */
export function formatTable(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}

/** "name  value" lines with the values in one column. */
export function formatFields(fields: readonly (readonly [name: string, value: string])[]): string[] {
  const width = Math.max(...fields.map(([name]) => name.length));
  return fields.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
}
