// Speed of the products of training: GFLOP/s of a linear layer's two gradients and of the experts', by shape.
//
//   node --import ./scripts/ts-loader.mjs bench/gradients.ts [--rows 2048] [--threads 2] [--variant avx2] [--only text]
//
// Multiplications and additions that the formulas need are counted, nothing that an implementation does twice. Experts:
// eight products of a slot's F × D. Loads of experts are as unequal as random choices make them, or all on the first K.

import { parseArgs } from "node:util";
import { createCpuBackend } from "../src/backends/cpu/native.ts";
import { expertsBackward } from "../src/ops/experts/experts.backward.ts";
import { linearBackwardInput, linearBackwardWeight } from "../src/ops/linear/linear.backward.ts";
import type { Shape } from "../src/tensor/shape.ts";
import { type Tensor, view } from "../src/tensor/tensor.ts";

const { values } = parseArgs({
  options: {
    rows: { type: "string", default: "2048" },
    threads: { type: "string" },
    variant: { type: "string" },
    only: { type: "string", default: "" },
  },
});
const T = Number(values.rows);
using backend = createCpuBackend({
  ...(values.threads === undefined ? {} : { threads: Number(values.threads) }),
  ...(values.variant === undefined ? {} : { variant: values.variant }),
});
/** Seconds: of processor time with one thread, so that a busy machine matters less. */
const clock = (): number => (values.threads === "1" ? process.cpuUsage().user / 1e6 : performance.now() / 1000);

let held: Tensor[] = [];

function floats(...shape: number[]): Tensor {
  const count = shape.reduce((a, b) => a * b, 1);
  const tensor = view(backend.alloc(count * 4), "f32", shape as Shape);
  const content = Float32Array.from({ length: count }, (_, i) => Math.sin(i * i));
  backend.upload(tensor, new Uint8Array(content.buffer));
  held.push(tensor);
  return tensor;
}

function choices(E: number, K: number, isUnequal: boolean): Tensor {
  const tensor = view(backend.alloc(T * K * 4), "i32", [T, K]);
  const ids = Int32Array.from({ length: T * K }, (_, i) => {
    const start = isUnequal ? 0 : Math.imul(Math.floor(i / K) + 1, 2654435761) >>> 12;
    return (start + (i % K)) % E;
  });
  backend.upload(tensor, new Uint8Array(ids.buffer));
  held.push(tensor);
  return tensor;
}

function report(name: string, flops: number, run: () => void): void {
  let best = Infinity;
  for (let round = 0; round < 7 && name.includes(values.only); round++) {
    const start = clock();
    run();
    backend.sync();
    best = Math.min(best, clock() - start);
  }
  if (best < Infinity) {
    const speed = (flops / best / 1e9).toFixed(0).padStart(6);
    console.log(`${name.padEnd(52)}${speed} GF/s ${(best * 1e3).toFixed(2).padStart(9)} ms`);
  }
  for (const { memory } of held) backend.free(memory);
  held = [];
}

console.log(`${backend.description}, T ${T}`);
const layers = [
  [256, 256],
  [512, 512],
  [1024, 1024],
  [256, 64],
  [256, 768],
  [256, 8192],
  [1024, 512],
] as const;
for (const [K, N] of layers) {
  const flops = 2 * T * N * K;
  const input = { dOut: floats(T, N), weight: floats(N, K), dX: floats(T, K) };
  report(`linear ${K} → ${N}, input`, flops, () => linearBackwardInput(backend, input));
  const weight = { x: floats(T, K), dOut: floats(T, N), dWeight: floats(N, K) };
  report(`linear ${K} → ${N}, weight`, flops, () => linearBackwardWeight(backend, weight));
}
const mixtures = [
  { D: 256, F: 128, E: 16, K: 2 },
  { D: 256, F: 128, E: 16, K: 8 },
  { D: 256, F: 128, E: 64, K: 2 },
  { D: 256, F: 128, E: 64, K: 8 },
  { D: 512, F: 256, E: 16, K: 4 },
  { D: 512, F: 256, E: 64, K: 8 },
  { D: 1024, F: 512, E: 16, K: 2 },
  { D: 1024, F: 512, E: 64, K: 4 },
] as const;
for (const { D, F, E, K } of mixtures) {
  for (const isUnequal of [false, true]) {
    const args = {
      x: floats(T, D),
      ids: choices(E, K, isUnequal),
      weights: floats(T, K),
      gate: floats(E, F, D),
      up: floats(E, F, D),
      down: floats(E, D, F),
      dOut: floats(T, D),
      dX: floats(T, D),
      dWeights: floats(T, K),
      dGate: floats(E, F, D),
      dUp: floats(E, F, D),
      dDown: floats(E, D, F),
    };
    const name = `experts D ${D}, F ${F}, E ${E}, top ${K}${isUnequal ? ", all on the first" : ""}`;
    report(name, 16 * T * K * D * F, () => expertsBackward(backend, args));
  }
}
