// What more rows of activations cost in one pass: the price of verifying drafts, and of small batches.
//
//   node --import ./scripts/ts-loader.mjs bench/rows.ts MODEL [rows] [--threads 2] [--prompt 480] [--activations int16]
//
// A prompt goes through the trunk in chunks of so many rows; times are medians over its chunks, logits left out. With
// experts, more rows choose more of them: the last column is how many times as many, where routing is random.

import { parseArgs } from "node:util";
import { createCpuBackend } from "../src/backends/cpu/native.ts";
import { openCheckpoint } from "../src/checkpoint/checkpoint.ts";
import { Engine } from "../src/engine/engine.ts";
import { expectedExperts } from "../src/model/cost.ts";
import type { Activations } from "../src/ops/linear/quantise-activations.ts";
import { DEFAULT_SAMPLING } from "../src/ops/sample/sample.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: "string" },
    prompt: { type: "string", default: "480" },
    activations: { type: "string", default: "int16" },
  },
});
const [path, list = "1,2,3,4,8,16"] = positionals;
if (path === undefined) throw new Error("usage: bench/rows.ts MODEL [rows]");
const rows = list.split(",").map(Number);
const length = Number(values.prompt);

using backend = createCpuBackend(values.threads === undefined ? {} : { threads: Number(values.threads) });
using checkpoint = openCheckpoint(path);
let one: number | undefined;
console.log(`${backend.description}\nrows   ms/pass   × one row   × experts`);
for (const T of rows) {
  using engine = new Engine(backend, checkpoint, {
    maxTokens: 2 * length,
    maxSequences: 1,
    maxRows: T,
    kvDType: "f16",
    activations: values.activations as Activations,
    mtpMode: "parallel",
    packing: "all",
  });
  const { config } = engine.runner.model;
  const prompt = Array.from({ length }, (_, i) => Math.imul(i + 1, 2654435761) >>> 8).map(
    (id) => id % config.vocabSize,
  );
  engine.submit({ id: 1, prompt, maxTokens: 1, stopTokens: [], sampling: DEFAULT_SAMPLING, speculation: 0 });
  const times: number[] = [];
  while (!engine.isIdle) {
    const start = performance.now();
    engine.step();
    times.push(performance.now() - start);
  }
  // The first passes warm up; the last one has logits.
  const sorted = times.slice(4, -1).toSorted((a, b) => a - b);
  const ms = sorted[sorted.length >> 1]!;
  one ??= ms;
  const experts = expectedExperts(config, T) / config.experts.numExpertsPerToken;
  console.log(
    `${String(T).padStart(4)}${ms.toFixed(2).padStart(10)}${(ms / one).toFixed(2).padStart(12)}${experts.toFixed(2).padStart(12)}`,
  );
}
