// `mimo doctor`: whether this machine is ready, and what to do where it is not. Fails where something is broken.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Command } from "commander";
import { MimoError } from "../../util/errors.ts";
import { packageRoot } from "../../util/package-root.ts";
import { type Check, runChecks } from "../checks.ts";
import type { Cli } from "../cli.ts";
import { plural } from "../format.ts";
import { describeBuild, describeMachine } from "../machine.ts";
import { examples } from "../options.ts";

interface DoctorFlags {
  readonly buildAddon?: boolean;
  readonly json?: boolean;
}

export function doctorCommand(cli: Cli): Command {
  return new Command("doctor")
    .description("Check this machine: Node.js, processor, CPU backend, memory, and whether the numbers are right.")
    .option("--build-addon", "build the CPU backend's addon first, from scratch; needs CMake and a C++17 compiler")
    .option("--json", "print JSON")
    .action((flags: DoctorFlags) => doctor(cli, flags))
    .addHelpText(
      "after",
      examples(
        ["mimo doctor", "Everything that matters, in some seconds; the exit code is not 0 where something is broken."],
        ["mimo doctor --build-addon", "After installing the package, or after a change of compiler or machine."],
      ),
    );
}

async function doctor(cli: Cli, flags: DoctorFlags): Promise<void> {
  const { output, messages } = cli;
  if (flags.buildAddon === true) await buildAddon((line) => messages.line(line));
  const checks: Check[] = [];
  for await (const check of runChecks()) {
    checks.push(check);
    if (flags.json !== true) printCheck(cli, check);
  }
  const failed = checks.filter(({ status }) => status === "failed");
  if (flags.json === true)
    output.json({ ok: failed.length === 0, build: describeBuild(), machine: describeMachine(), checks });
  if (failed.length === 0) return;
  throw new MimoError(
    "backend_unavailable",
    `${plural(failed.length, "check")} failed: ${failed.map(({ name }) => name).join(", ")}.`,
    {
      remedy: failed[0]?.remedy ?? "See the findings above.",
    },
  );
}

function printCheck({ output }: Cli, { name, status, finding, remedy }: Check): void {
  const { dim, green, red, yellow } = output.style;
  const mark = { ok: green("✓"), warning: yellow("!"), failed: red("✗") }[status];
  output.line(`${mark} ${name.padEnd(12)}  ${output.untrusted(finding)}`);
  if (remedy !== undefined) output.line(`  ${" ".repeat(12)}  ${dim(remedy)}`);
}

interface AddonBuilder {
  readonly buildAddon: (options: { readonly force: boolean; readonly log: (line: string) => void }) => Promise<unknown>;
}

/** The package's own script: a bundle must not contain it, because it finds its sources by its place. */
async function buildAddon(log: (line: string) => void): Promise<void> {
  const script = pathToFileURL(join(packageRoot(), "scripts", "build-addon.mjs")).href;
  const builder = (await import(script)) as AddonBuilder;
  try {
    await builder.buildAddon({ force: true, log });
  } catch (cause) {
    // "The CPU addon could not be built.\nWhy: …\nWhat to do: …"
    const [, why, remedy] = /\nWhy: ([^]*)\nWhat to do: ([^]*)$/.exec((cause as Error).message) ?? [];
    if (why === undefined || remedy === undefined) throw cause;
    throw new MimoError("backend_unavailable", `The CPU addon could not be built: ${why}`, { remedy, cause });
  }
}
