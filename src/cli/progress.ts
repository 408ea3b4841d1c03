// Progress of long work: a bar that redraws itself on a terminal, a line now and then everywhere else.

import { formatDuration } from "./format.ts";
import type { Output } from "./output.ts";

const REDRAW_MS = 100;
const LINE_MS = 5000;
const BAR_WIDTH = 24;

export interface ProgressOptions {
  readonly label: string;
  /** How amounts are written, for example `formatBytes`. */
  readonly format: (amount: number) => string;
}

export class Progress {
  readonly #output: Output;
  readonly #options: ProgressOptions;
  readonly #started = performance.now();
  #shownAt = -Infinity;
  #isDrawn = false;

  constructor(output: Output, options: ProgressOptions) {
    this.#output = output;
    this.#options = options;
    // The first line waits, so that short work stays silent in logs.
    if (!output.isTerminal) this.#shownAt = this.#started;
  }

  get elapsedMs(): number {
    return performance.now() - this.#started;
  }

  update(done: number, total: number): void {
    const now = performance.now();
    if (now - this.#shownAt < (this.#output.isTerminal ? REDRAW_MS : LINE_MS)) return;
    this.#shownAt = now;
    const text = this.#describe(done, total);
    if (!this.#output.isTerminal) {
      this.#output.line(text);
      return;
    }
    const full = total > 0 ? Math.round((BAR_WIDTH * Math.min(done, total)) / total) : 0;
    const bar = "█".repeat(full) + "░".repeat(BAR_WIDTH - full);
    this.#output.write(`\r\u001b[K${`${bar} ${text}`.slice(0, this.#output.columns - 1)}`);
    this.#isDrawn = true;
  }

  /** Removes the bar, so that what follows starts on a clean line. */
  clear(): void {
    if (this.#isDrawn) this.#output.write("\r\u001b[K");
    this.#isDrawn = false;
  }

  #describe(done: number, total: number): string {
    const { label, format } = this.#options;
    const share = total > 0 ? done / total : 0;
    const left = share > 0.01 ? `, ${formatDuration((this.elapsedMs * (1 - share)) / share)} left` : "";
    return `${label} ${format(done)} of ${format(total)} (${Math.floor(100 * share)} %${left})`;
  }
}
