// Who may generate, and when: so many sequences run, so many wait in order of arrival, and the rest are told to come
// back. A waiting one that grows too old, or whose client leaves, makes room at once.
//
// The engine batches what runs; this bounds what it is given. A place is held from admission until its sequence has ended.

import { abortedError, MimoError } from "../util/errors.ts";

export interface AdmissionOptions {
  readonly maxRunning: number;
  readonly maxQueue: number;
  readonly maxQueueMs: number;
}

/** A place among the running sequences; give it back exactly once. */
export type Place = Disposable;

interface Waiting {
  readonly start: () => void;
  readonly refuse: (error: MimoError) => void;
}

/** How much a new measurement counts in the average time that a place is held. */
const SMOOTHING = 0.1;
const MAX_RETRY_SECONDS = 60;

export class Admission {
  /** Requests refused so far. */
  numRejected = 0;
  readonly #options: AdmissionOptions;
  readonly #queue = new Set<Waiting>();
  #running = 0;
  #averageMs = 1000;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  get numRunning(): number {
    return this.#running;
  }

  get numWaiting(): number {
    return this.#queue.size;
  }

  /** When a refused client should try again. */
  get retryAfterSeconds(): number {
    const turns = (this.#queue.size + 1) / this.#options.maxRunning;
    return Math.min(MAX_RETRY_SECONDS, Math.max(1, Math.ceil((turns * this.#averageMs) / 1000)));
  }

  /**
   * Places for `count` sequences of one request, all or none. Throws `overloaded`, or `invalid_argument` for more than
   * there can ever be; a place may still be refused.
   */
  admit(count: number, signal: AbortSignal): Promise<Place>[] {
    const { maxRunning, maxQueue } = this.#options;
    if (count > maxRunning + maxQueue)
      throw new MimoError(
        "invalid_argument",
        `The request has ${count} choices; at most ${maxRunning + maxQueue} fit.`,
      );
    const free = Math.max(0, maxRunning - this.#running - this.#queue.size);
    if (count - free > maxQueue - this.#queue.size) throw this.#reject("The server is busy and its queue is full.");
    return Array.from({ length: count }, () => this.#wait(signal));
  }

  /** Refuses everyone who waits. */
  refuseWaiting(error: MimoError): void {
    for (const waiting of this.#queue) waiting.refuse(error);
  }

  #wait(signal: AbortSignal): Promise<Place> {
    const place = new Promise<Place>((resolve, reject) => {
      const leave = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
        this.#queue.delete(waiting);
      };
      const waiting: Waiting = {
        start: () => {
          leave();
          resolve(this.#occupy());
        },
        refuse: (error) => {
          leave();
          reject(error);
        },
      };
      const onAbort = (): void => waiting.refuse(abortedError(signal.reason));
      const timer = setTimeout(
        () => waiting.refuse(this.#reject("The request waited too long for its turn.")),
        this.#options.maxQueueMs,
      );
      signal.addEventListener("abort", onAbort, { once: true });
      this.#queue.add(waiting);
      if (signal.aborted) onAbort();
    });
    // Whoever asked for several places may give up on all after the first refusal.
    place.catch(() => {});
    this.#startNext();
    return place;
  }

  #occupy(): Place {
    const since = performance.now();
    let isHeld = true;
    this.#running++;
    return {
      [Symbol.dispose]: () => {
        if (!isHeld) return;
        isHeld = false;
        this.#running--;
        this.#averageMs += SMOOTHING * (performance.now() - since - this.#averageMs);
        this.#startNext();
      },
    };
  }

  #startNext(): void {
    for (const next of this.#queue) {
      if (this.#running >= this.#options.maxRunning) return;
      next.start();
    }
  }

  #reject(message: string): MimoError {
    this.numRejected++;
    return new MimoError("overloaded", `${message} Try again in ${this.retryAfterSeconds} s.`);
  }
}
