// `mimo convert`: a checkpoint in another format or element type.

import { Command } from "commander";
import { convertCheckpoint } from "../../convert/convert.ts";
import type { TargetType } from "../../convert/target.ts";
import type { Cli } from "../cli.ts";
import { examples, lowerCase } from "../options.ts";
import { addWriteOptions, type WriteFlags, writeWithProgress } from "../write-model.ts";

interface ConvertFlags extends WriteFlags {
  readonly type: string;
}

export function convertCommand(cli: Cli): Command {
  const command = new Command("convert")
    .description("Write a checkpoint in another format or element type.")
    .argument("<in>", "a Hugging Face folder or a .gguf file")
    .argument("<out>", "a .gguf file, or a folder in the Hugging Face format")
    .requiredOption(
      "--type <type>",
      "element type of the matrices; folders: bf16, f16, f32, fp8; .gguf: q4_0, q4_k, q5_k, q6_k, q8_0 as well",
      lowerCase,
    );
  return addWriteOptions(command)
    .action((input: string, output: string, { type, ...flags }: ConvertFlags) =>
      // The type depends on the format and is checked with it.
      writeWithProgress(cli, output, flags, (options) =>
        convertCheckpoint({ input, output, type: type as TargetType, ...options }),
      ),
    )
    .addHelpText(
      "after",
      examples(
        [
          "mimo convert ~/models/MiMo-V2-Flash flash-q4_k.gguf --type q4_k",
          "The published FP8 folder as one GGUF file of half the size.",
        ],
        ["mimo convert model.gguf model-bf16 --type bf16", "A GGUF file as a Hugging Face folder."],
      ),
    );
}
