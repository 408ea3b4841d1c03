// Files that a user names on the command line: read whole, with errors that say which one and why.

import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { MimoError } from "../util/errors.ts";
import type { Cli } from "./cli.ts";

/** Text of a file, or of standard input for "-". Throws `not_found` or `io_failed`. */
export async function readTextFile(path: string, { input }: Pick<Cli, "input">): Promise<string> {
  // Tools that feed standard input end it with a newline that nobody typed.
  if (path === "-") return (await text(input)).replace(/\r?\n$/, "");
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw new MimoError(isMissing ? "not_found" : "io_failed", `${path}: ${(cause as Error).message}`, {
      remedy: isMissing ? "Check the path." : "Check that it is a file and that you may read it.",
      cause,
    });
  }
}

/** The value in a JSON file. Throws `invalid_argument` where it is no JSON. */
export async function readJsonFile(path: string, cli: Pick<Cli, "input">): Promise<unknown> {
  const json = await readTextFile(path, cli);
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw new MimoError("invalid_argument", `${path}: expected JSON, found ${(cause as Error).message}.`, { cause });
  }
}

/** Token ids in a JSON file: an array, or an object with `input_ids`. */
export async function readIdsFile(path: string, cli: Pick<Cli, "input">): Promise<number[]> {
  const value = await readJsonFile(path, cli);
  const ids: unknown = isObject(value) && !Array.isArray(value) ? value["input_ids"] : value;
  if (Array.isArray(ids) && ids.length > 0 && ids.every((id) => Number.isSafeInteger(id) && id >= 0))
    return ids as number[];
  throw new MimoError("invalid_argument", `${path}: expected token ids, found something else.`, {
    remedy: 'Give a JSON array such as [1, 2, 3], or an object with such an array as "input_ids".',
  });
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
