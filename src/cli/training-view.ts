// What a run shows while it trains: one line that redraws itself on a terminal, a line now and then everywhere else, and
// the texts that the model writes.

import type { Metrics } from "../train/metrics-log.ts";
import { type Recipe, type Stage, stageSteps } from "../train/recipe.ts";
import type { WrittenText } from "../train/sample-log.ts";
import { formatDuration, significant } from "./format.ts";
import { type Output, visibleControls } from "./output.ts";

const REDRAW_MS = 200;
const LINE_MS = 10_000;
/** Weight of a step in what is shown: single steps jump. */
const SMOOTHING = 0.1;

export class TrainingView implements Disposable {
  readonly #output: Output;
  readonly #totalSteps: number;
  #secondsPerToken = Number.NaN;
  #loss = Number.NaN;
  #heldout = Number.NaN;
  #shownAt = -Infinity;
  #isDrawn = false;

  constructor(output: Output, recipe: Recipe) {
    this.#output = output;
    this.#totalSteps = recipe.stages.reduce((sum, stage) => sum + stageSteps(stage), 0);
  }

  readonly onStep = (metrics: Metrics, stage: Stage, steps: number): void => {
    const { loss, heldoutLoss, tokensPerSecond } = metrics;
    this.#loss = smooth(this.#loss, loss);
    this.#heldout = heldoutLoss ?? this.#heldout;
    const seconds = 1 / tokensPerSecond;
    this.#secondsPerToken = smooth(this.#secondsPerToken, seconds);
    const now = performance.now();
    if (now - this.#shownAt < (this.#output.isTerminal ? REDRAW_MS : LINE_MS) && metrics.step !== steps) return;
    this.#shownAt = now;
    this.#show(this.#describe(metrics, stage, steps), metrics.step === steps);
  };

  /** The newest texts stay, a line each. */
  readonly onTexts = (texts: readonly WrittenText[]): void => {
    this.clear();
    const { style, isTerminal, columns } = this.#output;
    for (const { totalSteps, prompt, text } of texts) {
      const line = visibleControls(`${totalSteps} ${prompt} → ${text}`.replace(/\s+/g, " ").trimEnd());
      this.#output.line(style.dim(isTerminal ? line.slice(0, columns - 1) : line));
    }
  };

  clear(): void {
    if (this.#isDrawn) this.#output.write("\r\u001b[K");
    this.#isDrawn = false;
  }

  [Symbol.dispose](): void {
    this.clear();
  }

  #show(text: string, isLast: boolean): void {
    this.clear();
    // The last line of a stage stays.
    if (!this.#output.isTerminal || isLast) return this.#output.line(text);
    this.#output.write(text.slice(0, this.#output.columns - 1));
    this.#isDrawn = true;
  }

  #describe(metrics: Metrics, stage: Stage, steps: number): string {
    const { step, totalSteps, mtpLosses, maxViolation } = metrics;
    const stepTokens = stage.batchTokens * stage.passes;
    const left = (this.#totalSteps - totalSteps) * stepTokens * this.#secondsPerToken;
    return [
      `${stage.name} ${step}/${steps}`,
      `loss ${this.#loss.toFixed(3)}`,
      ...(Number.isNaN(this.#heldout) ? [] : [`held out ${this.#heldout.toFixed(3)}`]),
      ...(mtpLosses.length === 0 ? [] : [`MTP ${mtpLosses.map((one) => one.toFixed(2)).join(" ")}`]),
      `load +${significant(100 * Math.max(0, ...maxViolation))} %`,
      `${Math.round(1 / this.#secondsPerToken)} tokens/s`,
      `${formatDuration(1000 * left)} left`,
    ].join(" · ");
  }
}

function smooth(before: number, value: number): number {
  return Number.isNaN(before) ? value : (1 - SMOOTHING) * before + SMOOTHING * value;
}
