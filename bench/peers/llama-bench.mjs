// Measures llama.cpp on one model: prefill of one prompt, and decode of 1, 8, ... sequences together in one batch.
// Decode feeds each sequence its own greedy token, as a server would. Prompts come from a fixed formula (`promptIds`), so
// another program can be given the same ones. Settings are llama.cpp's defaults: F16 cache, fused attention where it can.

import { cpus, loadavg } from "node:os";
import { basename } from "node:path";
import { openModel, readArguments, readCount } from "./llama.mjs";

const usage =
  "node llama-bench.mjs MODEL.gguf [--threads 2] [--prompt 512] [--tokens 64] [--batch 1,8] [--depth 32] [--rounds 3] " +
  "[--kv F16|F32] [--flash auto|on|off] [--json]";
const options = readArguments(usage, {
  threads: "2",
  prompt: "512",
  tokens: "64",
  batch: "1,8",
  depth: "32",
  rounds: "3",
  kv: "F16",
  flash: "auto",
  json: false,
});
const [threads, prompt, tokens, depth, rounds] = ["threads", "prompt", "tokens", "depth", "rounds"].map((name) =>
  readCount(name, options[name]),
);
const batches = options.batch.split(",").map((text) => readCount("batch", text));

/** Ids of prompt number `seed`: a 32-bit linear congruential generator, its high bits scaled to the vocabulary. */
function promptIds(seed, length, vocabularySize) {
  let state = seed;
  return Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * vocabularySize);
  });
}

/** Feeds `ids` to a sequence and gives the greedy next id. Only the last position's logits are computed. */
async function feed(sequence, ids) {
  const input = [...ids.slice(0, -1), [ids.at(-1), { generateNext: { token: true } }]];
  return (await sequence.controlledEvaluate(input)).at(-1).next.token;
}

/** Tokens per second of every round, after one round that is thrown away: it maps the file in and fills the caches. */
async function measure(numTokens, prepare, run) {
  const rates = [];
  for (let round = 0; round <= rounds; round++) {
    const start = await prepare();
    const begin = performance.now();
    await run(start);
    const rate = numTokens / ((performance.now() - begin) / 1000);
    if (round > 0) rates.push(rate);
  }
  const sorted = rates.toSorted((a, b) => a - b);
  const median = (sorted[Math.floor((rounds - 1) / 2)] + sorted[Math.floor(rounds / 2)]) / 2;
  return { tokensPerSecond: round2(median), rounds: rates.map(round2) };
}

const round2 = (value) => Math.round(value * 100) / 100;

const { llama, model, vocabularySize, createContext } = await openModel(options.model, {
  threads,
  kv: options.kv,
  flash: options.flash,
});

async function measurePrefill() {
  const { context, sequences } = await createContext({ length: prompt, batchSize: prompt });
  const ids = promptIds(1, prompt, vocabularySize);
  const result = await measure(
    prompt,
    () => sequences[0].clearHistory(),
    () => feed(sequences[0], ids),
  );
  await context.dispose();
  return result;
}

async function measureDecode(numSequences) {
  // The binding decides what it puts into one call of llama.cpp; this hook sees every call and fills it in the default way.
  const widths = [];
  const { context, sequences } = await createContext({
    sequences: numSequences,
    length: depth + tokens,
    batching: {
      itemPrioritizationStrategy: ({ items }) => {
        widths.push(items.length);
        return items.map((item) => ({ item, processAmount: item.tokens.length }));
      },
    },
  });
  const prompts = sequences.map((_, i) => promptIds(i + 1, depth, vocabularySize));
  const result = await measure(
    tokens * numSequences,
    async () => {
      const ids = [];
      for (const [i, sequence] of sequences.entries()) {
        await sequence.clearHistory();
        ids.push(await feed(sequence, prompts[i]));
      }
      widths.length = 0;
      return ids;
    },
    async (ids) => {
      for (let step = 0; step < tokens; step++) {
        ids = await Promise.all(sequences.map((sequence, i) => feed(sequence, [ids[i]])));
      }
    },
  );
  if (widths.length !== tokens || widths.some((width) => width !== numSequences)) {
    throw new Error(`Sequences were not decoded together: ${tokens} steps made ${widths.length} calls.`);
  }
  await context.dispose();
  return { sequences: numSequences, ...result };
}

const result = {
  peer: "llama.cpp",
  version: llama.llamaCppRelease.release,
  model: basename(options.model),
  type: model.typeDescription,
  bytes: model.size,
  machine: { cpu: cpus()[0].model, cores: cpus().length, loadAverage: loadavg()[0], instructions: llama.systemInfo },
  date: new Date().toISOString(),
  settings: { threads, prompt, tokens, depth, rounds, kv: options.kv, flash: options.flash },
  prefill: await measurePrefill(),
  decode: [],
};
for (const numSequences of batches) result.decode.push(await measureDecode(numSequences));

if (options.json) {
  console.log(JSON.stringify(result, null, 2));
} else {
  console.log(`llama.cpp ${result.version}, ${result.type}, ${threads} threads (tokens/s, median of ${rounds})`);
  console.log(`prefill of ${prompt} tokens        ${result.prefill.tokensPerSecond}`);
  for (const { sequences, tokensPerSecond } of result.decode) {
    console.log(`decode, ${String(sequences).padStart(2)} sequence(s) together  ${tokensPerSecond}`);
  }
}
await llama.dispose();
