// `mimo init`: a checkpoint of random weights, to test, measure and train with.

import { Command, Option } from "commander";
import { initCheckpoint } from "../../convert/init.ts";
import type { TargetType } from "../../convert/target.ts";
import { PRESET_NAMES, type PresetName, PRESETS } from "../../model/presets.ts";
import type { Cli } from "../cli.ts";
import { formatFields } from "../format.ts";
import { examples, lowerCase, parseInteger } from "../options.ts";
import { addWriteOptions, type WriteFlags, writeWithProgress } from "../write-model.ts";

interface InitFlags extends WriteFlags {
  readonly preset: PresetName;
  readonly type: string;
  readonly seed: number;
}

export function initCommand(cli: Cli): Command {
  const presets = PRESET_NAMES.map((name) => [`  ${name}`, PRESETS[name].description] as const);
  const command = new Command("init")
    .description("Make a checkpoint of the architecture with random weights and a byte tokenizer.")
    .argument("<out>", "a .gguf file, or a folder in the Hugging Face format")
    .addOption(new Option("--preset <name>", "the architecture, see below").choices(PRESET_NAMES).makeOptionMandatory())
    .option(
      "--type <type>",
      "element type of the matrices; folders: bf16, f16, f32, fp8; .gguf: any of GGUF's",
      lowerCase,
      "bf16",
    )
    .option("--seed <n>", "same seed, same weights", parseInteger, 0);
  return addWriteOptions(command)
    .action((out: string, { preset, type, seed, ...flags }: InitFlags) =>
      // The type depends on the format and is checked with it.
      writeWithProgress(cli, out, flags, (options) =>
        initCheckpoint({ preset, out, type: type as TargetType, seed, ...options }),
      ),
    )
    .addHelpText("after", `\nPresets:\n${formatFields(presets).join("\n")}`)
    .addHelpText(
      "after",
      examples(
        ["mimo init --preset tiny tiny", "A folder of a few megabytes, in an instant."],
        [
          "mimo init --preset bench-1b --type q4_k bench.gguf",
          "A GGUF file to measure this machine with: `mimo bench bench.gguf`.",
        ],
      ),
    );
}
