// How like training samples held-out ones are, for each generator, as measured; and the measure itself.

import { describe, expect, test } from "vitest";
import { type GeneratorName, type MixtureEntry, mixtureSample } from "./mixture.ts";
import { measureNearDuplicates } from "./near-duplicates.ts";
import type { Split } from "./random.ts";
import { plainText } from "./sample.ts";

/**
 * The share of held-out samples that are at least 0.8 like one of 4,000 training samples. Pages and Chinese tales are
 * mostly template, and talk is short: what differs is the content that a request names, or one word of a question.
 */
const BOUNDS: Readonly<Record<GeneratorName, number>> = {
  stories: 0,
  arithmetic: 0.01,
  tools: 0.03,
  retrieval: 0,
  code: 0.05,
  html: 0.15,
  json: 0.01,
  identity: 0.05,
  chinese: 0.12,
  copying: 0.02,
};

function textsOf(generator: string, split: Split, count: number): string[] {
  const mixture = [{ generator, weight: 1 } as MixtureEntry];
  return Array.from({ length: count }, (_, index) => plainText(mixtureSample(mixture, { split, seed: 3, index })));
}

test.each(Object.entries(BOUNDS))("%s has at most a share of %d near duplicates", (generator, bound) => {
  const train = textsOf(generator, "train", 4000);
  const heldout = textsOf(generator, "heldout", 150);
  expect(measureNearDuplicates(train, heldout).share).toBeLessThanOrEqual(bound);
});

describe("the measure", () => {
  const text = "one two three four five six seven eight nine ten";

  test.each([
    ["the same text", text, 1],
    ["another text", "ten nine eight seven six five four three two one", 0],
    // Of seven different 5-grams, five are shared.
    ["a text with another end", "one two three four five six seven eight nine eleven", 5 / 7],
    ["a short text", "one two", 0],
  ])("of %s", (_, other, likeness) => {
    expect(measureNearDuplicates([text], [other]).largest).toBeCloseTo(likeness, 10);
  });

  test("looks for the nearest", () => {
    const report = measureNearDuplicates(["a b c d e f", text], [text, "p q r s t u"]);
    expect(report).toEqual({ share: 0.5, mean: 0.5, largest: 1 });
  });
});
