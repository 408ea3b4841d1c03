// Measures mimo and llama.cpp in turn on the same GGUF files and writes one result with both, and their ratios.
//
//   npm run bench:peer -- [options]      see USAGE
//
// Cases: a prompt of 512 tokens, decoding one sequence after it, and decoding several together, without drafts. Rounds
// alternate, so that what else the machine does falls on both; each figure is the median. Models that are missing are
// made: random weights, the same for both.

import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, join, relative } from "node:path";
import { ROOT, writeResults } from "../report.mjs";
import { begin, provideModels, readCommand, run } from "./comparison.mjs";
import { median, speedTable, summarise } from "./speed-table.mjs";

const PRESET = "bench-1b";
const USAGE = `usage: npm run bench:peer -- [MODEL.gguf …] [options]
  --types LIST      of ${PRESET}, where no MODEL is given; default q8_0,q4_0,q4_k,q6_k,bf16
  --models DIR      where those are, and are made; default build/models
  --rounds N        default 5
  --threads N       of both; default: the cores
  --together LIST   sequences decoded at once, beside one; default 8
  --tokens N        to decode per sequence; default 48
  --without-int8    leaves out mimo with --activations int8, a third of the time
  --without-pool    llama.cpp a second time, starting threads anew in every step
  --anyway          measure although the machine is busy; the result says so
  --out FILE        default bench/results/peers-${PRESET}.json`;

const PROMPT = 512;
/** Tokens in each sequence before several decode together: their prompts are no part of the figure. */
const SHORT_PROMPT = 128;

const { options, positionals, readCount } = readCommand(
  USAGE,
  {
    types: "q8_0,q4_0,q4_k,q6_k,bf16",
    models: join(ROOT, "build/models"),
    rounds: "5",
    threads: String(availableParallelism()),
    together: "8",
    tokens: "48",
    "without-int8": false,
    "without-pool": false,
    out: join(ROOT, `bench/results/peers-${PRESET}.json`),
  },
  { allowPositionals: true },
);
const [rounds, threads, tokens] = ["rounds", "threads", "tokens"].map((name) => readCount(name));
const together = options.together.split(",").filter(Boolean);

const circumstances = begin(options);
const models = provideModels(positionals, options, PRESET);
const results = [];
models.forEach((model, i) => {
  results.push(compare(model, `${i + 1} of ${models.length}`));
  // After each model, so that a failure loses one at most.
  writeReport();
});
console.log(speedTable(JSON.parse(readFileSync(options.out, "utf8"))));
console.error(
  `\nWrote ${relative(process.cwd(), options.out)}. \`npm run bench:table\` puts the table into README.md.`,
);

function compare(model, place) {
  const sides = {
    mimo: (file) => measureMimo(file, []),
    // As llama.cpp rounds activations; floats are not rounded by either.
    ...(options["without-int8"] || /-(bf16|f16|f32)\.gguf$/.test(model)
      ? {}
      : { mimoInt8: (file) => measureMimo(file, ["--activations", "int8"]) }),
    llama: (file) => measureLlama(file, []),
    ...(options["without-pool"] ? { llamaWithoutPool: (file) => measureLlama(file, ["--without-pool"]) } : {}),
  };
  const measured = Array.from({ length: rounds }, (_, round) => {
    console.error(`${basename(model)} (${place}), round ${round + 1} of ${rounds} …`);
    return Object.fromEntries(Object.entries(sides).map(([side, measure]) => [side, measure(model)]));
  });
  return summarise(basename(model), measured, readBandwidth(model));
}

/** { prefill, decode, together: [tokens per second for each number of sequences] } */
function measureMimo(model, activations) {
  const bench = (context, batch) => {
    const flags = ["--contexts", String(context), "--batch", batch, "--tokens", String(tokens), "--rounds", "1"];
    const shared = ["--speculation", "0", "--threads", String(threads), "--json"];
    return JSON.parse(run("bin/mimo.mjs", ["bench", model, ...flags, ...activations, ...shared])).results;
  };
  const [alone] = bench(PROMPT, "1");
  const many = together.length === 0 ? [] : bench(SHORT_PROMPT, together.join(","));
  return {
    prefill: alone.prefill.median,
    decode: alone.decode.median,
    together: many.map(({ decode }) => decode.median),
  };
}

function measureLlama(model, flags) {
  const bench = (prompt, depth, batch) => {
    const lengths = ["--prompt", String(prompt), "--depth", String(depth), "--batch", batch];
    const shared = ["--tokens", String(tokens), "--rounds", "1", "--threads", String(threads), "--json"];
    return JSON.parse(run("bench/peers/llama-bench.mjs", [model, ...lengths, ...shared, ...flags]));
  };
  const alone = bench(PROMPT, PROMPT, "1");
  const many = together.length === 0 ? [] : bench(1, SHORT_PROMPT, together.join(",")).decode;
  return {
    prefill: alone.prefill.tokensPerSecond,
    decode: alone.decode[0].tokensPerSecond,
    together: many.map(({ tokensPerSecond }) => tokensPerSecond),
  };
}

/** What this machine's memory gives, and what a step of each number of sequences reads of it. */
function readBandwidth(model) {
  const flags = ["--contexts", `${PROMPT},${SHORT_PROMPT}`, "--batch", ["1", ...together].join(",")];
  const plan = JSON.parse(run("bin/mimo.mjs", ["plan", model, ...flags, "--threads", String(threads), "--json"]));
  const [long, short] = plan.contexts;
  return {
    bytesPerSecond: plan.machine.measured.bytesPerSecond,
    decode: long.decode[0].bytesPerStep,
    together: short.decode.slice(1).map(({ batch, bytesPerStep }) => ({ sequences: batch, bytesPerStep })),
  };
}

function writeReport() {
  const { machine, ...rest } = circumstances();
  const readBytesPerSecond = Math.round(median(results.map((result) => result.readBytesPerSecond)));
  writeResults(options.out, {
    ...rest,
    machine: { ...machine, readBytesPerSecond },
    settings: { rounds, threads, prompt: PROMPT, promptTogether: SHORT_PROMPT, tokens },
    unit: "tokens per second",
    results,
  });
}
