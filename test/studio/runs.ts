// Runs of training for tests: lines as the trainer writes them, of a training that never was.

import { appendFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";

export interface MadeRun {
  readonly folder: string;
  readonly name: string;
}

export function makeRun(stateFolder: string, name: string): MadeRun {
  const folder = join(stateFolder, "runs", name);
  mkdirSync(folder, { recursive: true });
  return { folder, name };
}

/** Steps `from` to `to`, with a loss of `scale` over the step. */
export function writeSteps({ folder }: MadeRun, from: number, to: number, scale = 8): void {
  const steps = Array.from({ length: to - from + 1 }, (_, i) => from + i);
  append(
    folder,
    "metrics.jsonl",
    steps.map((step) => ({
      stage: "pre-training",
      step,
      totalSteps: step,
      learningRate: 0.002 * Math.min(1, step / 10),
      loss: scale / step,
      mtpLosses: [(scale + 1) / step, (scale + 2) / step],
      numTargets: 900,
      gradientNorm: 1 / step,
      numZeros: { experts: 0, router: 0, embedding: 0, rest: 0 },
      maxViolation: [0.4, 0.6],
      tokens: 4000,
      tokensPerSecond: 1500 + step,
      ...(step % 10 === 0 ? { heldoutLoss: (scale + 0.5) / step } : {}),
    })),
  );
}

export function writeSample({ folder }: MadeRun, step: number, text: string): void {
  append(folder, "samples.jsonl", [{ stage: "pre-training", step, totalSteps: step, prompt: "Who are you?", text }]);
}

function append(folder: string, file: string, lines: readonly object[]): void {
  appendFileSync(join(folder, file), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
}
