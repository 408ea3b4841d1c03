// One file open for positioned reads. Invariants: it is a regular file (a pipe would block for ever), its size is the
// size at opening, and no read goes beyond it. The descriptor stays open, so that a file replaced on disk does not
// change under its reader.

import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";

import { assert } from "../util/assert.ts";
import { MimoError } from "../util/errors.ts";
import { fileSystemError, invalid } from "./errors.ts";

/** Node refuses reads of 2 GiB and more in one call. */
const MAX_BYTES_PER_CALL = 2 ** 30;

export class InputFile {
  readonly path: string;
  readonly size: number;
  readonly #descriptor: number;

  constructor(path: string) {
    this.path = path;
    try {
      if (!statSync(path).isFile()) throw invalid(path, "kind", "a regular file", "something else");
      this.#descriptor = openSync(path, "r");
      this.size = fstatSync(this.#descriptor).size;
    } catch (thrown) {
      throw fileSystemError(thrown, path);
    }
  }

  /** Fills `target` from `position` on. The caller has checked the range against `size`. */
  readInto(target: Uint8Array, position: number): void {
    assert(position >= 0 && position + target.length <= this.size, "a read goes beyond the file");
    let done = 0;
    while (done < target.length) {
      const length = Math.min(target.length - done, MAX_BYTES_PER_CALL);
      const count = this.#readOnce(target, done, length, position + done);
      if (count === 0) {
        throw new MimoError("io_failed", `${this.path}: ended at byte ${position + done}, it was longer when opened`, {
          remedy: "Something shortened the file while it was in use: restore it and open it again.",
        });
      }
      done += count;
    }
  }

  /** A copy of `length` bytes from `position` on. */
  read(position: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.readInto(bytes, position);
    return bytes;
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }

  #readOnce(target: Uint8Array, offset: number, length: number, position: number): number {
    try {
      return readSync(this.#descriptor, target, offset, length, position);
    } catch (thrown) {
      throw fileSystemError(thrown, this.path);
    }
  }
}
