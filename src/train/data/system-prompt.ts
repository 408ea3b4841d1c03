// The system's part of a conversation: nano's own prompt, the published models' prompt, or none.
//
// The published models' recommended prompt names MiMo and tells the date; nano keeps its own name under every prompt,
// because it is not that model. Dates come from the prompt and from nowhere else.
// Refuses to know what is asked.

import { DAYS, MONTHS } from "../../tokenizer/strftime.ts";
import { CUTOFF, MIMO_PROMPT } from "../../tokenizer/system-prompt.ts";
import type { Random } from "./random.ts";
import type { SampleMessage } from "./sample.ts";

export interface Day {
  /** "2026-03-14" */
  readonly date: string;
  readonly weekday: string;
  readonly year: number;
  readonly month: string;
  readonly day: number;
}

const MS_PER_DAY = 86_400_000;
const FIRST_DAY = Date.UTC(2025, 0, 1) / MS_PER_DAY;
const NUM_DAYS = 3650;

/** What nano is told about itself; the date stands below it. */
export const NANO_PROMPT = "You are nano, a small language model trained by the mimo-flash project.";

export function drawDay(random: Random): Day {
  return dayOf(new Date((FIRST_DAY + random.integer(0, NUM_DAYS - 1)) * MS_PER_DAY));
}

export function dayOf(instant: Date): Day {
  return {
    date: instant.toISOString().slice(0, 10),
    weekday: DAYS[instant.getUTCDay()]!,
    year: instant.getUTCFullYear(),
    month: MONTHS[instant.getUTCMonth()]!,
    day: instant.getUTCDate(),
  };
}

/** The day after, or before, by a number of days. */
export function shiftDay({ date }: Day, numDays: number): Day {
  return dayOf(new Date(Date.parse(date) + numDays * MS_PER_DAY));
}

export function datedSystemMessage(random: Random, { date, weekday }: Day): SampleMessage {
  const today = `Today's date: ${date} ${weekday}.`;
  const content = random.chance(0.6)
    ? `${NANO_PROMPT}\n\n${today}`
    : `${random.chance(0.5) ? NANO_PROMPT : MIMO_PROMPT}\n\n${today} ${CUTOFF}`;
  return { role: "system", content };
}

/** Any of the prompts, or none. */
export function systemMessage(random: Random): SampleMessage | undefined {
  const form = random.unit();
  if (form < 0.4) return undefined;
  if (form < 0.7) return { role: "system", content: NANO_PROMPT };
  if (form < 0.8)
    return { role: "system", content: random.pick(["You are a helpful assistant.", "Be helpful and brief."]) };
  return datedSystemMessage(random, drawDay(random));
}
