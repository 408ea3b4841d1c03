// Sentences with choices: `{Hello|Hi}{ there|}, $name!` becomes one of its readings.
//
// Choices nest. `$name` is a slot; `$Name` is the same slot with a capital first letter. A template is parsed once
// and kept, because a generator writes the same sentences millions of times.
// Refuses to know grammar: slots hold words in the form the sentence needs.

import { assert } from "../../util/assert.ts";
import type { Random } from "./random.ts";

export type Slots = Readonly<Record<string, string>>;

type Part =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "slot"; readonly name: string; readonly isCapital: boolean }
  | { readonly kind: "choice"; readonly readings: readonly (readonly Part[])[] };

const parsed = new Map<string, readonly Part[]>();

export function phrase(random: Random, template: string, slots: Slots = {}): string {
  let parts = parsed.get(template);
  if (parts === undefined) {
    parts = parseSequence(template, 0, false).parts;
    parsed.set(template, parts);
  }
  return read(random, parts, slots);
}

/** One of the templates, read. */
export function phraseOf(random: Random, templates: readonly string[], slots: Slots = {}): string {
  return phrase(random, random.pick(templates), slots);
}

export function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function withArticle(noun: string): string {
  return /^[aeiou]/.test(noun) ? `an ${noun}` : `a ${noun}`;
}

/** "a, b and c". */
export function listing(words: readonly string[], last = "and"): string {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} ${last} ${words.at(-1)!}`;
}

function read(random: Random, parts: readonly Part[], slots: Slots): string {
  let text = "";
  for (const part of parts) {
    if (part.kind === "text") text += part.text;
    else if (part.kind === "choice") text += read(random, random.pick(part.readings), slots);
    else {
      const value = slots[part.name];
      assert(value !== undefined, () => `a phrase needs the slot ${part.name}`);
      text += part.isCapital ? capitalize(value) : value;
    }
  }
  return text;
}

function parseSequence(template: string, start: number, isInChoice: boolean): { parts: Part[]; end: number } {
  const parts: Part[] = [];
  let i = start;
  while (i < template.length) {
    const character = template[i]!;
    if (isInChoice && (character === "|" || character === "}")) break;
    if (character === "{") {
      const readings: Part[][] = [];
      do {
        const reading = parseSequence(template, i + 1, true);
        readings.push(reading.parts);
        i = reading.end;
      } while (template[i] === "|");
      assert(template[i] === "}", () => `a choice is not closed in: ${template}`);
      parts.push({ kind: "choice", readings });
      i += 1;
    } else if (character === "$") {
      const name = /^[A-Za-z]+/.exec(template.slice(i + 1))?.[0] ?? "";
      assert(name !== "", () => `a slot has no name in: ${template}`);
      const isCapital = /^[A-Z]/.test(name);
      parts.push({ kind: "slot", name: name.charAt(0).toLowerCase() + name.slice(1), isCapital });
      i += 1 + name.length;
    } else {
      const text = /^[^{|}$]+/.exec(template.slice(i))?.[0] ?? character;
      parts.push({ kind: "text", text });
      i += text.length;
    }
  }
  return { parts, end: i };
}
