// Thinking on against off: suites that ask the same kind of task once each way, with the difference and its interval.
// Refuses to know how suites were run.

import type { SuiteResult } from "./evaluate.ts";
import { type Difference, differenceOf } from "./interval.ts";

export interface ThinkingGain extends Difference {
  readonly group: string;
  /** Shares that are right. */
  readonly thinking: number;
  readonly direct: number;
}

/** Groups of which both members, thinking and direct, have answers. */
export function thinkingGains(suites: readonly SuiteResult[]): ThinkingGain[] {
  const asked = new Map(suites.filter(({ count }) => count > 0).map((one) => [one.suite, one]));
  return [...asked].flatMap(([name, thinking]) => {
    const group = name.replace(/\/thinking$/, "");
    const direct = asked.get(`${group}/direct`);
    if (group === name || direct === undefined) return [];
    return [{ group, thinking: thinking.share, direct: direct.share, ...differenceOf(thinking, direct) }];
  });
}
