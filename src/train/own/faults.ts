// How this room words its errors, so that every bad file gives one kind of sentence: "<place>: expected …, found …".
// A place is a file, or a line or row of one. Refuses to know what is read.

import { MimoError } from "../../util/errors.ts";

/** A file that does not hold what it should. */
export function badData(place: string, expected: string, found: string, remedy?: string): MimoError {
  return new MimoError("invalid_argument", `${place}: expected ${expected}, found ${found}.`, {
    param: "data",
    ...(remedy === undefined ? {} : { remedy }),
  });
}

/** What the file system refused: `not_found` for a missing path, otherwise `io_failed`. Other errors pass unchanged. */
export function fileFault(thrown: unknown, path: string): unknown {
  if (!(thrown instanceof Error) || !("syscall" in thrown)) return thrown;
  const isMissing = (thrown as NodeJS.ErrnoException).code === "ENOENT";
  return new MimoError(isMissing ? "not_found" : "io_failed", `${path}: ${thrown.message}`, {
    param: "data",
    remedy: isMissing
      ? "Check the path: those in a recipe are relative to the recipe's file."
      : "Check that you may read it, that the disk has space, and that it reports no errors.",
    cause: thrown,
  });
}

export function changedFile(path: string, expected: string, found: string): MimoError {
  return new MimoError("invalid_argument", `${path}: expected ${expected}, found ${found}: the file has changed.`, {
    param: "data",
    remedy: "A run can only go on with the data it was begun with: put that file back, or begin another run.",
  });
}

/** A piece of what was found, short enough for a sentence. */
export function excerpt(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
