// Measures our HTTP server beside llama.cpp's batching API on the same GGUF files, in turn, and what prefixes spare each.
//
//   node bench/peers/compare-server.mjs [MODEL.gguf …] [options]      see USAGE
//
// Many streams: tokens of all streams over the time from the first request to the last end, prompts included. Ours is a
// real `mimo serve` with its client in another process; llama.cpp's is its library, called directly: it has no server in
// it, so its side pays for no HTTP. Beside both, the same requests through our library show what serving costs.
// Prefixes: the cases of bench/prefix-reuse.ts, llama.cpp by the rule of its server (llama-prefix.mjs).

import { availableParallelism } from "node:os";
import { basename, join, relative } from "node:path";
import { markdownTable, ROOT, writeResults } from "../report.mjs";
import { begin, provideModels, readCommand, run } from "./comparison.mjs";
import { median } from "./speed-table.mjs";

const PRESET = "bench-1b";
const USAGE = `usage: node bench/peers/compare-server.mjs [MODEL.gguf …] [options]
  --types LIST           of ${PRESET}, where no MODEL is given; default q8_0,q4_0
  --models DIR           where those are, and are made; default build/models
  --rounds N             of streams; default 5
  --prefix-rounds N      of prefixes; default 1, as tokens do not vary; 0 leaves them out
  --threads N            of both; default: the cores
  --streams LIST         default 1,8,32
  --prompt N             tokens of each stream's prompt; default 128
  --tokens N             tokens that each stream generates; default 48
  --conversation N       tokens of the conversation; default 8192
  --anyway               measure although the machine is busy; the result says so
  --out FILE             default bench/results/server-${PRESET}.json`;

const { options, positionals, readCount } = readCommand(
  USAGE,
  {
    types: "q8_0,q4_0",
    models: join(ROOT, "build/models"),
    rounds: "5",
    "prefix-rounds": "1",
    threads: String(availableParallelism()),
    streams: "1,8,32",
    prompt: "128",
    tokens: "48",
    conversation: "8192",
    out: join(ROOT, `bench/results/server-${PRESET}.json`),
  },
  { allowPositionals: true },
);
const [rounds, threads, prompt, tokens, conversation] = ["rounds", "threads", "prompt", "tokens", "conversation"].map(
  (name) => readCount(name),
);
const prefixRounds = readCount("prefix-rounds", 0);
const streams = options.streams.split(",").map(Number);

const circumstances = begin(options);
const results = [];
for (const model of provideModels(positionals, options, PRESET)) {
  results.push(compare(model));
  // After each model, so that a failure loses one at most.
  writeReport();
}
for (const result of results) console.log(describe(result));
console.error(`\nWrote ${relative(process.cwd(), options.out)}.`);

function compare(model) {
  const measured = Array.from({ length: rounds }, (_, round) => {
    console.error(`${basename(model)}, streams, round ${round + 1} of ${rounds} …`);
    return { mimo: measureMimo(model), llama: measureLlama(model) };
  });
  const prefixes = Array.from({ length: prefixRounds }, (_, round) => {
    console.error(`${basename(model)}, prefixes, round ${round + 1} of ${prefixRounds} …`);
    return {
      mimo: measurePrefixes("bench/prefix-reuse.ts", model),
      llama: measurePrefixes("bench/peers/llama-prefix.mjs", model),
    };
  });
  return {
    model: basename(model),
    streams: streams.map((count) => summariseStreams(count, measured)),
    prefixes: prefixes.length === 0 ? [] : summarisePrefixes(prefixes),
    rounds: measured,
    prefixRounds: prefixes,
  };
}

function measureMimo(model) {
  const lengths = ["--prompt", String(prompt), "--tokens", String(tokens)];
  const shared = ["--streams", streams.join(","), "--threads", String(threads), "--json"];
  return JSON.parse(run("bench/server-speed.ts", [model, ...lengths, ...shared]));
}

/** Tokens per second by number of streams. */
function measureLlama(model) {
  const lengths = ["--prompt", "1", "--depth", String(prompt), "--tokens", String(tokens)];
  const shared = ["--batch", streams.join(","), "--threads", String(threads), "--rounds", "1", "--whole", "--json"];
  const { decode } = JSON.parse(run("bench/peers/llama-bench.mjs", [model, ...lengths, ...shared]));
  return Object.fromEntries(decode.map(({ sequences, tokensPerSecond }) => [sequences, tokensPerSecond]));
}

function measurePrefixes(file, model) {
  return JSON.parse(run(file, [model, "--tokens", String(conversation), "--threads", String(threads), "--json"]));
}

function summariseStreams(count, measured) {
  const of = (read) => round(median(measured.map(read)));
  const server = of(({ mimo }) => mimo.server[count]);
  const library = of(({ mimo }) => mimo.library[count]);
  const llama = of((one) => one.llama[count]);
  // Of one round both: what else the machine does falls on both.
  const overhead = of(({ mimo }) => 100 * (mimo.library[count] / mimo.server[count] - 1));
  return { streams: count, server, library, llama, ratio: round(server / llama), overheadPercent: overhead };
}

function summarisePrefixes(measured) {
  return measured[0].mimo.map(({ name, promptTokens, processed }, i) => {
    const firstMs = (side) => round(median(measured.map((one) => one[side][i].firstMs)));
    return {
      name,
      promptTokens,
      processed: { mimo: processed, llama: measured[0].llama[i].processed },
      firstMs: { mimo: firstMs("mimo"), llama: firstMs("llama") },
    };
  });
}

function round(value) {
  return Number(value.toPrecision(4));
}

function describe({ model, streams: figures, prefixes }) {
  const streamTable = markdownTable(
    ["streams", "server", "library", "overhead %", "llama.cpp, batching API", "ratio"],
    figures.map((one) => [one.streams, one.server, one.library, one.overheadPercent, one.llama, one.ratio].map(String)),
  );
  const prefixTable = markdownTable(
    ["turn 11", "prompt", "processed", "llama.cpp", "first token ms", "llama.cpp"],
    prefixes.map(({ name, promptTokens, processed, firstMs }) =>
      [name, promptTokens, processed.mimo, processed.llama, firstMs.mimo, firstMs.llama].map(String),
    ),
  );
  return `\n${model}, tokens per second\n\n${streamTable}\n${prefixes.length === 0 ? "" : `\n${prefixTable}\n`}`;
}

function writeReport() {
  writeResults(options.out, {
    ...circumstances(),
    settings: { rounds, prefixRounds, threads, streams, prompt, tokens, conversation },
    unit: "tokens per second, prompts included; milliseconds to the first token",
    results,
  });
}
