// Frames of a stream, kept so that it can be read again: one writer that never waits, any number of readers, each at its
// own pace and from where it left off. Frames are numbered from 0.
//
// What is dropped goes from the front. Whoever comes for it is told so, and gets no stream with a hole in it.

import { MimoError } from "../util/errors.ts";
import type { Frame } from "./render/renderer.ts";

/** Frames given to a reader at once: a long stream is read again in pieces. */
const MAX_BATCH = 256;
/** What a frame takes beside its text. */
const FRAME_WEIGHT = 64;

export interface NumberedFrame extends Frame {
  readonly id: number;
  readonly data: string;
}

export class FrameLog {
  readonly #frames: NumberedFrame[] = [];
  readonly #readers = new Set<() => void>();
  #nextId = 0;
  #size = 0;
  #isEnded = false;
  readonly #maxFrames: number;

  /** With more frames than `maxFrames`, the first ones are dropped. */
  constructor(maxFrames = Infinity) {
    this.#maxFrames = maxFrames;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** In characters. */
  get size(): number {
    return this.#size;
  }

  /** Those that were not dropped. */
  get frames(): readonly NumberedFrame[] {
    return this.#frames;
  }

  push(frames: readonly Frame[]): void {
    for (const { event, data } of frames) {
      const text = typeof data === "string" ? data : JSON.stringify(data);
      this.#frames.push({ id: this.#nextId++, ...(event === undefined ? {} : { event }), data: text });
      this.#size += FRAME_WEIGHT + text.length;
    }
    while (this.#frames.length > this.#maxFrames) this.drop();
    this.#wake();
  }

  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  /** Forgets the first frame. */
  drop(): void {
    const frame = this.#frames.shift();
    if (frame !== undefined) this.#size -= FRAME_WEIGHT + frame.data.length;
  }

  /** Frames behind number `after`, and those to come, until the log ends. Throws `not_found` where some were dropped. */
  read(after: number, signal: AbortSignal): AsyncGenerator<readonly NumberedFrame[]> {
    this.#indexOf(after + 1);
    return this.#follow(after + 1, signal);
  }

  async *#follow(next: number, signal: AbortSignal): AsyncGenerator<readonly NumberedFrame[]> {
    while (!signal.aborted) {
      const start = this.#indexOf(next);
      const batch = this.#frames.slice(start, start + MAX_BATCH);
      next += batch.length;
      if (batch.length > 0) yield batch;
      else if (this.#isEnded) return;
      else await this.#change(signal);
    }
  }

  #indexOf(id: number): number {
    const first = this.#nextId - this.#frames.length;
    if (id >= first) return id - first;
    throw new MimoError("not_found", `The stream is no longer kept from frame ${id} on, only from frame ${first}.`);
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#readers.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#readers.add(wake);
      signal.addEventListener("abort", wake);
    });
  }

  #wake(): void {
    for (const wake of this.#readers) wake();
  }
}
