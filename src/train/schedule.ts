// The learning rate of a step: a linear warm-up to the peak, the peak for a while, then a decay to a share of it.
//
// A pure function of the step, so a run that is continued goes on as if it had never stopped. Steps count from 1, as the
// optimiser's do: the last step of the warm-up has the peak, the last of all has the final share. Refuses to know what is
// trained, and who counts the steps.

import { MimoError } from "../util/errors.ts";

export const DECAYS = ["constant", "cosine", "linear"] as const;
export type Decay = (typeof DECAYS)[number];

export interface Schedule {
  readonly peak: number;
  /** Steps of the whole run; beyond them the rate stays where it ended. */
  readonly steps: number;
  /** Steps in which the rate rises from zero to the peak. */
  readonly warmUpSteps: number;
  readonly decay: Decay;
  /** Share of the steps after the warm-up, the last of them, in which the rate decays. */
  readonly decayShare: number;
  /** What is left of the peak at the end. */
  readonly finalShare: number;
}

export const DEFAULT_SCHEDULE = { warmUpSteps: 0, decay: "cosine", decayShare: 1, finalShare: 0.1 } as const;

export type ScheduleOptions = Pick<Schedule, "peak" | "steps"> & Partial<Schedule>;

/** The schedule with its defaults. Throws `invalid_argument` naming the option. */
export function scheduleOf(options: ScheduleOptions): Schedule {
  const schedule: Schedule = { ...DEFAULT_SCHEDULE, ...options };
  for (const [name, { expected, holds }] of Object.entries(CHECKS)) {
    const value = schedule[name as keyof Schedule];
    if (!holds(value, schedule)) refuse(name, `expected ${expected}, found ${value}`);
  }
  const unknown = Object.keys(options).find((name) => !(name in CHECKS));
  if (unknown !== undefined) refuse(unknown, `unknown; known are ${Object.keys(CHECKS).join(", ")}`);
  return schedule;
}

/** The rate of step `step`, from 1. */
export function learningRate(schedule: Schedule, step: number): number {
  const { peak, steps, warmUpSteps, decay, decayShare, finalShare } = schedule;
  if (step < warmUpSteps) return (peak * step) / warmUpSteps;
  const decaySteps = decayShare * (steps - warmUpSteps);
  const start = steps - decaySteps;
  if (step <= start || decaySteps === 0) return peak;
  return peak * (finalShare + (1 - finalShare) * remaining(decay, Math.min(1, (step - start) / decaySteps)));
}

/** How much of what is lost in the end is still there after a share of the decay: from 1 to 0. */
function remaining(decay: Decay, progress: number): number {
  switch (decay) {
    case "constant":
      return 1;
    case "linear":
      return 1 - progress;
    case "cosine":
      return (1 + Math.cos(Math.PI * progress)) / 2;
    default:
      return decay satisfies never;
  }
}

interface Check {
  readonly expected: string;
  readonly holds: (value: unknown, schedule: Schedule) => boolean;
}

const SHARE: Check = {
  expected: "a number from 0 to 1",
  holds: (value) => typeof value === "number" && value >= 0 && value <= 1,
};

const CHECKS: Readonly<Record<keyof Schedule, Check>> = {
  peak: {
    expected: "a number above 0",
    holds: (value) => typeof value === "number" && value > 0 && value < Infinity,
  },
  steps: {
    expected: "a whole number above 0",
    holds: (value) => Number.isSafeInteger(value) && (value as number) > 0,
  },
  warmUpSteps: {
    expected: "a whole number from 0 to `steps`",
    holds: (value, { steps }) => Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= steps,
  },
  decay: {
    expected: `one of ${DECAYS.join(", ")}`,
    holds: (value) => DECAYS.includes(value as Decay),
  },
  decayShare: SHARE,
  finalShare: SHARE,
};

function refuse(param: string, message: string): never {
  throw new MimoError("invalid_argument", `Learning rate: ${param}: ${message}.`, { param });
}
