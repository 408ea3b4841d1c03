// Finds a program as a shell would, and lets it have the terminal until it ends.

import { spawn } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { constants as system } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { MimoError } from "../../util/errors.ts";

const PASSED_ON = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;

/** The program's file: in PATH, or else in node_modules/.bin of a folder or one above it. */
export function findProgram(name: string, path: string, folder: string): string | undefined {
  const folders = path.split(delimiter).filter((one) => one !== "");
  for (let above = folder; ; above = dirname(above)) {
    folders.push(join(above, "node_modules", ".bin"));
    if (dirname(above) === above) break;
  }
  return folders.map((one) => join(one, name)).find(isProgram);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/**
 * Runs a program to its end, and returns its exit code; 128 and the signal's number where one has ended it. Throws
 * `io_failed` where it cannot be started.
 */
export async function runProgram(
  file: string,
  args: readonly string[],
  variables: NodeJS.ProcessEnv,
  isTerminal: boolean,
): Promise<number> {
  const child = spawn(file, args, { stdio: "inherit", env: variables });
  const handlers = PASSED_ON.map((signal) => {
    // What is typed reaches the program by itself, and it alone says what it means.
    const isTyped = isTerminal && (signal === "SIGINT" || signal === "SIGQUIT");
    const handler = (): void => {
      if (!isTyped) child.kill(signal);
    };
    process.on(signal, handler);
    return () => process.off(signal, handler);
  });
  try {
    return await new Promise((resolve, reject) => {
      child.once("error", (cause) => {
        reject(new MimoError("io_failed", `${file} cannot be started: ${cause.message}.`, { cause }));
      });
      child.once("exit", (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : system.signals[signal])));
    });
  } finally {
    for (const remove of handlers) remove();
  }
}
