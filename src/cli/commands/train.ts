// `mimo train`: runs a recipe from its first token to the finished model, and goes on where it was interrupted.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { createCpuBackend } from "../../backends/cpu/native.ts";
import type { TokenizerFiles } from "../../tokenizer/gguf-tokenizer.ts";
import { learnTokenizer } from "../../train/learn-tokenizer.ts";
import { parseRecipe, type Recipe } from "../../train/recipe.ts";
import { Trainer } from "../../train/trainer.ts";
import { MimoError } from "../../util/errors.ts";
import type { Cli } from "../cli.ts";
import { readTextFile } from "../files.ts";
import { formatCount } from "../format.ts";
import { watchInterrupt } from "../interrupt.ts";
import { examples, threadsOption } from "../options.ts";
import { Progress } from "../progress.ts";
import { TrainingView } from "../training-view.ts";

interface TrainFlags {
  readonly out?: string;
  readonly resume?: boolean;
  readonly threads?: number;
}

export function trainCommand(cli: Cli): Command {
  return new Command("train")
    .description("Train a model of the architecture from scratch, by a recipe.")
    .argument("<recipe>", "a recipe's .yaml file, such as recipes/pico/recipe.yaml")
    .option("--out <folder>", "where the run lives: metrics, resume points, the model; default: runs/NAME")
    .option("--resume", "go on with a run that was interrupted, from its last resume point")
    .addOption(threadsOption())
    .action((path: string, flags: TrainFlags) => train(cli, path, flags))
    .addHelpText(
      "after",
      examples(
        ["mimo train recipes/pico/recipe.yaml", "A model of 0.4M parameters, in about ten minutes."],
        ["mimo train recipes/pico/recipe.yaml --resume", "The same, where Ctrl-C has stopped it."],
        ["mimo chat runs/pico/model", "Talk to the result."],
      ),
    );
}

async function train(cli: Cli, path: string, flags: TrainFlags): Promise<void> {
  const text = await readTextFile(path, cli);
  const recipe = parseRecipe(text, path);
  const folder = flags.out ?? join("runs", recipe.name);
  prepareFolder(folder, text, flags.resume === true);
  using interrupt = watchInterrupt();
  const tokenizer = tokenizerOf(cli, recipe, folder);
  using device = createCpuBackend(flags.threads === undefined ? {} : { threads: flags.threads });
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
function tokenizerOf(cli: Cli, recipe: Recipe, folder: string): TokenizerFiles {
  const path = join(folder, "tokenizer.json");
  if (existsSync(path)) return JSON.parse(readFileSync(path, "utf8")) as TokenizerFiles;
  const progress = new Progress(cli.messages, { label: "learning the tokenizer,", format: formatCount });
  const files = learnTokenizer(recipe, (done, total) => progress.update(done, total));
  progress.clear();
  writeFileSync(path, JSON.stringify(files));
  return files;
}
