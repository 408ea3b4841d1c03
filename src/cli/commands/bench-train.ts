// `mimo bench train`: how fast this machine takes steps of training, beside the arithmetic that they consist of.

import { Command, Option } from "commander";
import { createCpuBackend } from "../../backends/cpu/native.ts";
import { PRESET_NAMES, type PresetName, PRESETS } from "../../model/presets.ts";
import { originOf } from "../../train/origin.ts";
import { fp8BlockOf, parseRecipe, type Recipe, stageConfig } from "../../train/recipe.ts";
import { defined } from "../../util/assert.ts";
import { MimoError } from "../../util/errors.ts";
import type { Cli } from "../cli.ts";
import { readTextFile } from "../files.ts";
import {
  formatAmount,
  formatBytes,
  formatCount,
  formatDuration,
  formatFields,
  plural,
  significant,
} from "../format.ts";
import { watchInterrupt } from "../interrupt.ts";
import { describeBuild, describeMachine } from "../machine.ts";
import {
  measureProductRate,
  measureTraining,
  type TrainingCase,
  type TrainingMeasurement,
} from "../measure-training.ts";
import { examples, parseInteger, threadsOption } from "../options.ts";
import { Progress } from "../progress.ts";

interface BenchTrainFlags {
  readonly preset: PresetName;
  readonly recipe?: string;
  readonly batch: number;
  readonly length: number;
  readonly mtpHeads: number;
  readonly threads?: number;
  readonly rounds: number;
  readonly json?: boolean;
}

const MAX_MTP_HEADS = 3;

/** As recipes have them by default, so that presets do the work of a usual step. */
const DEFAULTS = {
  fp8Block: 0,
  optimizer: {
    matrices: "adamw",
    momentum: 0.95,
    beta1: 0.9,
    beta2: 0.95,
    epsilon: 1e-8,
    weightDecay: 0.1,
    clipNorm: 1,
  },
  // Small: what is learnt of random tokens does not matter, that it stays finite does.
  settings: { learningRate: 1e-4, mtpWeight: 0.3, biasRate: 1e-3, balanceWeight: 1e-5 },
} as const;

export function benchTrainCommand(cli: Cli): Command {
  return new Command("train")
    .description("Measure how fast this machine takes steps of training.")
    .optionsGroup("What to measure:")
    .addOption(
      new Option("--preset <name>", "an architecture, see `mimo init --help`").choices(PRESET_NAMES).default("nano"),
    )
    .addOption(
      new Option("--recipe <path>", "a recipe's model, first stage, precision and optimizer instead").conflicts(
        "preset",
      ),
    )
    .option("--batch <n>", "documents in a step", parseInteger, 8)
    .option("--length <tokens>", "tokens of each document", parseInteger, 512)
    .option("--mtp-heads <n>", "MTP heads that are trained along, 0 to 3", parseInteger, 1)
    .option("--rounds <n>", "steps to take the median of, after one to warm up", parseInteger, 5)
    .addOption(threadsOption())
    .option("--json", "print JSON")
    .action((flags: BenchTrainFlags) => benchTrain(cli, flags))
    .addHelpText(
      "after",
      examples(
        ["mimo bench train", "Steps of 8 × 512 random tokens at the sizes of recipes/nano."],
        ["mimo bench train --recipe recipes/pico/recipe.yaml", "The sizes and the optimizer of a recipe."],
        ["mimo bench train --preset bench-32m --json > result.json", "A larger model, for a file of results."],
      ),
    );
}

async function benchTrain(cli: Cli, flags: BenchTrainFlags): Promise<void> {
  const training = await planCase(cli, flags);
  using interrupt = watchInterrupt();
  using device = createCpuBackend(flags.threads === undefined ? {} : { threads: flags.threads });
  const progress = new Progress(cli.messages, { label: "measured", format: String });
  const steps = 1 + flags.rounds;
  const measurement = await measureTraining(device, training, {
    rounds: flags.rounds,
    onStep: (done) => progress.update(done, steps),
    signal: interrupt.signal,
  }).finally(() => progress.clear());
  const run = { training, measurement, machineRate: measureProductRate(device), backend: device.description };
  if (flags.json === true) cli.output.json(describeRun(flags, run));
  else print(cli, flags, run);
}

interface Run {
  readonly training: TrainingCase;
  readonly measurement: TrainingMeasurement;
  /** Operations per second of the fastest product. */
  readonly machineRate: number;
  readonly backend: string;
}

async function planCase(cli: Cli, flags: BenchTrainFlags): Promise<TrainingCase> {
  const { batch, length, mtpHeads: numMtpHeads, rounds } = flags;
  for (const [name, value] of Object.entries({ batch, length, rounds })) {
    if (value > 0) continue;
    throw new MimoError("invalid_argument", `--${name} must be positive, found ${value}.`, { param: name });
  }
  if (numMtpHeads < 0 || numMtpHeads > MAX_MTP_HEADS) {
    throw new MimoError("invalid_argument", `--mtp-heads: expected 0 to ${MAX_MTP_HEADS}, found ${numMtpHeads}.`, {
      param: "mtp-heads",
    });
  }
  const recipe =
    flags.recipe === undefined ? undefined : parseRecipe(await readTextFile(flags.recipe, cli), flags.recipe);
  const model = recipe === undefined ? { config: PRESETS[flags.preset].config, ...DEFAULTS } : recipeCase(recipe);
  if (length > model.config.contextLength) {
    throw new MimoError(
      "context_length_exceeded",
      `Documents of ${length} tokens exceed the model's context of ${model.config.contextLength}.`,
      { remedy: "Give a smaller --length." },
    );
  }
  return { ...model, batch, length, numMtpHeads };
}

function recipeCase(recipe: Recipe): Pick<TrainingCase, "config" | "fp8Block" | "optimizer" | "settings"> {
  const stage = defined(recipe.stages[0], "a stage");
  const { mtp, biasRate, balanceWeight } = stage;
  return {
    config: stageConfig(originOf(recipe).config, stage),
    fp8Block: fp8BlockOf(recipe),
    optimizer: recipe.optimizer,
    settings: { ...DEFAULTS.settings, mtpWeight: mtp.weight, biasRate, balanceWeight },
  };
}

function describeRun(flags: BenchTrainFlags, { training, measurement, machineRate, backend }: Run): object {
  const { parameters, operationsPerToken, operationsPerSecond, parameterBytes, activationBytes } = measurement;
  const { batch, length, numMtpHeads, optimizer } = training;
  const precision = precisionOf(training);
  return {
    date: new Date().toISOString(),
    build: describeBuild(),
    machine: { ...describeMachine(), backend, operationsPerSecond: machineRate },
    model: { name: flags.recipe ?? flags.preset, parameters },
    settings: { batch, length, mtpHeads: numMtpHeads, rounds: flags.rounds, precision, matrices: optimizer.matrices },
    tokensPerSecond: measurement.tokensPerSecond,
    milliseconds: measurement.milliseconds,
    arithmetic: { operationsPerToken, operationsPerSecond, machineShare: operationsPerSecond / machineRate },
    memory: { parameters: parameterBytes, activations: activationBytes },
  };
}

function precisionOf({ fp8Block }: TrainingCase): "f32" | "fp8" {
  return fp8Block === 0 ? "f32" : "fp8";
}

function print({ output }: Cli, flags: BenchTrainFlags, { training, measurement, machineRate, backend }: Run): void {
  const { bold, dim } = output.style;
  const { version, commit } = describeBuild();
  const { parameters, tokensPerSecond, milliseconds, operationsPerToken, operationsPerSecond } = measurement;
  const { batch, length, numMtpHeads, optimizer } = training;
  output.line(bold(output.untrusted(flags.recipe ?? flags.preset)));
  const build = `mimo ${version}${commit === undefined ? "" : ` (${commit})`}`;
  output.line(dim(`${describeMachine().cpu} · ${backend} · ${build} · ${new Date().toISOString().slice(0, 10)}`));
  const share = Math.round((100 * operationsPerSecond) / machineRate);
  const { step, forward, losses, backward, update } = milliseconds;
  const fields = [
    ["parameters", `${formatCount(parameters.total)}, of which a token uses ${formatCount(parameters.active)}`],
    [
      "tokens/s",
      `${significant(tokensPerSecond.median)} (${significant(tokensPerSecond.min)}–${significant(tokensPerSecond.max)})`,
    ],
    [
      "arithmetic",
      `${formatAmount(operationsPerToken, "FLOP")} per token: ${formatAmount(operationsPerSecond, "FLOP/s")}, ${share} % of the ${formatAmount(machineRate, "FLOP/s")} of our fastest product`,
    ],
    [
      "step",
      `${formatDuration(step)}: forward ${formatDuration(forward)}, LM head and losses ${formatDuration(losses)}, backward ${formatDuration(backward)}, update ${formatDuration(update)}`,
    ],
    [
      "memory",
      `${formatBytes(measurement.parameterBytes)} of parameters, gradients and moments, ${formatBytes(measurement.activationBytes)} of activations and their gradients`,
    ],
  ] as const;
  for (const line of formatFields(fields)) output.line(line);
  const what = `${batch} × ${length} random tokens, ${plural(numMtpHeads, "MTP head")}, ${precisionOf(training)}, ${optimizer.matrices}`;
  output.line(dim(`Median of ${plural(flags.rounds, "step")} (min–max): ${what}.`));
}
