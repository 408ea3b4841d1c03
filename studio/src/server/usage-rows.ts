// Rows of usage, added up by day and by key. Days are those of UTC, as the server counts them.

export interface Amounts {
  readonly requests: number;
  readonly prompt_tokens: number;
  readonly cached_tokens: number;
  readonly completion_tokens: number;
  readonly reasoning_tokens: number;
  /** US dollars. */
  readonly cost: number;
}

export interface UsageRow extends Amounts {
  /** As 2026-01-31. */
  readonly day: string;
  /** Null for requests without a key. */
  readonly key: string | null;
}

const DAY_MS = 86_400_000;

/** The last days, today among them. */
export function daysUntil(time: number, count: number): readonly string[] {
  return Array.from({ length: count }, (_, i) => dayOf(time - (count - 1 - i) * DAY_MS));
}

function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

export function byDay(rows: readonly UsageRow[]): ReadonlyMap<string, readonly UsageRow[]> {
  return Map.groupBy(rows, ({ day }) => day);
}

/** The busiest key first. */
export function byKey(rows: readonly UsageRow[]): readonly (Amounts & Pick<UsageRow, "key">)[] {
  return [...Map.groupBy(rows, ({ key }) => key)]
    .map(([key, own]) => ({ key, ...sumOf(own) }))
    .toSorted((a, b) => b.prompt_tokens + b.completion_tokens - a.prompt_tokens - a.completion_tokens);
}

export function sumOf(rows: readonly Amounts[]): Amounts {
  const sum = (read: (row: Amounts) => number): number => rows.reduce((total, row) => total + read(row), 0);
  return {
    requests: sum((row) => row.requests),
    prompt_tokens: sum((row) => row.prompt_tokens),
    cached_tokens: sum((row) => row.cached_tokens),
    completion_tokens: sum((row) => row.completion_tokens),
    reasoning_tokens: sum((row) => row.reasoning_tokens),
    cost: sum((row) => row.cost),
  };
}
