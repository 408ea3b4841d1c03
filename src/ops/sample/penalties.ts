// Penalties and logit bias: changes to single logits before sampling, proportional to the history's length, not to V.

import type { SamplingParams } from "./sample.ts";

/** Which tokens occurred so far. */
export interface TokenHistory {
  /** Distinct tokens of prompt and output. */
  readonly seen: ReadonlySet<number>;
  /** Occurrences in the output. */
  readonly counts: ReadonlyMap<number, number>;
}

export const EMPTY_HISTORY: TokenHistory = { seen: new Set(), counts: new Map() };

/** Whether sampling looks at the history at all. */
export function usesHistory(params: SamplingParams): boolean {
  return params.repetitionPenalty !== 1 || params.presencePenalty !== 0 || params.frequencyPenalty !== 0;
}

export function applyPenalties(logits: Float32Array, params: SamplingParams, history: TokenHistory): void {
  const { repetitionPenalty, presencePenalty, frequencyPenalty, logitBias } = params;
  for (const [token, bias] of logitBias) if (token < logits.length) logits[token]! += bias;
  if (!usesHistory(params)) return;
  if (repetitionPenalty !== 1) {
    for (const token of history.seen) {
      const logit = logits[token]!;
      logits[token] = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty;
    }
  }
  for (const [token, count] of history.counts) logits[token]! -= presencePenalty + count * frequencyPenalty;
}
