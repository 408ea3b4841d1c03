// Ablations of the architecture and the recipe: every arm changes one thing of recipes/ablations/base.yaml and is trained
// with several seeds. A run that is there already is not repeated, so an interrupted series goes on.
//
//   node --import ./scripts/ts-loader.mjs bench/ablations.ts [--seeds 3] [--arms global,fp8] [--out runs/ablations]
//
// Writes bench/results/ablations.json, docs/images/ablations.svg, and the table of docs/ablations.md to the terminal.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { parse, stringify } from "yaml";
import { createCpuBackend } from "../src/backends/cpu/native.ts";
import { openCheckpoint } from "../src/checkpoint/checkpoint.ts";
import { drawCurves } from "../src/cli/curves.ts";
import { describeBuild, describeMachine } from "../src/cli/machine.ts";
import { Tokenizer } from "../src/tokenizer/tokenizer.ts";
import { Dataset } from "../src/train/dataset.ts";
import { Learner } from "../src/train/learner.ts";
import { learnTokenizer } from "../src/train/learn-tokenizer.ts";
import { METRICS_FILE, parseMetrics } from "../src/train/metrics-log.ts";
import { loadParameters } from "../src/train/model-files.ts";
import { originOf } from "../src/train/origin.ts";
import { parseRecipe, type Recipe } from "../src/train/recipe.ts";
import { Trainer } from "../src/train/trainer.ts";
import { markdownTable, writeResults } from "./report.mjs";

interface Arm {
  readonly title: string;
  /** Changes of the base recipe, by path. */
  readonly changes: Readonly<Record<string, unknown>>;
}

const ARMS: Readonly<Record<string, Arm>> = {
  base: { title: "hybrid, window 128, sinks", changes: {} },
  global: { title: "all layers global", changes: { "model.layers": "global" } },
  "no-sinks": { title: "hybrid without sinks", changes: { "model.attention.sinks": false } },
  "window-512": { title: "window 512", changes: { "model.attention.window": 512 } },
  "no-balance": { title: "no balancing", changes: { "stages.0.biasRate": 0, "stages.0.balanceWeight": 0 } },
  "no-mtp": { title: "no MTP head", changes: { "stages.0.mtp.heads": 0 } },
  fp8: { title: "FP8, blocks of 32", changes: { precision: "fp8", fp8Block: 32 } },
};

interface RunResult {
  readonly arm: string;
  readonly seed: number;
  /** Nats per token of the trunk: over the whole mixture, and over answers about needles alone. */
  readonly heldoutLoss: number;
  readonly recallLoss: number;
  /** Largest load above the mean, of the worst layer, over the last tenth of the steps. */
  readonly maxViolation: number;
  readonly tokensPerSecond: number;
  readonly curve: readonly (readonly [step: number, heldoutLoss: number])[];
}

const BASE = "recipes/ablations/base.yaml";
const RECALL_BATCHES = 8;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "3" },
    arms: { type: "string", default: Object.keys(ARMS).join(",") },
    out: { type: "string", default: "runs/ablations" },
    threads: { type: "string" },
  },
});
const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => i + 1);
// What all others are compared with is always there.
const arms = [...new Set(["base", ...values.arms.split(",")])];
const tokenizerPath = join(values.out, "tokenizer.json");
mkdirSync(values.out, { recursive: true });
if (!existsSync(tokenizerPath)) {
  writeFileSync(tokenizerPath, JSON.stringify(learnTokenizer(recipeOf("base", 1), () => {})));
}
const tokenizer = JSON.parse(readFileSync(tokenizerPath, "utf8")) as ReturnType<typeof learnTokenizer>;

const results: RunResult[] = [];
for (const seed of seeds) for (const arm of arms) results.push(await resultOf(arm, seed));
report();

function recipeOf(arm: string, seed: number): Recipe {
  const recipe = parse(readFileSync(BASE, "utf8")) as Record<string, unknown>;
  recipe["seed"] = seed;
  const { changes } = ARMS[arm] ?? fail(`--arms: expected some of ${Object.keys(ARMS).join(", ")}, found ${arm}.`);
  for (const [path, value] of Object.entries(changes)) {
    const keys = path.split(".");
    const last = keys.pop()!;
    const target = keys.reduce((at, key) => at[key] as Record<string, unknown>, recipe);
    target[last] = value;
  }
  return parseRecipe(stringify(recipe), `${BASE}, ${arm}`);
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0) / numbers.length;
}

function fail(message: string): never {
  throw new Error(message);
}

async function resultOf(arm: string, seed: number): Promise<RunResult> {
  const folder = join(values.out, `${arm}-${seed}`);
  const path = join(folder, "result.json");
  if (existsSync(path)) return JSON.parse(readFileSync(path, "utf8")) as RunResult;
  const recipe = recipeOf(arm, seed);
  using device = createCpuBackend(values.threads === undefined ? {} : { threads: Number(values.threads) });
  const { signal } = new AbortController();
  await new Trainer(device, { recipe, origin: originOf(recipe), tokenizer, folder, signal, onStep: () => {} }).run();
  const metrics = parseMetrics(readFileSync(join(folder, METRICS_FILE), "utf8"), folder);
  const tail = metrics.slice(-Math.ceil(metrics.length / 10));
  const result: RunResult = {
    arm,
    seed,
    heldoutLoss: metrics.at(-1)!.heldoutLoss!,
    recallLoss: recallLoss(recipe, join(folder, "model")),
    maxViolation: mean(tail.map(({ maxViolation }) => Math.max(...maxViolation))),
    tokensPerSecond: mean(tail.map(({ tokensPerSecond }) => tokensPerSecond)),
    curve: metrics.flatMap(({ totalSteps, heldoutLoss }) =>
      heldoutLoss === undefined ? [] : [[totalSteps, heldoutLoss] as const],
    ),
  };
  writeResults(path, result);
  process.stderr.write(
    `${arm}, seed ${seed}: ${result.heldoutLoss.toFixed(4)}, needles ${result.recallLoss.toFixed(3)}\n`,
  );
  return result;
}

/** Of needles two to five windows away, by a model that is read back from its file. */
function recallLoss(recipe: Recipe, path: string): number {
  const stage = recipe.stages[0]!;
  const { tokenizerJson, tokenizerConfig } = tokenizer;
  const data = new Dataset({
    mixture: [
      { generator: "retrieval", weight: 1, options: { minTokens: 256, maxTokens: 700, maxPairs: 8, maxQuestions: 8 } },
    ],
    tokenizer: Tokenizer.fromJson(tokenizerJson, tokenizerConfig),
    split: "heldout",
    seed: 0,
    learn: "answers",
    numRows: stage.batchTokens,
    maxDocuments: stage.batchTokens,
    maxLength: stage.maxLength,
  });
  using device = createCpuBackend();
  using checkpoint = openCheckpoint(path);
  using parameters = loadParameters(device, checkpoint, stage.mtp.heads);
  using learner = new Learner(device, parameters, {
    ...recipe.optimizer,
    mtpMode: "parallel",
    maxDocuments: stage.batchTokens,
  });
  return learner.measure(Array.from({ length: RECALL_BATCHES }, () => data.next()));
}

function report(): void {
  const of = (arm: string): RunResult[] => results.filter((result) => result.arm === arm);
  // Seeds draw other data to be measured on, too: what an arm changes is the difference from the base of its own seed.
  const columns = (arm: string, measure: (one: RunResult) => number): string[] => {
    const base = of("base");
    const differences = of(arm).map((one, i) => measure(one) - measure(base[i]!));
    const signed = differences.map((difference) => `${difference < 0 ? "−" : "+"}${Math.abs(difference).toFixed(3)}`);
    return [mean(of(arm).map(measure)).toFixed(3), arm === "base" ? "" : signed.join(", ")];
  };
  const rows = arms.map((arm) => [
    ARMS[arm]!.title,
    ...columns(arm, ({ heldoutLoss }) => heldoutLoss),
    ...columns(arm, (one) => one.recallLoss),
    mean(of(arm).map(({ maxViolation }) => maxViolation)).toFixed(2),
  ]);
  const titles = ["arm", "held-out loss", "minus base, by seed", "loss on needles", "minus base, by seed", "MaxVio"];
  process.stdout.write(`${markdownTable(titles, rows)}\n`);
  const about = { machine: describeMachine(), ...describeBuild(), date: new Date().toISOString() };
  writeResults("bench/results/ablations.json", { ...about, results });
  // Mean over seeds, at each measurement on held-out data.
  const curve = (arm: string): (readonly [step: number, loss: number])[] =>
    of(arm)[0]!.curve.map(([step], i) => [step, mean(of(arm).map((one) => one.curve[i]![1]))]);
  const base = curve("base");
  const others = arms.filter((arm) => arm !== "base");
  const panels = [
    { title: "held-out loss of the base, nats per token, mean over seeds", lines: [{ name: "base", points: base }] },
    {
      title: "what the others differ by",
      lines: others.map((arm) => ({
        name: ARMS[arm]!.title,
        points: curve(arm).map(([step, loss], i) => [step, loss - base[i]![1]] as const),
      })),
    },
  ];
  writeFileSync("docs/images/ablations.svg", drawCurves("ablations", panels, "step"));
}
