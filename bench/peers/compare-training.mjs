// Measures steps of training in mimo and in PyTorch in turn, at the same shapes, and writes one result with both.
//
//   npm run bench:train-peer -- [options]      see USAGE
//
// PyTorch runs torch-train.py, whose losses and gradients are first compared with the golden ones: what computes
// something else is not measured. Rounds alternate, so that what else the machine does falls on both.

import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { busyWarning, describeMachine, readCommit, ROOT, writeResults } from "../report.mjs";
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

const options = readOptions();
const { preset } = options;
const out = options.out ?? join(ROOT, `bench/results/training-${preset}.json`);
const warning = busyWarning();
if (warning !== undefined && !options.anyway) fail(`${warning}\nNothing was measured. --anyway measures all the same.`);
const loadBefore = loadavg()[0];
const commit = readCommit();
const check = torch([GOLDEN, "--check"]);
const model = provideModel();
const shared = ["batch", "length", "mtp-heads", "threads"].flatMap((name) => [`--${name}`, options[name]]);
const rounds = Array.from({ length: Number(options.rounds) }, (_, round) => {
  console.error(`Round ${round + 1} of ${options.rounds} …`);
  const steps = ["--rounds", options.steps];
  return {
    mimo: JSON.parse(mimo(["bench", "train", "--preset", preset, ...shared, ...steps, "--json"])),
    torch: torch([model, ...shared, ...steps]),
  };
});
const report = {
  date: new Date().toISOString().slice(0, 10),
  commit,
  machine: {
    ...describeMachine(),
    torch: rounds[0].torch.torch,
  },
  loadAverage: { before: loadBefore, after: loadavg()[0] },
  wasBusy: warning !== undefined,
  preset,
  settings: {
    ...Object.fromEntries(COUNTS.map((name) => [name, Number(options[name])])),
    mtpHeads: Number(options["mtp-heads"]),
  },
  /** How far PyTorch's losses and gradients are from the golden ones. */
  check,
  unit: "tokens per second",
  results: summariseTraining(rounds),
};
writeResults(out, report);
console.log(trainingSentence(report));
console.error(`Wrote ${relative(process.cwd(), out)}.`);

function readOptions() {
  const text = (value) => ({ type: "string", default: value });
  const flag = { type: "boolean", default: false };
  try {
    const { values } = parseArgs({
      options: {
        preset: text("nano"),
        batch: text("8"),
        length: text("512"),
        "mtp-heads": text("1"),
        threads: text(String(availableParallelism())),
        rounds: text("5"),
        steps: text("3"),
        python: text("python3"),
        models: text(join(ROOT, "build/models")),
        anyway: flag,
        out: { type: "string" },
        help: flag,
      },
    });
    if (values.help) fail(USAGE);
    const wrong = COUNTS.find((name) => !/^[1-9]\d*$/.test(values[name]));
    if (wrong !== undefined) throw new Error(`--${wrong} must be a whole number above 0, not "${values[wrong]}".`);
    return values;
  } catch (error) {
    return fail(`${error.message}\n${USAGE}`);
  }
}

/** @returns {never} */
function fail(message) {
  console.error(message);
  process.exit(2);
}

function run(program, args, remedy = "") {
  const output = { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 26 };
  try {
    return execFileSync(program, args, output);
  } catch (error) {
    return fail(`${program} ${args.join(" ")} failed:\n${error.stderr ?? error.message}${remedy}`);
  }
}

function mimo(args) {
  return run(process.execPath, [join(ROOT, "bin/mimo.mjs"), ...args]);
}

function torch(args) {
  const remedy = "\nIs PyTorch there? `pip install torch numpy`, or name another Python with --python.";
  return JSON.parse(run(options.python, [SCRIPT, ...args], remedy));
}

/** A folder with the preset's shapes, made anew: presets may change. */
function provideModel() {
  const path = join(options.models, `${preset}-training`);
  mkdirSync(options.models, { recursive: true });
  mimo(["init", "--preset", preset, "--type", "f32", "--overwrite", path]);
  return path;
}
