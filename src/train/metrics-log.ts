// What a run measured, one line for each step in metrics.jsonl. Lines of steps that will be taken again are forgotten.

import { appendFileSync, existsSync, readFileSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { MimoError } from "../util/errors.ts";
import type { StepResult } from "./learner.ts";

/** One line of metrics.jsonl. */
export interface Metrics extends StepResult {
  readonly stage: string;
  readonly step: number;
  readonly totalSteps: number;
  readonly learningRate: number;
  readonly tokens: number;
  readonly tokensPerSecond: number;
  /** Mean cross-entropy on held-out data, where it was measured. */
  readonly heldoutLoss?: number;
}

export const METRICS_FILE = "metrics.jsonl";

export function appendMetrics(folder: string, metrics: Metrics): void {
  appendFileSync(join(folder, METRICS_FILE), `${JSON.stringify(metrics)}\n`);
}

/** Keeps the lines of the first `totalSteps` steps. */
export function forgetMetricsAfter(folder: string, totalSteps: number): void {
  const path = join(folder, METRICS_FILE);
  if (!existsSync(path)) return;
  // One character for each byte, whatever a stage is called.
  const text = readFileSync(path, "latin1");
  const kept = text.split("\n").slice(0, totalSteps).join("\n").length;
  // The newline behind the last line that is kept, where there is one.
  truncateSync(path, kept === 0 ? 0 : Math.min(kept + 1, text.length));
}

/** The lines of a run's file. Throws `invalid_argument` where there is none. */
export function parseMetrics(text: string, run: string): Metrics[] {
  // A run that is still training may be writing its last line.
  const lines = text.split("\n").slice(0, -1);
  if (lines.length === 0) {
    throw new MimoError("invalid_argument", `${run}: expected metrics of at least one step, found none.`, {
      param: "run",
      remedy: "Wait for the run's first step.",
    });
  }
  return lines.map((line) => JSON.parse(line) as Metrics);
}
