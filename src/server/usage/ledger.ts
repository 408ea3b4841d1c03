// The file of usage, and the server's part of it that is not written yet.
//
// What is new is added to the file every few seconds: the file is read, the sum written beside it and renamed over it. So
// a reader never sees half a file, several servers may share one, and a killed one loses its last seconds only. A file
// beside it tells others that somebody is at it; one that a killed server left behind is passed over when it is old.

import { closeSync, mkdirSync, openSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Logger } from "pino";
import { z } from "zod";
import { readStored, writeStored } from "../stored-file.ts";
import { type Amounts, mergeRows, type UsageRow } from "./usage.ts";

const count = z.number().min(0);
const USAGE_FILE = z.object({
  usage: z.array(
    z.object({
      day: z.iso.date(),
      key: z.string().nullable(),
      requests: count,
      promptTokens: count,
      cachedTokens: count,
      completionTokens: count,
      reasoningTokens: count,
      cost: count,
    }),
  ),
});

/** Nobody takes so long for one file. */
const STALE_LOCK_MS = 10_000;
const LAST_TRIES = 50;

/** All rows of a file; none where there is no file. Throws `invalid_argument` for a file of another kind, `io_failed`. */
export function readUsage(path: string): readonly UsageRow[] {
  return readStored(path, USAGE_FILE, "usage as `mimo serve` writes it")?.usage ?? [];
}

/** Adds rows to a file; false where somebody else is at it just now. */
function addToFile(path: string, rows: readonly UsageRow[]): boolean {
  mkdirSync(dirname(path), { recursive: true });
  const lock = `${path}.lock`;
  if (!takeLock(lock)) return false;
  try {
    const usage = mergeRows([...readUsage(path), ...rows]);
    // A row to a line: such a file can be read and compared by people, too.
    const lines = usage.map((row) => JSON.stringify(row)).join(",\n");
    writeStored(path, `{"usage":[\n${lines}\n]}\n`);
    return true;
  } finally {
    rmSync(lock, { force: true });
  }
}

function takeLock(lock: string): boolean {
  try {
    closeSync(openSync(lock, "wx"));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    const stats = statSync(lock, { throwIfNoEntry: false });
    if (stats !== undefined && Date.now() - stats.mtimeMs > STALE_LOCK_MS) rmSync(lock, { force: true });
    return false;
  }
}

export interface LedgerOptions {
  /** Undefined keeps everything in memory. */
  readonly path: string | undefined;
  readonly flushMs: number;
  readonly log: Logger;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

export class Ledger {
  readonly #options: LedgerOptions;
  readonly #timer: NodeJS.Timeout;
  #pending: readonly UsageRow[] = [];

  /** Throws as `readUsage`: a file of another kind must not be written over. */
  constructor(options: LedgerOptions) {
    this.#options = options;
    if (options.path !== undefined) readUsage(options.path);
    this.#timer = setInterval(() => this.#flush(), options.flushMs).unref();
  }

  /** Counts a request of a key, by its name, today. */
  add(key: string | null, amounts: Amounts): void {
    const day = new Date((this.#options.now ?? Date.now)()).toISOString().slice(0, 10);
    this.#pending = mergeRows([...this.#pending, { day, key, ...amounts }]);
  }

  /** All rows, what is not written yet included. Throws as `readUsage`. */
  rows(): readonly UsageRow[] {
    const { path } = this.#options;
    return mergeRows([...(path === undefined ? [] : readUsage(path)), ...this.#pending]);
  }

  /** Writes what is not written yet. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (let i = 0; i < LAST_TRIES && !this.#flush(); i++) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** Whether nothing is left to write. What cannot be written is kept for the next time. */
  #flush(): boolean {
    const { path, log } = this.#options;
    if (path === undefined || this.#pending.length === 0) return true;
    try {
      if (!addToFile(path, this.#pending)) return false;
      this.#pending = [];
    } catch (error) {
      log.error({ err: error }, "usage could not be written");
    }
    return this.#pending.length === 0;
  }
}
