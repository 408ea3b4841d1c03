// Random checkpoints: every type opens, binds and runs; weights are the same wherever they are written.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadTokenizer } from "../api/load-tokenizer.ts";
import { openCheckpoint } from "../checkpoint/checkpoint.ts";
import { temporaryFolder } from "../checkpoint/testing.ts";
import { HUGGING_FACE_TYPES } from "../model/config-writers.ts";
import { parseConfig } from "../model/parse-config.ts";
import { PRESETS } from "../model/presets.ts";
import { DTYPES, isDType } from "../tensor/dtype.ts";
import { defined } from "../util/assert.ts";
import { initCheckpoint, type InitOptions } from "./init.ts";
import type { Progress } from "./output.ts";
import type { TargetType } from "./target.ts";
import { logitsOf, storedTensors, TEXT } from "./testing.ts";

const GGUF_TYPES = Object.keys(DTYPES).filter(
  (type): type is TargetType & keyof typeof DTYPES => isDType(type) && type !== "i32" && type !== "f8_e4m3",
);

async function initTiny(name: string, options: Partial<InitOptions> = {}): Promise<string> {
  const out = join(temporaryFolder(), name);
  await initCheckpoint({ preset: "tiny", out, ...options });
  return out;
}

function spread(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
}

describe("every type opens, binds and gives logits that spread by about one", () => {
  test.each([
    ...HUGGING_FACE_TYPES.map((type) => ["model", type] as const),
    ...GGUF_TYPES.map((type) => ["model.gguf", type] as const),
  ])("%s %s", async (name, type) => {
    const path = await initTiny(name, { type });
    const logits = logitsOf(path, TEXT.slice(0, 4));
    expect(spread(logits)).toBeGreaterThan(0.5);
    expect(spread(logits)).toBeLessThan(2);
    using checkpoint = openCheckpoint(path);
    const types = new Map([...checkpoint.tensors.values()].map(({ name: tensor, dtype }) => [tensor, dtype]));
    const wanted = type === "fp8" ? "f8_e4m3" : type;
    expect(types.get(name === "model" ? "model.layers.1.self_attn.q_proj.weight" : "blk.1.attn_q.weight")).toBe(wanted);
    expect(types.get(name === "model" ? "model.layers.1.mlp.gate.weight" : "blk.1.ffn_gate_inp.weight")).toBe("f32");
  });
});

test("weights follow from the seed, in both formats alike", async () => {
  const folder = await initTiny("model", { type: "f32", seed: 7 });
  const file = await initTiny("model.gguf", { type: "f32", seed: 7 });
  const other = await initTiny("model", { type: "f32", seed: 8 });
  expect(logitsOf(file)).toEqual(logitsOf(folder));
  expect(logitsOf(other)).not.toEqual(logitsOf(folder));
});

test("a folder has the published files: MTP heads apart, listed in the index", async () => {
  const path = await initTiny("model", { type: "fp8" });
  expect(readdirSync(path).toSorted()).toEqual([
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "model_mtp.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
  ]);
  const index = JSON.parse(readFileSync(join(path, "model.safetensors.index.json"), "utf8")) as {
    weight_map: Record<string, string>;
  };
  for (const [name, file] of Object.entries(index.weight_map)) {
    expect(file).toBe(name.startsWith("model.mtp.") ? "model_mtp.safetensors" : "model.safetensors");
  }
  const tensors = storedTensors(path);
  expect(Object.keys(index.weight_map).toSorted()).toEqual([...tensors.keys()].toSorted());
  expect(tensors.get("model.layers.0.mlp.down_proj.weight_scale_inv")?.shape).toEqual([2, 2]);
  expect(tensors.get("model.layers.1.self_attn.o_proj.weight")?.dtype).toBe("bf16");
  expect(tensors.get("model.mtp.layers.2.eh_proj.weight")?.dtype).toBe("bf16");
});

test.each(["model", "model.gguf"])("%s carries the byte tokenizer and ends turns with its tokens", async (name) => {
  using checkpoint = openCheckpoint(await initTiny(name));
  const tokenizer = defined(loadTokenizer(checkpoint).tokenizer, "the tokenizer of a new checkpoint");
  expect(tokenizer.decode(tokenizer.encode("Grüße, 世界!"))).toBe("Grüße, 世界!");
  const { config } = parseConfig(checkpoint);
  expect(tokenizer.eosIds).toEqual(expect.arrayContaining([...config.eosTokenIds]));
  expect(config.eosTokenIds.length).toBeGreaterThan(0);
});

test("reports what it writes, byte by byte", async () => {
  const seen: Progress[] = [];
  const out = join(temporaryFolder(), "model.gguf");
  const result = await initCheckpoint({ preset: "tiny", out, type: "q8_0", onProgress: (p) => seen.push(p) });
  using checkpoint = openCheckpoint(out);
  expect(result.byteLength).toBe(checkpoint.byteLength);
  expect(result.numMtpHeads).toBe(PRESETS.tiny.numMtpHeads);
  expect(seen.at(-1)).toEqual({ done: result.byteLength, total: result.byteLength });
  expect(seen.map(({ done }) => done)).toEqual(seen.map(({ done }) => done).toSorted((a, b) => a - b));
});

describe.each(["model", "model.gguf"])("%s", (name) => {
  test("an abort leaves nothing behind", async () => {
    const folder = temporaryFolder();
    const controller = new AbortController();
    const started = initCheckpoint({
      preset: "tiny",
      out: join(folder, name),
      signal: controller.signal,
      onProgress: ({ done, total }) => {
        if (done > total / 2) controller.abort();
      },
    });
    await expect(started).rejects.toMatchObject({ code: "aborted" });
    expect(readdirSync(folder)).toEqual([]);
  });

  test("what exists is refused, and replaced only when that is asked for", async () => {
    const out = join(temporaryFolder(), name);
    writeFileSync(out, "precious");
    await expect(initCheckpoint({ preset: "tiny", out })).rejects.toMatchObject({ code: "invalid_argument" });
    expect(readFileSync(out, "utf8")).toBe("precious");
    await initCheckpoint({ preset: "tiny", out, overwrite: true });
    expect(readdirSync(join(out, ".."))).toEqual([name]);
    expect(storedTensors(out).size).toBeGreaterThan(100);
  });
});

test.each([
  ["notes.txt", "beside it"],
  ["config.json", "without weights"],
])("a folder is replaced only where it looks like a model: %s", async (name, text) => {
  const out = temporaryFolder();
  writeFileSync(join(out, name), text);
  const started = initCheckpoint({ preset: "tiny", out, overwrite: true });
  if (name === "config.json") await expect(started).resolves.toBeDefined();
  else await expect(started).rejects.toMatchObject({ code: "invalid_argument", param: "out" });
  expect(readdirSync(out).includes("model.safetensors")).toBe(name === "config.json");
  mkdirSync(join(out, "precious"));
  await expect(initCheckpoint({ preset: "tiny", out, overwrite: true })).rejects.toThrow("precious");
});

test.each([
  ["model", { type: "q4_k" }],
  ["model.gguf", { type: "fp8" }],
  ["model.gguf", { type: "i32" as TargetType }],
  ["model", { preset: "huge" as "tiny" }],
] as const)("%s with %o is refused", async (name, options) => {
  await expect(initTiny(name, options)).rejects.toMatchObject({ code: "invalid_argument" });
});
