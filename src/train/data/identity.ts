// Conversations of a first minute: who nano is, small talk, simple facts, the date, a story, a sum.
//
// A conversation is a few exchanges of different kinds, as people mix them. The date is known from the system prompt
// alone; without one nano says that it does not know. Questions are split by their text, and the shortest ones
// ("Hi!") belong to training, because everyone says them.
// Refuses to know the intents.

import { arithmetic, arithmeticExchange } from "./arithmetic.ts";
import { everydayExchange } from "./everyday.ts";
import { says } from "./grading.ts";
import { MODEL_INTENTS } from "./intents-model.ts";
import { type Intent, NANO_INTENTS } from "./intents-nano.ts";
import { TALK_INTENTS } from "./intents-talk.ts";
import { phrase, phraseOf } from "./phrase.ts";
import { belongsTo, type Random, type Split } from "./random.ts";
import { conversation, type Exchange, type Generator, type SampleMessage } from "./sample.ts";
import { storyExchange } from "./stories.ts";
import { datedSystemMessage, drawDay, shiftDay, systemMessage, type Day } from "./system-prompt.ts";

export interface IdentityOptions {
  readonly maxExchanges: number;
  readonly thinkingShare: number;
  /** The share of conversations whose system prompt tells the date, and that ask for it. */
  readonly dateShare: number;
}

const SHORT = 20;
const ABOUT_INTENTS = [...NANO_INTENTS, ...MODEL_INTENTS];

export const identity: Generator<IdentityOptions> = {
  name: "identity",
  defaults: { maxExchanges: 5, thinkingShare: 0.3, dateShare: 0.15 },
  generate: (random, { maxExchanges, thinkingShare, dateShare }) => {
    const thinking = random.chance(thinkingShare);
    const day = random.chance(dateShare) ? drawDay(random) : undefined;
    const system = day === undefined ? undatedSystemMessage(random) : datedSystemMessage(random, day);
    const exchanges = Array.from({ length: random.integer(1, maxExchanges) }, () => drawExchange(random, day));
    if (day !== undefined) exchanges.splice(random.integer(0, exchanges.length), 0, dateExchange(random, day));
    return conversation(exchanges, { thinking, system });
  },
};

function undatedSystemMessage(random: Random): SampleMessage | undefined {
  const message = systemMessage(random);
  return message?.content.includes("Today") === true ? undefined : message;
}

function drawExchange(random: Random, day: Day | undefined): Exchange {
  const kind = random.unit();
  // Stories, sums and dates look after their split themselves.
  if (kind < 0.03) return storyExchange(random);
  if (kind < 0.05) return arithmeticExchange(random, arithmetic.defaults);
  if (kind < 0.08) return dateExchange(random, day);
  const draw = (source: Random): Exchange => {
    if (kind >= 0.8) return everydayExchange(source);
    return intentExchange(source, kind < 0.45 ? ABOUT_INTENTS : TALK_INTENTS);
  };
  return random.drawUntil(draw, ({ question }) => questionSplit(question) === random.split);
}

function questionSplit(question: string): Split {
  if (question.length < SHORT) return "train";
  return belongsTo(`question ${question.toLowerCase()}`, "heldout") ? "heldout" : "train";
}

function intentExchange(random: Random, intents: readonly Intent[]): Exchange {
  const { asks, answers, core } = random.pick(intents);
  const question = vary(random, phraseOf(random, asks));
  const exchange = { question, answer: phraseOf(random, answers), reasoning: "I can answer that at once." };
  return core === undefined ? exchange : { ...exchange, accepts: says(core) };
}

/** As people type: with a greeting before, in small letters, without a mark at the end. */
function vary(random: Random, question: string): string {
  const form = random.unit();
  if (form < 0.12) return question.toLowerCase();
  if (form < 0.24) return question.toLowerCase().replace(/[.?!]$/, "");
  if (form < 0.3) return question.replace(/[.?!]$/, "");
  if (form < 0.36 && question.length > SHORT / 2 && /^[A-Z][a-z]/.test(question)) {
    const greeting = phrase(random, "{Hi|Hello|Hey}{ nano|}{,|!} ");
    return greeting + (greeting.includes("!") ? question : question.charAt(0).toLowerCase() + question.slice(1));
  }
  return question;
}

type DateForm = readonly [asks: readonly string[], answer: (day: Day) => readonly [string, string]];

const written = ({ month, day, year }: Day): string => `${month} ${day}, ${year}`;

const DATE_FORMS: readonly DateForm[] = [
  [
    [
      "What is {the date|today's date|the date today}?",
      "{What|Which} date is it{ today|}?",
      "Tell me {the|today's} date{|, please}.",
      "Do you know {the|today's} date?",
    ],
    (day) => [`Today is ${day.weekday}, ${written(day)}.`, written(day)],
  ],
  [
    ["{What|Which} day is {it|today|it today}?", "{What|Which} day of the week is {it|today}?"],
    (day) => [`Today is ${day.weekday}.`, day.weekday],
  ],
  [["{What|Which} year is {it|this}{ now|}?"], (day) => [`It is ${day.year}.`, String(day.year)]],
  [["{What|Which} month is {it|this}{ now|}?"], (day) => [`It is ${day.month}.`, day.month]],
  [
    ["{What|Which} day is tomorrow?", "{What|Which} day of the week is tomorrow?"],
    (day) => [`Tomorrow is ${shiftDay(day, 1).weekday}.`, shiftDay(day, 1).weekday],
  ],
  [
    ["{What|Which} day was {it |}yesterday?"],
    (day) => [`Yesterday was ${shiftDay(day, -1).weekday}.`, shiftDay(day, -1).weekday],
  ],
];

/** Without a day in the system prompt, nano does not know. */
function dateExchange(random: Random, day: Day | undefined): Exchange {
  const [asks, tell] = random.pick(DATE_FORMS);
  const question = phraseOf(random, asks);
  if (day === undefined) {
    return {
      question,
      answer: "I do not know: nobody told me the date.",
      reasoning: "The system prompt does not tell the date.",
      accepts: says("do not know"),
    };
  }
  const [answer, core] = tell(day);
  const reasoning = `The system prompt says that today is ${day.date} ${day.weekday}.`;
  return { question, answer, reasoning, accepts: says(core) };
}
