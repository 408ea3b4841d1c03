// The search behind the encoders: the step (and offset) that minimises the weighted squared error of one group.
//
// For given codes the best step is a least-squares solution in closed form, and so is its error: one candidate costs
// one pass over the group. Candidates differ in the step that assigns the codes. An element weighs rms + |x|: large
// weights matter more to a layer's output, but the small ones must not vanish.
//
// Results go to a buffer of the caller, because a search returns several numbers and runs once per group of billions.

/** Affine candidates: what is added to the largest code when the range is divided into steps. */
const AFFINE_STRETCHES = [-0.9, -0.6, -0.3, 0, 0.3, 0.6, 0.9];

/** Symmetric candidates, likewise. */
const SYMMETRIC_STRETCHES = [-0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75];

/** Rounds in which the best solution so far assigns the codes. */
const NUM_REFINEMENTS = 2;

/**
 * x ≈ step · code − min, codes 0 to `maxCode`, step ≥ 0, min ≥ 0, for `length` values from `from` on.
 * Writes [step, min] to `fit`.
 */
export function fitAffine(
  values: Float32Array,
  from: number,
  length: number,
  maxCode: number,
  fit: Float64Array,
): void {
  const end = from + length;
  let lowest = 0;
  let highest = 0;
  let squares = 0;
  for (let i = from; i < end; i++) {
    const x = values[i]!;
    if (x < lowest) lowest = x;
    if (x > highest) highest = x;
    squares += x * x;
  }
  if (highest === lowest) return void fit.fill(0);

  const rms = Math.sqrt(squares / length);
  let w = 0;
  let wx = 0;
  for (let i = from; i < end; i++) {
    const weight = rms + Math.abs(values[i]!);
    w += weight;
    wx += weight * values[i]!;
  }

  // To begin with, the best constant: all that a group of equal values needs.
  const mean = Math.min(wx / w, 0);
  fit[0] = 0;
  fit[1] = -mean;
  let bestGain = mean * wx;
  const numStretches = AFFINE_STRETCHES.length;
  for (let candidate = 0; candidate < numStretches + NUM_REFINEMENTS; candidate++) {
    const refines = candidate >= numStretches;
    const low = refines ? -fit[1]! : lowest;
    const inverse = refines ? 1 / fit[0]! : (maxCode + AFFINE_STRETCHES[candidate]!) / (highest - lowest);
    let wc = 0;
    let wcc = 0;
    let wcx = 0;
    for (let i = from; i < end; i++) {
      const x = values[i]!;
      let code = (inverse * (x - low) + 0.5) | 0;
      if (code > maxCode) code = maxCode;
      else if (code < 0) code = 0;
      const weightedCode = (rms + Math.abs(x)) * code;
      wc += weightedCode;
      wcc += weightedCode * code;
      wcx += weightedCode * x;
    }
    const determinant = w * wcc - wc * wc;
    let step = (w * wcx - wc * wx) / determinant;
    let offset = (wcc * wx - wc * wcx) / determinant;
    // Codes that are all the same leave the system singular, up to rounding; then, too, the offset is 0.
    if (!(offset <= 0) || determinant <= 1e-9 * w * wcc) {
      offset = 0;
      step = wcx / wcc;
    }
    // The weighted squared error of a least-squares solution is Σwx² less this gain.
    const gain = step * wcx + offset * wx;
    if (step > 0 && gain > bestGain) {
      bestGain = gain;
      fit[0] = step;
      fit[1] = -offset;
    }
  }
}

/**
 * x ≈ step · code, codes −`limit` to `limit` − 1, for `length` values from `from` on. The step may be negative: the
 * value of largest magnitude then takes the code −`limit`, of which there is no positive counterpart.
 */
export function fitSymmetric(values: Float32Array, from: number, length: number, limit: number): number {
  let extreme = 0;
  let squares = 0;
  for (let i = from; i < from + length; i++) {
    const x = values[i]!;
    if (Math.abs(x) > Math.abs(extreme)) extreme = x;
    squares += x * x;
  }
  if (extreme === 0) return 0;

  const rms = Math.sqrt(squares / length);
  let bestStep = -extreme / limit;
  let bestGain = 0;
  for (const stretch of SYMMETRIC_STRETCHES) {
    const inverse = -(limit + stretch) / extreme;
    let wcc = 0;
    let wcx = 0;
    for (let i = from; i < from + length; i++) {
      const x = values[i]!;
      // The quotient never falls below −limit − 1, and truncation towards zero stops its sum at 0.
      let code = ((inverse * x + limit + 0.5) | 0) - limit;
      if (code >= limit) code = limit - 1;
      const weightedCode = (rms + Math.abs(x)) * code;
      wcc += weightedCode * code;
      wcx += weightedCode * x;
    }
    // The error of a least-squares solution is Σwx² less this gain.
    const gain = (wcx * wcx) / wcc;
    if (gain > bestGain) {
      bestGain = gain;
      bestStep = wcx / wcc;
    }
  }
  return bestStep;
}
