// What is counted of requests, per API key and day, and what it costs.
//
// Days are UTC's. A cost is counted at the prices of its time: another price changes what comes, not what was.

import type { Usage } from "../../api/events.ts";

/** US dollars for a million tokens. */
export interface Prices {
  /** Prompt tokens that had to be computed. */
  readonly input: number;
  /** Prompt tokens that an earlier request had computed. */
  readonly cachedInput: number;
  readonly output: number;
}

export interface Amounts {
  readonly requests: number;
  readonly promptTokens: number;
  /** Of the prompt. */
  readonly cachedTokens: number;
  readonly completionTokens: number;
  /** Of the completion. */
  readonly reasoningTokens: number;
  /** US dollars. */
  readonly cost: number;
}

export interface UsageRow extends Amounts {
  /** As 2026-01-31. */
  readonly day: string;
  /** Name of the API key; null for requests without one. */
  readonly key: string | null;
}

export interface UsageFilter {
  /** First and last day. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly key?: string | null | undefined;
}

export const NOTHING: Amounts = {
  requests: 0,
  promptTokens: 0,
  cachedTokens: 0,
  completionTokens: 0,
  reasoningTokens: 0,
  cost: 0,
};

/** Tokens of one request. Choices of one prompt share its tokens: `prompts` has one usage for each prompt. */
export function requestAmounts(choices: readonly Usage[], prompts: readonly Usage[], prices: Prices): Amounts {
  const sum = (usages: readonly Usage[], read: (usage: Usage) => number): number =>
    usages.reduce((total, usage) => total + read(usage), 0);
  const promptTokens = sum(prompts, (usage) => usage.promptTokens);
  const cachedTokens = sum(prompts, (usage) => usage.cachedTokens);
  const completionTokens = sum(choices, (usage) => usage.completionTokens);
  const dollars =
    (promptTokens - cachedTokens) * prices.input + cachedTokens * prices.cachedInput + completionTokens * prices.output;
  return {
    requests: 1,
    promptTokens,
    cachedTokens,
    completionTokens,
    reasoningTokens: sum(choices, (usage) => usage.reasoningTokens),
    cost: dollars / 1e6,
  };
}

export function addAmounts(a: Amounts, b: Amounts): Amounts {
  return {
    requests: a.requests + b.requests,
    promptTokens: a.promptTokens + b.promptTokens,
    cachedTokens: a.cachedTokens + b.cachedTokens,
    completionTokens: a.completionTokens + b.completionTokens,
    reasoningTokens: a.reasoningTokens + b.reasoningTokens,
    cost: a.cost + b.cost,
  };
}

/** One row for each key and day, in that order. */
export function mergeRows(rows: Iterable<UsageRow>): readonly UsageRow[] {
  const merged = new Map<string, UsageRow>();
  for (const row of rows) {
    const name = JSON.stringify([row.day, row.key]);
    merged.set(name, { day: row.day, key: row.key, ...addAmounts(merged.get(name) ?? NOTHING, row) });
  }
  return [...merged.values()].toSorted((a, b) => compare(a.day, b.day) || compare(a.key ?? "", b.key ?? ""));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function selectRows(rows: readonly UsageRow[], { from, to, key }: UsageFilter): readonly UsageRow[] {
  return rows.filter(
    (row) =>
      (from === undefined || row.day >= from) &&
      (to === undefined || row.day <= to) &&
      (key === undefined || row.key === key),
  );
}

/** As APIs spell it. */
export function amountsBody(amounts: Amounts): object {
  return {
    requests: amounts.requests,
    prompt_tokens: amounts.promptTokens,
    cached_tokens: amounts.cachedTokens,
    completion_tokens: amounts.completionTokens,
    reasoning_tokens: amounts.reasoningTokens,
    // Without the noise of adding binary fractions.
    cost: Number(amounts.cost.toFixed(9)),
  };
}
