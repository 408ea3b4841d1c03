// Answers that do not end with their connection: each runs to its end, and its frames are kept for whoever comes back with
// the right key. In memory, for a while after their end.
//
// Bounded for each owner and for all together: those that have ended go first, the longest ended before the others; an
// answer that is too much alone loses its beginning.

import { FrameLog } from "./frame-log.ts";
import type { Frame } from "./render/renderer.ts";

export interface KeptLimits {
  /** In characters. */
  readonly size: number;
  readonly count: number;
}

export interface KeptStreamsOptions {
  /** How long an answer is kept after its end, in milliseconds. */
  readonly keepMs: number;
  readonly perOwner: KeptLimits;
  readonly total: KeptLimits;
}

interface Kept {
  readonly owner: string;
  readonly name: string;
  readonly log: FrameLog;
  readonly abort: AbortController;
}

export const KEPT_LIMITS = {
  perOwner: { size: 64 * 2 ** 20, count: 256 },
  total: { size: 256 * 2 ** 20, count: 4096 },
} as const;

export class KeptStreams {
  readonly #options: KeptStreamsOptions;
  /** Those that have ended, in the order of their ends, among those that run. */
  readonly #kept = new Map<string, Kept>();

  constructor(options: KeptStreamsOptions) {
    this.#options = options;
  }

  /** Takes the frames of an answer as they come; pulling `abort` ends it. */
  keep(owner: string, id: string, frames: AsyncIterable<readonly Frame[]>, abort: AbortController): FrameLog {
    const name = nameOf(owner, id);
    const kept = { owner, name, log: new FrameLog(), abort };
    this.#kept.set(name, kept);
    void this.#fill(kept, frames);
    return kept.log;
  }

  find(owner: string, id: string): FrameLog | undefined {
    return this.#kept.get(nameOf(owner, id))?.log;
  }

  /** Ends what still runs. */
  endAll(): void {
    for (const { abort } of this.#kept.values()) abort.abort();
  }

  async #fill(kept: Kept, frames: AsyncIterable<readonly Frame[]>): Promise<void> {
    const { name, owner, log } = kept;
    const { perOwner, total } = this.#options;
    const bound = (): void => {
      this.#bound(kept, perOwner, (other) => other.owner === owner);
      this.#bound(kept, total, () => true);
    };
    bound();
    for await (const batch of frames) {
      log.push(batch);
      bound();
    }
    log.end();
    this.#kept.delete(name);
    this.#kept.set(name, kept);
    this.#forgetLater(name);
  }

  /** In a scope of its own: where an answer had to go before its time, its timer must not hold on to it. */
  #forgetLater(name: string): void {
    setTimeout(() => this.#kept.delete(name), this.#options.keepMs).unref();
  }

  #bound(growing: Kept, limits: KeptLimits, isConcerned: (kept: Kept) => boolean): void {
    const all = [...this.#kept.values()].filter(isConcerned);
    let { length: count } = all;
    let size = all.reduce((sum, { log }) => sum + log.size, 0);
    const isTooMuch = (): boolean => size > limits.size || count > limits.count;
    for (const { name, log } of all) {
      if (!isTooMuch()) return;
      if (!log.isEnded) continue;
      this.#kept.delete(name);
      size -= log.size;
      count--;
    }
    const { log } = growing;
    while (size > limits.size && log.frames.length > 1) {
      const before = log.size;
      log.drop();
      size -= before - log.size;
    }
  }
}

function nameOf(owner: string, id: string): string {
  return `${owner} ${id}`;
}
