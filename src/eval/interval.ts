// A share of tasks with what a sample of that size can tell: Wilson's interval for a binomial share.
//
// It stays within 0 and 1 and has a width even where all or none are right, unlike the normal approximation
// (E. B. Wilson, Probable inference, JASA 22, 1927). A difference of two such shares has the interval that follows from
// theirs (R. G. Newcombe, Interval estimation for the difference, Statistics in Medicine 17, 1998, method 10).
// Refuses to know what is counted.

export interface Share {
  readonly right: number;
  readonly count: number;
  /** 0 where nothing was counted. */
  readonly share: number;
  /** Ends of the 95 % interval. */
  readonly low: number;
  readonly high: number;
}

/** The normal distribution's 97.5 % quantile. */
const Z = 1.959963984540054;

export function shareOf(right: number, count: number): Share {
  if (count === 0) return { right, count, share: 0, low: 0, high: 1 };
  const share = right / count;
  const spread = (Z * Z) / count;
  const middle = share + spread / 2;
  const half = Z * Math.sqrt((share * (1 - share)) / count + spread / (4 * count));
  const low = right === 0 ? 0 : (middle - half) / (1 + spread);
  const high = right === count ? 1 : (middle + half) / (1 + spread);
  return { right, count, share, low, high };
}

export interface Difference {
  readonly difference: number;
  /** Ends of the 95 % interval. */
  readonly low: number;
  readonly high: number;
}

/** How much greater the first share is, of two samples that are independent. */
export function differenceOf(a: Share, b: Share): Difference {
  const difference = a.share - b.share;
  return {
    difference,
    low: difference - Math.hypot(a.share - a.low, b.high - b.share),
    high: difference + Math.hypot(a.high - a.share, b.share - b.low),
  };
}
