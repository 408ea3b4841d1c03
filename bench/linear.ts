// Speed of the weight product alone: GB/s of weights read and GFLOP/s, by dtype and rows of activations.
//
//   node --import ./scripts/ts-loader.mjs bench/linear.ts [dtype,…] [rows,…] [--mapped] [--columns 1024] [--activations int8]
//
// Weights are random bytes, in matrices of 2048 rows, together larger than the caches, so that each product reads memory.

import { parseArgs } from "node:util";
import { createCpuBackend } from "../src/backends/cpu/native.ts";
import { linear } from "../src/ops/linear/linear.ts";
import type { Activations } from "../src/ops/linear/quantise-activations.ts";
import { type DType, rowBytes } from "../src/tensor/dtype.ts";
import { view } from "../src/tensor/tensor.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    mapped: { type: "boolean", default: false },
    columns: { type: "string", default: "1024" },
    activations: { type: "string", default: "int16" },
    threads: { type: "string" },
  },
});
const dtypes = (
  positionals[0] ?? "f32,bf16,f8_e4m3,q8_0,q6_k,q5_k,q4_k,q4_0,q3_k,q2_k,iq4_xs,iq3_s,iq2_xs,mxfp4"
).split(",");
const rows = (positionals[1] ?? "1,2,4,8,16,64,512").split(",").map(Number);
const K = Number(values.columns);
const activations = values.activations as Activations;
const N = 2048;
const BYTES = 256 << 20;

/** Seconds: of processor time with one thread, so that a busy machine matters less. */
const clock = (): number => (values.threads === "1" ? process.cpuUsage().user / 1e6 : performance.now() / 1000);
const backend = createCpuBackend(values.threads === undefined ? {} : { threads: Number(values.threads) });
console.log(`${backend.description}, K = ${K}, ${values.mapped ? "mapped" : "packed"}`);
console.log(
  [
    "dtype".padEnd(10),
    ...rows.map((T) => `T ${T} GB/s`.padStart(12)),
    ...rows.map((T) => `T ${T} GF/s`.padStart(12)),
  ].join(""),
);
for (const dtype of dtypes as DType[]) {
  const bytesPerRow = rowBytes(dtype, K)!;
  const count = Math.max(1, Math.floor(BYTES / (bytesPerRow * N)));
  const memory = backend.alloc(count * bytesPerRow * N);
  const junk = new Uint8Array(bytesPerRow * N).map((_, i) => (Math.imul(i, 2654435761) >>> 13) & 0x3b);
  const weights = Array.from({ length: count }, (_, i) => {
    const matrix = view(memory, dtype, [N, K], i * bytesPerRow * N);
    backend.upload(matrix, junk);
    const scales = backend.alloc(Math.ceil(N / 128) * Math.ceil(K / 128) * 4);
    return backend.prepareWeight({
      dtype,
      outFeatures: N,
      inFeatures: K,
      matrices: [matrix],
      packed: !values.mapped,
      ...(dtype === "f8_e4m3"
        ? { scales: [view(scales, "f32", [Math.ceil(N / 128), Math.ceil(K / 128)])], scaleRows: 128 }
        : {}),
    });
  });
  if (!values.mapped) backend.free(memory);
  const speeds = rows.map((T) => {
    const x = view(backend.alloc(T * K * 4), "f32", [T, K]);
    const out = view(backend.alloc(T * N * 4), "f32", [T, N]);
    backend.upload(x, new Uint8Array(Float32Array.from({ length: T * K }, (_, i) => Math.sin(i)).buffer));
    const used = T >= 64 ? weights.slice(0, Math.max(1, Math.floor((weights.length * 16) / T))) : weights;
    const run = backend.record(() => {
      for (const weight of used) linear(backend, { x, weight, out, activations });
    });
    backend.sync();
    let best = Infinity;
    for (let round = 0; round < 7; round++) {
      const start = clock();
      run();
      backend.sync();
      best = Math.min(best, (clock() - start) / used.length);
    }
    return { gb: (bytesPerRow * N) / best / 1e9, gf: (2 * T * N * K) / best / 1e9 };
  });
  console.log(
    [
      dtype.padEnd(10),
      ...speeds.map(({ gb }) => gb.toFixed(1).padStart(12)),
      ...speeds.map(({ gf }) => gf.toFixed(0).padStart(12)),
    ].join(""),
  );
  for (const weight of weights) backend.freeWeight(weight);
}
