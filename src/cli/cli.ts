// What a command is given: where it reads and writes, and what surrounds it.

import type { ReadStream } from "node:tty";
import type { Environment } from "./environment.ts";
import type { Output } from "./output.ts";

export interface Cli {
  readonly input: ReadStream;
  /** Results. */
  readonly output: Output;
  /** Everything else: errors, warnings, progress. */
  readonly messages: Output;
  readonly environment: Environment;
}
