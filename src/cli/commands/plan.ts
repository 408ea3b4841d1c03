// `mimo plan`: what a model needs of a machine, and how fast it will run there: this one, or one that is described.

import { Command, Option } from "commander";
import { MimoError } from "../../util/errors.ts";
import type { Cli } from "../cli.ts";
import {
  activationsOption,
  examples,
  kvOption,
  lowerCase,
  parseInteger,
  parseList,
  threadsOption,
} from "../options.ts";
import { describePlan, printPlan } from "../plan-report.ts";
import { makePlan, plannedContexts } from "../plan.ts";
import { type MachineFlags, planMachine } from "../planned-machine.ts";
import { PLANNED_PRESETS, planModel } from "../planned-model.ts";
import { parseBandwidth, parseBytes, parseOperations } from "../quantities.ts";

interface PlanFlags extends MachineFlags {
  readonly type?: string;
  readonly contexts?: readonly number[];
  readonly batch: readonly number[];
  readonly json?: boolean;
}

const DEFAULT_CONTEXTS = [1024, 8192, 32_768, 131_072, 262_144];
const DEFAULT_DISK = 3e9;

export function planCommand(cli: Cli): Command {
  return new Command("plan")
    .description("Tell what a model needs of a machine and how fast it will run: sizes, KV cache, prefill, decode.")
    .argument("<model>", `a Hugging Face folder, a .gguf file, or a preset: ${PLANNED_PRESETS.join(", ")}`)
    .option("--type <type>", "of a preset: element type of its matrices; default: fp8, as published", lowerCase)
    .option(
      "--contexts <list>",
      "lengths to plan for; default: 1K, 8K, 32K, 128K, 256K as far as the model reaches",
      parseList(parseInteger),
    )
    .option("--batch <list>", "sequences that decode at once", parseList(parseInteger), [1, 8])
    .option("--json", "print JSON")
    .optionsGroup("Model:")
    .addOption(threadsOption())
    .addOption(kvOption())
    .addOption(activationsOption("int16"))
    .optionsGroup("Another machine than this one:")
    .option("--bandwidth <GB/s>", "how fast its memory is read: 400, 400GB/s, 1.2TB/s", parseBandwidth)
    .option("--flops <int8[,f32]>", "its arithmetic, peak: 8T, or 8T,2T; f32 default: a quarter", parseOperations)
    .option("--ram <GB>", "its memory: 256, 256GB, 64GiB", parseBytes)
    .addOption(
      new Option("--disk <GB/s>", "how fast weights come from its disk where memory is too small")
        .argParser(parseBandwidth)
        .default(DEFAULT_DISK, "3 GB/s"),
    )
    .action((model: string, flags: PlanFlags) => plan(cli, model, flags))
    .addHelpText(
      "after",
      examples(
        ["mimo plan model.gguf", "Measures this machine for two seconds; of the model it reads headers only."],
        [
          "mimo plan flash --type q4_k --ram 256GB --bandwidth 400GB/s --flops 20T",
          "The 309B model on a machine you think of buying.",
        ],
        [
          "mimo plan flash --type q4_k --ram 64GB",
          "This machine's speed with another memory: experts come from the disk.",
        ],
        ["mimo plan model.gguf --contexts 512,4096 --json", "The lengths that `mimo bench` measures, for programs."],
      ),
    );
}

async function plan(cli: Cli, name: string, flags: PlanFlags): Promise<void> {
  checkFlags(flags);
  const model = planModel(name, flags.type);
  const contexts = flags.contexts ?? plannedContexts(DEFAULT_CONTEXTS, model.config.contextLength);
  const misfit = contexts.find((tokens) => tokens > model.config.contextLength);
  if (misfit !== undefined) {
    throw new MimoError(
      "context_length_exceeded",
      `The model's context has ${model.config.contextLength} tokens, found ${misfit} among --contexts.`,
      { param: "contexts", remedy: "Give smaller --contexts." },
    );
  }
  const kvDType = flags.kv ?? "f16";
  const machine = await planMachine(cli, model, flags);
  const result = makePlan(model, {
    contexts,
    batches: flags.batch,
    kvDType,
    speed: machine.speed,
    knowsArithmetic: machine.described?.operationsPerSecond !== undefined || machine.measured !== null,
    memoryBytes: machine.availableBytes,
    diskBytesPerSecond: machine.diskBytesPerSecond,
  });
  if (flags.json === true) cli.output.json(describePlan(model, machine, result, kvDType));
  else printPlan(cli, model, machine, result, kvDType);
}

function checkFlags(flags: PlanFlags): void {
  for (const [param, values] of Object.entries({ contexts: flags.contexts ?? [], batch: flags.batch })) {
    if (values.every((value) => value > 0)) continue;
    throw new MimoError("invalid_argument", `--${param} must be positive, found ${values.join(",")}.`, { param });
  }
  if (flags.flops === undefined || flags.bandwidth !== undefined) return;
  throw new MimoError("invalid_argument", "--flops describes another machine, and its --bandwidth is missing.", {
    param: "flops",
    remedy: "Add --bandwidth, which decides how fast it decodes; or leave --flops away to measure this machine.",
  });
}
