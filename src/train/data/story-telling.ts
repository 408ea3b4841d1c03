// A story while it is told: its sentences, and what has become true.
//
// Everything that happens to a thing or moves a person goes through `go`, `take`, `give` and `put`, which write the
// sentence and change the facts together. So questions are answered from facts, and each fact knows its sentence.
// Refuses to know plots.

import { assert, defined } from "../../util/assert.ts";
import { capitalize, phrase, phraseOf, type Slots, withArticle } from "./phrase.ts";
import type { Random } from "./random.ts";
import type { Person, Place } from "./words.ts";

export interface Thing {
  /** "ball" */
  readonly noun: string;
  /** "red" */
  readonly color: string;
}

export type Whereabouts =
  | { readonly kind: "held"; readonly by: Person; readonly evidence: string }
  | { readonly kind: "put"; readonly spot: string; readonly by: Person; readonly evidence: string };

/** A question whose answer was fixed when something was told. */
export interface ToldFact {
  /** Two facts about the same leave both without a single answer. */
  readonly about: string;
  readonly question: string;
  /** A whole sentence. */
  readonly answer: string;
  /** The words of the answer that count. */
  readonly core: string;
  /** Words that would make it wrong. */
  readonly others: readonly string[];
  readonly evidence: string;
}

const GOING = ["$who {went|walked|ran|hurried} to the $place.", "$who {set off for|made $her way to} the $place."];
const TAKING = ["$who picked up $thing.", "$who took $thing."];
const GIVING = ["$who gave $thing to $whom.", "$who handed $thing to $whom."];
const PUTTING = ["$who put $thing $spot.", "$who left $thing $spot.", "$who placed $thing $spot."];

export class Telling {
  readonly random: Random;
  readonly people: Person[] = [];
  readonly things = new Map<string, { readonly thing: Thing; where: Whereabouts | undefined }>();
  readonly places = new Map<string, { readonly place: Place; readonly evidence: string }>();
  facts: ToldFact[] = [];
  numWords = 0;
  readonly #noted = new Set<string>();
  readonly #paragraphs: string[][] = [[]];
  /** Told on the way, after someone went somewhere. */
  readonly #interlude: (telling: Telling) => void;

  constructor(random: Random, interlude: (telling: Telling) => void) {
    this.random = random;
    this.#interlude = interlude;
  }

  get text(): string {
    const full = this.#paragraphs.filter((sentences) => sentences.length > 0);
    return full.map((sentences) => sentences.join(" ")).join("\n\n");
  }

  say(template: string, slots: Slots = {}): string {
    const sentence = capitalize(phrase(this.random, template, slots));
    this.#paragraphs.at(-1)!.push(sentence);
    this.numWords += sentence.split(" ").length;
    return sentence;
  }

  sayOne(templates: readonly string[], slots: Slots = {}): string {
    return this.say(this.random.pick(templates), slots);
  }

  newParagraph(): void {
    this.#paragraphs.push([]);
  }

  meet(person: Person): void {
    this.people.push(person);
  }

  /** A thing comes into the story; its place is known once something happens to it. */
  bring(thing: Thing): void {
    assert(!this.things.has(thing.noun), () => `the ${thing.noun} is in the story already`);
    this.things.set(thing.noun, { thing, where: undefined });
  }

  go(who: Person, place: Place, company?: Person): string {
    const slots = { who: who.name, her: who.her, place: place.noun };
    const evidence =
      company === undefined
        ? this.sayOne(GOING, slots)
        : this.say("$who and $other {went|walked|ran} to the $place together.", { ...slots, other: company.name });
    for (const person of company === undefined ? [who] : [who, company]) {
      this.places.set(person.name, { place, evidence });
    }
    this.#interlude(this);
    return evidence;
  }

  take(who: Person, thing: Thing, templates: readonly string[] = TAKING): string {
    const evidence = this.sayOne(templates, { who: who.name, she: who.she, her: who.her, thing: theThing(thing) });
    this.#entry(thing).where = { kind: "held", by: who, evidence };
    return evidence;
  }

  give(from: Person, to: Person, thing: Thing): string {
    const evidence = this.sayOne(GIVING, { who: from.name, whom: to.name, thing: theThing(thing) });
    this.#entry(thing).where = { kind: "held", by: to, evidence };
    this.note({
      about: `gift of ${thing.noun} to ${to.name}`,
      question: phraseOf(this.random, ["Who gave the $noun to $whom?", "Who gave $whom the $noun?"], {
        noun: thing.noun,
        whom: to.name,
      }),
      answer: `${from.name} gave the ${thing.noun} to ${to.name}.`,
      core: from.name,
      others: this.people.filter((person) => person !== from && person !== to).map(({ name }) => name),
      evidence,
    });
    return evidence;
  }

  put(who: Person, thing: Thing, spot: string): string {
    const evidence = this.sayOne(PUTTING, { who: who.name, thing: theThing(thing), spot });
    this.#entry(thing).where = { kind: "put", spot, by: who, evidence };
    return evidence;
  }

  /** The thing's whereabouts are no longer told. */
  lose(thing: Thing): void {
    this.#entry(thing).where = undefined;
  }

  note(fact: ToldFact): void {
    if (!this.#noted.has(fact.about)) this.facts.push(fact);
    else this.facts = this.facts.filter(({ about }) => about !== fact.about);
    this.#noted.add(fact.about);
  }

  #entry(thing: Thing): { where: Whereabouts | undefined } {
    return defined(this.things.get(thing.noun), `the ${thing.noun} in this story`);
  }
}

export function theThing({ color, noun }: Thing): string {
  return `the ${color} ${noun}`;
}

export function aThing({ color, noun }: Thing): string {
  return withArticle(`${color} ${noun}`);
}
