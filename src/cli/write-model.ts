// What `mimo init` and `mimo convert` have in common: options, progress, Ctrl-C that leaves nothing half-written, and
// a closing line with size and time.

import type { Command } from "commander";
import type { OutputOptions } from "../convert/output.ts";
import type { Cli } from "./cli.ts";
import { formatBytes, formatDuration } from "./format.ts";
import { watchInterrupt } from "./interrupt.ts";
import { Progress } from "./progress.ts";

export interface WriteFlags {
  readonly overwrite?: boolean;
  readonly json?: boolean;
}

export function addWriteOptions(command: Command): Command {
  return command
    .option("--overwrite", "replace what is at the output's place")
    .option("--json", "print a JSON object at the end");
}

/** Runs `write` with progress on the terminal and tells what came of it. */
export async function writeWithProgress<Result extends { readonly byteLength: number }>(
  { output, messages }: Cli,
  out: string,
  flags: WriteFlags,
  write: (options: OutputOptions) => Promise<Result>,
): Promise<void> {
  using interrupt = watchInterrupt();
  const progress = new Progress(messages, { label: "writing", format: formatBytes });
  const onProgress: OutputOptions["onProgress"] = ({ done, total }) => progress.update(done, total);
  try {
    const result = await write({ overwrite: flags.overwrite, signal: interrupt.signal, onProgress });
    progress.clear();
    const { byteLength } = result;
    const ms = progress.elapsedMs;
    if (flags.json === true) output.json({ out, ...result, ms });
    else output.line(`Wrote ${out}: ${formatBytes(byteLength)} in ${formatDuration(ms)} (${formatBytes((1000 * byteLength) / ms)}/s).`);
  } finally {
    progress.clear();
  }
}
