import { expect, test } from "vitest";
import { linesOf, type ShownRun } from "./curves.ts";
import type { StepMetrics } from "./runs.ts";

const step = (totalSteps: number, loss: number, rest: Partial<StepMetrics> = {}): StepMetrics => ({
  stage: "one",
  step: totalSteps,
  totalSteps,
  loss,
  mtpLosses: [],
  learningRate: 0.1,
  gradientNorm: 1,
  maxViolation: [0.5],
  tokens: 100,
  tokensPerSecond: 10,
  ...rest,
});

const run = (name: string, steps: readonly StepMetrics[], colour = 0): ShownRun => ({ name, colour, steps });
const LOSS = { label: "loss", read: ({ loss }: StepMetrics) => loss } as const;
const HELDOUT = { label: "held out", read: (one: StepMetrics) => one.heldoutLoss, isSparse: true } as const;

test("curves of one run differ in colour, those of several in look; what was not measured is none", () => {
  const [a, b] = [run("a", [step(1, 3, { heldoutLoss: 4 })]), run("b", [step(1, 2)], 7)];
  const alone = linesOf([a], [LOSS, HELDOUT], { axis: "steps", smoothing: 0 });
  expect(alone.map(({ label }) => label)).toEqual(["loss", "held out"]);
  expect(alone[0]!.colour).not.toBe(alone[1]!.colour);
  const both = linesOf([a, b], [LOSS, HELDOUT], { axis: "steps", smoothing: 0 });
  expect(both.map(({ label }) => label)).toEqual(["a · loss", "a · held out", "b · loss"]);
  expect(both.map(({ colour }) => colour)).toEqual(["--series-1", "--series-1", "--series-8"]);
});

test("what is measured now and then stands where it was measured, and is not smoothed", () => {
  const steps = [step(1, 4), step(2, 2, { heldoutLoss: 3 }), step(3, 0, { heldoutLoss: 1 })];
  const [loss, heldout] = linesOf([run("a", steps)], [LOSS, HELDOUT], { axis: "tokens", smoothing: 0.5 });
  expect(loss!.x).toEqual([100, 200, 300]);
  expect(loss!.y[2]).toBeGreaterThan(1);
  expect(heldout).toMatchObject({ x: [200, 300], y: [3, 1], look: "dots" });
});
