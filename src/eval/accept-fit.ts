// How accept length follows from how certain the model is: AL = M (1 − a x^b), with x the mean cross-entropy of a
// suite's tokens in nats and M the most tokens of a step, the form of the technical report's Figure 7 (arXiv 2601.02780).
// Refuses to know how suites were run.

import type { SuiteResult } from "./evaluate.ts";

export interface AcceptFit {
  /** Tokens per step where every draft is accepted. */
  readonly maxLength: number;
  readonly a: number;
  readonly b: number;
  /** Share of the variance of accept lengths that the curve explains. */
  readonly r2: number;
  readonly numSuites: number;
}

type Point = readonly [crossEntropy: number, acceptLength: number];

/** Exponents among which the best is looked for. */
const EXPONENTS = [0.01, 10] as const;
const NUM_TRIED = 41;
const NUM_ROUNDS = 5;

/** Undefined where suites are fewer than three or all accept lengths are the same: then any curve fits. */
export function fitAcceptLength(suites: readonly SuiteResult[], depth: number): AcceptFit | undefined {
  return fitCurve(
    suites
      .filter(({ count, crossEntropy }) => count > 0 && crossEntropy > 0)
      .map(({ crossEntropy, tokensPerStep }) => [crossEntropy, tokensPerStep]),
    depth + 1,
  );
}

/** Least squares. For a given b the best a is known, so that only b is searched, ever closer around the best one. */
export function fitCurve(points: readonly Point[], maxLength: number): AcceptFit | undefined {
  const mean = points.reduce((sum, [, y]) => sum + y, 0) / points.length;
  const variance = points.reduce((sum, [, y]) => sum + (y - mean) ** 2, 0);
  if (points.length < 3 || variance === 0) return undefined;
  let [low, high]: readonly [number, number] = EXPONENTS;
  let best = fitFactor(points, maxLength, low);
  for (let round = 0; round < NUM_ROUNDS; round++) {
    const ratio = (high / low) ** (1 / (NUM_TRIED - 1));
    for (let i = 0; i < NUM_TRIED; i++) {
      const tried = fitFactor(points, maxLength, low * ratio ** i);
      if (tried.error < best.error) best = tried;
    }
    [low, high] = [best.b / ratio, best.b * ratio];
  }
  const { a, b, error } = best;
  return { maxLength, a, b, r2: 1 - error / variance, numSuites: points.length };
}

function fitFactor(points: readonly Point[], maxLength: number, b: number): { a: number; b: number; error: number } {
  const terms = points.map(([x, y]) => ({ power: x ** b, y }));
  const missing = terms.reduce((sum, { power, y }) => sum + power * (1 - y / maxLength), 0);
  const a = missing / terms.reduce((sum, { power }) => sum + power ** 2, 0);
  return { a, b, error: terms.reduce((sum, { power, y }) => sum + (y - maxLength * (1 - a * power)) ** 2, 0) };
}
