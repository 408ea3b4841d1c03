// What stands in the conversation, said again: repeated, in another shape, looked up, or what follows it.
//
// Everything else a small model does with a text begins with copying from it, and it learns that sooner from samples
// that ask for nothing else. Much of what is copied are made-up words, which cannot be known by heart. An item is known by its content.
// Refuses to know what words mean.

import { phrase, phraseOf } from "./phrase.ts";
import type { Random } from "./random.ts";
import { conversation, type Exchange, type Generator } from "./sample.ts";
import { CITIES, COLORS, FRUITS, JOBS, NAMES, SECRET_NOUNS, THINGS } from "./words.ts";

export interface CopyingOptions {
  /** Items of a text, and pairs of a table, at most. */
  readonly maxItems: number;
  /** Questions about one table or row of words, at most. */
  readonly maxQuestions: number;
}

export const copying: Generator<CopyingOptions> = {
  name: "copying",
  defaults: { maxItems: 10, maxQuestions: 8 },
  generate: (random, options) => conversation(random.pick(KINDS)(random, options), { thinking: false }),
};

const KINDS: readonly ((random: Random, options: CopyingOptions) => Exchange[])[] = [repeat, reshape, lookUp, follow];

const LISTS = [NAMES, THINGS, COLORS, FRUITS, CITIES, JOBS, SECRET_NOUNS];
const [ONSETS, VOWELS, CODAS] = ["b d f g k l m n p r s t v z br st tr", "a e i o u", "n r s l m t"].map((text) =>
  text.split(" "),
) as [string[], string[], string[]];

function madeUp(random: Random): string {
  const syllables = Array.from({ length: random.integer(1, 3) }, () => random.pick(ONSETS) + random.pick(VOWELS));
  const word = syllables.join("") + (random.chance(0.5) ? random.pick(CODAS) : "");
  return random.chance(0.3) ? word.charAt(0).toUpperCase() + word.slice(1) : word;
}

function drawItem(random: Random): string {
  if (random.chance(0.2)) return String(random.integer(0, 10 ** random.integer(1, 5)));
  return random.chance(0.5) ? madeUp(random) : random.pick(random.pick(LISTS));
}

/** Different ones, of which a split has those that its other one has not. */
function drawItems(random: Random, least: number, most: number): string[] {
  const draw = (source: Random): string[] => {
    const items = new Set<string>();
    for (const count = source.integer(least, most); items.size < count;) items.add(drawItem(source));
    return [...items];
  };
  return random.fresh(draw, (items) => `copying ${items.join(" ")}`);
}

function exchange(question: string, answer: string): Exchange {
  return { question, answer, reasoning: "", accepts: (content) => content.trim() === answer };
}

const REPEATING = [
  "Repeat: $text",
  "Repeat after me: $text",
  '{Say|Write|Repeat} "$text".',
  "{Please repeat|Write again}: $text",
  "$text\n\nRepeat {this|the text}.",
];

function repeat(random: Random, { maxItems }: CopyingOptions): Exchange[] {
  const text = drawItems(random, 1, maxItems).join(" ");
  return [exchange(phraseOf(random, REPEATING, { text }), text)];
}

interface Shape {
  readonly name: string;
  readonly write: (items: readonly string[]) => string;
}

const eachOf =
  (before: string, after: string, between = "\n") =>
  (items: readonly string[]): string =>
    items.map((item) => before + item + after).join(between);

const SHAPES: readonly Shape[] = [
  { name: "a list with dashes", write: eachOf("- ", "") },
  { name: "a numbered list", write: (items) => items.map((item, i) => `${i + 1}. ${item}`).join("\n") },
  { name: "a JSON array", write: (items) => JSON.stringify(items) },
  { name: "HTML list items", write: eachOf("<li>", "</li>") },
  { name: "one line with commas", write: eachOf("", "", ", ") },
  { name: "words in quotes", write: eachOf('"', '"', " ") },
];

function reshape(random: Random, { maxItems }: CopyingOptions): Exchange[] {
  const items = drawItems(random, 2, Math.max(2, maxItems));
  const [from, to] = random.sample(SHAPES, 2) as [Shape, Shape];
  const question = phrase(random, "{Write this as|Turn this into} $shape:\n\n$text", {
    shape: to.name,
    text: from.write(items),
  });
  return [exchange(question, to.write(items))];
}

const TABLES = ["$key: $value", "$key = $value", "$key has $value.", "The word for $key is $value."];

/** A table, and questions about its rows, some of them asked again. */
function lookUp(random: Random, { maxItems, maxQuestions }: CopyingOptions): Exchange[] {
  const items = drawItems(random, 4, Math.max(4, 2 * maxItems));
  const pairs = Array.from(
    { length: Math.floor(items.length / 2) },
    (_, i) => [items[2 * i]!, items[2 * i + 1]!] as const,
  );
  const row = random.pick(TABLES);
  const table = pairs.map(([key, value]) => phrase(random, row, { key, value })).join("\n");
  return Array.from({ length: random.integer(1, Math.min(maxQuestions, 2 * pairs.length)) }, (_, i) => {
    const [key, value] = random.pick(pairs);
    return exchange(i === 0 ? `${table}\n\n${key}?` : `${key}?`, value);
  });
}

/** Words in a row, and which of them comes after another. */
function follow(random: Random, { maxItems, maxQuestions }: CopyingOptions): Exchange[] {
  const items = drawItems(random, 3, Math.max(3, maxItems));
  return Array.from({ length: random.integer(1, Math.min(maxQuestions, items.length - 1)) }, (_, i) => {
    const at = random.integer(0, items.length - 2);
    const question = phrase(random, "{What|Which word} comes after $word?", { word: items[at]! });
    return exchange(i === 0 ? `${items.join(" ")}\n\n${question}` : question, items[at + 1]!);
  });
}
