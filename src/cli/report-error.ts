// Errors as people and programs read them: what failed, why, and what to do; a stack only where it is asked for.
// Each code has its headline and its exit code; an error without a remedy of its own gets its code's.

import { CommanderError } from "commander";
import { ERROR_TABLE, type ErrorCode, MimoError, toMimoError } from "../util/errors.ts";
import type { Output } from "./output.ts";

const USAGE_HEADLINE = "The command cannot run as given.";
/** Codes that only a server answers with have none. */
const HEADLINES: Partial<Record<ErrorCode, string>> = {
  invalid_argument: USAGE_HEADLINE,
  context_length_exceeded: "The text is too long for the context.",
  template_failed: "The chat template could not make a prompt.",
  not_found: "A file is missing.",
  checkpoint_invalid: "The checkpoint is damaged or incomplete.",
  checkpoint_unsupported: "The checkpoint is of a kind that mimo does not read.",
  kernel_missing: "The backend cannot compute this model.",
  backend_unavailable: "The backend cannot run here.",
  out_of_memory: "There is not enough memory.",
  overloaded: "The engine is busy.",
  io_failed: "A file could not be read or written.",
  disposed: "The model was closed.",
  internal: "Something unexpected happened.",
};

const USAGE_REMEDY = "See `mimo --help`, or `mimo COMMAND --help` with examples.";
const REMEDIES: Partial<Record<ErrorCode, string>> = {
  invalid_argument: USAGE_REMEDY,
  template_failed: "Check the messages, or use `mimo generate --prompt` without a template.",
  checkpoint_invalid: "Fetch or convert the checkpoint again; `mimo inspect PATH` shows what is there.",
  checkpoint_unsupported: "`mimo inspect PATH` shows what the file holds.",
  out_of_memory: "Use a smaller --context, or --kv q8_0.",
  io_failed: "Check the path, its permissions and the free space.",
};
const BUG_REMEDY = "This may be a bug. Run the command again with --debug for the stack, and report it.";

export interface ReportOptions {
  readonly json: boolean;
  readonly debug: boolean;
}

/** Prints an error and returns the exit code. */
export function reportError(thrown: unknown, output: Output, { json, debug }: ReportOptions): number {
  const error = thrown instanceof CommanderError ? usageError(thrown) : toMimoError(thrown);
  const { exitCode } = ERROR_TABLE[error.code];
  const remedy = error.remedy ?? REMEDIES[error.code] ?? BUG_REMEDY;
  if (json) output.json({ error: { ...error.toJSON(), remedy, exitCode } });
  else if (error.code === "aborted") output.line(output.style.dim("Stopped."));
  else {
    const { bold, red } = output.style;
    output.line(`${red("error:")} ${bold(HEADLINES[error.code] ?? USAGE_HEADLINE)}`);
    output.line(`Why: ${output.untrusted(error.message)}`);
    output.line(`What to do: ${output.untrusted(remedy)}`);
  }
  if (debug) for (const stack of stacks(thrown)) output.line(output.untrusted(stack));
  return exitCode;
}

/** Commander's "error: unknown option '--x'\n(Did you mean --y?)" as one of ours. */
function usageError(error: CommanderError): MimoError {
  const [problem = "", ...hints] = error.message.replace(/^error: /, "").split("\n");
  const message = `${problem.charAt(0).toUpperCase()}${problem.slice(1)}${problem.endsWith(".") ? "" : "."}`;
  const hint = hints.join(" ").replace(/^\((.*)\)$/, "$1");
  return new MimoError("invalid_argument", message, { remedy: hint === "" ? USAGE_REMEDY : `${hint} ${USAGE_REMEDY}` });
}

function* stacks(thrown: unknown): Generator<string> {
  for (let error = thrown; error instanceof Error; error = error.cause) yield error.stack ?? error.message;
}
