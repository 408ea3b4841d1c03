// `mimo convert`: a checkpoint in another format or element type.

import { Command } from "commander";
import type { TargetType } from "../../convert/target.ts";
import type { Cli } from "../cli.ts";
import { examples } from "../options.ts";
import { addWriteOptions, type WriteFlags, writeWithProgress } from "../write-model.ts";

interface ConvertFlags extends WriteFlags {
  readonly type: string;
}

export function convertCommand(cli: Cli): Command {
  const command = new Command("convert")
    .description("Write a checkpoint in another format or element type.")
    .argument("<in>", "a Hugging Face folder or a .gguf file")
    .argument("<out>", "a .gguf file, or a folder in the Hugging Face format")
    .requiredOption("--type <type>", "element type of the matrices; folders: bf16, f16, f32, fp8; .gguf: any of GGUF's that can be encoded");
  return addWriteOptions(command)
    .action((input: string, out: string, { type, ...flags }: ConvertFlags) =>
      // The type depends on the format and is checked with it.
      writeWithProgress(cli, out, flags, async (options) => (await import("../../convert/convert.ts" as string)).convertCheckpoint({ input, out, type: type as TargetType, ...options })),
    )
    .addHelpText(
      "after",
      examples(
        ["mimo convert ~/models/MiMo-V2-Flash flash-q4_k.gguf --type q4_k", "The published FP8 folder as one GGUF file of half the size."],
        ["mimo convert model.gguf model-bf16 --type bf16", "A GGUF file as a Hugging Face folder."],
      ),
    );
}
