// `mimo train`: runs a recipe from its first token to the finished model, and goes on where it was interrupted.

import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import type { Backend } from "../../backends/backend.ts";
import { createCpuBackend } from "../../backends/cpu/native.ts";
import type { TokenizerFiles } from "../../tokenizer/gguf-tokenizer.ts";
import { learnTokenizer } from "../../train/learn-tokenizer.ts";
import { parseRecipe, type Recipe } from "../../train/recipe.ts";
import { Trainer } from "../../train/trainer.ts";
import { MimoError } from "../../util/errors.ts";
import type { Cli } from "../cli.ts";
import { readTextFile } from "../files.ts";
import { formatAmount, formatBytes, formatCount, formatDuration, formatTable } from "../format.ts";
import { watchInterrupt } from "../interrupt.ts";
import { examples, threadsOption } from "../options.ts";
import { Progress } from "../progress.ts";
import { TrainingView } from "../training-view.ts";

interface TrainFlags {
  readonly out?: string;
  readonly resume?: boolean;
  readonly dryRun?: boolean;
  readonly threads?: number;
}

export function trainCommand(cli: Cli): Command {
  return new Command("train")
    .description("Train a model of the architecture from scratch, by a recipe.")
    .argument("<recipe>", "a recipe's .yaml file, such as recipes/pico/recipe.yaml")
    .option("--out <folder>", "where the run lives: metrics, resume points, the model; default: runs/NAME")
    .option("--dry-run", "take two steps of each stage, then tell memory, arithmetic and time; nothing is kept")
    .option("--resume", "go on with a run that was interrupted, from its last resume point")
    .addOption(threadsOption())
    .action((path: string, flags: TrainFlags) => train(cli, path, flags))
    .addHelpText(
      "after",
      examples(
        ["mimo train recipes/pico/recipe.yaml", "A model of 0.4M parameters, in about ten minutes."],
        ["mimo train recipes/pico/recipe.yaml --dry-run", "What it would take, before it is begun."],
        ["mimo train recipes/pico/recipe.yaml --resume", "The same, where Ctrl-C has stopped it."],
        ["mimo chat runs/pico/model", "Talk to the result."],
      ),
    );
}

async function train(cli: Cli, path: string, flags: TrainFlags): Promise<void> {
  const text = await readTextFile(path, cli);
  const recipe = parseRecipe(text, path);
  const folder = flags.out ?? join("runs", recipe.name);
  if (flags.dryRun === true) return rehearse(cli, recipe, flags);
  prepareFolder(folder, text, flags.resume === true);
  using interrupt = watchInterrupt();
  const tokenizer = keptTokenizer(cli, recipe, folder);
  using device = openDevice(flags);
  using view = new TrainingView(cli.messages, recipe);
  cli.messages.line(`${recipe.name}: ${device.description}; run in ${folder}`);
  const { signal } = interrupt;
  const trainer = new Trainer(device, { recipe, tokenizer, folder, signal, onStep: view.onStep });
  try {
    await trainer.run();
  } catch (error) {
    view.clear();
    if (signal.aborted) cli.messages.line(`Stopped. \`mimo train ${path} --resume\` goes on from here.`);
    throw error;
  }
  view.clear();
  cli.output.line(`Wrote ${join(folder, "model")}: \`mimo chat ${join(folder, "model")}\` talks to it.`);
}

function openDevice({ threads }: TrainFlags): Backend {
  return createCpuBackend(threads === undefined ? {} : { threads });
}

function rehearse(cli: Cli, recipe: Recipe, flags: TrainFlags): void {
  const tokenizer = learn(cli, recipe);
  using device = openDevice(flags);
  const { signal } = new AbortController();
  const trainer = new Trainer(device, { recipe, tokenizer, folder: "", signal, onStep: () => {} });
  const rehearsals = trainer.rehearse();
  const rows = rehearsals.map(({ stage, counts, steps, parameterBytes, activationBytes, seconds, numTokens }) => [
    stage.name,
    `${formatCount(counts.total)}, ${formatCount(counts.active)}`,
    String(steps),
    formatBytes(parameterBytes + activationBytes),
    // Forward and both gradients: six operations for each parameter that a token uses.
    formatAmount((6 * counts.active * numTokens) / seconds, "FLOP/s"),
    String(Math.round(numTokens / seconds)),
    formatDuration(1000 * steps * seconds),
  ]);
  const header = ["stage", "parameters, active", "steps", "memory", "arithmetic", "tokens/s", "time"];
  for (const line of formatTable([header, ...rows])) cli.output.line(line);
  const total = rehearsals.reduce((sum, { steps, seconds }) => sum + steps * seconds, 0);
  cli.output.line(`${device.description}: ${formatDuration(1000 * total)} in all, by the second step of each stage.`);
}

/** A run keeps the recipe it was begun with: it can only be resumed with the same one. */
function prepareFolder(folder: string, text: string, isResumed: boolean): void {
  const kept = join(folder, "recipe.yaml");
  if (!existsSync(kept)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(kept, text);
    return;
  }
  if (!isResumed) {
    throw new MimoError("invalid_argument", `${folder} holds a run already.`, {
      param: "out",
      remedy: "Go on with it (--resume), or name another folder (--out).",
    });
  }
  if (readFileSync(kept, "utf8") === text) return;
  throw new MimoError("invalid_argument", `The recipe is not the one that the run in ${folder} was begun with.`, {
    param: "recipe",
    remedy: `Resume with ${kept}, or begin another run (--out).`,
  });
}

/** Learnt once and kept with the run. */
function keptTokenizer(cli: Cli, recipe: Recipe, folder: string): TokenizerFiles {
  const path = join(folder, "tokenizer.json");
  if (existsSync(path)) return JSON.parse(readFileSync(path, "utf8")) as TokenizerFiles;
  const files = learn(cli, recipe);
  // Beside and renamed: a run that is killed here learns it again.
  writeFileSync(`${path}.part`, JSON.stringify(files));
  renameSync(`${path}.part`, path);
  return files;
}

function learn(cli: Cli, recipe: Recipe): TokenizerFiles {
  const progress = new Progress(cli.messages, { label: "learning the tokenizer,", format: formatCount });
  const files = learnTokenizer(recipe, (done, total) => progress.update(done, total));
  progress.clear();
  return files;
}
