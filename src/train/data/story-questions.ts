// Questions that a told story answers: who has it, where it is, where someone went, which color, and what plots noted.
//
// An answer is one sentence; `core` is what counts in it. Answers that would be wrong name another person, place or
// color of the same story, so a guess does not pass.
// Refuses to know plots and sentences.

import { says } from "./grading.ts";
import type { Telling } from "./story-telling.ts";
import { COLORS, PLACES, SPOTS } from "./words.ts";

export interface StoryQuestion {
  readonly question: string;
  readonly answer: string;
  readonly core: string;
  readonly evidence: string;
  readonly accepts: (content: string) => boolean;
}

export function questionsAbout(telling: Telling): StoryQuestion[] {
  const facts = telling.facts.map(({ question, answer, core, others, evidence }) =>
    ask(question, answer, core, others, evidence),
  );
  return [...facts, ...askThings(telling), ...askPlaces(telling)];
}

function ask(
  question: string,
  answer: string,
  core: string,
  others: readonly string[],
  evidence: string,
): StoryQuestion {
  return { question, answer, core, evidence, accepts: says(core, others) };
}

function askThings({ things, people, random }: Telling): StoryQuestion[] {
  const questions: StoryQuestion[] = [];
  const names = people.map(({ name }) => name);
  for (const { thing, where } of things.values()) {
    const { noun, color } = thing;
    if (where === undefined) continue;
    const { evidence } = where;
    if (where.kind === "held") {
      const { name } = where.by;
      const question = random.pick([`Who has the ${noun} now?`, `Who has the ${noun} at the end?`]);
      questions.push(ask(question, `${name} has the ${noun}.`, name, without(names, name), evidence));
    } else {
      const { spot, by } = where;
      questions.push(
        ask(`Where is the ${noun} now?`, `The ${noun} is ${spot}.`, spot, without(SPOTS, spot), evidence),
        ask(`Who put the ${noun} ${spot}?`, `${by.name} did.`, by.name, without(names, by.name), evidence),
      );
    }
    if (random.chance(0.6)) continue;
    questions.push(
      ask(`What color is the ${noun}?`, `The ${noun} is ${color}.`, color, without(COLORS, color), evidence),
    );
  }
  return questions;
}

function askPlaces({ places, random }: Telling): StoryQuestion[] {
  return [...places].map(([name, { place, evidence }]) => {
    const question = random.pick([`Where did ${name} go last?`, `Where is ${name} at the end?`]);
    const answer = question.startsWith("Where is") ? `${name} is ${place.at}.` : `${name} went to the ${place.noun}.`;
    const others = PLACES.map(({ noun }) => noun);
    return ask(question, answer, place.noun, without(others, place.noun), evidence);
  });
}

function without(all: readonly string[], one: string): string[] {
  return all.filter((each) => each !== one);
}
