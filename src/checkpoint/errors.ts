// How this room words its errors, so that every malformed file gives one kind of sentence:
// "<file>: <field>: expected …, found …".

import { MimoError } from "../util/errors.ts";

/** A malformed file. `expected` and `found` complete the sentence. */
export function invalid(file: string, field: string, expected: string, found: string, remedy?: string): MimoError {
  const message = `${file}: ${field}: expected ${expected}, found ${found}`;
  return new MimoError("checkpoint_invalid", message, remedy === undefined ? {} : { remedy });
}

/** A well-formed file with something this project does not read. */
export function unsupported(file: string, field: string, expected: string, found: string, remedy?: string): MimoError {
  const message = `${file}: ${field}: expected ${expected}, found ${found}`;
  return new MimoError("checkpoint_unsupported", message, remedy === undefined ? {} : { remedy });
}

/** What the file system refused: `not_found` for a missing path, otherwise `io_failed`. Other errors pass unchanged. */
export function fileSystemError(thrown: unknown, path: string): unknown {
  if (!(thrown instanceof Error) || !("syscall" in thrown) || !("code" in thrown)) return thrown;
  if (thrown.code === "ENOENT" || thrown.code === "ENOTDIR") {
    const remedy = "Check the path: a checkpoint is a Hugging Face folder or a .gguf file.";
    return new MimoError("not_found", `${path}: no such file or folder`, { remedy, cause: thrown });
  }
  const remedy = IO_REMEDIES[String(thrown.code)];
  return new MimoError("io_failed", `${path}: ${thrown.message}`, {
    ...(remedy === undefined ? {} : { remedy }),
    cause: thrown,
  });
}

const IO_REMEDIES: Readonly<Record<string, string>> = {
  EACCES: "Check the permissions of the file and of the folders above it.",
  EPERM: "Check the permissions of the file and of the folders above it.",
  EROFS: "The file system is read-only: choose another place.",
  ENOSPC: "The disk is full: free space or choose another place.",
  EDQUOT: "The disk quota is used up: free space or choose another place.",
  EMFILE: "Too many files are open: raise the limit (ulimit -n).",
  EIO: "The disk reported an error: check it, and copy or download the file again.",
};

/** `names` as a list that stays short. */
export function listNames(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(", ");
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown;
}
