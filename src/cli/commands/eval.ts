// `mimo eval`: what a model can do, by tasks that its training cannot have shown or by files of public benchmarks, with
// intervals; how well it predicts text; and what drafting gains.

import { basename, extname } from "node:path";
import { Command } from "commander";
import type { Mimo } from "../../api/mimo.ts";
import { writeFiles } from "../../checkpoint/output-file.ts";
import {
  type BitsPerByte,
  bitsPerByte,
  generatorSources,
  textSource,
  type TextSource,
} from "../../eval/bits-per-byte.ts";
import { type Evaluation, evaluate } from "../../eval/evaluate.ts";
import { runPython } from "../../eval/run-python.ts";
import { compareSpeed, type Speed } from "../../eval/speed.ts";
import { type PythonRunner, standardSuites } from "../../eval/standard-files.ts";
import { createSuites, DEFAULT_TASKS, selectSuites, type Suite } from "../../eval/suites.ts";
import { abortedError, MimoError } from "../../util/errors.ts";
import type { Cli } from "../cli.ts";
import { describeRun, type EvalSettings, printReport } from "../eval-report.ts";
import { readTextFile } from "../files.ts";
import { formatFields } from "../format.ts";
import { type Inspection, inspectPath } from "../inspection.ts";
import { watchInterrupt } from "../interrupt.ts";
import { loadModel } from "../load-model.ts";
import { drawNeedleGrids, NEEDLE_DEPTHS } from "../needle-grid.ts";
import {
  addModelOptions,
  collect,
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
  readonly file?: readonly string[];
  readonly runCode?: boolean;
  readonly tasks?: number;
  readonly lengths?: readonly number[];
  readonly bitsPerByte?: boolean;
  readonly text?: readonly string[];
  readonly seed: number;
  readonly temperature: number;
  readonly maxTokens?: number;
  readonly concurrency: number;
  readonly speculation?: number | "auto";
  readonly needleGrid?: string;
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
/** Tokens in which texts are read, unless --context says otherwise: bits per byte depend on it. */
const PIECE_TOKENS = 4096;
const MAX_DEPTH = 3;

export function evalCommand(cli: Cli): Command {
  const command = new Command("eval")
    .description("Ask a model held-out questions of the generators that trained nano, and grade its answers.")
    .argument("<model>", "a Hugging Face folder or a .gguf file")
    .optionsGroup("What to ask:")
    .option(
      "--suite <list>",
      "suites by name, such as tools,retrieval; default: all, or what other options here ask for",
      parseList(String),
    )
    .option(
      "--file <file>",
      "tasks of GSM8K, HumanEval or MBPP as JSON lines, as they are published; may be given several times",
      collect,
    )
    .option("--run-code", "allow that Python of the model is run here, which grades HumanEval and MBPP")
    .option("--tasks <n>", `tasks of each suite; default: ${DEFAULT_TASKS}, or all of a file`, parseInteger)
    .option(
      "--lengths <list>",
      "tokens of retrieval's tasks; default: 512,1K,2K,4K,8K as far as the model's context reaches",
      parseList(parseTokens),
    )
    .option("--bits-per-byte", "bits per byte of held-out samples of every generator, as many as --tasks")
    .option("--text <file>", "bits per byte of a text of yours; may be given several times", collect)
    .option("--seed <n>", "same seed, same tasks and same answers", parseInteger, 1)
    .optionsGroup("How to answer:")
    .option("--temperature <number>", "0 always takes the most probable token", parseNumber, 0)
    .option("--max-tokens <n>", "most tokens of an answer; default: ample for each suite", parseInteger)
    .option("--concurrency <n>", "tasks at once, for the engine to batch", parseInteger, 8)
    .addOption(speculationOption("all heads, so that accept length is measured"))
    .optionsGroup("What to report:")
    .option(
      "--needle-grid <file.svg>",
      "put the needles of retrieval/single and multi-key at depths from 0 to 100 % in turn, and draw what was found",
    )
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
          "mimo eval runs/nano/model --needle-grid needles.svg --lengths 1K,4K --tasks 220",
          "Ten needles for each length and depth, as a table and a picture.",
        ],
        ["mimo eval runs/nano/model --bits-per-byte --text notes.txt", "How well it predicts text."],
        ["mimo eval MiMo --file gsm8k.jsonl --file humaneval.jsonl --run-code", "Public benchmarks, every task."],
        [
          "mimo eval runs/nano/model --temperature 1",
          "As the model samples: nats/token is its entropy, on which accept length depends.",
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
  const depths = flags.needleGrid === undefined ? undefined : NEEDLE_DEPTHS;
  const files = await openFiles(cli, flags);
  const sources = await openTexts(cli, flags);
  // The tokenizer comes with the model; names and limits are known before.
  const plan = chooseSuites(createSuites({ lengths, countTokens: (text) => text.length, depths }), files, flags);
  using interrupt = watchInterrupt();
  const { signal } = interrupt;
  const pieceTokens = Math.min(inspection.config.contextLength, flags.context ?? PIECE_TOKENS);
  const contextLength =
    flags.context ?? contextFor(plan, lengths, inspection, flags, sources.length === 0 ? 0 : pieceTokens);
  const { concurrency: maxSequences } = flags;
  await using mimo = await loadModel(messages, path, { ...toLoadOptions(flags), contextLength, maxSequences, signal });
  const { tokenizer } = mimo;
  // Lines are counted one by one; the space stands for what separates them.
  const countTokens = (text: string): number => tokenizer.encode(` ${text}`).length;
  const suites = chooseSuites(createSuites({ lengths, countTokens, depths }), files, flags);
  const speculation = flags.speculation ?? Math.min(MAX_DEPTH, mimo.info.numMtpHeads);
  const settings: EvalSettings = { ...flags, speculation, lengths, pieceTokens };
  const evaluation = await ask(cli, mimo, suites, settings, signal);
  const bits = await unlessAborted(signal, () => score(cli, mimo, sources, pieceTokens, signal));
  const speed =
    flags.speed === true ? await unlessAborted(signal, () => time(cli, mimo, suites, flags, signal)) : undefined;
  const results = { evaluation, bits: bits ?? [], speed };
  if (flags.json !== true) printReport(cli, { path, suites, info: mimo.info }, settings, results);
  const report = describeRun(inspection, mimo.info, settings, results);
  if (flags.json === true) output.json(report);
  if (flags.needleGrid !== undefined) {
    await write(cli, flags.needleGrid, drawNeedleGrids(basename(path), evaluation.suites));
  }
  if (flags.out !== undefined) await write(cli, flags.out, `${JSON.stringify(report, null, 2)}\n`);
  if (signal.aborted) throw abortedError(signal.reason);
}

async function write({ messages }: Cli, path: string, text: string): Promise<void> {
  await writeFiles([{ path, chunks: () => [new TextEncoder().encode(text)] }]);
  messages.line(`Wrote ${path}.`);
}

/** Undefined where it was interrupted: half of such a result says nothing. */
async function unlessAborted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return signal.aborted ? undefined : await work();
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

function checkFlags(flags: EvalFlags): void {
  const { tasks = DEFAULT_TASKS, concurrency, showFailures = 0 } = flags;
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

async function openFiles(cli: Cli, { file: paths = [], runCode = false }: EvalFlags): Promise<Suite[]> {
  const runner = runCode && paths.length > 0 ? await pythonRunner(cli) : undefined;
  const suites: Suite[] = [];
  for (const path of paths) {
    const file = { name: basename(path, extname(path)), path, text: await readTextFile(path, cli) };
    if (suites.some(({ name }) => name.startsWith(`${file.name}/`))) {
      throw new MimoError("invalid_argument", `--file expects files of different names, found two of ${file.name}.`, {
        param: "file",
        remedy: "Suites are called as their files are: rename one.",
      });
    }
    suites.push(...standardSuites(file, runner));
  }
  return suites;
}

async function pythonRunner({ environment }: Cli): Promise<PythonRunner> {
  const path = environment.inherited["PATH"] ?? "";
  const runner: PythonRunner = (program) => runPython(program, { path });
  // Known before the model has answered anything.
  const problem = await runner("pass");
  if (problem === undefined) return runner;
  throw new MimoError("not_supported", `python3 does not run an empty program: ${problem}`, {
    remedy: "See that PATH leads to a python3 that works, or leave out files of HumanEval and MBPP.",
  });
}

async function openTexts(cli: Cli, flags: EvalFlags): Promise<TextSource[]> {
  const sources = flags.bitsPerByte === true ? generatorSources(flags.tasks ?? DEFAULT_TASKS, flags.seed) : [];
  for (const path of flags.text ?? []) {
    const text = await readTextFile(path, cli);
    if (text === "") {
      throw new MimoError("invalid_argument", `${path}: expected text, found an empty file.`, { param: "text" });
    }
    sources.push(textSource(path, text));
  }
  return sources;
}

/** Suites that are named; otherwise those that other options ask for, or all where none does. */
function chooseSuites(suites: readonly Suite[], files: readonly Suite[], flags: EvalFlags): readonly Suite[] {
  const { suite: names, needleGrid, bitsPerByte: isScored = false, text = [] } = flags;
  const others = [...suites.filter(({ depths }) => depths !== undefined), ...files];
  const isLimited = needleGrid !== undefined || files.length > 0 || isScored || text.length > 0;
  const chosen = names === undefined ? (isLimited ? others : suites) : selectSuites([...suites, ...files], names);
  if (needleGrid === undefined || chosen.some(({ depths }) => depths !== undefined)) return chosen;
  throw new MimoError(
    "invalid_argument",
    "--needle-grid expects retrieval/single or retrieval/multi-key, found neither.",
    {
      param: "needle-grid",
      remedy: `Name one of them in --suite. They need a context of ${DEFAULT_LENGTHS[0]} tokens, or shorter --lengths.`,
    },
  );
}

/** Room for as many attempts as run at once. */
function contextFor(
  suites: readonly Suite[],
  lengths: readonly number[],
  { config }: Inspection,
  { concurrency, maxTokens }: EvalFlags,
  pieceTokens: number,
): number {
  const sizes = suites.map((suite) =>
    suite.name.startsWith("retrieval/") ? lengths.at(-1)! : PROMPT_TOKENS + (maxTokens ?? suite.maxTokens),
  );
  const longest = Math.min(config.contextLength, Math.max(0, ...sizes));
  return Math.max(longest, pieceTokens, Math.min(concurrency * longest, MAX_CONTEXT));
}

async function ask(
  cli: Cli,
  mimo: Mimo,
  suites: readonly Suite[],
  { tasks, seed, concurrency, temperature, maxTokens, speculation, showFailures }: EvalSettings,
  signal: AbortSignal,
): Promise<Evaluation> {
  const options = { tasks, seed, concurrency, temperature, maxTokens, speculation, failures: showFailures ?? 0 };
  return withProgress(cli, "answered", (onProgress) => evaluate(mimo, suites, { ...options, signal, onProgress }));
}

async function score(
  cli: Cli,
  mimo: Mimo,
  sources: readonly TextSource[],
  pieceTokens: number,
  signal: AbortSignal,
): Promise<BitsPerByte[]> {
  return withProgress(cli, "scored", (onProgress) => bitsPerByte(mimo, sources, { pieceTokens, signal, onProgress }));
}

async function time(
  cli: Cli,
  mimo: Mimo,
  suites: readonly Suite[],
  { seed, temperature, maxTokens }: EvalFlags,
  signal: AbortSignal,
): Promise<Speed> {
  const heads = Math.min(MAX_DEPTH, mimo.info.numMtpHeads);
  if (heads === 0) {
    cli.messages.line("There are no MTP heads: only plain decoding is timed.");
  }
  const options = { depths: heads === 0 ? [0] : [0, heads, "auto" as const], seed, temperature, maxTokens };
  return withProgress(cli, "timed", (onProgress) => compareSpeed(mimo, suites, { ...options, signal, onProgress }));
}

async function withProgress<T>(
  { messages }: Cli,
  label: string,
  work: (onProgress: (done: number, total: number) => void) => Promise<T>,
): Promise<T> {
  const progress = new Progress(messages, { label, format: String });
  try {
    return await work((done, total) => progress.update(done, total));
  } finally {
    progress.clear();
  }
}
