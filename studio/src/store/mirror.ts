// Rows of a table of the database, held in memory: read at once, written to both.
//
// What is in memory counts. Where the browser cannot store (its storage is blocked or full), the page goes on without, and
// `useStorageProblem` tells. Tabs tell each other what they have written, and read it anew; the last writer of a row wins.

import { useSyncExternalStore } from "react";
import type { Table } from "dexie";

interface Change {
  readonly table: string;
  /** Which part of the table; the whole of it without. */
  readonly part: string | undefined;
}

const tabs = new BroadcastChannel("mimo-studio");
const mirrors = new Set<{ readonly name: string; readonly part: string | undefined; reload: () => void }>();
const otherTabListeners = new Set<(part: string) => void>();
const problemListeners = new Set<() => void>();
let problem: string | undefined;

tabs.addEventListener("message", ({ data }: MessageEvent<Change>) => {
  for (const mirror of mirrors) if (mirror.name === data.table && mirror.part === data.part) mirror.reload();
  if (data.part !== undefined) for (const listener of otherTabListeners) listener(data.part);
});

/** Tells of parts that another tab has written to. */
export function onOtherTab(listener: (part: string) => void): () => void {
  otherTabListeners.add(listener);
  return () => otherTabListeners.delete(listener);
}

export function useStorageProblem(): string | undefined {
  return useSyncExternalStore(
    (listener) => {
      problemListeners.add(listener);
      return () => problemListeners.delete(listener);
    },
    () => problem,
  );
}

function reportProblem(error: unknown): void {
  problem = error instanceof Error ? error.message : String(error);
  for (const listener of problemListeners) listener();
}

export interface WriteOptions {
  /** Other tabs need not know, as they follow the same by themselves. */
  readonly isQuiet?: boolean;
}

export class Mirror<T extends object> {
  readonly name: string;
  readonly part: string | undefined;
  readonly #table: Table<T, string>;
  readonly #keyOf: (row: T) => string;
  readonly #query: () => Promise<readonly T[]>;
  readonly #listeners = new Set<() => void>();
  #rows: ReadonlyMap<string, T> = new Map();
  #isLoaded = false;
  /** What was written while the database was being read, or could not be stored; undefined is deleted. */
  #newer = new Map<string, T | undefined>();
  /** The first reading of the database. */
  readonly loaded: Promise<void>;

  constructor(
    table: Table<T, string>,
    keyOf: (row: T) => string,
    { part, query }: { readonly part?: string; readonly query?: () => Promise<readonly T[]> } = {},
  ) {
    this.name = table.name;
    this.part = part;
    this.#table = table;
    this.#keyOf = keyOf;
    this.#query = query ?? (() => table.toArray());
    this.loaded = this.#load();
    mirrors.add(this);
  }

  /** The same object until something changes. */
  readonly snapshot = (): ReadonlyMap<string, T> => this.#rows;
  readonly isLoaded = (): boolean => this.#isLoaded;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  get(key: string): T | undefined {
    return this.#rows.get(key);
  }

  put(row: T, options: WriteOptions = {}): void {
    this.putAll([row], options);
  }

  putAll(rows: readonly T[], options: WriteOptions = {}): void {
    const next = new Map(this.#rows);
    for (const row of rows) next.set(this.#keyOf(row), row);
    this.#show(next);
    this.#write(new Map(rows.map((row) => [this.#keyOf(row), row])), () => this.#table.bulkPut([...rows]), options);
  }

  /** Changes fields of a row; nothing where there is no such row. */
  patch(key: string, fields: Partial<T>, options: WriteOptions = {}): void {
    const row = this.#rows.get(key);
    if (row !== undefined) this.put({ ...row, ...fields }, options);
  }

  remove(keys: readonly string[]): void {
    const next = new Map(this.#rows);
    for (const key of keys) next.delete(key);
    this.#show(next);
    this.#write(new Map(keys.map((key) => [key, undefined])), () => this.#table.bulkDelete([...keys]), {});
  }

  readonly reload = (): void => void this.#load();

  async #load(): Promise<void> {
    try {
      const rows = await this.#query();
      const read = new Map(rows.map((row) => [this.#keyOf(row), row]));
      for (const [key, row] of this.#newer) {
        if (row === undefined) read.delete(key);
        else read.set(key, row);
      }
      this.#isLoaded = true;
      this.#show(read);
    } catch (error) {
      reportProblem(error);
      this.#isLoaded = true;
      this.#show(this.#rows);
    }
  }

  #show(rows: ReadonlyMap<string, T>): void {
    this.#rows = rows;
    for (const listener of this.#listeners) listener();
  }

  #write(rows: ReadonlyMap<string, T | undefined>, write: () => PromiseLike<unknown>, options: WriteOptions): void {
    const change: Change = { table: this.name, part: this.part };
    for (const [key, row] of rows) this.#newer.set(key, row);
    const written = async (): Promise<void> => {
      await write();
      // A reading that began before this has ended by now.
      await this.loaded;
      for (const [key, row] of rows) if (this.#newer.get(key) === row) this.#newer.delete(key);
      if (options.isQuiet !== true) tabs.postMessage(change);
    };
    void written().catch(reportProblem);
  }
}

export function useRows<T extends object>(mirror: Mirror<T>): ReadonlyMap<string, T> {
  return useSyncExternalStore(mirror.subscribe, mirror.snapshot);
}

export function useIsLoaded<T extends object>(mirror: Mirror<T>): boolean {
  return useSyncExternalStore(mirror.subscribe, mirror.isLoaded);
}
