// What is asked for stands in the conversation, and nothing else is accepted.

import { expect, test } from "vitest";
import { copying } from "./copying.ts";
import { chatsOf, exchangesOf, makeSamples, tasksOf } from "./testing.ts";

const samples = makeSamples(copying, 500);

const wordsOf = (text: string): string[] => text.match(/[\p{L}\p{N}]+/gu) ?? [];

test("every word of an answer was said before, but for the numbers of a list", () => {
  for (const chat of chatsOf(samples)) {
    const said = new Set<string>();
    for (const { question, answer } of exchangesOf(chat)) {
      for (const word of wordsOf(question)) said.add(word);
      const copied = answer.replaceAll(/^\d+\. /gm, "").replaceAll(/<\/?li>/g, "");
      for (const word of wordsOf(copied)) expect(said, question).toContain(word);
    }
  }
});

test("an answer is accepted as it is, and no other", () => {
  for (const { answer, accepts } of tasksOf(samples)) {
    expect(accepts(answer)).toBe(true);
    expect(accepts(`${answer}x`)).toBe(false);
    expect(accepts("")).toBe(false);
  }
});

test("a question about a table or a row has one answer", () => {
  const tables = chatsOf(samples).map(exchangesOf);
  for (const exchanges of tables) {
    const answers = new Map<string, string>();
    for (const { question, answer } of exchanges) {
      const asked = question.split("\n\n").at(-1)!.split(" ").at(-1)!;
      expect(answers.get(asked) ?? answer).toBe(answer);
      answers.set(asked, answer);
    }
  }
});

test("items are as many as the options say", () => {
  for (const { answer } of tasksOf(makeSamples(copying, 200, { maxItems: 2, maxQuestions: 1 }))) {
    expect(wordsOf(answer.replaceAll(/^\d+\. /gm, "").replaceAll(/<\/?li>/g, "")).length).toBeLessThanOrEqual(2);
  }
});
