// How evenly experts were loaded, layer by layer over a run: its steps gathered into a bounded number of columns.

import { mean } from "./curves.ts";
import type { StepMetrics } from "./runs.ts";

export interface LoadColumn {
  /** The first and the last step that it stands for. */
  readonly from: number;
  readonly to: number;
  /** Of each layer with experts: how far its busiest expert was above the mean, in the mean of the steps. */
  readonly violations: readonly number[];
}

export function loadColumns(steps: readonly StepMetrics[], maxColumns: number): readonly LoadColumn[] {
  const size = Math.ceil(steps.length / maxColumns);
  const numColumns = Math.ceil(steps.length / Math.max(1, size));
  return Array.from({ length: numColumns }, (_, i) => {
    const gathered = steps.slice(i * size, (i + 1) * size);
    const [first, last] = [gathered[0]!, gathered.at(-1)!];
    return {
      from: first.totalSteps,
      to: last.totalSteps,
      violations: last.maxViolation.map((_one, layer) => mean(gathered.map((step) => step.maxViolation[layer] ?? 0))),
    };
  });
}
