// `mimo bench`: how fast a checkpoint runs on this machine, as a table or as JSON with everything needed to repeat it.

import { Command } from "commander";
import { cpuBackendStatus } from "../../backends/cpu/addon.ts";
import { openCheckpoint } from "../../checkpoint/checkpoint.ts";
import { EngineClient } from "../../engine/client.ts";
import { loadTokenizer } from "../../api/load-tokenizer.ts";
import { MimoError } from "../../util/errors.ts";
import type { Cli } from "../cli.ts";
import { readTextFile } from "../files.ts";
import { formatBytes, formatContext, formatTable, plural, significant } from "../format.ts";
import { type Inspection, inspectPath } from "../inspection.ts";
import { watchInterrupt } from "../interrupt.ts";
import { showLoading } from "../load-model.ts";
import { describeBuild, describeMachine } from "../machine.ts";
import { type BenchCase, measure, type Measurement, type Spread } from "../measure.ts";
import {
  activationsOption,
  backendOption,
  examples,
  expertMemoryOption,
  kvOption,
  type ModelFlags,
  mtpModeOption,
  packingOption,
  parseInteger,
  parseList,
  parseSpeculation,
  threadsOption,
} from "../options.ts";
import { Progress } from "../progress.ts";
import { benchTrainCommand } from "./bench-train.ts";

interface BenchFlags extends Omit<ModelFlags, "context"> {
  readonly contexts?: readonly number[];
  readonly batch: readonly number[];
  readonly speculation?: readonly (number | "auto")[];
  readonly tokens: number;
  readonly rounds: number;
  readonly promptFile?: string;
  readonly json?: boolean;
}

const DEFAULT_CONTEXTS: readonly number[] = [512, 4096];
const CHUNK_SIZE = 512;
/** Most tokens that a step can add to a sequence. */
const MAX_STEP_TOKENS = 4;

export function benchCommand(cli: Cli): Command {
  return new Command("bench")
    .description("Measure how fast a checkpoint reads prompts and writes answers on this machine.")
    .argument("<model>", "a Hugging Face folder or a .gguf file")
    .addCommand(benchTrainCommand(cli))
    .optionsGroup("What to measure:")
    .option(
      "--contexts <list>",
      "prompt lengths; default: 512,4096 as far as the model's context reaches",
      parseList(parseInteger),
    )
    .option("--batch <list>", "sequences that run at once", parseList(parseInteger), [1])
    .option(
      "--speculation <list>",
      "draft depths; default: 0,auto with MTP heads, otherwise 0",
      parseList(parseSpeculation),
    )
    .option("--tokens <n>", "tokens to time per sequence", parseInteger, 64)
    .option("--rounds <n>", "rounds to take the median of, after one to warm up", parseInteger, 3)
    .option("--prompt-file <path>", "text for the prompts; default: random tokens, for which drafts are seldom right")
    .option("--json", "print JSON")
    .optionsGroup("Model:")
    .addOption(backendOption())
    .addOption(threadsOption())
    .addOption(kvOption())
    .addOption(mtpModeOption())
    .addOption(activationsOption("int16"))
    .addOption(packingOption())
    .addOption(expertMemoryOption())
    .action((model: string, flags: BenchFlags) => bench(cli, model, flags))
    .addHelpText(
      "after",
      examples(
        ["mimo bench model.gguf", "Prefill and decode at two lengths, with and without MTP speculation."],
        [
          "mimo bench model.gguf --batch 1,4,8 --contexts 2048 --json > result.json",
          "Several at once, for a file of results.",
        ],
        [
          "mimo bench model.gguf --prompt-file book.txt --speculation 0,1,2,3",
          "What each draft depth gains on real text.",
        ],
        ["mimo bench train --preset nano", "Steps of training instead; a folder called train is measured as ./train."],
      ),
    );
}

async function bench(cli: Cli, path: string, flags: BenchFlags): Promise<void> {
  const { output, messages } = cli;
  const inspection = inspectPath(path);
  const cases = planCases(inspection, flags);
  const promptIds =
    flags.promptFile === undefined ? undefined : tokenize(path, await readTextFile(flags.promptFile, cli));
  using interrupt = watchInterrupt();
  const { signal } = interrupt;
  const client = await startEngine(cli, path, cases, flags, signal);
  const progress = new Progress(messages, { label: "measured", format: String });
  const measurements: Measurement[] = [];
  try {
    for (const bench of cases) {
      progress.update(measurements.length, cases.length);
      const { tokens, rounds } = flags;
      measurements.push(await measure(client, bench, { tokens, rounds, promptIds, signal }));
    }
  } finally {
    progress.clear();
    await client.close();
  }
  const { backend } = client.info;
  if (flags.json === true) output.json(describeRun(inspection, flags, backend, measurements));
  else printTable(cli, inspection, flags, backend, measurements);
}

function planCases({ config, numMtpHeads }: Inspection, flags: BenchFlags): BenchCase[] {
  for (const [name, values] of Object.entries({
    contexts: flags.contexts ?? [],
    batch: flags.batch,
    tokens: [flags.tokens],
    rounds: [flags.rounds],
  })) {
    if (values.every((value) => value > 0)) continue;
    throw new MimoError("invalid_argument", `--${name} must be positive, found ${values.join(",")}.`, { param: name });
  }
  const fits = (context: number): boolean => context + headroom(context, flags) <= config.contextLength;
  const contexts = flags.contexts ?? DEFAULT_CONTEXTS.filter(fits);
  const misfit = contexts.find((context) => !fits(context));
  if (misfit !== undefined || contexts.length === 0) {
    throw new MimoError(
      "context_length_exceeded",
      `A prompt of ${misfit ?? DEFAULT_CONTEXTS[0]} tokens and its answer exceed the model's context of ${config.contextLength}.`,
      {
        remedy: "Give smaller --contexts, or fewer --tokens.",
      },
    );
  }
  const speculations = flags.speculation ?? (numMtpHeads > 0 ? [0, "auto" as const] : [0]);
  return contexts.flatMap((context) =>
    flags.batch.flatMap((batch) => speculations.map((speculation) => ({ context, batch, speculation }))),
  );
}

/** Tokens that a sequence may gain before the batch is done: the first one decodes while the others' prompts run. */
function headroom(context: number, { batch, tokens }: BenchFlags): number {
  return MAX_STEP_TOKENS * (tokens + Math.ceil((Math.max(...batch) * context) / CHUNK_SIZE) + 1);
}

async function startEngine(
  { messages }: Cli,
  path: string,
  cases: readonly BenchCase[],
  flags: BenchFlags,
  signal: AbortSignal,
): Promise<EngineClient> {
  using loading = showLoading(messages);
  const backend = flags.backend ?? (cpuBackendStatus().isAvailable ? "cpu" : "reference");
  const client = await EngineClient.start(
    {
      path,
      backend,
      threads: flags.threads,
      packing: flags.packing,
      expertMemory: flags.expertMemory,
      engine: {
        maxTokens: Math.max(...cases.map(({ context, batch }) => batch * (context + headroom(context, flags)))),
        maxSequences: Math.max(...flags.batch),
        maxRows: CHUNK_SIZE,
        kvDType: flags.kv ?? "f16",
        activations: flags.activations ?? "int16",
        mtpMode: flags.mtp ?? "parallel",
      },
    },
    signal,
    loading.onProgress,
  );
  for (const warning of client.info.warnings) loading.onWarning(warning);
  return client;
}

function tokenize(path: string, text: string): number[] {
  using checkpoint = openCheckpoint(path);
  const ids = loadTokenizer(checkpoint).tokenizer?.encode(text) ?? [];
  if (ids.length > 0) return ids;
  throw new MimoError(
    "invalid_argument",
    "The prompt file gives no tokens: it is empty, or the checkpoint has no tokenizer.",
    {
      param: "prompt-file",
    },
  );
}

/** Bytes read per token: weights and the sequence's keys and values. Known where one sequence takes one token a step. */
function bytesPerToken(
  { bytes, kvCache }: Inspection,
  { context, batch, speculation }: BenchCase,
  flags: BenchFlags,
): number | undefined {
  if (batch !== 1 || speculation !== 0) return undefined;
  const cache = kvCache.find(({ dtype }) => dtype === (flags.kv ?? "f16"));
  return bytes.activePerToken + context * (cache?.bytesPerToken ?? 0) + (cache?.bytesPerSequence ?? 0);
}

function describeRun(
  inspection: Inspection,
  flags: BenchFlags,
  backend: string,
  measurements: readonly Measurement[],
): object {
  const { path, format, parameters, bytes, dtypes, numMtpHeads } = inspection;
  return {
    date: new Date().toISOString(),
    build: describeBuild(),
    machine: { ...describeMachine(), backend },
    model: { path, format, parameters, bytes, dtypes: dtypes.map(({ dtype }) => dtype), numMtpHeads },
    settings: {
      tokens: flags.tokens,
      rounds: flags.rounds,
      prompt: flags.promptFile ?? "random tokens",
      kv: flags.kv ?? "f16",
      mtp: flags.mtp ?? "parallel",
      activations: flags.activations ?? "int16",
      ...(Number.isFinite(flags.expertMemory) ? { expertMemory: flags.expertMemory } : {}),
    },
    results: measurements.map((measurement) => {
      const read = bytesPerToken(inspection, measurement, flags);
      return {
        ...measurement,
        ...(read === undefined ? {} : { bytesPerToken: read, bytesPerSecond: read * measurement.decode.median }),
      };
    }),
  };
}

function printTable(
  { output }: Cli,
  inspection: Inspection,
  flags: BenchFlags,
  backend: string,
  measurements: readonly Measurement[],
): void {
  const { bold, dim } = output.style;
  const { version, commit } = describeBuild();
  output.line(bold(output.untrusted(inspection.path)));
  const date = new Date().toISOString().slice(0, 10);
  output.line(
    dim(
      `${describeMachine().cpu} · ${backend} · mimo ${version}${commit === undefined ? "" : ` (${commit})`} · ${date}`,
    ),
  );
  const rows = measurements.map((measurement) => {
    const read = bytesPerToken(inspection, measurement, flags);
    return [
      formatContext(measurement.context),
      String(measurement.batch),
      String(measurement.speculation),
      formatSpread(measurement.prefill),
      formatSpread(measurement.decode),
      measurement.tokensPerStep.toFixed(2),
      read === undefined ? "–" : `${formatBytes(read * measurement.decode.median)}/s`,
    ];
  });
  const header = ["context", "batch", "drafts", "prefill tokens/s", "decode tokens/s", "tokens/step", "memory"];
  output.line(formatTable([header, ...rows]).join("\n"));
  printExperts(output, measurements);
  const prompt = flags.promptFile === undefined ? "random prompts" : `prompts from ${flags.promptFile}`;
  output.line(
    dim(`Median of ${plural(flags.rounds, "round")} (min–max), ${flags.tokens} tokens per sequence, ${prompt}.`),
  );
  output.line(dim(`One token reads ${formatBytes(inspection.bytes.activePerToken)} of weights.`));
}

/** What was read of a model that exceeds memory, while decoding. */
function printExperts(output: Cli["output"], measurements: readonly Measurement[]): void {
  const rows = measurements.flatMap(({ context, batch, speculation, experts }) => {
    if (experts === undefined) return [];
    const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
    return [
      [
        formatContext(context),
        String(batch),
        String(speculation),
        formatBytes(experts.heldBytes),
        experts.usesPerToken.toFixed(1),
        percent(experts.hitRate),
        formatBytes(experts.bytesReadPerToken),
        `${formatBytes(experts.bytesReadPerSecond)}/s`,
        percent(experts.waitShare),
      ],
    ];
  });
  if (rows.length === 0) return;
  const header = ["context", "batch", "drafts", "experts held", "used/token", "hits", "read/token", "read", "waiting"];
  output.line(`\n${formatTable([header, ...rows]).join("\n")}`);
}

function formatSpread({ median, min, max }: Spread): string {
  return `${significant(median)} (${significant(min)}–${significant(max)})`;
}
