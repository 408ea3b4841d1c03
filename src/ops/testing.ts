// Checks of gradients: central differences in float64, and closeness of arrays. For tests only.

import { expect } from "vitest";

/** (f(x + h) − f(x − h)) / 2h along each element; its error is about h² f‴ / 6 + 1e-16 f / h. */
export function numericalGradient(f: (x: Float64Array) => number, at: ArrayLike<number>, step = 1e-5): Float64Array {
  const x = Float64Array.from(at);
  return x.map((value, i) => {
    x[i] = value + step;
    const above = f(x);
    x[i] = value - step;
    const below = f(x);
    x[i] = value;
    return (above - below) / (2 * step);
  });
}

/** Every element within `tolerance` of what was expected. */
export function expectNear(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  expect(actual.length).toBe(expected.length);
  const far = Array.from(actual, (value, i) => ({ i, actual: value, expected: expected[i]! })).filter(
    (one) => !(Math.abs(one.actual - one.expected) <= tolerance),
  );
  expect(far).toEqual([]);
}
