import { expect, test } from "vitest";
import { loadColumns } from "./loads.ts";
import type { StepMetrics } from "./runs.ts";

const steps = (n: number) =>
  Array.from({ length: n }, (_, i) => ({ totalSteps: i + 1, maxViolation: [i, 1] })) as unknown as StepMetrics[];

test("steps are gathered into columns, each with the mean of its steps and none left out", () => {
  expect(loadColumns(steps(2), 4)).toEqual([
    { from: 1, to: 1, violations: [0, 1] },
    { from: 2, to: 2, violations: [1, 1] },
  ]);
  expect(loadColumns(steps(5), 2)).toEqual([
    { from: 1, to: 3, violations: [1, 1] },
    { from: 4, to: 5, violations: [3.5, 1] },
  ]);
  expect(loadColumns([], 4)).toEqual([]);
});
