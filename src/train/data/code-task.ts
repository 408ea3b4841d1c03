// The shape of a family of small JavaScript functions, and what families of one kind of input share.
//
// `right` computes the expected results by itself, not by running the written body, so that a wrong body is found by
// its own tests. A body is one expression, or statements that end in a return.
// Refuses to know names, the phrasing around a description, and conversations.

import type { Random } from "./random.ts";
import { NAMES } from "./words.ts";

export type Value = number | string | boolean | readonly (number | string)[];

export interface CodeTask {
  readonly names: readonly string[];
  /** Completes "a function that …". */
  readonly does: readonly string[];
  readonly parameters: readonly string[];
  /** Expressions or statement lists, alternatives of the same meaning. */
  readonly bodies: readonly string[];
  readonly drawInput: () => readonly Value[];
  readonly right: (...input: never[]) => Value;
}

export type Family = (random: Random) => CodeTask;

const WORDS = [
  "apple",
  "river",
  "level",
  "banana",
  "kite",
  "noon",
  "garden",
  "stone",
  "radar",
  "lemon",
  "cat",
  "window",
];

const drawNumber = (random: Random) => (): number => random.integer(-9, 20);
const drawNumbers = (random: Random) => (): number[] =>
  Array.from({ length: random.integer(1, 6) }, () => random.integer(-5, 12));
const drawWord = (random: Random) => (): string => random.pick(random.chance(0.8) ? WORDS : NAMES);
const drawWords = (random: Random) => (): string[] => random.sample(WORDS, random.integer(1, 4));

type Shape = Pick<CodeTask, "names" | "does" | "bodies" | "right">;

export function ofNumber(random: Random, shape: Shape): CodeTask {
  const draw = drawNumber(random);
  return { parameters: ["n"], drawInput: () => [draw()], ...shape };
}

export function ofTwo(random: Random, shape: Shape): CodeTask {
  const draw = drawNumber(random);
  return { parameters: ["a", "b"], drawInput: () => [draw(), draw()], ...shape };
}

export function ofNumbers(random: Random, shape: Shape): CodeTask {
  const draw = drawNumbers(random);
  return { parameters: ["list"], drawInput: () => [draw()], ...shape };
}

export function ofWord(random: Random, shape: Shape): CodeTask {
  const draw = drawWord(random);
  return { parameters: ["text"], drawInput: () => [draw()], ...shape };
}

export function ofWords(random: Random, shape: Shape): CodeTask {
  const draw = drawWords(random);
  return { parameters: ["words"], drawInput: () => [draw()], ...shape };
}

export const loop = (start: string, step: string): string =>
  `let result = ${start};\nfor (const x of list) {\n  ${step}\n}\nreturn result;`;
