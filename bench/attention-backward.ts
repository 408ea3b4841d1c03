// Time of one layer's attention in training, forward and backward, for rows in documents of one length.
//
//   node --import ./scripts/ts-loader.mjs bench/attention-backward.ts [document lengths] [--rows 4096] [--threads 1,2]
//
// GFLOP/s count what the formulas need for each query head and key it sees: 2 (H + U) forward; backward 2 (3 H + 2 U),
// the scores computed again included.

import { parseArgs } from "node:util";
import type { Backend } from "../src/backends/backend.ts";
import { createCpuBackend } from "../src/backends/cpu/native.ts";
import { attentionBackward } from "../src/ops/attention/attention.backward.ts";
import { attention } from "../src/ops/attention/attention.ts";
import { NOT_STAGED } from "../src/ops/attention/kv-batch.ts";
import { type Tensor, tensorBytes, view } from "../src/tensor/tensor.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rows: { type: "string", default: "4096" }, threads: { type: "string", default: "1,2" } },
});
const T = Number(values.rows);
const lengths = (positionals[0] ?? "512,4096").split(",").map(Number);
const PLACES = 64;
const ROUNDS = 5;
const HEADS = [
  { N: 4, G: 1, H: 48, U: 32 },
  { N: 4, G: 2, H: 48, U: 32 },
  { N: 8, G: 1, H: 48, U: 32 },
  { N: 8, G: 2, H: 48, U: 32 },
];
type Heads = (typeof HEADS)[number];

/** Milliseconds: of processor time with one thread, so that a busy machine matters less. */
function clock(isAlone: boolean): number {
  return isAlone ? process.cpuUsage().user / 1000 : performance.now();
}

for (const threads of values.threads.split(",").map(Number)) {
  using backend = createCpuBackend({ threads });
  console.log(`${backend.description}, ${T} rows, per layer (best of ${ROUNDS})`);
  console.log("document  window   N  G    H    U   forward ms  GFLOP/s  backward ms  GFLOP/s");
  for (const length of lengths) {
    for (const window of [0, 128]) {
      for (const heads of HEADS) report(length, window, heads, measure(backend, length, window, heads, threads === 1));
    }
  }
}

function report(
  length: number,
  window: number,
  { N, G, H, U }: Heads,
  ms: { forward: number; backward: number },
): void {
  let pairs = 0;
  for (let t = 0; t < T; t++) pairs += N * Math.min((t % length) + 1, window > 0 ? window : Infinity);
  const speed = (flops: number, time: number): string => ((pairs * flops) / time / 1e6).toFixed(1).padStart(9);
  const sizes = `${String(N).padStart(4)}${String(G).padStart(3)}${String(H).padStart(5)}${String(U).padStart(5)}`;
  const forward = ms.forward.toFixed(2).padStart(13) + speed(2 * (H + U), ms.forward);
  const backward = ms.backward.toFixed(2).padStart(13) + speed(2 * (3 * H + 2 * U), ms.backward);
  console.log(`${String(length).padStart(8)}${String(window || "none").padStart(8)}${sizes}${forward}${backward}`);
}

function measure(
  backend: Backend,
  length: number,
  window: number,
  { N, G, H, U }: Heads,
  isAlone: boolean,
): { forward: number; backward: number } {
  const memories: Tensor["memory"][] = [];
  const tensor = (dtype: Tensor["dtype"], shape: number[], content?: Float32Array | Int32Array): Tensor => {
    const memory = backend.alloc(tensorBytes(dtype, shape)!);
    memories.push(memory);
    const out = view(memory, dtype, shape);
    if (content !== undefined) backend.upload(out, new Uint8Array(content.buffer));
    return out;
  };
  const floats = (shape: number[]): Tensor => {
    const count = shape.reduce((a, b) => a * b);
    return tensor(
      "f32",
      shape,
      Float32Array.from({ length: count }, (_, i) => Math.sin(i * i)),
    );
  };
  const integers = (shape: number[], at: (i: number) => number): Tensor =>
    tensor(
      "i32",
      shape,
      Int32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => at(i)),
    );
  const perDocument = Math.ceil(length / PLACES);
  const documents = Math.ceil(T / length);
  const blocks = documents * perDocument;
  const layout = {
    rows: integers([T, 2], (i) => (i % 2 === 0 ? Math.floor(i / 2 / length) : Math.floor(i / 2) % length)),
    segments: integers([documents, 4], (i) => [perDocument * Math.floor(i / 4), perDocument, NOT_STAGED, 0][i % 4]!),
    tables: integers([blocks], (i) => i),
  };
  const cache = { k: floats([blocks, G, PLACES, H]), v: floats([blocks, G, PLACES, U]) };
  const dCache = { k: floats([blocks, G, PLACES, H]), v: floats([blocks, G, PLACES, U]) };
  const shared = { q: floats([T, N, H]), cache, sinks: floats([N]), layout, window, scale: 1 / Math.sqrt(H) };
  const out = tensor("f32", [T, N, U]);
  const gradients = { dOut: floats([T, N, U]), dQ: floats([T, N, H]), dCache, dSinks: floats([N]) };
  const best = (run: () => void): number => {
    let least = Infinity;
    for (let round = 0; round <= ROUNDS; round++) {
      const start = clock(isAlone);
      run();
      backend.sync();
      if (round > 0) least = Math.min(least, clock(isAlone) - start);
    }
    return least;
  };
  const forward = best(() => attention(backend, { ...shared, stage: null, out }));
  const backward = best(() => attentionBackward(backend, { ...shared, out, ...gradients }));
  for (const memory of memories) backend.free(memory);
  return { forward, backward };
}
