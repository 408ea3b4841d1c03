// nano says who it is under every prompt, knows the date from the prompt alone, and knows many things to say.

import { describe, expect, test } from "vitest";
import { chinese } from "./chinese.ts";
import { identity } from "./identity.ts";
import { MODEL_INTENTS } from "./intents-model.ts";
import { NANO_INTENTS } from "./intents-nano.ts";
import { TALK_INTENTS } from "./intents-talk.ts";
import { says } from "./grading.ts";
import { phrase } from "./phrase.ts";
import { Random } from "./random.ts";
import { dayOf, shiftDay } from "./system-prompt.ts";
import { chatsOf, exchangesOf, makeSamples, tasksOf } from "./testing.ts";

const chats = chatsOf(makeSamples(identity, 3000));
const systemOf = ({ messages }: (typeof chats)[number]): string =>
  messages[0]!.role === "system" ? messages[0]!.content : "";

describe("intents", () => {
  const intents = [...NANO_INTENTS, ...MODEL_INTENTS, ...TALK_INTENTS];

  test("are more than a hundred, each asked in several ways", () => {
    expect(intents.length).toBeGreaterThan(100);
    const random = new Random([41]);
    const numQuestions = intents.map(
      ({ asks }) => new Set(Array.from({ length: 100 }, () => phrase(random, random.pick(asks)))).size,
    );
    expect(numQuestions.reduce((a, b) => a + b, 0) / intents.length).toBeGreaterThan(5);
    expect(Math.min(...numQuestions)).toBeGreaterThan(1);
  });

  test("have a core that every answer says", () => {
    for (const { core, answers } of intents) {
      if (core !== undefined) for (const answer of answers) expect(says(core)(answer), answer).toBe(true);
    }
  });
});

describe("identity", () => {
  test("is nano under every prompt", () => {
    const prompts = new Set<string>();
    for (const chat of chats) {
      for (const { question, answer } of exchangesOf(chat)) {
        if (!/^(?:who are you|what is your name)\?$/i.test(question)) continue;
        expect(answer).toContain("nano");
        prompts.add(systemOf(chat).split("\n")[0]!);
      }
    }
    expect(prompts.size).toBeGreaterThanOrEqual(4);
  });

  test("knows the date from the system prompt, and not without", () => {
    let numKnown = 0;
    let numUnknown = 0;
    for (const chat of chats) {
      const today = /Today's date: (\S+) (\w+)\./.exec(systemOf(chat));
      for (const { question, answer } of exchangesOf(chat)) {
        if (
          !/^(?:what|which) (?:day|date|year|month) (?:of the week )?(?:is|was)\b/i.test(question) ||
          / (?:before|after) /.test(question)
        )
          continue;
        if (today === null) {
          numUnknown += 1;
          expect(answer).toContain("do not know");
          continue;
        }
        numKnown += 1;
        const instant = new Date(`${today[1]!}T12:00:00Z`);
        const shift = question.includes("tomorrow") ? 1 : question.includes("yesterday") ? -1 : 0;
        const then = new Date(instant.getTime() + shift * 86_400_000);
        const words = then.toLocaleDateString("en-US", {
          weekday: "long",
          year: "numeric",
          month: "long",
          day: "numeric",
          timeZone: "UTC",
        });
        const found = answer.match(
          /[A-Z][a-z]+day|\d{4}|January|February|March|April|May|June|July|August|September|October|November|December/g,
        )!;
        for (const word of found.filter((each) => !["Today", "Yesterday"].includes(each)))
          expect(words).toContain(word);
      }
    }
    expect(numKnown).toBeGreaterThan(100);
    expect(numUnknown).toBeGreaterThan(50);
  });

  test("counts days over the ends of months and years", () => {
    expect(shiftDay(dayOf(new Date("2027-12-31")), 1)).toMatchObject({ date: "2028-01-01", weekday: "Saturday" });
    expect(shiftDay(dayOf(new Date("2028-03-01")), -1).date).toBe("2028-02-29");
  });
});

test("Chinese answers follow from their tales", () => {
  for (const { prompt, answer } of tasksOf(makeSamples(chinese, 800, { textShare: 0 }))) {
    const [tale, question] = prompt.at(-1)!.content.split("\n\n");
    if (question === undefined) continue;
    const [, who, place] = /(小.)(?:去了|来到|走到)(.+?)。/.exec(tale!)!;
    const [, color, thing] = /有一.(.)色的(.+?)。/.exec(tale!)!;
    const receiver = /给了(.+?)。/.exec(tale!)?.[1];
    const food = /吃了(.+?)。/.exec(tale!)![1]!;
    if (question.includes("哪里")) expect(answer).toContain(place);
    else if (question.includes("颜色")) expect(answer).toBe(`${thing!}是${color!}色的。`);
    else if (question.includes("吃了")) expect(answer).toContain(food);
    else expect(answer).toBe(`${receiver ?? who!}有${thing!}。`);
  }
});
