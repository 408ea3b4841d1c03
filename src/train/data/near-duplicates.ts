// How much of the held-out samples was nearly seen in training.
//
// Two texts are compared by the n-grams of words (of characters, where there are no spaces) that they share: shared
// over all, exactly, by an inverted index. A text of templates shares much with others by nature, so the measure is
// reported for each generator beside its threshold rather than taken as a yes or no.
// Refuses to know generators.

export interface NearDuplicateReport {
  /** The share of held-out texts whose nearest training text is at least `threshold` like them. */
  readonly share: number;
  /** Mean and largest likeness to the nearest training text, from 0 to 1. */
  readonly mean: number;
  readonly largest: number;
}

export interface NearDuplicateOptions {
  readonly size: number;
  readonly threshold: number;
}

const DEFAULTS: NearDuplicateOptions = { size: 5, threshold: 0.8 };

export function measureNearDuplicates(
  train: readonly string[],
  heldout: readonly string[],
  options: Partial<NearDuplicateOptions> = {},
): NearDuplicateReport {
  const { size, threshold } = { ...DEFAULTS, ...options };
  const index = new Map<string, number[]>();
  const sizes = train.map((text, i) => {
    const grams = gramsOf(text, size);
    for (const gram of grams) {
      const holders = index.get(gram);
      if (holders === undefined) index.set(gram, [i]);
      else holders.push(i);
    }
    return grams.size;
  });
  const nearest = heldout.map((text) => likenessToNearest(gramsOf(text, size), index, sizes));
  return {
    share: nearest.filter((likeness) => likeness >= threshold).length / nearest.length,
    mean: nearest.reduce((sum, likeness) => sum + likeness, 0) / nearest.length,
    largest: Math.max(...nearest),
  };
}

function likenessToNearest(
  grams: ReadonlySet<string>,
  index: ReadonlyMap<string, readonly number[]>,
  sizes: readonly number[],
): number {
  const shared = new Map<number, number>();
  for (const gram of grams) {
    for (const i of index.get(gram) ?? []) shared.set(i, (shared.get(i) ?? 0) + 1);
  }
  let nearest = 0;
  for (const [i, count] of shared) nearest = Math.max(nearest, count / (grams.size + sizes[i]! - count));
  return nearest;
}

/** Numbers are words digit by digit, as the model reads them. */
function gramsOf(text: string, size: number): ReadonlySet<string> {
  const words = text.match(/[a-zA-Z]+|\S/g) ?? [];
  if (words.length <= size) return new Set([words.join(" ")]);
  return new Set(Array.from({ length: words.length - size + 1 }, (_, i) => words.slice(i, i + size).join(" ")));
}
