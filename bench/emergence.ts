// When skills emerge: the models that a run kept on its way (`exportEvery` in its recipe) answer held-out tasks, and
// needles at several lengths. Models that were measured already are not asked again, so an interrupted series goes on.
//
//   node --import ./scripts/ts-loader.mjs bench/emergence.ts runs/nano [--tasks 40] [--lengths 512,2048,4096,8192]
//
// Writes bench/results/nano-emergence.json and docs/images/nano-emergence.svg. The tasks of
// a suite with lengths are divided among them.

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { drawCurves, type Panel } from "../src/cli/curves.ts";
import { describeBuild, describeMachine } from "../src/cli/machine.ts";
import { evaluate } from "../src/eval/evaluate.ts";
import { createSuites } from "../src/eval/suites.ts";
import { load } from "../src/index.ts";
import { METRICS_FILE, parseMetrics } from "../src/train/metrics-log.ts";
import { writeResults } from "./report.mjs";

interface Point {
  readonly step: number;
  readonly stage: string;
  /** Seen by then, padding excluded. */
  readonly tokens: number;
  /** Shares of right answers: by suite, and by suite and length for needles. */
  readonly right: Readonly<Record<string, number>>;
}

const RESULT = "bench/results/nano-emergence.json";
const PICTURE = "docs/images/nano-emergence.svg";
const NEEDLES = { "retrieval/single": "one needle", "retrieval/multi-key": "one needle of many" } as const;
const SKILLS = {
  "arithmetic/thinking": "sums, thinking",
  tools: "tools",
  stories: "stories",
  json: "JSON",
  identity: "who it is",
} as const;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tasks: { type: "string", default: "40" },
    lengths: { type: "string", default: "512,2048,4096,8192" },
  },
});
const [run, ...others] = positionals;
if (run === undefined || others.length > 0) throw new Error("Expected the folder of one run.");
const tasks = Number(values.tasks);
const lengths = values.lengths.split(",").map(Number);
const metrics = parseMetrics(readFileSync(join(run, METRICS_FILE), "utf8"), run);

const points = existsSync(RESULT) ? (JSON.parse(readFileSync(RESULT, "utf8")) as { points: Point[] }).points : [];
const steps = readdirSync(join(run, "checkpoints")).map((name) => Number(name.replace("step-", "")));
for (const step of steps.toSorted((a, b) => a - b)) {
  if (points.some((point) => point.step === step)) continue;
  points.push(await measure(step, join(run, "checkpoints", `step-${step}`)));
  report();
}
report();

async function measure(step: number, path: string): Promise<Point> {
  await using mimo = await load(path, { contextLength: Math.max(...lengths) + 512, threads: 1 });
  const countTokens = (text: string): number => mimo.tokenizer.encode(` ${text}`).length;
  const wanted = [...Object.keys(NEEDLES), ...Object.keys(SKILLS)];
  const suites = createSuites({ lengths, countTokens }).filter(({ name }) => wanted.includes(name));
  const evaluation = await evaluate(mimo, suites, { tasks, maxTokens: 400 });
  const right = evaluation.suites.flatMap(({ suite, share, details }): [string, number][] =>
    suite in NEEDLES
      ? details.map(({ name, share: part }): [string, number] => [`${suite} ${name}`, part])
      : [[suite, share]],
  );
  const seen = metrics.filter(({ totalSteps }) => totalSteps <= step);
  const tokens = seen.reduce((sum, line) => sum + line.tokens, 0);
  process.stderr.write(`step ${step}, ${(tokens / 1e6).toFixed(1)} million tokens: ${JSON.stringify(right)}\n`);
  return { step, stage: seen.at(-1)!.stage, tokens, right: Object.fromEntries(right) };
}

function report(): void {
  const about = { machine: describeMachine(), ...describeBuild(), date: new Date().toISOString(), tasks };
  writeResults(RESULT, { ...about, points });
  const lineOf = (name: string, key: string) => ({
    name,
    points: points.map(({ tokens, right }) => [tokens / 1e6, 100 * (right[key] ?? NaN)] as const),
  });
  const needles = Object.entries(NEEDLES).map(([suite, title]): Panel => {
    const keys = Object.keys(points[0]?.right ?? {}).filter((key) => key.startsWith(suite));
    const lines = keys.map((key) => lineOf(`${key.slice(suite.length + 1)} tokens`, key));
    return { title: `${title}, % found`, lines };
  });
  const skills = Object.entries(SKILLS).map(([suite, name]) => lineOf(name, suite));
  const panels = [...needles, { title: "other tasks, % right", lines: skills }];
  writeFileSync(PICTURE, drawCurves("nano", panels, "million tokens"));
}
