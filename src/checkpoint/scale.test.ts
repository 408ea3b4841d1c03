// Opening the published sizes: sparse files with true headers, 300 GB of them, in no time and little memory.

import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { expect, test } from "vitest";

import { openCheckpoint, type Checkpoint } from "./checkpoint.ts";
import type { GgufValue } from "./gguf-format.ts";
import { writeGguf } from "./gguf-writer.ts";
import { patternTensor, temporaryFolder, writeBytes } from "./testing.ts";

const NUM_SHARDS = 60;
const TENSORS_PER_SHARD = 600;
const TENSOR_SHAPE = [2048, 4096];
const SCALE_SHAPE = [16, 32];

/** Opening takes 0.4 s on a machine that is free; tests share theirs. */
const MAX_MILLISECONDS = 3000;
const MAX_HEAP_BYTES = 50e6;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function writeSparse(path: string, header: Uint8Array, size: number): void {
  const descriptor = openSync(path, "w");
  writeSync(descriptor, header);
  ftruncateSync(descriptor, size);
  closeSync(descriptor);
}

/** 60 shards of 5 GB with 72 000 tensors: FP8 weights and their block scales. */
function writeHuggingFaceSet(folder: string): void {
  const weightMap: Record<string, string> = {};
  for (let shard = 0; shard < NUM_SHARDS; shard++) {
    const number = String(shard + 1).padStart(5, "0");
    const file = `model-${number}-of-${String(NUM_SHARDS).padStart(5, "0")}.safetensors`;
    const header: Record<string, unknown> = {};
    let end = 0;
    const add = (name: string, dtype: string, shape: readonly number[], bytes: number) => {
      header[name] = { dtype, shape, data_offsets: [end, end + bytes] };
      end += bytes;
      weightMap[name] = file;
    };
    for (let i = 0; i < TENSORS_PER_SHARD; i++) {
      const name = `model.layers.${shard}.mlp.experts.${Math.floor(i / 3)}.${["gate", "up", "down"][i % 3]}_proj.weight`;
      add(name, "F8_E4M3", TENSOR_SHAPE, 2048 * 4096);
      add(`${name}_scale_inv`, "F32", SCALE_SHAPE, 16 * 32 * 4);
    }
    const json = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.length));
    writeSparse(join(folder, file), Buffer.concat([length, json]), 8 + json.length + end);
  }
  writeBytes(folder, "model.safetensors.index.json", JSON.stringify({ weight_map: weightMap }));
  writeBytes(folder, "config.json", "{}");
}

/** 6 shards of 50 GB; the first has a tokenizer of 152 000 tokens. */
async function writeGgufSet(folder: string): Promise<void> {
  const tokens = Array.from({ length: 152_000 }, (_, i) => `token${i}`);
  for (let shard = 0; shard < 6; shard++) {
    const metadata = new Map<string, GgufValue>([
      ["split.no", { type: "u16", value: shard }],
      ["split.count", { type: "u16", value: 6 }],
      ["split.tensors.count", { type: "i32", value: 6 }],
    ]);
    if (shard === 0) {
      metadata.set("tokenizer.ggml.tokens", { type: "array", itemType: "string", value: tokens });
      metadata.set("tokenizer.ggml.merges", {
        type: "array",
        itemType: "string",
        value: tokens.map((t) => `${t} x`),
      });
      metadata.set("tokenizer.ggml.token_type", {
        type: "array",
        itemType: "i32",
        value: tokens.map(() => 1),
      });
    }
    const path = join(folder, `m-0000${shard + 1}-of-00006.gguf`);
    await writeGguf(path, {
      metadata,
      tensors: [patternTensor(`blk.${shard}.ffn_up_exps.weight`, "q8_0", [1, 1, 32])],
    });
    // The tensor grows where it lies: the header ends with 3 dimensions, type and offset, then padding and 34 bytes.
    const file = readFileSync(path);
    const dimensions = file.indexOf("exps.weight") + "exps.weight".length + 4;
    file.writeBigUInt64LE(4096n, dimensions);
    file.writeBigUInt64LE(2048n, dimensions + 8);
    file.writeBigUInt64LE(5600n, dimensions + 16);
    writeSparse(path, file, file.length + (4096 / 32) * 34 * 2048 * 5600);
  }
}

function measureOpening(path: string): {
  checkpoint: Checkpoint;
  milliseconds: number;
  heapBytes: number;
} {
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  const start = performance.now();
  const checkpoint = openCheckpoint(path);
  const milliseconds = performance.now() - start;
  collectGarbage();
  return { checkpoint, milliseconds, heapBytes: process.memoryUsage().heapUsed - before };
}

test("300 GB of safetensors in 60 shards with 72 000 tensors", () => {
  const folder = temporaryFolder();
  writeHuggingFaceSet(folder);
  const { checkpoint, milliseconds, heapBytes } = measureOpening(folder);
  expect(checkpoint.tensors.size).toBe(2 * NUM_SHARDS * TENSORS_PER_SHARD);
  expect(checkpoint.byteLength).toBeGreaterThan(300e9);
  const last = [...checkpoint.tensors.values()].at(-1)!;
  expect(checkpoint.read(last)).toEqual(new Uint8Array(last.byteLength));
  checkpoint[Symbol.dispose]();
  expect(milliseconds).toBeLessThan(MAX_MILLISECONDS);
  expect(heapBytes).toBeLessThan(MAX_HEAP_BYTES);
});

test("300 GB of split GGUF with a large tokenizer", async () => {
  const folder = temporaryFolder();
  await writeGgufSet(folder);
  const { checkpoint, milliseconds, heapBytes } = measureOpening(folder);
  expect(checkpoint.byteLength).toBeGreaterThan(290e9);
  expect(checkpoint.metadata.get("tokenizer.ggml.tokens")?.value).toHaveLength(152_000);
  checkpoint[Symbol.dispose]();
  expect(milliseconds).toBeLessThan(MAX_MILLISECONDS);
  expect(heapBytes).toBeLessThan(MAX_HEAP_BYTES);
});
