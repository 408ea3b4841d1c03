// JSON on request: a record that is described in words, filled into given keys, or read from a line of text.
//
// Every value stands in the request, so there is one right value for every key; the grader parses an answer and
// compares it with that, whatever its white space. A record is known by its content.
// Refuses to know tools.

import { codeOf } from "./run-code.ts";
import { listing, phrase, phraseOf } from "./phrase.ts";
import type { Random } from "./random.ts";
import { conversation, type Generator } from "./sample.ts";
import { systemMessage } from "./system-prompt.ts";
import { CITIES, COLORS, COUNTABLE, FRUITS, JOBS, NAMES, SUBJECTS, THINGS } from "./words.ts";

export interface JsonOptions {
  readonly thinkingShare: number;
  /** The share of records that hold a list or another record. */
  readonly nestedShare: number;
}

type JsonValue = string | number | boolean | readonly JsonValue[] | { readonly [key: string]: JsonValue };
type JsonRecord = Readonly<Record<string, JsonValue>>;

interface Field {
  readonly key: string;
  readonly draw: (random: Random) => JsonValue;
}

interface Kind {
  readonly noun: string;
  readonly fields: readonly Field[];
  readonly nested: readonly Field[];
}

export const json: Generator<JsonOptions> = {
  name: "json",
  defaults: { thinkingShare: 0.3, nestedShare: 0.3 },
  generate: (random, { thinkingShare, nestedShare }) => {
    const { noun, record } = random.fresh(
      (source) => drawRecord(source, nestedShare),
      (drawn) => `json ${JSON.stringify(drawn.record)}`,
    );
    // What is asked for decides how it is written, so that there is one right form.
    const isBare = random.chance(0.5);
    const form = random.pick([described, withKeys, fromLine]);
    const request = form(random, noun, record);
    const exchange = {
      question: isBare ? `${request}${request.includes("\n") ? "\n\n" : " "}Answer with JSON only.` : request,
      answer: isBare ? oneLine(record) : `\`\`\`json\n${JSON.stringify(record, null, 2)}\n\`\`\``,
      reasoning: `The keys are ${listing(Object.keys(record))}.`,
      accepts: (content: string) => isRecord(codeOf(content), record),
    };
    const system = random.chance(0.3) ? systemMessage(random) : undefined;
    return conversation([exchange], { thinking: random.chance(thinkingShare), system });
  },
};

/** Whether the text is JSON of exactly this record, keys in any order. */
export function isRecord(text: string, record: JsonRecord): boolean {
  try {
    return canonical(JSON.parse(text)) === canonical(record);
  } catch {
    return false;
  }
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

const field = (key: string, draw: (random: Random) => JsonValue): Field => ({ key, draw });
const oneOf =
  (words: readonly string[]) =>
  (random: Random): string =>
    random.pick(words);
const upTo =
  (high: number) =>
  (random: Random): number =>
    random.integer(1, high);
const maybe = (random: Random): boolean => random.chance(0.5);
const some =
  (words: readonly string[]) =>
  (random: Random): string[] =>
    random.sample(words, random.integer(1, 4));

const KINDS: readonly Kind[] = [
  {
    noun: "person",
    fields: [
      field("name", oneOf(NAMES)),
      field("age", upTo(99)),
      field("city", oneOf(CITIES)),
      field("job", oneOf(JOBS)),
      field("student", maybe),
    ],
    nested: [
      field("likes", some(SUBJECTS)),
      field("pet", (random) => ({ name: random.pick(NAMES), kind: random.pick(["cat", "dog", "bird"]) })),
    ],
  },
  {
    noun: "product",
    fields: [
      field("name", oneOf(THINGS)),
      field("color", oneOf(COLORS)),
      field("price", upTo(500)),
      field("available", maybe),
      field("stock", upTo(999)),
    ],
    nested: [
      field("tags", some(SUBJECTS)),
      field("size", (random) => ({ width: random.integer(1, 90), height: random.integer(1, 90) })),
    ],
  },
  {
    noun: "book",
    fields: [
      field("title", (random) => `The ${random.pick(COLORS)} ${random.pick(THINGS)}`),
      field("author", oneOf(NAMES)),
      field("pages", upTo(900)),
      field("year", (random) => random.integer(1900, 2030)),
    ],
    nested: [field("topics", some(SUBJECTS))],
  },
  {
    noun: "trip",
    fields: [
      field("from", oneOf(CITIES)),
      field("to", oneOf(CITIES)),
      field("days", upTo(30)),
      field("price", upTo(2000)),
      field("train", maybe),
    ],
    nested: [field("people", some(NAMES))],
  },
  {
    noun: "order",
    fields: [
      field("customer", oneOf(NAMES)),
      field("number", upTo(9999)),
      field("paid", maybe),
      field("total", upTo(300)),
    ],
    nested: [
      field("items", some(FRUITS)),
      field("box", (random) => ({ content: random.pick(COUNTABLE), count: random.integer(1, 50) })),
    ],
  },
];

function drawRecord(random: Random, nestedShare: number): { noun: string; record: JsonRecord } {
  const { noun, fields, nested } = random.pick(KINDS);
  const chosen = fields.filter((_, i) => i === 0 || random.chance(0.7));
  if (random.chance(nestedShare)) chosen.push(random.pick(nested));
  return { noun, record: Object.fromEntries(chosen.map(({ key, draw }) => [key, draw(random)] as const)) };
}

/** JSON in one line, with spaces, as people write it. */
function oneLine(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map(oneLine).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([key, inner]: [string, JsonValue]) => `"${key}": ${oneLine(inner)}`)
    .join(", ")}}`;
}

function inWords(value: JsonValue): string {
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return listing(value.map(inWords));
  if (typeof value !== "object") return String(value);
  return Object.entries(value)
    .map(([key, inner]: [string, JsonValue]) => `${key} ${inWords(inner)}`)
    .join(" and ");
}

function described(random: Random, noun: string, record: JsonRecord): string {
  const parts = Object.entries(record).map(([key, value]) => `${key} is ${inWords(value)}`);
  return phrase(random, `{Write|Make|Give me|Please write} JSON for a $noun: $parts.`, {
    noun,
    parts: parts.join(", "),
  });
}

function withKeys(random: Random, noun: string, record: JsonRecord): string {
  const keys = Object.entries(record).map(([key, value]) => `${key} (${typeName(value)})`);
  const values = Object.values(record).map(inWords);
  return phraseOf(
    random,
    ["{Return|Write} a JSON object {for a $noun |}with the keys $keys. {The values are|Use}: $values."],
    {
      noun,
      keys: keys.join(", "),
      values: values.join("; "),
    },
  );
}

function typeName(value: JsonValue): string {
  return Array.isArray(value) ? "array" : typeof value;
}

function fromLine(random: Random, noun: string, record: JsonRecord): string {
  const lines = Object.entries(record).map(([key, value]) => `${key}: ${inWords(value)}`);
  return phrase(random, "{Turn this $noun into JSON|Write this as JSON|Convert this to JSON}:\n$lines", {
    noun,
    lines: lines.join("\n"),
  });
}
