// What was typed in earlier chats, in one file of one line each, the newest last.
//
// The file is replaced in one step and readable by its owner alone. History is a comfort: where it cannot be read or
// written, chats go on without.

import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

const MAX_LINES = 1000;

export class History {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Newest first, as readline keeps it. */
  load(): string[] {
    try {
      const lines = readFileSync(this.#path, "utf8").split("\n");
      return lines
        .filter((line) => line !== "")
        .toReversed()
        .slice(0, MAX_LINES);
    } catch {
      return [];
    }
  }

  /** Newest first. */
  save(lines: readonly string[]): void {
    const part = `${this.#path}.${process.pid}`;
    try {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      writeFileSync(part, `${lines.slice(0, MAX_LINES).toReversed().join("\n")}\n`, { mode: 0o600 });
      renameSync(part, this.#path);
    } catch {
      // The next chat starts without this one's lines.
    }
  }
}
