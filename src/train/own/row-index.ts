// Where the rows of a file lie, as a file: 16 bytes for each row, so that any row is two reads away and none is in
// memory. Two of them make a split: one row in a hundred is held out by its hash, and always at least one.
// Refuses to know what rows hold.

import { closeSync, openSync, writeSync } from "node:fs";
import { InputFile } from "../../checkpoint/input-file.ts";
import type { Split } from "../data/random.ts";
import type { RowSpan } from "./row-finder.ts";

const ENTRY_BYTES = 16;
const ENTRIES_PER_WRITE = 4096;
/** One row in so many is held out. */
const HELDOUT_EVERY = 100;

export type RowPlace = Omit<RowSpan, "hash">;

export class RowIndex implements Disposable {
  readonly size: number;
  readonly #file: InputFile;

  constructor(path: string) {
    this.#file = new InputFile(path);
    this.size = this.#file.size / ENTRY_BYTES;
  }

  at(row: number): RowPlace {
    const entry = new DataView(this.#file.read(ENTRY_BYTES * row, ENTRY_BYTES).buffer);
    return {
      offset: entry.getFloat64(0, true),
      byteLength: entry.getUint32(8, true),
      continues: entry.getUint32(12, true) === 1,
    };
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

/** Writes both indices of a file, which are complete after `finish`. */
export class RowIndexWriter implements Disposable {
  readonly #lists: Readonly<Record<Split, EntryList>>;
  /** The row with the smallest hash of those in training waits: where chance holds out none, it is held out. */
  #smallest: RowSpan | undefined;

  constructor(pathOf: (split: Split) => string) {
    this.#lists = { train: new EntryList(pathOf("train")), heldout: new EntryList(pathOf("heldout")) };
  }

  add(span: RowSpan): void {
    const { train, heldout } = this.#lists;
    const rank = ({ hash }: RowSpan): number => hash >>> 0;
    if (rank(span) % HELDOUT_EVERY === 0) return heldout.add(span);
    const before = this.#smallest;
    const isSmaller = before === undefined || rank(span) < rank(before);
    if (isSmaller) this.#smallest = span;
    const other = isSmaller ? before : span;
    if (other !== undefined) train.add(other);
  }

  /** Rows of each split. None of one split where the file has a single row, which is for the caller to refuse. */
  finish(): Readonly<Record<Split, number>> {
    const { train, heldout } = this.#lists;
    if (this.#smallest !== undefined) (heldout.size === 0 ? heldout : train).add(this.#smallest);
    train.flush();
    heldout.flush();
    return { train: train.size, heldout: heldout.size };
  }

  [Symbol.dispose](): void {
    for (const list of Object.values(this.#lists)) list[Symbol.dispose]();
  }
}

class EntryList implements Disposable {
  size = 0;
  readonly #descriptor: number;
  readonly #entries = new DataView(new ArrayBuffer(ENTRY_BYTES * ENTRIES_PER_WRITE));
  #used = 0;

  constructor(path: string) {
    this.#descriptor = openSync(path, "w");
  }

  add({ offset, byteLength, continues }: RowPlace): void {
    this.#entries.setFloat64(this.#used, offset, true);
    this.#entries.setUint32(this.#used + 8, byteLength, true);
    this.#entries.setUint32(this.#used + 12, continues ? 1 : 0, true);
    this.#used += ENTRY_BYTES;
    this.size++;
    if (this.#used === this.#entries.byteLength) this.flush();
  }

  flush(): void {
    for (let done = 0; done < this.#used;) done += writeSync(this.#descriptor, this.#entries, done, this.#used - done);
    this.#used = 0;
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }
}
