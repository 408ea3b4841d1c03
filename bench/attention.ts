// Time of one token's attention by context, global and sliding layers apart, in the published sizes.
//
//   node --import ./scripts/ts-loader.mjs bench/attention.ts [contexts] [--kv f16,q8_0] [--rows 1] [--threads 2]
//
// Keys and values are whatever the memory holds: time does not depend on them. The last column is what all layers of
// V2-Flash together need for a token: nine global and 39 sliding ones.

import { parseArgs } from "node:util";
import { createCpuBackend } from "../src/backends/cpu/native.ts";
import { BLOCK_TOKENS, layerTokenBytes, RING_SLACK } from "../src/cache/geometry.ts";
import { FLASH_CONFIG } from "../src/model/presets.ts";
import { attentionScale } from "../src/model/config.ts";
import { attention } from "../src/ops/attention/attention.ts";
import { NOT_STAGED } from "../src/ops/attention/kv-batch.ts";
import { kvRowWidth } from "../src/ops/kv-write/kv-write.ts";
import type { KvDType } from "../src/tensor/dtype.ts";
import { type Tensor, tensorBytes, view } from "../src/tensor/tensor.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    kv: { type: "string", default: "f16,q8_0" },
    rows: { type: "string", default: "1" },
    threads: { type: "string" },
  },
});
const contexts = (positionals[0] ?? "1024,8192,32768,131072,262144").split(",").map(Number);
const T = Number(values.rows);
const ROUNDS = 5;

using backend = createCpuBackend(values.threads === undefined ? {} : { threads: Number(values.threads) });
console.log(`${backend.description}, ${T} ${T === 1 ? "row" : "rows"}, milliseconds per layer (best of ${ROUNDS})`);
console.log("kv      context   global   GB/s   sliding   V2-Flash, all layers");
for (const kv of values.kv.split(",") as KvDType[]) {
  const sliding = time(kv, "sliding", 4096);
  for (const context of contexts) {
    const global = time(kv, "global", context);
    const bytes = context * layerTokenBytes(FLASH_CONFIG.attention.global, kv);
    const all = 9 * global + 39 * sliding;
    console.log(
      `${kv.padEnd(6)}${String(context).padStart(9)}${global.toFixed(2).padStart(9)}${(bytes / global / 1e6).toFixed(1).padStart(7)}${sliding.toFixed(2).padStart(10)}${all.toFixed(1).padStart(12)}`,
    );
  }
}

/** Milliseconds of one layer for the last T rows of a sequence of `context` tokens. */
function time(kv: KvDType, kind: "global" | "sliding", context: number): number {
  const shape = FLASH_CONFIG.attention[kind];
  const { numHeads: N, numKvHeads: G, headDim: H, valueDim: U, window } = shape;
  const memories: Tensor["memory"][] = [];
  const tensor = (dtype: Tensor["dtype"], dims: number[]): Tensor => {
    const memory = backend.alloc(tensorBytes(dtype, dims)!);
    memories.push(memory);
    return view(memory, dtype, dims);
  };
  const integers = (numbers: number[], dims: number[]): Tensor => {
    const out = tensor("i32", dims);
    backend.upload(out, new Uint8Array(Int32Array.from(numbers).buffer));
    return out;
  };
  const isRing = kind === "sliding";
  const places = isRing ? window + RING_SLACK : BLOCK_TOKENS;
  const blocks = isRing ? 1 : Math.ceil(context / places);
  const k = tensor(kv, [blocks, G, places, kvRowWidth(kv, H)]);
  const v = tensor(kv, [blocks, G, places, kvRowWidth(kv, U)]);
  // Touched, so that no page is still the system's zero page.
  for (const { memory } of [k, v]) {
    const chunk = new Uint8Array(Math.min(memory.byteLength, 1 << 24)).fill(17);
    for (let at = 0; at < memory.byteLength; at += chunk.length) {
      const part = chunk.subarray(0, Math.min(chunk.length, memory.byteLength - at));
      backend.upload(view(memory, "f8_e4m3", [part.length], at), part);
    }
  }
  const q = tensor("f32", [T, N, H]);
  const out = tensor("f32", [T, N, U]);
  const layout = {
    rows: integers(Array.from({ length: T }, (_, t) => [0, context - T + t]).flat(), [T, 2]),
    segments: integers([0, blocks, NOT_STAGED, 0], [1, 4]),
    tables: integers(
      Array.from({ length: blocks }, (_, i) => i),
      [blocks],
    ),
  };
  let best = Infinity;
  for (let round = 0; round <= ROUNDS; round++) {
    const start = performance.now();
    attention(backend, {
      q,
      cache: { k, v },
      stage: null,
      sinks: null,
      layout,
      window,
      scale: attentionScale(shape),
      out,
    });
    backend.sync();
    if (round > 0) best = Math.min(best, performance.now() - start);
  }
  for (const memory of memories) backend.free(memory);
  return best;
}
