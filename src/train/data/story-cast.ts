// Who and what a plot is told with, and how a plot notes wishes and reasons.
// Refuses to know plots.

import { aThing, type Telling, theThing, type Thing } from "./story-telling.ts";
import type { Person, Place } from "./words.ts";

export interface Cast {
  readonly hero: Person;
  readonly friend: Person;
  readonly thing: Thing;
  readonly second: Thing;
  readonly place: Place;
  readonly elsewhere: Place;
}

export type Plot = (telling: Telling, cast: Cast) => void;

export function slotsOf({ hero, friend, thing, second, place, elsewhere }: Cast): Record<string, string> {
  return {
    hero: hero.name,
    she: hero.she,
    her: hero.her,
    him: hero.him,
    friend: friend.name,
    aThing: aThing(thing),
    thing: theThing(thing),
    noun: thing.noun,
    second: theThing(second),
    aSecond: aThing(second),
    at: place.at,
    place: place.noun,
    elsewhere: elsewhere.noun,
    atElsewhere: elsewhere.at,
  };
}

/** Notes "What did X want?" */
export function noteWish(telling: Telling, who: Person, wish: string, evidence: string): void {
  const infinitive = wish.startsWith("to ");
  telling.note({
    about: `wish of ${who.name}`,
    question: telling.random.pick([
      `What did ${who.name} want${infinitive ? " to do" : ""}?`,
      ...(infinitive ? [`What was ${who.name}'s wish?`] : [`What did ${who.name} wish for?`]),
    ]),
    answer: `${who.name} wanted ${wish}.`,
    core: wish,
    others: [],
    evidence,
  });
}

/** Notes "Why was X sad?" */
export function noteReason(telling: Telling, who: Person, feeling: string, reason: string, evidence: string): void {
  telling.note({
    about: `${who.name} ${feeling}`,
    question: `Why was ${who.name} ${feeling}?`,
    answer: `${who.name} was ${feeling} because ${reason}.`,
    core: reason,
    others: [],
    evidence,
  });
}
