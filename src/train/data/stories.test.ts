// Answers agree with a second reading: this reader knows the sentences, not how stories are told.

import { describe, expect, test } from "vitest";
import { Random } from "./random.ts";
import { stories, tellStory } from "./stories.ts";
import { exchangesOf, chatsOf, makeSamples } from "./testing.ts";

interface Reading {
  readonly holders: ReadonlyMap<string, string>;
  readonly spots: ReadonlyMap<string, string>;
  readonly colors: ReadonlyMap<string, string>;
  readonly places: ReadonlyMap<string, string>;
  readonly gifts: ReadonlyMap<string, string>;
}

function read(text: string): Reading {
  const [holders, spots, colors, places, gifts] = Array.from({ length: 5 }, () => new Map<string, string>());
  for (const sentence of text.split(/(?<=[.!?]"?)\s+/)) {
    const give = /^(\w+) (?:gave|handed) the (\w+) (\w+) to (\w+)\.$/.exec(sentence);
    const take = /(?:^|, |^\w+ saw something \w+ and )(\w+)?.*?(?:picked up|took|bought|found) the (\w+) (\w+)/.exec(
      sentence,
    );
    const put = /^(\w+) (?:put|left|placed) the (\w+) (\w+) (.+)\.$/.exec(sentence);
    const go = /^(\w+)(?: and (\w+))? (?:(?:went|walked|ran|hurried) to|set off for|made h\w\w way to) the (\w+)/.exec(
      sentence,
    );
    const met = /^(\w+) was (?:already|waiting) (?:in|at) the (\w+)\.$/.exec(sentence);
    const color = [
      ...sentence.matchAll(
        /\b(?:the|an?) (red|blue|green|yellow|white|black|brown|orange|purple|pink|golden|silver) (\w+)/gi,
      ),
    ];
    for (const [, shade, noun] of color) colors!.set(noun!, shade!);
    if (give !== null) {
      holders!.set(give[3]!, give[4]!);
      spots!.delete(give[3]!);
      gifts!.set(`${give[3]!} ${give[4]!}`, give[1]!);
    } else if (put !== null) {
      spots!.set(put[3]!, put[4]!);
      holders!.delete(put[3]!);
    } else if (take !== null) {
      const who = /^(?:At last, |Suddenly, |Then, )?(\w+)/.exec(sentence)![1]!;
      holders!.set(take[3]!, who);
      spots!.delete(take[3]!);
    } else if (go !== null) {
      for (const who of [go[1], go[2]]) if (who !== undefined) places!.set(who, go[3]!);
    } else if (met !== null) places!.set(met[1]!, met[2]!);
  }
  return { holders: holders!, spots: spots!, colors: colors!, places: places!, gifts: gifts! };
}

/** What the reader would answer, or undefined for a question it does not know. */
function answerOf(question: string, text: string): string | undefined {
  const { holders, spots, colors, places, gifts } = read(text);
  const match = (pattern: RegExp): RegExpExecArray | null => pattern.exec(question);
  const has = match(/^Who has the (\w+)/);
  if (has !== null) return holders.get(has[1]!) ?? "nobody";
  const where = match(/^Where is the (\w+) now/);
  if (where !== null) return spots.get(where[1]!) ?? "nowhere";
  const color = match(/^What color is the (\w+)/);
  if (color !== null) return colors.get(color[1]!) ?? "none";
  const person = match(/^Where (?:did|is) (\w+) (?:go last|at the end)/);
  if (person !== null) return places.get(person[1]!) ?? "nowhere";
  const gave = match(/^Who gave the (\w+) to (\w+)/) ?? match(/^Who gave (\w+) the (\w+)/);
  if (gave !== null) return gifts.get(`${gave[1]!} ${gave[2]!}`) ?? gifts.get(`${gave[2]!} ${gave[1]!}`) ?? "nobody";
  const why = match(/^Why was (?:the )?(\w+) (\w+)\?/);
  if (why !== null)
    return new RegExp(`${why[1]!} was ${why[2]!} because (.*?)\\.`).exec(text)?.[1]?.replace(/\bso |very /, "");
  const wish = match(/^(?:What did (\w+) want|What was (\w+)'s wish|What did (\w+) wish)/);
  const wisher = wish?.slice(1).find((name) => name !== undefined);
  if (wisher !== undefined) return new RegExp(`${wisher} wanted (.*?)\\.`).exec(text)?.[1];
  return undefined;
}

describe("stories", () => {
  test("answer their questions as a second reader does", () => {
    let numRead = 0;
    let numAll = 0;
    for (let i = 0; i < 400; i++) {
      const story = tellStory(new Random([11, i]), { minWords: 80, maxWords: 300 });
      for (const { question, core, answer, accepts } of story.questions) {
        numAll += 1;
        const ours = answerOf(question, story.text);
        if (ours === undefined) continue;
        numRead += 1;
        expect(core.toLowerCase().replace(/\b(?:so|very) /, ""), `${question}\n${story.text}`).toBe(ours.toLowerCase());
        expect(accepts(answer)).toBe(true);
      }
    }
    expect(numAll).toBeGreaterThan(1500);
    expect(numRead / numAll).toBeGreaterThan(0.8);
  });

  test("quote what the text says as evidence", () => {
    for (let i = 0; i < 100; i++) {
      const story = tellStory(new Random([12, i]), { minWords: 80, maxWords: 400 });
      for (const { evidence } of story.questions) expect(story.text).toContain(evidence);
    }
  });

  test("reject another name, place or color", () => {
    const story = tellStory(new Random([13]), { minWords: 150, maxWords: 200 });
    const who = story.questions.find(({ question }) => question.startsWith("Who has"))!;
    const other = [story.hero.name, story.friend.name].find((name) => name !== who.core)!;
    expect(who.accepts(`${other} has it.`)).toBe(false);
    expect(who.accepts(`${who.core} and ${other}`)).toBe(false);
    expect(who.accepts(who.core)).toBe(true);
  });

  test("are about as long as asked", () => {
    for (const [minWords, maxWords] of [
      [80, 100],
      [150, 200],
      [300, 400],
    ] as const) {
      const lengths = Array.from(
        { length: 100 },
        (_, i) => tellStory(new Random([14, i]), { minWords, maxWords }).text.split(/\s+/).length,
      );
      const mean = lengths.reduce((a, b) => a + b, 0) / lengths.length;
      expect(mean).toBeGreaterThan(minWords * 0.8);
      expect(mean).toBeLessThan(maxWords * 1.25);
    }
  });

  test("are asked about as often as options say", () => {
    const options = { plainShare: 0, questionTextShare: 0, requestShare: 0, minQuestions: 2, maxQuestions: 4 };
    const counts = chatsOf(makeSamples(stories, 100, options)).map((chat) => exchangesOf(chat).length);
    expect(new Set(counts)).toEqual(new Set([2, 3, 4]));
  });

  test("are told on request about what was asked for", () => {
    const options = { plainShare: 0, questionTextShare: 0, requestShare: 1 };
    for (const chat of chatsOf(makeSamples(stories, 200, options))) {
      const { question, answer } = exchangesOf(chat)[0]!;
      const about = / about (.*?)(?:\.|, please\.)?$/.exec(question)?.[1];
      const words = about?.match(/[A-Z]\w+/g) ?? about?.split(" ").slice(-1) ?? [];
      for (const word of words) expect(answer, question).toContain(word);
    }
  });
});
