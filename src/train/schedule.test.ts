// Learning rates at the corners of a schedule, their direction in between, and refusals.

import { describe, expect, test } from "vitest";
import { DECAYS, learningRate, type ScheduleOptions, scheduleOf } from "./schedule.ts";

const OPTIONS = { peak: 0.02, steps: 110, warmUpSteps: 10, finalShare: 0.25 } as const;

function ratesOf(options: ScheduleOptions): number[] {
  const schedule = scheduleOf(options);
  return Array.from({ length: schedule.steps + 5 }, (_, i) => learningRate(schedule, i + 1));
}

describe("the learning rate", () => {
  test.each(DECAYS)("rises to the peak in a line, then decays: %s", (decay) => {
    const rates = ratesOf({ ...OPTIONS, decay });
    rates.slice(0, 10).forEach((rate, i) => expect(rate).toBeCloseTo((0.02 * (i + 1)) / 10, 15));
    const end = decay === "constant" ? 0.02 : 0.005;
    expect(rates[109]).toBeCloseTo(end, 15);
    for (const later of rates.slice(110)) expect(later).toBeCloseTo(end, 15);
    rates.slice(10).forEach((rate, i) => expect(rate).toBeLessThanOrEqual(rates[9 + i]!));
  });

  test("is half-way down in the middle of a linear and of a cosine decay, and the cosine is slow at both ends", () => {
    const linear = ratesOf({ ...OPTIONS, decay: "linear" });
    const cosine = ratesOf({ ...OPTIONS, decay: "cosine" });
    expect(linear[59]).toBeCloseTo(0.0125, 15);
    expect(cosine[59]).toBeCloseTo(0.0125, 15);
    expect(cosine[19]).toBeGreaterThan(linear[19]!);
    expect(cosine[99]).toBeLessThan(linear[99]!);
  });

  test("stays at the peak until the share of steps that decay", () => {
    const rates = ratesOf({ ...OPTIONS, decay: "linear", decayShare: 0.2 });
    expect(new Set(rates.slice(9, 90))).toEqual(new Set([0.02]));
    expect(rates[90]).toBeLessThan(0.02);
    expect(rates[99]).toBeCloseTo(0.0125, 15);
    expect(rates[109]).toBeCloseTo(0.005, 15);
  });

  test("has a value where warm-up or decay have no steps", () => {
    expect(ratesOf({ peak: 1, steps: 2, finalShare: 0, decay: "linear" }).slice(0, 3)).toEqual([0.5, 0, 0]);
    expect(ratesOf({ peak: 1, steps: 2, warmUpSteps: 2 }).slice(0, 3)).toEqual([0.5, 1, 1]);
    expect(ratesOf({ peak: 1, steps: 2, decayShare: 0 }).slice(0, 3)).toEqual([1, 1, 1]);
  });
});

test("defaults: no warm-up, a cosine over all steps to a tenth", () => {
  expect(scheduleOf({ peak: 1, steps: 10 })).toEqual({
    peak: 1,
    steps: 10,
    warmUpSteps: 0,
    decay: "cosine",
    decayShare: 1,
    finalShare: 0.1,
  });
});

test.each([
  ["peak", { peak: 0 }],
  ["peak", { peak: NaN }],
  ["steps", { steps: 1.5 }],
  ["warmUpSteps", { warmUpSteps: 200 }],
  ["warmUpSteps", { warmUpSteps: -1 }],
  ["decay", { decay: "exponential" }],
  ["decayShare", { decayShare: 1.5 }],
  ["finalShare", { finalShare: -0.1 }],
  ["warmupSteps", { warmupSteps: 3 }],
])("refuses %s", (param, wrong) => {
  const options = { ...OPTIONS, ...wrong } as ScheduleOptions;
  expect(() => scheduleOf(options)).toThrow(expect.objectContaining({ code: "invalid_argument", param }));
});
