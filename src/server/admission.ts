// Who may generate, and when: so many sequences run, so many wait, and the rest are told to come back. A waiting one
// that grows too old, or whose client leaves, makes room at once.
//
// The engine batches what runs; this bounds what it is given. A place is held from admission until its sequence has ended.
// Whoever has the fewest sequences running is next, so that one key's crowd does not keep another waiting; among equals,
// whoever came first. A tenant has limits of its own, beside everybody's.

import { abortedError, MimoError } from "../util/errors.ts";

export interface AdmissionOptions {
  readonly maxRunning: number;
  readonly maxQueue: number;
  readonly maxQueueMs: number;
}

/** Whose request it is. */
export interface Tenant {
  readonly name: string;
  /** Requests at once. */
  readonly maxRequests: number;
  /** Share of the queue, 0 to 1. */
  readonly queueShare: number;
}

/** A place among the running sequences; give it back exactly once. */
export type Place = Disposable;

interface Waiting {
  /** Its turn among all that have waited. */
  readonly order: number;
  readonly start: () => void;
  readonly refuse: (error: MimoError) => void;
}

/** What one tenant has here; strangers are one tenant together. */
interface Party {
  readonly name: string;
  numRequests: number;
  numRunning: number;
  readonly queue: Set<Waiting>;
}

/** How much a new measurement counts in the average time that a place is held. */
const SMOOTHING = 0.1;
const MAX_RETRY_SECONDS = 60;
const STRANGERS = "";

export class Admission {
  /** Requests refused so far. */
  numRejected = 0;
  readonly #options: AdmissionOptions;
  readonly #parties = new Map<string, Party>();
  #waiting = 0;
  #running = 0;
  #order = 0;
  #averageMs = 1000;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  get numRunning(): number {
    return this.#running;
  }

  get numWaiting(): number {
    return this.#waiting;
  }

  /** When a refused client should try again. */
  get retryAfterSeconds(): number {
    const turns = (this.#waiting + 1) / this.#options.maxRunning;
    return Math.min(MAX_RETRY_SECONDS, Math.max(1, Math.ceil((turns * this.#averageMs) / 1000)));
  }

  /** Requests of a tenant that have not ended. */
  requestsOf({ name }: Tenant): number {
    return this.#parties.get(name)?.numRequests ?? 0;
  }

  /**
   * Places for `count` sequences of one request, all or none; the request lasts until `signal` is aborted. Throws
   * `overloaded`, or `invalid_argument` for more than there can ever be; a place may still be refused.
   */
  admit(count: number, signal: AbortSignal, tenant?: Tenant): Promise<Place>[] {
    const { maxRunning, maxQueue } = this.#options;
    if (count > maxRunning + maxQueue)
      throw new MimoError(
        "invalid_argument",
        `The request has ${count} choices; at most ${maxRunning + maxQueue} fit.`,
      );
    const free = Math.max(0, maxRunning - this.#running - this.#waiting);
    const party = this.#partyOf(tenant?.name ?? STRANGERS);
    if (count - free > maxQueue - this.#waiting) throw this.#reject("The server is busy and its queue is full.");
    if (tenant !== undefined) {
      if (party.numRequests >= tenant.maxRequests)
        throw this.#reject(`This API key has ${tenant.maxRequests} requests at once, as many as it may.`);
      if (count > free && count - free > Math.ceil(tenant.queueShare * maxQueue) - party.queue.size)
        throw this.#reject("The server is busy, and this API key has its share of the queue.");
    }
    this.#count(party, signal);
    return Array.from({ length: count }, () => this.#wait(party, signal));
  }

  /** Refuses everyone who waits. */
  refuseWaiting(error: MimoError): void {
    for (const { queue } of this.#parties.values()) for (const waiting of queue) waiting.refuse(error);
  }

  #partyOf(name: string): Party {
    return this.#parties.get(name) ?? { name, numRequests: 0, numRunning: 0, queue: new Set() };
  }

  /** One request more, until its end. */
  #count(party: Party, signal: AbortSignal): void {
    this.#parties.set(party.name, party);
    party.numRequests++;
    const leave = (): void => {
      party.numRequests--;
      this.#forgetIdle(party);
    };
    signal.addEventListener("abort", leave, { once: true });
    if (signal.aborted) leave();
  }

  /** Keys come and go; those that have nothing here take no memory. */
  #forgetIdle({ name, numRequests, numRunning, queue }: Party): void {
    if (numRequests === 0 && numRunning === 0 && queue.size === 0) this.#parties.delete(name);
  }

  #wait(party: Party, signal: AbortSignal): Promise<Place> {
    const place = new Promise<Place>((resolve, reject) => {
      const leave = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
        if (party.queue.delete(waiting)) this.#waiting--;
        this.#forgetIdle(party);
      };
      const waiting: Waiting = {
        order: this.#order++,
        start: () => {
          const held = this.#occupy(party);
          leave();
          resolve(held);
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
      party.queue.add(waiting);
      this.#waiting++;
      if (signal.aborted) onAbort();
    });
    // Whoever asked for several places may give up on all after the first refusal.
    place.catch(() => {});
    this.#startNext();
    return place;
  }

  #occupy(party: Party): Place {
    const since = performance.now();
    let isHeld = true;
    this.#running++;
    party.numRunning++;
    return {
      [Symbol.dispose]: () => {
        if (!isHeld) return;
        isHeld = false;
        this.#running--;
        party.numRunning--;
        this.#forgetIdle(party);
        this.#averageMs += SMOOTHING * (performance.now() - since - this.#averageMs);
        this.#startNext();
      },
    };
  }

  #startNext(): void {
    while (this.#running < this.#options.maxRunning) {
      const next = this.#next();
      if (next === undefined) return;
      next.start();
    }
  }

  #next(): Waiting | undefined {
    let next: Waiting | undefined;
    let least = Infinity;
    for (const { numRunning, queue } of this.#parties.values()) {
      const [first] = queue;
      if (first === undefined || numRunning > least) continue;
      if (numRunning === least && next !== undefined && next.order < first.order) continue;
      next = first;
      least = numRunning;
    }
    return next;
  }

  #reject(message: string): MimoError {
    this.numRejected++;
    return new MimoError("overloaded", `${message} Try again in ${this.retryAfterSeconds} s.`);
  }
}
