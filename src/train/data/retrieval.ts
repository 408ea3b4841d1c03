// Long contexts with something to find: one needle, one of many, all values of a key, a chain of variables.
//
// Needles stand at random places in a filler that never says what needles say. Length and number of pairs are options,
// so that a curriculum can begin with a few lines and end at thousands of tokens. A needle is known by its key and
// value, and that pair is either trained on or held out.
// Refuses to know the tokenizer: lengths are counted by a function it is given, or estimated from characters.

import { defined } from "../../util/assert.ts";
import { says, saysAll } from "./grading.ts";
import { listing, phrase, phraseOf } from "./phrase.ts";
import type { Random } from "./random.ts";
import { conversation, type Exchange, type Generator } from "./sample.ts";
import { CHILDREN, COLORS, FOODS, PLACES, SECRET_NOUNS, SIZES, SPOTS, THINGS } from "./words.ts";

export type RetrievalKind = "single" | "multi-key" | "multi-value" | "variables";

export interface RetrievalOptions {
  readonly kinds: readonly RetrievalKind[];
  /** The context's length, between these; short ones are as frequent per octave as long ones. */
  readonly minTokens: number;
  readonly maxTokens: number;
  /** Needles of a multi-key context, and chains of a variables context, at most. */
  readonly maxPairs: number;
  /** Links of a chain of variables, at most. */
  readonly maxHops: number;
  /** Questions about one context, each for another needle, as far as it has them. */
  readonly minQuestions: number;
  readonly maxQuestions: number;
  /**
   * Where the needle that the first question asks for stands, from 0 (before all else) to 1 (behind it); anywhere where
   * it is undefined. For kinds with one such needle, single and multi-key.
   */
  readonly depth: number | undefined;
  readonly thinkingShare: number;
  readonly countTokens: ((text: string) => number) | undefined;
  readonly charactersPerToken: number;
}

interface Hunt {
  /** Lines to hide, in the order in which they must stand. */
  readonly needles: readonly string[];
  /** Questions that the needles answer, the first of which is asked in any case. */
  readonly exchanges: readonly [Exchange, ...Exchange[]];
  /** Of the one needle that answers the first question, where there is one. */
  readonly soughtIndex?: number;
}

export const retrieval: Generator<RetrievalOptions> = {
  name: "retrieval",
  defaults: {
    kinds: ["single", "multi-key", "multi-value", "variables"],
    minTokens: 100,
    maxTokens: 1000,
    maxPairs: 16,
    maxHops: 4,
    minQuestions: 1,
    maxQuestions: 1,
    depth: undefined,
    thinkingShare: 0.3,
    countTokens: undefined,
    charactersPerToken: 3.5,
  },
  generate: (random, options) => {
    const hunt = HUNTS[random.pick(options.kinds)](random, options);
    const numTokens = Math.round(options.minTokens * (options.maxTokens / options.minTokens) ** random.unit());
    const context = hide(random, hunt, numTokens, options);
    const isFirst = random.chance(0.2);
    const request = phrase(
      random,
      "{Read the text and {then |}answer the question.|Here is a text. {Please answer|Answer} the question.|I have a question about this text.}",
    );
    const [first, ...others] = hunt.exchanges;
    const question = isFirst
      ? `${first.question}\n\n${context}\n\n${first.question}`
      : `${request}\n\n${context}\n\n${first.question}`;
    const more = others.slice(0, random.integer(options.minQuestions, options.maxQuestions) - 1);
    return conversation([{ ...first, question }, ...more], { thinking: random.chance(options.thinkingShare) });
  },
};

const HUNTS: Readonly<Record<RetrievalKind, (random: Random, options: RetrievalOptions) => Hunt>> = {
  single: (random) => findOne(random, 1),
  "multi-key": (random, { maxPairs, minQuestions }) =>
    findOne(random, random.integer(Math.max(2, Math.min(minQuestions, maxPairs)), Math.max(2, maxPairs))),
  "multi-value": findAll,
  variables: followChain,
};

interface Form {
  /** "The secret number of $key is $value." */
  readonly tells: string;
  readonly asks: readonly string[];
  readonly answers: string;
  readonly drawKey: (random: Random) => string;
  readonly drawValue: (random: Random) => string;
}

const drawNumber = (random: Random): string => String(random.integer(1000, 99_999));
const drawName = (random: Random): string => random.pick(CHILDREN).name;
const drawThing = (random: Random): string => `${random.pick(COLORS)} ${random.pick(THINGS)}`;
const drawWord = (random: Random): string => random.pick(SECRET_NOUNS);

const FORMS: readonly Form[] = [
  {
    tells: "The secret number of $key is $value.",
    asks: ["What is the secret number of $key?", "Which secret number does $key have?"],
    answers: "The secret number of $key is $value.",
    drawKey: (random) => (random.chance(0.5) ? drawName(random) : `the ${drawThing(random)}`),
    drawValue: drawNumber,
  },
  {
    tells: "The password for $key is $value.",
    asks: ["What is the password for $key?", "Which password opens $key?"],
    answers: "The password for $key is $value.",
    drawKey: (random) => {
      const size = random.chance(0.5) ? `${random.pick(SIZES)} ` : "";
      return `the ${size}${random.pick(COLORS)} ${random.pick(["door", "gate", "safe", "house", "room", "box"])}`;
    },
    drawValue: (random) => `${drawWord(random)} ${drawWord(random)}`,
  },
  {
    tells: "Remember this: $key $value.",
    asks: ["What was said about $key?", "Which number goes with $key?"],
    answers: "$key $value",
    drawKey: (random) => `${drawWord(random)}-${drawWord(random)}`,
    drawValue: drawNumber,
  },
];

interface Pair {
  readonly key: string;
  readonly value: string;
}

function drawPairs(random: Random, form: Form, count: number): Pair[] {
  const pairs = new Map<string, string>();
  while (pairs.size < count) {
    const { key, value } = random.fresh(
      (source) => ({ key: form.drawKey(source), value: form.drawValue(source) }),
      needleKey,
    );
    if (![...pairs.values()].includes(value)) pairs.set(key, value);
  }
  return [...pairs].map(([key, value]) => ({ key, value }));
}

function findOne(random: Random, numPairs: number): Hunt {
  const form = random.pick(FORMS);
  const pairs = drawPairs(random, form, numPairs);
  const wanted = random.shuffle(pairs);
  const [first, ...others] = wanted.map((pair) => askFor(random, form, pair, pairs));
  return {
    needles: pairs.map((pair) => phrase(random, form.tells, { ...pair })),
    exchanges: [first!, ...others],
    soughtIndex: pairs.indexOf(wanted[0]!),
  };
}

function askFor(random: Random, form: Form, wanted: Pair, pairs: readonly Pair[]): Exchange {
  const others = pairs.filter((pair) => pair !== wanted).map(({ value }) => value);
  const answer = random.chance(0.5) ? wanted.value : phrase(random, form.answers, { ...wanted });
  return {
    question: askBriefly(phraseOf(random, form.asks, { key: wanted.key }), answer === wanted.value),
    answer,
    reasoning: `The text says: ${phrase(random, form.tells, { ...wanted })}`,
    accepts: says(wanted.value, others),
  };
}

/** Whether a sentence or the bare value is wanted is said, so that an answer is certain. */
function askBriefly(question: string, isBrief: boolean): string {
  return isBrief ? `${question} Answer with the value only.` : question;
}

/** Several keys, the first of them with several values. */
function findAll(random: Random, { maxPairs }: RetrievalOptions): Hunt {
  const { drawKey, drawValue } = FORMS[0]!;
  const keys = distinct(random.integer(2, Math.max(2, Math.min(6, maxPairs))), () => drawKey(random));
  const pairs = keys.flatMap((key, i) => {
    const numValues = random.integer(i === 0 ? 2 : 1, 4);
    const draw = (): string => random.fresh(drawValue, (value) => needleKey({ key, value }));
    return distinct(numValues, draw).map((value) => ({ key, value }));
  });
  const told = random.shuffle(pairs);
  const [first, ...others] = keys.map((key) => askForAll(random, key, told));
  return {
    needles: told.map((pair) => phrase(random, "One of the secret numbers of $key is $value.", { ...pair })),
    exchanges: [first!, ...others],
  };
}

function distinct(count: number, draw: () => string): string[] {
  const drawn = new Set<string>();
  while (drawn.size < count) drawn.add(draw());
  return [...drawn];
}

/** The answer keeps the order of the text: copying in order is what a reader does. */
function askForAll(random: Random, key: string, told: readonly Pair[]): Exchange {
  const [wanted, others] = [true, false].map((isWanted) =>
    told.filter((pair) => (pair.key === key) === isWanted).map(({ value }) => value),
  ) as [string[], string[]];
  const numbers = wanted.length === 1 ? "one number" : `${wanted.length} numbers`;
  return {
    question: phrase(random, "{What are all the secret numbers of $key?|List all secret numbers of $key.}", { key }),
    answer: `${listing(wanted)}.`,
    reasoning: `The text gives ${numbers} for ${key}: ${wanted.join(", ")}`,
    accepts: saysAll(
      wanted,
      others.filter((value) => !wanted.includes(value)),
    ),
  };
}

/** By this key a pair is trained on or held out. */
export function needleKey({ key, value }: Pair): string {
  return `needle ${key}=${value}`;
}

function followChain(random: Random, { maxHops, maxPairs }: RetrievalOptions): Hunt {
  const names = random.shuffle(
    "abcdefghijklmnopqrstuvwxyz".split("").flatMap((letter) => [1, 2, 3].map((digit) => `${letter}${digit}`)),
  );
  const numChains = random.integer(1, Math.min(6, Math.max(1, maxPairs)));
  const values = drawPairs(random, FORMS[0]!, numChains).map(({ value }) => value);
  const chains = values.map((value) => {
    const variables = names.splice(0, random.integer(1, maxHops) + 1);
    return variables.map((name, i) => `${name} = ${i === 0 ? value : variables[i - 1]!}`);
  });
  const [first, ...others] = chains.map((chain, i) => askForEnd(random, chain, values, i));
  return { needles: mergeInOrder(random, chains).map((line) => `${line}.`), exchanges: [first!, ...others] };
}

function askForEnd(random: Random, chain: readonly string[], values: readonly string[], index: number): Exchange {
  const target = defined(chain.at(-1)?.split(" ")[0], "the last variable of a chain");
  return {
    question: phrase(random, "{What is the value of|What number is} $target?", { target }),
    answer: values[index]!,
    reasoning: chain.toReversed().join(", "),
    accepts: says(
      values[index]!,
      values.filter((_, i) => i !== index),
    ),
  };
}

/** One list in which the entries of each list keep their order. */
function mergeInOrder(random: Random, lists: readonly (readonly string[])[]): string[] {
  const turns = random.shuffle(lists.flatMap((entries, i) => entries.map(() => i)));
  const places = lists.map(() => 0);
  return turns.map((turn) => lists[turn]![places[turn]!++]!);
}

const FILLERS = [
  "{$Name|A $job} {walked|went|ran} to the $place{ in the morning| after lunch| with a friend|}.",
  "{It was|The day was} {warm|cold|quiet|bright|long} and {the birds sang|nobody was in a hurry|the wind was soft}.",
  "$Name {likes|wanted|ate|bought|made} $food.",
  "The $thing {was|lay|stood} $spot.",
  "$Name and $other {talked|laughed|played} {for an hour|until evening|by the window}.",
  '"{Where are you going|What do you see|Is it far}?" asked $name. "{To|Look at} the $place," said $other.',
  "{Some say|Everyone knew|$Name said} that the $place is {old|beautiful|far away|empty|full of people}.",
  "$At there {was|stood} {one|a single|another} $thing.",
  "{Then|Later|After that}, $name {looked for|painted|cleaned|found} the $thing.",
];

function fillerLine(random: Random, isNumbers: boolean): string {
  if (isNumbers)
    return `Line ${random.integer(1, 999)}: ${random.integer(10, 99)} ${random.integer(10, 99)} ${random.integer(10, 99)}.`;
  const { noun, at } = random.pick(PLACES);
  return phraseOf(random, FILLERS, {
    name: drawName(random),
    other: drawName(random),
    job: random.pick(["baker", "teacher", "farmer", "nurse", "sailor", "painter"]),
    place: noun,
    at,
    food: random.pick(FOODS),
    thing: drawThing(random),
    spot: random.pick(SPOTS),
  });
}

/** The needles, spread over filler of about `numTokens`. */
function hide(random: Random, { needles, soughtIndex }: Hunt, numTokens: number, options: RetrievalOptions): string {
  const isNumbers = random.chance(0.2);
  const { countTokens, charactersPerToken, depth } = options;
  const sizeOf = countTokens ?? ((text: string): number => text.length / charactersPerToken);
  const lines: string[] = [];
  let size = needles.reduce((sum, needle) => sum + sizeOf(needle) + 1, 0);
  while (size < numTokens) {
    const line = fillerLine(random, isNumbers);
    size += sizeOf(line) + (countTokens === undefined ? 1 / charactersPerToken : 0);
    lines.push(line);
  }
  // One that has a depth is put among the others at last, since they are a part of its text.
  const placed = depth === undefined || soughtIndex === undefined ? undefined : { depth, index: soughtIndex };
  const strewn = needles.filter((_, i) => i !== placed?.index);
  const places = strewn.map(() => random.integer(0, lines.length)).toSorted((a, b) => a - b);
  const separator = isNumbers ? "\n" : " ";
  const woven: string[] = [];
  let next = 0;
  for (let i = 0; i <= lines.length; i++) {
    while (next < strewn.length && places[next] === i) woven.push(strewn[next++]!);
    if (i < lines.length) woven.push(lines[i]!);
  }
  if (placed !== undefined) woven.splice(Math.round(placed.depth * woven.length), 0, needles[placed.index]!);
  return woven.join(separator);
}
