// What a decode step spends in each layer, attention and feed-forward apart, and what a model of the published depth
// would then spend.
//
//   node --import ./scripts/ts-loader.mjs bench/layers.ts MODEL [--context 1024] [--threads 2] [--activations int16] [--packing all]
//
// Every command is waited for and timed alone, which adds some microseconds to each; the sum is printed beside the
// time of a step as it runs otherwise. Medians over steps.

import { parseArgs } from "node:util";
import { createCpuBackend } from "../src/backends/cpu/native.ts";
import { openCheckpoint } from "../src/checkpoint/checkpoint.ts";
import { Engine } from "../src/engine/engine.ts";
import type { Packing } from "../src/model/packing.ts";
import { FLASH_CONFIG } from "../src/model/presets.ts";
import type { Activations } from "../src/ops/linear/quantise-activations.ts";
import { DEFAULT_SAMPLING } from "../src/ops/sample/sample.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: "string" },
    context: { type: "string", default: "1024" },
    activations: { type: "string", default: "int16" },
    packing: { type: "string", default: "all" },
  },
});
const path = positionals[0];
if (path === undefined) throw new Error("usage: bench/layers.ts MODEL");
const context = Number(values.context);
const STEPS = 24;

using backend = createCpuBackend(values.threads === undefined ? {} : { threads: Number(values.threads) });
/** Milliseconds of the step at hand by part: what precedes the layers, attention and feed-forward of each, logits. */
let parts: number[] = [];
let isTimed = false;
const { run, record } = { run: backend.run.bind(backend), record: backend.record.bind(backend) };
Object.assign(backend, {
  record: (build: () => void) => {
    const replay = record(build);
    return () => (isTimed ? build() : replay());
  },
  run: (...args: Parameters<typeof run>) => {
    if (!isTimed) return run(...args);
    backend.sync();
    const start = performance.now();
    run(...args);
    backend.sync();
    // Attention and feed-forward begin with their norm, and so do logits.
    if (parts.length === 0 || args[0].name === "rms_norm") parts.push(0);
    parts[parts.length - 1]! += performance.now() - start;
  },
});
using checkpoint = openCheckpoint(path);
using engine = new Engine(backend, checkpoint, {
  maxTokens: context + 2 * STEPS + 64,
  maxSequences: 1,
  maxRows: 512,
  kvDType: "f16",
  activations: values.activations as Activations,
  mtpMode: "parallel",
  packing: values.packing as Packing,
});
const { config } = engine.runner.model;
const prompt = Array.from({ length: context }, (_, i) => (Math.imul(i + 1, 2654435761) >>> 8) % config.vocabSize);
const maxTokens = 2 * STEPS + 16;
engine.submit({ id: 1, prompt, maxTokens, stopTokens: [], sampling: DEFAULT_SAMPLING, speculation: 0 });
while (!engine.step().some(({ tokens }) => tokens.length > 0));
for (let i = 0; i < 4; i++) engine.step();
const plain = steps().map(({ ms }) => ms);
isTimed = true;
report(steps().map(({ parts: timed }) => timed));

function steps(): { ms: number; parts: number[] }[] {
  return Array.from({ length: STEPS }, () => {
    parts = [];
    const start = performance.now();
    engine.step();
    return { ms: performance.now() - start, parts };
  });
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
}

function report(timed: readonly (readonly number[])[]): void {
  const part = (i: number): number => median(timed.map((step) => step[i]!));
  const kinds = new Map<string, number[]>();
  console.log(`${backend.description}, context ${context}\nlayer  kind                 attention ms  feed-forward ms`);
  config.layers.forEach(({ attention, feedForward }, layer) => {
    const [a, f] = [part(1 + 2 * layer), part(2 + 2 * layer)];
    const kind = `${attention}, ${feedForward}`;
    kinds.set(kind, [...(kinds.get(kind) ?? []), a + f]);
    console.log(
      `${String(layer).padStart(5)}  ${kind.padEnd(20)}${a.toFixed(3).padStart(13)}${f.toFixed(3).padStart(17)}`,
    );
  });
  const ends = part(0) + part(1 + 2 * config.layers.length);
  const sum = timed[0]!.reduce((total, _, i) => total + part(i), 0);
  console.log(
    `embedding and logits ${ends.toFixed(3)} ms; sum ${sum.toFixed(2)} ms; plain step ${median(plain).toFixed(2)} ms`,
  );
  const mean = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0) / numbers.length;
  const deep = FLASH_CONFIG.layers.map(({ attention, feedForward }) => kinds.get(`${attention}, ${feedForward}`));
  if (deep.some((known) => known === undefined)) return;
  // A step as it runs otherwise is shorter than the sum by what waiting for each command adds.
  const ms = (deep.reduce((total, known) => total + mean(known!), ends) * median(plain)) / sum;
  console.log(`${deep.length} such layers: ${ms.toFixed(0)} ms, ${(1000 / ms).toFixed(2)} tokens/s`);
}
