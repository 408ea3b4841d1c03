// Random JSON Schemas by seed, within what strict decoding enforces, and bounded so that random weights come to an end.

import { randomKey, randomUnit } from "../src/util/random.ts";

type Schema = Record<string, unknown>;

class Random {
  readonly #key: number;
  #count = 0;

  constructor(seed: number) {
    this.#key = randomKey(0x5c4e3a, seed);
  }

  unit(): number {
    return randomUnit(this.#key, this.#count++);
  }

  below(count: number): number {
    return Math.floor(this.unit() * count);
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!;
  }
}

const NAMES = ["a", "city", "größe", "x y", "n_1", "日本", "constructor", "it's", "null", 'quote"d'];
const WORDS = [
  "red",
  "green",
  "blue",
  "a b",
  "",
  "null",
  "12",
  "é",
  "</p",
  "true",
  '"q"',
  "[1]",
  "long word\nwith a line",
];
const PATTERNS = [
  "^[a-z]{2,5}$",
  "^\\d{3}-\\d{2}$",
  "^(foo|ba[rz]){1,2}$",
  '^[^\\s"]{1,4}$',
  "^\\u00e9?[A-Z]$",
  "^a.c$",
];

/** The parameters of a tool. */
export function randomParameters(seed: number): Schema {
  const random = new Random(seed);
  const $defs = { word: stringSchema(random), small: { type: "integer", minimum: 0, maximum: random.below(50) } };
  return { ...objectSchema(random, 3), $defs };
}

function objectSchema(random: Random, depth: number): Schema {
  const names = NAMES.filter(() => random.unit() < 0.35);
  const properties = Object.fromEntries(names.map((name) => [name, valueSchema(random, depth - 1)]));
  const required = names.filter(() => random.unit() < 0.6);
  const additional = random.unit() < 0.7 ? { additionalProperties: false } : {};
  return names.length === 0 && depth < 3
    ? { type: "object", additionalProperties: { type: "boolean" }, properties: { k: { const: 1 } }, required: ["k"] }
    : { type: "object", properties, required, ...additional };
}

function valueSchema(random: Random, depth: number): Schema {
  const kind = random.below(depth > 0 ? 13 : 10);
  switch (kind) {
    case 0:
    case 1:
      return stringSchema(random);
    case 2:
      return integerSchema(random);
    case 3:
      return random.unit() < 0.5
        ? { type: "number" }
        : { type: "number", minimum: -random.below(20), maximum: random.below(99) };
    case 4:
      return { type: "boolean" };
    case 5:
      return {
        enum: [random.pick(WORDS), random.below(9), null, true, { k: [1, "x"] }]
          .filter(() => random.unit() < 0.6)
          .concat("z"),
      };
    case 6:
      return { $ref: random.pick(["#/$defs/word", "#/$defs/small"]) };
    case 7:
      return {
        type: random.pick([
          ["string", "null"],
          ["integer", "null"],
          ["boolean", "null"],
        ]),
        enum: ["v", 3, true, null],
      };
    case 8:
      return { anyOf: [integerSchema(random), { type: "string", enum: ["auto", "7", "null"] }, { type: "null" }] };
    case 9:
      return { anyOf: [stringSchema(random), { type: random.pick(["null", "integer", "number", "boolean"]) }] };
    case 10:
      return arraySchema(random, depth);
    default:
      return objectSchema(random, depth);
  }
}

function stringSchema(random: Random): Schema {
  const minLength = random.below(3);
  switch (random.below(4)) {
    case 0:
      return { type: "string", enum: [...new Set([random.pick(WORDS), random.pick(WORDS)])] };
    case 1:
      return { type: "string", pattern: random.pick(PATTERNS) };
    case 2:
      return { type: "string", pattern: "[A-Za-z]", maxLength: 3 + random.below(3) };
    default:
      return { type: "string", minLength, maxLength: minLength + random.below(8) };
  }
}

function integerSchema(random: Random): Schema {
  const minimum = random.below(300) - 100;
  switch (random.below(4)) {
    case 0:
      return { type: "integer" };
    case 1:
      return { type: "integer", minimum, exclusiveMaximum: minimum + 1 + random.below(1000) };
    case 2:
      return { type: "integer", minimum, maximum: minimum + 20, multipleOf: 1 + random.below(7) };
    default:
      return { type: "integer", minimum };
  }
}

function arraySchema(random: Random, depth: number): Schema {
  const minItems = random.below(3);
  const items = valueSchema(random, depth - 1);
  if (random.unit() < 0.2) return { type: "array", prefixItems: [{ type: "boolean" }, items], items: false };
  return { type: "array", items, minItems, maxItems: minItems + random.below(3) };
}
