// Truncation: which tokens remain after top-k, top-p and min-p, in that order, on the tempered distribution.
//
// Only tokens near the top can remain, so only those are ever sorted: a pass finds the maximum and the mass, and a
// falling threshold collects candidates until they suffice.

import type { SamplingParams } from "./sample.ts";

/** Natural-log step by which the threshold falls, and its end: exp(−64) is nothing beside 1. */
const THRESHOLD_STEP = 8;
const THRESHOLD_END = 64;

/** Ids of the tokens that remain, most probable first; null where every token does. */
export function truncate(logits: Float32Array, params: SamplingParams): Int32Array | null {
  const { temperature, topK, topP, minP } = params;
  const limitsK = topK > 0 && topK < logits.length;
  if (!limitsK && topP >= 1 && minP <= 0) return null;
  const max = maximum(logits);
  if (!Number.isFinite(max)) return null;
  const total = limitsK || topP >= 1 ? 0 : mass(logits, max, temperature);
  for (let depth = THRESHOLD_STEP; ; depth += THRESHOLD_STEP) {
    const last = depth >= THRESHOLD_END;
    const candidates = sortedAbove(logits, last ? -Infinity : max - depth * temperature);
    const kept = cut(logits, candidates, { max, total, complete: last, params });
    if (kept !== null) return kept;
  }
}

interface CutContext {
  readonly max: number;
  /** Σ exp((logit − max) / temperature) over all tokens; used without top-k. */
  readonly total: number;
  /** Whether the candidates are all tokens. */
  readonly complete: boolean;
  readonly params: SamplingParams;
}

/** The tokens that remain, or null where more candidates are needed to tell. */
function cut(logits: Float32Array, candidates: Int32Array, context: CutContext): Int32Array | null {
  const { max, complete, params } = context;
  const { temperature, topK, topP, minP } = params;
  const limitsK = topK > 0 && topK < logits.length;
  if (limitsK && candidates.length < topK && !complete) return null;
  let count = limitsK ? Math.min(topK, candidates.length) : candidates.length;
  const weight = (i: number): number => Math.exp((logits[candidates[i]!]! - max) / temperature);
  let enough = complete || limitsK;
  if (topP < 1) {
    let total = context.total;
    if (limitsK) {
      total = 0;
      for (let i = 0; i < count; i++) total += weight(i);
    }
    let sum = 0;
    for (let i = 0; i < count; i++) {
      sum += weight(i);
      if (sum >= topP * total) {
        count = i + 1;
        enough = true;
        break;
      }
    }
  }
  if (minP > 0) {
    let i = 1;
    while (i < count && weight(i) >= minP) i++;
    enough ||= i < count;
    count = i;
  }
  return enough ? candidates.subarray(0, Math.max(1, count)) : null;
}

function maximum(logits: Float32Array): number {
  let max = -Infinity;
  for (let i = 0; i < logits.length; i++) if (logits[i]! > max) max = logits[i]!;
  return max;
}

function mass(logits: Float32Array, max: number, temperature: number): number {
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp((logits[i]! - max) / temperature);
  return sum;
}

/** Ids of logits at or above the threshold, largest first, ties by id. */
function sortedAbove(logits: Float32Array, threshold: number): Int32Array {
  const ids: number[] = [];
  for (let i = 0; i < logits.length; i++) if (logits[i]! >= threshold) ids.push(i);
  return Int32Array.from(ids).sort((a, b) => logits[b]! - logits[a]! || a - b);
}
