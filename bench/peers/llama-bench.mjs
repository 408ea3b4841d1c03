// Measures llama.cpp on one model: prefill of one prompt, and decode of 1, 8, ... sequences together, one call per step.
// Decode feeds each sequence its own greedy token, as a server would; with --whole its time includes the prompts, as
// clients of a server see it. Prompts come from a fixed formula (`promptIds`), so another program can be given the same
// ones. Settings are llama.cpp's defaults: F16 cache, fused attention where it can.

import { cpus, loadavg } from "node:os";
import { basename } from "node:path";
import { busyWarning } from "../report.mjs";
import { readArguments, readCount } from "./arguments.mjs";
import { argmax, openModel, prefill, version } from "./llama.mjs";

const usage =
  "node llama-bench.mjs MODEL.gguf [--threads 2] [--prompt 512] [--tokens 64] [--batch 1,8] [--depth 32] [--rounds 3] " +
  "[--kv F16|F32] [--flash auto|on|off] [--without-pool] [--whole] [--json]";
const options = readArguments(usage, {
  threads: "2",
  prompt: "512",
  tokens: "64",
  batch: "1,8",
  depth: "32",
  rounds: "3",
  kv: "F16",
  flash: "auto",
  "without-pool": false,
  whole: false,
  json: false,
});
const [threads, prompt, tokens, depth, rounds] = ["threads", "prompt", "tokens", "depth", "rounds"].map((name) =>
  readCount(name, options[name]),
);
const { kv, flash } = options;
const batches = options.batch.split(",").map((text) => readCount("batch", text));
const loadAverage = loadavg()[0];
const attachPool = !options["without-pool"];
const model = openModel(options.model, threads, { attachPool });

/** Ids of prompt number `seed`: a 32-bit linear congruential generator, its high bits scaled to the vocabulary. */
function promptIds(seed, length) {
  let state = seed;
  return Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * model.vocabularySize);
  });
}

/** Median of tokens per second, after one round that is thrown away: it maps the file in and fills the caches. */
function measure(numTokens, prepare, run) {
  const rates = [];
  for (let round = 0; round <= rounds; round++) {
    const input = prepare();
    const start = performance.now();
    run(input);
    const rate = numTokens / ((performance.now() - start) / 1000);
    if (round > 0) rates.push(Math.round(rate * 100) / 100);
  }
  const sorted = rates.toSorted((a, b) => a - b);
  const median = (sorted[Math.floor((rounds - 1) / 2)] + sorted[Math.floor(rounds / 2)]) / 2;
  return { tokensPerSecond: median, rounds: rates };
}

function measurePrefill() {
  const context = model.createContext({ length: prompt, kv, flash });
  const ids = promptIds(1, prompt);
  const result = measure(
    prompt,
    () => context.clear(),
    () => argmax(prefill(context, ids)),
  );
  context.free();
  return result;
}

function measureDecode(sequences) {
  const context = model.createContext({ sequences, length: depth + tokens, kv, flash });
  const prompts = Array.from({ length: sequences }, (_, i) => promptIds(i + 1, depth));
  const process = () => prompts.map((ids, sequence) => argmax(prefill(context, ids, sequence)));
  const result = measure(
    tokens * sequences,
    () => {
      context.clear();
      return options.whole ? undefined : process();
    },
    (processed) => {
      let ids = processed ?? process();
      // The prompt gives the first token.
      const end = depth + tokens - (options.whole ? 1 : 0);
      for (let position = depth; position < end; position++) {
        ids = context.decode(ids.map((id, sequence) => ({ id, position, sequence, logits: true }))).map(argmax);
      }
    },
  );
  context.free();
  return { sequences, ...result };
}

const warning = busyWarning();
if (warning !== undefined) console.error(warning);
const result = {
  peer: "llama.cpp",
  version,
  model: basename(options.model),
  type: model.description,
  bytes: model.bytes,
  machine: { cpu: cpus()[0].model, cores: cpus().length, loadAverage, instructionSet: model.instructionSet },
  date: new Date().toISOString(),
  settings: { threads, attachPool, whole: options.whole, prompt, tokens, depth, rounds, kv, flash },
  prefill: measurePrefill(),
  decode: batches.map(measureDecode),
};
if (options.json) {
  console.log(JSON.stringify(result, null, 2));
} else {
  console.log(`llama.cpp ${version} (${model.instructionSet}), ${model.description}, ${threads} threads`);
  console.log(`tokens per second, median of ${rounds}:`);
  console.log(`  prefill of ${prompt} tokens: ${result.prefill.tokensPerSecond}`);
  for (const { sequences, tokensPerSecond } of result.decode) {
    console.log(`  decode of ${sequences} together: ${tokensPerSecond}`);
  }
}
