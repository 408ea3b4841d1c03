// A mixture can be entered anywhere, keeps its shares, and refuses what is not one.

import { describe, expect, test } from "vitest";
import { type GeneratorEntry, type Mixture, checkMixture, meanCharacters, mixtureSample, samples } from "./mixture.ts";

const MIXTURE: readonly [GeneratorEntry, GeneratorEntry] = [
  { generator: "arithmetic", weight: 3, options: { textShare: 0 } },
  { generator: "stories", weight: 1, options: { plainShare: 1 } },
];

function take(count: number, start = 0, seed = 1): string[] {
  const taken: string[] = [];
  for (const sample of samples(MIXTURE, { split: "train", seed, start })) {
    if (taken.push(JSON.stringify(sample)) === count) break;
  }
  return taken;
}

describe("a mixture", () => {
  test("gives at any start what it gives on the way", () => {
    const all = take(60);
    expect(take(20, 40)).toEqual(all.slice(40));
    const alone = Array.from({ length: 60 }, (_, index) =>
      JSON.stringify(mixtureSample(MIXTURE, { split: "train", seed: 1, index })),
    );
    expect(alone).toEqual(all);
  });

  test("differs by seed and split, and far along", () => {
    expect(take(10)).not.toEqual(take(10, 0, 2));
    expect(JSON.stringify(mixtureSample(MIXTURE, { split: "heldout", seed: 1, index: 0 }))).not.toBe(take(1)[0]);
    expect(take(1, 2 ** 33)).not.toEqual(take(1, 0));
  });

  test("keeps its shares", () => {
    const numTexts = take(2000).filter((sample) => sample.startsWith('{"kind":"text"')).length;
    expect(numTexts / 2000).toBeGreaterThan(0.22);
    expect(numTexts / 2000).toBeLessThan(0.28);
  });

  test("leaves out what weighs nothing", () => {
    const mixture: Mixture = [
      { generator: "stories", weight: 0 },
      { ...MIXTURE[0], weight: 1 },
    ];
    for (let index = 0; index < 50; index++) {
      expect(mixtureSample(mixture, { split: "train", seed: 1, index }).kind).toBe("chat");
    }
  });

  test.each([
    [[], "weights"],
    [[{ generator: "stories", weight: -1 }], "weights"],
    [[{ generator: "poems", weight: 1 }], "no generator poems"],
    [[{ generator: "constructor", weight: 1 }], "no generator"],
    [[{ generator: "stories", weight: 1, options: { words: 3 } }], "no option words"],
  ])("refuses %j", (mixture, problem) => {
    expect(() => checkMixture(mixture as unknown as Mixture)).toThrow(problem);
  });

  test("knows how long samples are", () => {
    const [sums, tales] = MIXTURE.map((entry) => meanCharacters(entry, 50));
    expect(tales!).toBeGreaterThan(2 * sums!);
  });
});
