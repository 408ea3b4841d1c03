// Answers are found again by searching the text; lengths and numbers of needles are what was asked for.

import { describe, expect, test } from "vitest";
import { belongsTo } from "./random.ts";
import { needleKey, retrieval } from "./retrieval.ts";
import { chatsOf, exchangesOf, makeSamples, tasksOf } from "./testing.ts";

const textOf = (prompt: ReturnType<typeof tasksOf>[number]["prompt"]): string => prompt[0]!.content;

describe("retrieval", () => {
  test("single and multi-key answers stand in the text, once", () => {
    for (const { prompt, answer } of tasksOf(makeSamples(retrieval, 300, { kinds: ["single", "multi-key"] }))) {
      const value = /(\d{4,5}|[a-z]+ [a-z]+)\.?$/.exec(answer)![1]!;
      expect(textOf(prompt).split(` ${value}.`).length).toBe(2);
    }
  });

  test("a neighbor's value is a wrong answer", () => {
    let numChecked = 0;
    for (const { prompt, answer, accepts } of tasksOf(makeSamples(retrieval, 200, { kinds: ["multi-key"] }))) {
      const told = [...textOf(prompt).matchAll(/The secret number of (.*?) is (\d+)\./g)].map(([, , value]) => value!);
      const others = told.filter((value) => !answer.includes(value));
      numChecked += others.length;
      for (const other of others) expect(accepts(other) || accepts(`${answer} ${other}`)).toBe(false);
    }
    expect(numChecked).toBeGreaterThan(100);
  });

  test("further questions about a context ask for other needles of it", () => {
    const kinds = ["multi-key", "variables"] as const;
    const conversations = chatsOf(makeSamples(retrieval, 100, { kinds, maxQuestions: 4 })).map(({ messages }) => {
      const [context, ...others] = messages.filter(({ role }) => role === "user");
      const answers = messages.filter(({ role }) => role === "assistant");
      const values = answers.map(({ content }) => /(\d+|[a-z]+ [a-z]+)\.?$/.exec(content)![1]!);
      expect(new Set(values).size).toBe(values.length);
      for (const value of values) expect(context!.content).toContain(` ${value}.`);
      return others.length;
    });
    expect(new Set(conversations)).toEqual(new Set([0, 1, 2, 3]));
  });

  test("as many questions are asked as there must be, of contexts with enough needles", () => {
    const options = { kinds: ["multi-key"], maxTokens: 600, maxPairs: 30, minQuestions: 12, maxQuestions: 20 } as const;
    const counts = chatsOf(makeSamples(retrieval, 60, options)).map((chat) => exchangesOf(chat).length);
    expect(Math.min(...counts)).toBe(12);
    expect(Math.max(...counts)).toBe(20);
  });

  test("multi-value answers are all values of the key, in order", () => {
    const options = { kinds: ["multi-value"], maxQuestions: 6 } as const;
    let numChecked = 0;
    for (const chat of chatsOf(makeSamples(retrieval, 200, options))) {
      const exchanges = exchangesOf(chat);
      const text = exchanges[0]!.question;
      for (const { question, answer } of exchanges) {
        const key = /secret numbers of (.*?)[?.]$/.exec(question)![1]!;
        const told = text.matchAll(new RegExp(`One of the secret numbers of ${key} is (\\d+)`, "g"));
        expect(answer.match(/\d+/g)).toEqual([...told].map(([, value]) => value!));
        numChecked += 1;
      }
    }
    expect(numChecked).toBeGreaterThan(400);
  });

  test("of several values none may be missing, and their order is free", () => {
    for (const { answer, accepts } of tasksOf(makeSamples(retrieval, 100, { kinds: ["multi-value"] }))) {
      const values = answer.match(/\d+/g)!;
      expect(accepts(values.slice(1).join(", "))).toBe(false);
      expect(accepts(values.toReversed().join(" "))).toBe(true);
    }
  });

  test("variables come to the value that assignments give", () => {
    for (const { prompt, answer } of tasksOf(makeSamples(retrieval, 200, { kinds: ["variables"] }))) {
      const text = textOf(prompt);
      const values = new Map<string, string>();
      for (const [, name, value] of text.matchAll(/\b([a-z]\d) = (\w+)\./g))
        values.set(name!, values.get(value!) ?? value!);
      const target = /([a-z]\d)\?$/.exec(text)![1]!;
      expect(values.get(target)).toBe(answer);
    }
  });

  test.each([256, 1000, 4000])("contexts of %i tokens have about that length", (numTokens) => {
    const options = { minTokens: numTokens, maxTokens: numTokens, maxPairs: 4, maxHops: 2 };
    const countTokens = (text: string): number => text.split(/\s+/).length;
    for (const { prompt } of tasksOf(makeSamples(retrieval, 20, { ...options, countTokens }))) {
      expect(countTokens(textOf(prompt)) / numTokens).toBeGreaterThan(0.95);
      expect(countTokens(textOf(prompt)) / numTokens).toBeLessThan(1.25);
    }
    for (const { prompt } of tasksOf(makeSamples(retrieval, 20, options))) {
      expect(textOf(prompt).length / 3.5 / numTokens).toBeGreaterThan(0.9);
      expect(textOf(prompt).length / 3.5 / numTokens).toBeLessThan(1.35);
    }
  });

  test("needles stand anywhere in the text", () => {
    const options = { kinds: ["single"], minTokens: 500, maxTokens: 500, thinkingShare: 0 } as const;
    const depths = tasksOf(makeSamples(retrieval, 300, options)).map(({ prompt, answer }) => {
      const text = textOf(prompt);
      return text.lastIndexOf(/(\d{4,5}|[a-z]+ [a-z]+)\.?$/.exec(answer)![1]!) / text.length;
    });
    for (const third of [0, 1, 2]) {
      expect(depths.filter((depth) => Math.floor(depth * 3) === third).length).toBeGreaterThan(60);
    }
  });

  test.each(["single", "multi-key"] as const)("the needle of %s stands at the depth that is asked for", (kind) => {
    const options = { kinds: [kind], minTokens: 600, maxTokens: 600, maxPairs: 40, thinkingShare: 0 } as const;
    for (const depth of [0, 0.3, 1]) {
      for (const { prompt, answer } of tasksOf(makeSamples(retrieval, 40, { ...options, depth }))) {
        const value = /(\d{4,5}|[a-z]+ [a-z]+)\.?$/.exec(answer)![1]!;
        const text = textOf(prompt);
        // Request and question take some of the text.
        expect(Math.abs(text.indexOf(` ${value}.`) / text.length - depth)).toBeLessThan(0.15);
      }
    }
  });

  test("many pairs fit", () => {
    const options = { kinds: ["multi-key"], minTokens: 4000, maxTokens: 4000, maxPairs: 120 } as const;
    expect(tasksOf(makeSamples(retrieval, 10, options)).length).toBe(10);
  });

  test("pairs are of their split", () => {
    for (const split of ["train", "heldout"] as const) {
      for (const { prompt } of tasksOf(makeSamples(retrieval, 50, { kinds: ["multi-key"] }, split))) {
        for (const [, key, value] of textOf(prompt).matchAll(/(?:^|[.\n] )The secret number of (.*?) is (\d+)\./g)) {
          expect(belongsTo(needleKey({ key: key!, value: value! }), split)).toBe(true);
        }
      }
    }
  });
});
