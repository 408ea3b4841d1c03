// What holds for every generator: same place, same sample; both splits apart; graders know right from wrong.

import { describe, expect, test } from "vitest";
import { checkMessages, checkTools } from "../../tokenizer/chat-request.ts";
import { GENERATOR_NAMES, type MixtureEntry, mixtureSample } from "./mixture.ts";
import { belongsTo, Random, type Split } from "./random.ts";
import { chatsOf, tasksOf } from "./testing.ts";
import { plainText, type Sample } from "./sample.ts";

function makeOf(generator: string, count: number, split: Split = "train"): Sample[] {
  const mixture = [{ generator, weight: 1 } as MixtureEntry];
  return Array.from({ length: count }, (_, index) => mixtureSample(mixture, { split, seed: 7, index }));
}

const texts = (samples: readonly Sample[]): string[] => samples.map((sample) => JSON.stringify(sample));

describe.each(GENERATOR_NAMES)("%s", (generator) => {
  const train = makeOf(generator, 400);
  const heldout = makeOf(generator, 100, "heldout");

  test("gives the same samples again", () => {
    expect(texts(makeOf(generator, 50))).toEqual(texts(train.slice(0, 50)));
  });

  test("gives different samples at different places", () => {
    expect(new Set(train.map(plainText)).size).toBeGreaterThan(0.9 * train.length);
  });

  test("has no held-out sample in training", () => {
    const seen = new Set(train.map(plainText));
    expect(heldout.filter((sample) => seen.has(plainText(sample)))).toEqual([]);
  });

  test("writes conversations that can be rendered, with thinking where it says so", () => {
    for (const { messages, tools, thinking } of chatsOf([...train, ...heldout])) {
      checkMessages(messages);
      checkTools(tools);
      const answers = messages.filter(({ role }) => role === "assistant");
      expect(answers.every((answer) => ((answer.reasoning_content ?? "") !== "") === thinking)).toBe(true);
    }
  });

  test("accepts its own answers, and neither nothing nor nonsense", () => {
    const tasks = tasksOf([...train, ...heldout]);
    expect(tasks.length).toBeGreaterThan(100);
    for (const { answer, accepts, prompt } of tasks) {
      expect(accepts(answer), `${prompt.at(-1)!.content} → ${answer}`).toBe(true);
      expect(accepts("")).toBe(false);
      expect(accepts("The teapot is made of 3.507 clouds.")).toBe(false);
    }
  });

  test("leaves no part of a phrase unread", () => {
    const codeless = ["code", "html", "json"].includes(generator);
    for (const sample of codeless ? [] : train)
      expect(plainText(sample)).not.toMatch(/\$[a-zA-Z]|\{[a-z ]*\||undefined|NaN/);
  });
});

describe("randomness", () => {
  test("belongs to its words alone", () => {
    const draw = (words: readonly number[]): number[] => {
      const random = new Random(words);
      return Array.from({ length: 20 }, () => random.unit());
    };
    expect(draw([1, 2])).toEqual(draw([1, 2]));
    expect(draw([1, 2])).not.toEqual(draw([2, 1]));
    expect(draw([1, 2]).every((value) => value >= 0 && value < 1)).toBe(true);
  });

  test("reaches every number of a range about as often", () => {
    const random = new Random([3]);
    const counts = [0, 0, 0, 0, 0];
    for (let i = 0; i < 5000; i++) counts[random.integer(2, 6) - 2]! += 1;
    expect(counts.every((count) => count > 850 && count < 1150)).toBe(true);
  });

  test("samples without repeating, and shuffles without losing", () => {
    const random = new Random([4]);
    const list = Array.from({ length: 30 }, (_, i) => i);
    for (const count of [0, 3, 20, 30]) expect(new Set(random.sample(list, count)).size).toBe(count);
    expect(random.shuffle(list).toSorted((a, b) => a - b)).toEqual(list);
  });

  test("holds one item in sixteen out, by its key", () => {
    const keys = Array.from({ length: 16_000 }, (_, i) => `key ${i}`);
    const numHeldOut = keys.filter((key) => belongsTo(key, "heldout")).length;
    expect(numHeldOut).toBeGreaterThan(900);
    expect(numHeldOut).toBeLessThan(1100);
    expect(keys.every((key) => belongsTo(key, "heldout") !== belongsTo(key, "train"))).toBe(true);
    const random = new Random([5], "heldout");
    const drawn = Array.from({ length: 50 }, () =>
      random.fresh(
        (source) => source.integer(0, 999),
        (value) => `${value}`,
      ),
    );
    expect(drawn.every((value) => belongsTo(`${value}`, "heldout"))).toBe(true);
  });

  test("says so when nothing can be held out", () => {
    const split = belongsTo("only", "train") ? "heldout" : "train";
    expect(() => new Random([6], split).fresh(() => "only", String)).toThrow(/found none/);
  });
});
