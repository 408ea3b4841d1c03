// Log-probabilities of the model's own distribution: before bias, penalties, temperature and truncation.

export interface TokenLogprob {
  readonly token: number;
  readonly logprob: number;
}

export interface Logprobs extends TokenLogprob {
  /** The most probable tokens, in descending order. */
  readonly top: readonly TokenLogprob[];
}

/** What to report for a row before it is sampled from; `of` then names the token that was chosen. */
export function logprobReader(
  logits: Float32Array,
  numTokens: number,
  numTop: number,
): { readonly of: (token: number) => Logprobs } {
  const row = logits.slice(0, numTokens);
  let max = -Infinity;
  for (let i = 0; i < row.length; i++) if (row[i]! > max) max = row[i]!;
  let sum = 0;
  for (let i = 0; i < row.length; i++) sum += Math.exp(row[i]! - max);
  const logSum = Math.log(sum);
  // The maximum goes first: added to the small logarithm, a large one would swallow it.
  const logprob = (token: number): TokenLogprob => ({ token, logprob: row[token]! - max - logSum });
  return { of: (token) => ({ ...logprob(token), top: largest(row, numTop).map(logprob) }) };
}

/** Ids of the `count` largest values, largest first, ties by id; NaN is never among them. */
function largest(values: Float32Array, count: number): number[] {
  const best: number[] = [];
  if (count === 0) return best;
  for (let i = 0; i < values.length; i++) {
    if (Number.isNaN(values[i]!) || (best.length === count && values[i]! <= values[best[count - 1]!]!)) continue;
    let at = best.length;
    while (at > 0 && values[best[at - 1]!]! < values[i]!) at--;
    best.splice(at, 0, i);
    if (best.length > count) best.pop();
  }
  return best;
}
