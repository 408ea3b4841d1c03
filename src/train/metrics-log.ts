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

const FILE = "metrics.jsonl";

export function appendMetrics(folder: string, metrics: Metrics): void {
  appendFileSync(join(folder, FILE), `${JSON.stringify(metrics)}\n`);
}

/** Keeps the lines of the first `totalSteps` steps. */
export function forgetMetricsAfter(folder: string, totalSteps: number): void {
  const path = join(folder, FILE);
  if (!existsSync(path)) return;
  // One character for each byte, whatever a stage is called.
  const text = readFileSync(path, "latin1");
  const kept = text.split("\n").slice(0, totalSteps).join("\n").length;
  // The newline behind the last line that is kept, where there is one.
  truncateSync(path, kept === 0 ? 0 : Math.min(kept + 1, text.length));
}

/** Of all steps so far. Throws `not_found` where the folder has no metrics, `invalid_argument` where none is there yet. */
export function readMetrics(folder: string): Metrics[] {
  const path = join(folder, FILE);
  if (!existsSync(path)) {
    throw new MimoError("not_found", `${path}: no such file.`, { remedy: "Give the folder of a training run." });
  }
  // A run that is still training may be writing its last line.
  const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
  if (lines.length === 0) {
    throw new MimoError("invalid_argument", `${folder}: expected metrics of at least one step, found none.`, {
      param: "run",
      remedy: "Wait for the run's first step.",
    });
  }
  return lines.map((line) => JSON.parse(line) as Metrics);
}
