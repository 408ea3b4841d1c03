// Sampling: one token from one row of logits, as a pure function of the row, the parameters and the place in the text.
//
// Order: logit bias and penalties, the mask of allowed tokens, temperature, top-k, top-p, min-p; then the Gumbel-max rule
//   token = argmax_v (logit_v / temperature + g(seed, position, v)),   g = −ln(−ln u)   (Gumbel 1954; Maddison 2014)
// over the tokens that remain. The noise depends on seed, position and token only. Two consequences: a sequence is
// reproducible whatever it was batched with, and a draft model that samples with the same noise proposes the very
// token that the trunk will choose whenever their distributions are close, so that speculation changes nothing in
// the output (drafter-invariant coupling: Daliri, Musco & Suresh 2024, arXiv 2408.07978).
//
// logits [V]; tokens at or above `numTokens` are padding of the vocabulary and are never chosen.
// Temperature 0 is argmax; ties go to the lower id. A masked token has probability zero: truncation counts the allowed
// ones only. Where no allowed token has a logit above −Infinity, the lowest of them is chosen.

import { randomKey, randomUnit } from "../../util/random.ts";
import { applyPenalties, type TokenHistory } from "./penalties.ts";
import { truncate } from "./truncate.ts";

export interface SamplingParams {
  /** 0 is greedy. */
  readonly temperature: number;
  /** Keep the K most probable tokens; 0 keeps all. */
  readonly topK: number;
  /** Keep the smallest set of tokens whose probabilities sum to at least this; 1 keeps all. */
  readonly topP: number;
  /** Drop tokens less probable than this share of the most probable one; 0 drops none. */
  readonly minP: number;
  /** Divides positive and multiplies negative logits of tokens that occurred (CTRL, arXiv 1909.05858); 1 is off. */
  readonly repetitionPenalty: number;
  /** Subtracted once from tokens that were generated. */
  readonly presencePenalty: number;
  /** Subtracted per occurrence among generated tokens. */
  readonly frequencyPenalty: number;
  /** Added to the logits of single tokens. */
  readonly logitBias: ReadonlyMap<number, number>;
  readonly seed: number;
}

export const DEFAULT_SAMPLING: SamplingParams = {
  temperature: 0.8,
  topK: 0,
  topP: 0.95,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  logitBias: new Map(),
  seed: 0,
};

/** The chosen token. `logits` may be changed. Bit t of the mask's words is whether token t may be chosen. */
export function sampleToken(
  logits: Float32Array,
  numTokens: number,
  params: SamplingParams,
  history: TokenHistory,
  position: number,
  mask?: Uint32Array,
): number {
  const row = logits.subarray(0, numTokens);
  applyPenalties(row, params, history);
  if (mask !== undefined) {
    const isAllowed = (token: number): boolean => (mask[token >> 5]! & (1 << (token & 31))) !== 0;
    for (let token = 0; token < numTokens; token++) if (!isAllowed(token)) row[token] = -Infinity;
    if (row.every((logit) => !(logit > -Infinity)))
      return Math.max(
        0,
        row.findIndex((_, token) => isAllowed(token)),
      );
  }
  if (params.temperature === 0) return argmax(row);
  const kept = truncate(row, params);
  return gumbelArgmax(
    row,
    kept,
    params.temperature,
    randomKey(params.seed, Math.floor(params.seed / 2 ** 32), position),
  );
}

/** The index of the largest value; the first of equals. NaN is never chosen. */
export function argmax(values: Float32Array): number {
  let best = 0;
  let max = -Infinity;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value > max) {
      max = value;
      best = i;
    }
  }
  return best;
}

/** `kept` lists the tokens to choose from, most probable first; null means all. */
function gumbelArgmax(logits: Float32Array, kept: Int32Array | null, temperature: number, key: number): number {
  const top = kept?.[0] ?? argmax(logits);
  const largest = logits[top]!;
  // An infinite logit leaves nothing to compare.
  if (!Number.isFinite(largest)) return top;
  const count = kept?.length ?? logits.length;
  let best = top;
  let max = -Infinity;
  for (let i = 0; i < count; i++) {
    const token = kept === null ? i : kept[i]!;
    // Relative to the largest, so that the smallest temperature does not make infinities, all alike.
    const value = (logits[token]! - largest) / temperature - Math.log(-Math.log(randomUnit(key, token)));
    if (value > max || (value === max && token < best)) {
      max = value;
      best = token;
    }
  }
  return best;
}
