// Measures steps of training in mimo and in PyTorch in turn, at the same shapes, and writes one result with both.
//
//   npm run bench:train-peer -- [options]      see USAGE
//
// PyTorch runs torch-train.py, whose losses and gradients are first compared with the golden ones: what computes
// something else is not measured. Rounds alternate, so that what else the machine does falls on both.

import { mkdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import { ROOT, writeResults } from "../report.mjs";
import { begin, execute, readCommand, run } from "./comparison.mjs";
import { summariseTraining, trainingSentence } from "./training-summary.mjs";

const USAGE = `usage: npm run bench:train-peer -- [options]
  --preset NAME     default nano; bench-32m is larger
  --batch N         documents in a step; default 8
  --length N        tokens of each; default 512
  --mtp-heads N     default 1
  --threads N       of both; default: the cores
  --rounds N        of both sides in turn; default 5
  --steps N         of each side in a round, after one to warm up; default 3
  --python PATH     a Python with PyTorch; default python3
  --models DIR      where the shapes for PyTorch are, and are made; default build/models
  --anyway          measure although the machine is busy; the result says so
  --out FILE        default bench/results/training-PRESET.json`;

const COUNTS = ["batch", "length", "threads", "rounds", "steps"];
const SCRIPT = join(ROOT, "bench/peers/torch-train.py");
const GOLDEN = join(ROOT, "test/golden/train-grad");

const { options, readCount } = readCommand(USAGE, {
  preset: "nano",
  batch: "8",
  length: "512",
  "mtp-heads": "1",
  threads: String(availableParallelism()),
  rounds: "5",
  steps: "3",
  python: "python3",
  models: join(ROOT, "build/models"),
  out: undefined,
});
const { preset } = options;
const counts = Object.fromEntries(COUNTS.map((name) => [name, readCount(name)]));
const mtpHeads = readCount("mtp-heads", 0);
const out = options.out ?? join(ROOT, `bench/results/training-${preset}.json`);
const circumstances = begin(options);
const check = torch([GOLDEN, "--check"]);
const model = provideModel();
const shared = ["batch", "length", "mtp-heads", "threads"].flatMap((name) => [`--${name}`, options[name]]);
const rounds = Array.from({ length: counts.rounds }, (_, round) => {
  console.error(`Round ${round + 1} of ${counts.rounds} …`);
  const steps = ["--rounds", options.steps];
  return {
    mimo: JSON.parse(run("bin/mimo.mjs", ["bench", "train", "--preset", preset, ...shared, ...steps, "--json"])),
    torch: torch([model, ...shared, ...steps]),
  };
});
const { machine, ...rest } = circumstances();
const report = {
  ...rest,
  machine: { ...machine, torch: rounds[0].torch.torch },
  preset,
  settings: { ...counts, mtpHeads },
  /** How far PyTorch's losses and gradients are from the golden ones. */
  check,
  unit: "tokens per second",
  results: summariseTraining(rounds),
};
writeResults(out, report);
console.log(trainingSentence(report));
console.error(`Wrote ${relative(process.cwd(), out)}.`);

function torch(args) {
  const remedy = "\nIs PyTorch there? `pip install torch numpy`, or name another Python with --python.";
  return JSON.parse(execute(options.python, [SCRIPT, ...args], remedy));
}

/** A folder with the preset's shapes, made anew: presets may change. */
function provideModel() {
  const path = join(options.models, `${preset}-training`);
  mkdirSync(options.models, { recursive: true });
  run("bin/mimo.mjs", ["init", "--preset", preset, "--type", "f32", "--overwrite", path]);
  return path;
}
