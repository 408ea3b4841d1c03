// What `mimo init` and `mimo convert` have in common: options, progress, Ctrl-C that leaves nothing half-written, and
// a closing line with size and time.

import type { Command } from "commander";
import type { ConvertResult } from "../convert/convert.ts";
import type { InitResult } from "../convert/init.ts";
import type { OutputOptions } from "../convert/output.ts";
import type { Cli } from "./cli.ts";
import { formatBytes, formatDuration, plural } from "./format.ts";
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
export async function writeWithProgress(
  { output, messages }: Cli,
  path: string,
  flags: WriteFlags,
  write: (options: OutputOptions) => Promise<InitResult | ConvertResult>,
): Promise<void> {
  using interrupt = watchInterrupt();
  const progress = new Progress(messages, { label: "writing", format: formatBytes });
  const onProgress: OutputOptions["onProgress"] = ({ done, total }) => progress.update(done, total);
  try {
    const result = await write({ overwrite: flags.overwrite, signal: interrupt.signal, onProgress });
    progress.clear();
    for (const warning of warningsOf(result))
      messages.line(`${messages.style.yellow("warning:")} ${messages.untrusted(warning)}`);
    const { byteLength } = result;
    const ms = progress.elapsedMs;
    if (flags.json === true) output.json({ path, ...result, ms });
    else
      output.line(
        `Wrote ${path}: ${formatBytes(byteLength)} in ${formatDuration(ms)} (${formatBytes((1000 * byteLength) / ms)}/s).`,
      );
  } finally {
    progress.clear();
  }
}

function warningsOf(result: InitResult | ConvertResult): readonly string[] {
  if (!("fallbacks" in result)) return [];
  const { fallbacks, warnings } = result;
  const types = [...new Set(fallbacks.map(({ dtype }) => dtype))].join(" or ");
  const smaller = `${plural(fallbacks.length, "matrix", "matrices")} took ${types}: their rows are no whole blocks of the type.`;
  return fallbacks.length === 0 ? warnings : [...warnings, smaller];
}
