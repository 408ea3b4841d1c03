// Files that the server keeps between its runs: JSON for its owner only, read whole and written whole.
//
// A file is written beside and renamed, so a reader never sees half of one. Refuses to know what is in it.

import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { z } from "zod";
import { MimoError } from "../util/errors.ts";

/** What the file holds; undefined where there is none. `expected` says what it is. Throws `invalid_argument`, `io_failed`. */
export function readStored<T>(path: string, schema: z.ZodType<T>, expected: string): T | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new MimoError("io_failed", `${path}: ${(cause as Error).message}`, { cause });
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new MimoError("invalid_argument", `${path}: expected ${expected}.`, { cause });
  }
}

/** Throws `io_failed`. */
export function writeStored(path: string, text: string): void {
  const scratch = `${path}.${process.pid}.part`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(scratch, text, { mode: 0o600 });
    renameSync(scratch, path);
  } catch (cause) {
    throw new MimoError("io_failed", `${path}: ${(cause as Error).message}`, { cause });
  }
}
