// `mimo eval`: what a model can do, by tasks that its training cannot have shown, with intervals; and what drafting gains.

import { Command } from "commander";
import type { Mimo } from "../../api/mimo.ts";
import { writeFiles } from "../../checkpoint/output-file.ts";
import { type Evaluation, evaluate } from "../../eval/evaluate.ts";
import { compareSpeed, type Depth, type Speed } from "../../eval/speed.ts";
import { createSuites, selectSuites, type Suite } from "../../eval/suites.ts";
import { abortedError, MimoError } from "../../util/errors.ts";
import type { Cli } from "../cli.ts";
import { printEvaluation, printFailures, printSpeed } from "../eval-report.ts";
import { formatContext, formatFields, plural } from "../format.ts";
import { type Inspection, inspectPath } from "../inspection.ts";
import { watchInterrupt } from "../interrupt.ts";
import { loadModel } from "../load-model.ts";
import { describeBuild, describeMachine } from "../machine.ts";
import {
  addModelOptions,
  examples,
  type ModelFlags,
  parseInteger,
  parseList,
  parseNumber,
  parseTokens,
  speculationOption,
  toLoadOptions,
} from "../options.ts";
import { Progress } from "../progress.ts";

interface EvalFlags extends ModelFlags {
  readonly suite?: readonly string[];
  readonly tasks: number;
  readonly lengths?: readonly number[];
  readonly seed: number;
  readonly temperature: number;
  readonly maxTokens?: number;
  readonly concurrency: number;
  readonly speculation?: number | "auto";
  readonly speed?: boolean;
  readonly showFailures?: number;
  readonly out?: string;
  readonly json?: boolean;
}

const DEFAULT_LENGTHS: readonly number[] = [512, 1024, 2048, 4096, 8192];
const MIN_LENGTH = 256;
/** Tokens of the longest prompt outside of retrieval, by a small vocabulary. */
const PROMPT_TOKENS = 2048;
/** Tokens of cache that are taken without being asked for: attempts beyond it wait. */
const MAX_CONTEXT = 65_536;
const MAX_DEPTH = 3;

export function evalCommand(cli: Cli): Command {
  const command = new Command("eval")
    .description("Ask a model held-out questions of the generators that trained nano, and grade its answers.")
    .argument("<model>", "a Hugging Face folder or a .gguf file")
    .optionsGroup("What to ask:")
    .option("--suite <list>", "suites by name, such as tools,retrieval; default: all", parseList(String))
    .option("--tasks <n>", "tasks of each suite", parseInteger, 100)
    .option(
      "--lengths <list>",
      "tokens of retrieval's tasks; default: 512,1K,2K,4K,8K as far as the model's context reaches",
      parseList(parseTokens),
    )
    .option("--seed <n>", "same seed, same tasks and same answers", parseInteger, 1)
    .optionsGroup("How to answer:")
    .option("--temperature <number>", "0 always takes the most probable token", parseNumber, 0)
    .option("--max-tokens <n>", "most tokens of an answer; default: ample for each suite", parseInteger)
    .option("--concurrency <n>", "tasks at once, for the engine to batch", parseInteger, 8)
    .addOption(speculationOption("all heads, so that accept length is measured"))
    .optionsGroup("What to report:")
    .option("--speed", "also compare plain decoding with drafts, one task at a time")
    .option("--show-failures <n>", "print so many failures of each suite, with what was expected", parseInteger)
    .option("--out <file>", "also write the results as JSON, whole or not at all")
    .option("--json", "print JSON");
  return addModelOptions(command)
    .action((model: string, flags: EvalFlags) => runEval(cli, model, flags))
    .addHelpText("after", () => `\nSuites:\n${describeSuites()}`)
    .addHelpText(
      "after",
      examples(
        ["mimo eval runs/nano/model", "Every suite, 100 tasks each, greedy."],
        ["mimo eval runs/nano/model --suite tools --show-failures 5", "What goes wrong with tools."],
        [
          "mimo eval runs/nano/model --suite retrieval --lengths 1K,4K --tasks 40",
          "Twenty tasks for each kind and length.",
        ],
        [
          "mimo eval runs/nano/model --speed --out results/nano.json",
          "With what drafting gains, for a file of results.",
        ],
      ),
    );
}

function describeSuites(): string {
  const suites = createSuites({ lengths: [MIN_LENGTH], countTokens: (text) => text.length });
  return formatFields(suites.map(({ name, about }) => [name, about] as const))
    .map((line) => `  ${line}\n`)
    .join("");
}

async function runEval(cli: Cli, path: string, flags: EvalFlags): Promise<void> {
  const { output, messages } = cli;
  checkFlags(flags);
  const inspection = inspectPath(path);
  const lengths = chooseLengths(inspection, flags);
  // The tokenizer comes with the model; names and limits are known before.
  const plan = selectFrom(createSuites({ lengths, countTokens: (text) => text.length }), flags);
  using interrupt = watchInterrupt();
  const { signal } = interrupt;
  const contextLength = flags.context ?? contextFor(plan, lengths, inspection, flags);
  const { concurrency: maxSequences } = flags;
  await using mimo = await loadModel(messages, path, { ...toLoadOptions(flags), contextLength, maxSequences, signal });
  const { tokenizer } = mimo;
  // Lines are counted one by one; the space stands for what separates them.
  const countTokens = (text: string): number => tokenizer.encode(` ${text}`).length;
  const suites = selectFrom(createSuites({ lengths, countTokens }), flags);
  const speculation = flags.speculation ?? Math.min(MAX_DEPTH, mimo.info.numMtpHeads);
  const evaluation = await ask(cli, mimo, suites, { ...flags, speculation }, signal);
  const isTimed = flags.speed === true && !evaluation.isInterrupted;
  if (flags.json !== true) {
    output.line(output.style.bold(output.untrusted(path)));
    printEvaluation(output, evaluation);
    printSummary(cli, mimo, flags, speculation, evaluation);
    printFailures(output, evaluation);
  }
  const speed = isTimed ? await time(cli, mimo, suites, flags, signal) : undefined;
  const report = describeRun(inspection, mimo, { ...flags, speculation, lengths }, evaluation, speed);
  if (flags.json === true) output.json(report);
  else if (speed !== undefined) printSpeed(output, speed);
  if (flags.out !== undefined) {
    const text = `${JSON.stringify(report, null, 2)}\n`;
    await writeFiles([{ path: flags.out, chunks: () => [new TextEncoder().encode(text)] }]);
    messages.line(`Wrote ${flags.out}.`);
  }
  if (signal.aborted) throw abortedError(signal.reason);
}

function checkFlags(flags: EvalFlags): void {
  const { tasks, concurrency, showFailures = 0 } = flags;
  const misfit = Object.entries({ tasks, concurrency, "show-failures": showFailures }).find(
    ([name, value]) => value < (name === "show-failures" ? 0 : 1),
  );
  if (misfit === undefined) return;
  throw new MimoError("invalid_argument", `--${misfit[0]} must be positive, found ${misfit[1]}.`, { param: misfit[0] });
}

/** Default lengths are left out where the context ends; lengths that were asked for are not. */
function chooseLengths({ config }: Inspection, flags: EvalFlags): readonly number[] {
  const most = Math.min(config.contextLength, flags.context ?? Infinity);
  const misfit = flags.lengths?.find((length) => length > most || length < MIN_LENGTH);
  if (misfit !== undefined) {
    throw new MimoError(
      "context_length_exceeded",
      `--lengths must be from ${MIN_LENGTH} to ${most}, found ${misfit}.`,
      {
        param: "lengths",
        remedy: `The context holds ${most} tokens: give other lengths, or leave --lengths out.`,
      },
    );
  }
  return [...(flags.lengths ?? DEFAULT_LENGTHS.filter((length) => length <= most))].toSorted((a, b) => a - b);
}

function selectFrom(suites: readonly Suite[], { suite }: EvalFlags): readonly Suite[] {
  return suite === undefined ? suites : selectSuites(suites, suite);
}

/** Room for as many attempts as run at once. */
function contextFor(
  suites: readonly Suite[],
  lengths: readonly number[],
  { config }: Inspection,
  { concurrency, maxTokens }: EvalFlags,
): number {
  const sizes = suites.map((suite) =>
    suite.name.startsWith("retrieval/") ? lengths.at(-1)! : PROMPT_TOKENS + (maxTokens ?? suite.maxTokens),
  );
  const longest = Math.min(config.contextLength, Math.max(...sizes));
  return Math.max(longest, Math.min(concurrency * longest, MAX_CONTEXT));
}

type Settings = EvalFlags & { readonly speculation: Depth };

async function ask(
  { messages }: Cli,
  mimo: Mimo,
  suites: readonly Suite[],
  { tasks, seed, concurrency, temperature, maxTokens, speculation, showFailures }: Settings,
  signal: AbortSignal,
): Promise<Evaluation> {
  const progress = new Progress(messages, { label: "answered", format: String });
  try {
    return await evaluate(mimo, suites, {
      tasks,
      seed,
      concurrency,
      temperature,
      maxTokens,
      speculation,
      failures: showFailures ?? 0,
      signal,
      onProgress: (done, total) => progress.update(done, total),
    });
  } finally {
    progress.clear();
  }
}

/** Undefined where it was interrupted: half of a comparison compares nothing. */
async function time(
  { messages }: Cli,
  mimo: Mimo,
  suites: readonly Suite[],
  { seed, temperature, maxTokens }: EvalFlags,
  signal: AbortSignal,
): Promise<Speed | undefined> {
  const heads = Math.min(MAX_DEPTH, mimo.info.numMtpHeads);
  if (heads === 0) {
    messages.line("There are no MTP heads: only plain decoding is timed.");
  }
  const progress = new Progress(messages, { label: "timed", format: String });
  try {
    return await compareSpeed(mimo, suites, {
      depths: heads === 0 ? [0] : [0, heads, "auto"],
      seed,
      temperature,
      maxTokens,
      signal,
      onProgress: (done, total) => progress.update(done, total),
    });
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  } finally {
    progress.clear();
  }
}

function printSummary(
  { output, messages }: Cli,
  mimo: Mimo,
  { seed, temperature, tasks }: EvalFlags,
  speculation: Depth,
  { suites, tokensPerStep, isInterrupted }: Evaluation,
): void {
  const count = suites.reduce((sum, one) => sum + one.count, 0);
  const sampling = temperature === 0 ? "greedy" : `temperature ${temperature}`;
  const { dim } = output.style;
  output.line(dim(`${plural(count, "held-out task")}, seed ${seed}, ${sampling}, ${mimo.info.backend}.`));
  if (speculation !== 0) {
    output.line(
      `Mean accept length: ${tokensPerStep.toFixed(2)} tokens per step of the trunk, drafts: ${speculation}.`,
    );
  }
  const numTooLong = suites.reduce((sum, one) => sum + one.numTooLong, 0);
  if (numTooLong > 0) {
    const { contextLength } = mimo.info;
    messages.line(`${plural(numTooLong, "task")} did not fit into the context of ${contextLength}: counted as wrong.`);
  }
  if (isInterrupted) messages.line(`Interrupted after ${count} of ${tasks * suites.length} tasks.`);
}

function describeRun(
  { path, format, parameters, numMtpHeads, config }: Inspection,
  mimo: Mimo,
  flags: Settings & { readonly lengths: readonly number[] },
  { suites, tokensPerStep, isInterrupted }: Evaluation,
  speed: Speed | undefined,
): object {
  const { tasks, seed, temperature, concurrency, speculation, maxTokens, lengths } = flags;
  return {
    date: new Date().toISOString(),
    build: describeBuild(),
    machine: { ...describeMachine(), backend: mimo.info.backend },
    model: { path, format, parameters, numMtpHeads, contextLength: config.contextLength },
    settings: {
      split: "heldout",
      tasks,
      seed,
      temperature,
      concurrency,
      speculation,
      lengths: lengths.map(formatContext),
      ...(maxTokens === undefined ? {} : { maxTokens }),
    },
    isInterrupted,
    suites,
    speculation: { depth: speculation, tokensPerStep },
    ...(speed === undefined ? {} : { speed }),
  };
}
