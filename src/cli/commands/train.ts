// `mimo train`: runs a recipe from its first token to the finished model, and goes on where it was interrupted.

import { Command } from "commander";
import { parseRecipe } from "../../train/recipe.ts";
import { type FurtherData, type Preparation, readRecipe, rehearse, train } from "../../train/train.ts";
import type { Cli } from "../cli.ts";
import { readTextFile } from "../files.ts";
import { formatAmount, formatBytes, formatCount, formatDuration, formatTable } from "../format.ts";
import { watchInterrupt } from "../interrupt.ts";
import { collect, examples, threadsOption } from "../options.ts";
import { Progress } from "../progress.ts";
import { TrainingView } from "../training-view.ts";

interface TrainFlags {
  readonly out?: string;
  readonly from?: string;
  readonly data?: readonly string[];
  readonly resume?: boolean;
  readonly dryRun?: boolean;
  readonly threads?: number;
}

export function trainCommand(cli: Cli): Command {
  return new Command("train")
    .description("Train a model of the architecture by a recipe, from scratch or from another model.")
    .argument("<recipe>", "a recipe's .yaml file, such as recipes/pico/recipe.yaml")
    .option("--out <folder>", "where the run lives: metrics, resume points, the model; default: runs/NAME")
    .option("--from <model>", "begin with this model and its tokenizer instead of the recipe's own: it learns more")
    .option(
      "--data <file>",
      "own texts in every stage (.txt, .jsonl, .parquet), with FILE:WEIGHT for their share; may be given several times",
      collect,
    )
    .option("--dry-run", "take two steps of each stage, then tell memory, arithmetic and time; nothing is kept")
    .option("--resume", "go on with a run that was interrupted, from its last resume point")
    .addOption(threadsOption())
    .action((path: string, flags: TrainFlags) => run(cli, path, flags))
    .addHelpText(
      "after",
      examples(
        ["mimo train recipes/pico/recipe.yaml", "A model of 0.9M parameters, in about four minutes."],
        ["mimo train recipes/pico/recipe.yaml --dry-run", "What it would take, before it is begun."],
        ["mimo train recipes/pico/recipe.yaml --resume", "The same, where Ctrl-C has stopped it."],
        ["mimo train recipes/pico/recipe.yaml --data notes.txt:6", "With own texts, as much as of everything else."],
        ["mimo train notes.yaml --from runs/pico/model", "More stages for a model that there is."],
        ["mimo chat runs/pico/model", "Talk to the result."],
      ),
    );
}

async function run(cli: Cli, path: string, flags: TrainFlags): Promise<void> {
  const recipe = path === "-" ? parseRecipe(await readTextFile(path, cli), path) : path;
  const data = (flags.data ?? []).map(furtherData);
  using interrupt = watchInterrupt();
  const { signal } = interrupt;
  using preparation = new PreparationView(cli);
  const shared = { recipe, from: flags.from, data, threads: flags.threads, signal, onPrepare: preparation.onPrepare };
  if (flags.dryRun === true) return showRehearsals(cli, await rehearse(shared));
  const whole = readRecipe(shared);
  using view = new TrainingView(cli.messages, whole);
  try {
    const { model } = await train({
      ...shared,
      folder: flags.out,
      resume: flags.resume,
      onBegin: ({ folder, device }) => {
        preparation.clear();
        cli.messages.line(`${whole.name}: ${device}; run in ${folder}`);
      },
      onStep: view.onStep,
      onTexts: view.onTexts,
    });
    view.clear();
    cli.output.line(`Wrote ${model}: \`mimo chat ${model}\` talks to it.`);
  } catch (error) {
    view.clear();
    if (signal.aborted) cli.messages.line(`Stopped. \`${commandOf(path, flags)} --resume\` goes on from here.`);
    throw error;
  }
}

/** The command again, with what belongs to the run. */
function commandOf(path: string, { from, data = [], out }: TrainFlags): string {
  const options = [
    ...(from === undefined ? [] : [`--from ${from}`]),
    ...data.map((file) => `--data ${file}`),
    ...(out === undefined ? [] : [`--out ${out}`]),
  ];
  return ["mimo train", path, ...options].join(" ");
}

/** "FILE" or "FILE:WEIGHT". */
function furtherData(text: string): FurtherData {
  const [, file, weight] = /^(.+):(\d+(?:\.\d+)?)$/.exec(text) ?? [];
  return file === undefined ? { file: text } : { file, weight: Number(weight) };
}

/** A bar for each thing that a run prepares. */
class PreparationView implements Disposable {
  readonly #cli: Cli;
  #shown: { readonly label: string; readonly progress: Progress } | undefined;

  constructor(cli: Cli) {
    this.#cli = cli;
  }

  readonly onPrepare = ({ kind, path, done, total }: Preparation): void => {
    const label = kind === "reading" ? `reading ${path},` : "learning the tokenizer,";
    if (this.#shown?.label !== label) {
      this.clear();
      const format = kind === "reading" ? formatBytes : formatCount;
      this.#shown = { label, progress: new Progress(this.#cli.messages, { label, format }) };
    }
    this.#shown.progress.update(done, total);
  };

  clear(): void {
    this.#shown?.progress.clear();
    this.#shown = undefined;
  }

  [Symbol.dispose](): void {
    this.clear();
  }
}

function showRehearsals(cli: Cli, { device, rehearsals }: Awaited<ReturnType<typeof rehearse>>): void {
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
  cli.output.line(`${device}: ${formatDuration(1000 * total)} in all, by the second step of each stage.`);
}
