// Conversions keep the model: bit by bit where the types allow it, within the types' precision otherwise.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type GoldenCase, goldenCase, maxDifference, meanKl } from "../../test/golden/golden.ts";
import { openCheckpoint } from "../checkpoint/checkpoint.ts";
import { writeSafetensors } from "../checkpoint/safetensors-writer.ts";
import { temporaryFolder } from "../checkpoint/testing.ts";
import { defined } from "../util/assert.ts";
import { convertCheckpoint, type ConvertOptions, type ConvertResult } from "./convert.ts";
import { initCheckpoint } from "./init.ts";
import type { TargetType } from "./target.ts";
import { fuseProjections, logitsOf, storedTensors, TEXT } from "./testing.ts";

async function tiny(name: string, type: TargetType): Promise<string> {
  const out = join(temporaryFolder(), name);
  await initCheckpoint({ preset: "tiny", out, type });
  return out;
}

async function convert(
  input: string,
  name: string,
  type: TargetType,
  options: Partial<ConvertOptions> = {},
): Promise<ConvertResult & { readonly path: string }> {
  const output = join(temporaryFolder(), name);
  return { path: output, ...(await convertCheckpoint({ input, output, type, ...options })) };
}

function golden(name: string): GoldenCase & { readonly logits: Float32Array } {
  const found = goldenCase(name);
  return { ...found, logits: defined(found.array("logits"), "logits") };
}

describe("what the types can hold is kept to the bit", () => {
  test("a folder becomes a float32 GGUF file and the same folder again", async () => {
    const folder = await tiny("model", "bf16");
    const file = await convert(folder, "model.gguf", "f32");
    expect(file.fallbacks).toEqual([]);
    const back = await convert(file.path, "back", "bf16");
    expect(storedTensors(back.path)).toEqual(storedTensors(folder));
    for (const name of ["model.safetensors", "model_mtp.safetensors", "tokenizer.json"]) {
      expect(readFileSync(join(back.path, name)).equals(readFileSync(join(folder, name))), name).toBe(true);
    }
    for (const mtpHead of [undefined, 0, 2]) {
      expect(logitsOf(file.path, TEXT, mtpHead)).toEqual(logitsOf(folder, TEXT, mtpHead));
    }
  });

  test.each(["q8_0", "q4_k", "bf16"] as const)("a GGUF file of %s passes unchanged", async (type) => {
    const file = await tiny("model.gguf", type);
    const copy = await convert(file, "copy.gguf", type);
    expect(storedTensors(copy.path)).toEqual(storedTensors(file));
  });

  test.each(["hf-fp8", "hf-fp8-fused-kv"])("%s as fp8 passes with its scales", async (name) => {
    const { path } = goldenCase(name);
    const copy = await convert(path, "copy", "fp8");
    expect(storedTensors(copy.path)).toEqual(storedTensors(path));
  });

  test("a GGUF file of another program keeps its key-values and tensors", async () => {
    const { path } = goldenCase("gguf-bf16");
    const copy = await convert(path, "copy.gguf", "bf16");
    expect(storedTensors(copy.path)).toEqual(storedTensors(path));
    using before = openCheckpoint(path);
    using after = openCheckpoint(copy.path);
    expect(Object.fromEntries(after.metadata)).toEqual(Object.fromEntries(before.metadata));
  });
});

describe("FP8 block scales", () => {
  test.each(["hf-fp8", "hf-fp8-fused-kv"])("%s as float32 gives the golden logits", async (name) => {
    const { path, expected, logits, array } = golden(name);
    const file = await convert(path, "model.gguf", "f32");
    expect(maxDifference(logits, logitsOf(file.path, expected.input_ids))).toBeLessThan(1e-3);
    const head = defined(array("mtp1_logits"), "MTP logits");
    expect(maxDifference(head, logitsOf(file.path, expected.input_ids, 1))).toBeLessThan(1e-3);
  });

  test("q, k and v fused in ranks give the golden logits, bound and converted", async () => {
    const { path, expected, logits } = golden("hf-fp8-fused-kv");
    const fused = temporaryFolder();
    writeFileSync(join(fused, "config.json"), readFileSync(join(path, "config.json")));
    await writeSafetensors(join(fused, "model.safetensors"), fuseProjections(path));
    expect(maxDifference(logits, logitsOf(fused, expected.input_ids))).toBeLessThan(1e-3);
    const file = await convert(fused, "model.gguf", "f32");
    expect(maxDifference(logits, logitsOf(file.path, expected.input_ids))).toBeLessThan(1e-3);
    // Split again they need scales of their own, which costs some precision.
    const split = await convert(fused, "split", "fp8");
    expect(meanKl(logits, logitsOf(split.path, expected.input_ids), 256)).toBeLessThan(0.01);
  });

  test("are made anew from floats", async () => {
    const { path, expected, logits } = golden("hf-bf16");
    const folder = await convert(path, "model", "fp8");
    expect(meanKl(logits, logitsOf(folder.path, expected.input_ids), 256)).toBeLessThan(0.02);
  });
});

test.each([
  ["f16", 1e-9],
  ["q8_0", 2e-4],
  ["q6_k", 4e-3],
  ["q5_k", 0.012],
  ["q4_k", 0.035],
  ["q4_0", 0.05],
] as const)("%s stays near the golden logits", async (type, bound) => {
  const { path, expected, logits } = golden("gguf-bf16");
  const file = await convert(path, "model.gguf", type);
  const kl = meanKl(logits, logitsOf(file.path, expected.input_ids), 256);
  expect(kl).toBeLessThan(bound);
});

test("rows of no whole blocks take a type of smaller blocks, and the result says so", async () => {
  const { path, expected, logits } = golden("hf-bf16");
  const file = await convert(path, "model.gguf", "q4_k");
  const tensors = storedTensors(file.path);
  expect(file.fallbacks.length).toBeGreaterThan(10);
  for (const { name, dtype } of file.fallbacks) expect(tensors.get(name)?.dtype).toBe(dtype);
  expect(new Set(file.fallbacks.map(({ dtype }) => dtype))).toEqual(new Set(["q8_0", "f16"]));
  expect(tensors.get("blk.1.ffn_gate_inp.weight")?.dtype).toBe("f32");
  expect(meanKl(logits, logitsOf(file.path, expected.input_ids), 256)).toBeLessThan(0.02);
});

test("the tokenizer and its chat template travel along", async () => {
  const folder = await tiny("model", "bf16");
  const file = await convert(folder, "model.gguf", "q8_0");
  const back = await convert(file.path, "back", "bf16");
  const read = (path: string, name: string): unknown => JSON.parse(readFileSync(join(path, name), "utf8"));
  expect(read(back.path, "tokenizer.json")).toEqual(read(folder, "tokenizer.json"));
  const template = {
    chat_template: (read(folder, "tokenizer_config.json") as { chat_template: string }).chat_template,
  };
  expect(read(back.path, "tokenizer_config.json")).toMatchObject(template);
});

describe("refused before anything is written", () => {
  test.each([
    ["model.gguf", "iq3_s"],
    ["model.gguf", "fp8"],
    ["model", "q8_0"],
  ] as const)("%s of type %s", async (name, type) => {
    await expect(convert(goldenCase("hf-bf16").path, name, type)).rejects.toMatchObject({ code: "invalid_argument" });
  });

  test("an output that exists", async () => {
    const { path } = goldenCase("gguf-bf16");
    const output = join(temporaryFolder(), "model.gguf");
    writeFileSync(output, "precious");
    await expect(convertCheckpoint({ input: path, output, type: "f32" })).rejects.toMatchObject({ param: "output" });
    expect(readFileSync(output, "utf8")).toBe("precious");
  });

  test.each(["q8_0", "fp8"] as const)("weights that are no numbers, as %s", async (type) => {
    const folder = await tiny("model", "f32");
    const file = join(folder, "model.safetensors");
    const bytes = readFileSync(file);
    const start = 8 + Number(bytes.readBigUInt64LE());
    const header = JSON.parse(bytes.toString("utf8", 8, start)) as Record<string, { data_offsets: [number, number] }>;
    const name = "model.layers.0.self_attn.q_proj.weight";
    bytes.writeFloatLE(Number.NaN, start + header[name]!.data_offsets[0]);
    writeFileSync(file, bytes);
    const output = join(temporaryFolder(), type === "fp8" ? "model" : "model.gguf");
    const started = convertCheckpoint({ input: folder, output, type });
    await expect(started).rejects.toMatchObject({
      code: "checkpoint_invalid",
      message: expect.stringMatching(/q_proj|attn_q.*finite/) as string,
    });
    expect(readdirSync(join(output, ".."))).toEqual([]);
  });

  test("an input with a tensor that has no place in the model", async () => {
    const folder = await tiny("model", "bf16");
    const stranger = { name: "stranger", dtype: "f32", shape: [1], chunks: () => [new Uint8Array(4)] } as const;
    await writeSafetensors(join(folder, "extra.safetensors"), [stranger]);
    const output = join(temporaryFolder(), "model.gguf");
    await expect(convertCheckpoint({ input: folder, output, type: "f32" })).rejects.toThrow("stranger");
    expect(readdirSync(join(output, ".."))).toEqual([]);
  });
});

test.each(["model", "model.gguf"])("an abort leaves nothing behind: %s", async (name) => {
  const folder = temporaryFolder();
  const controller = new AbortController();
  const { path } = goldenCase("gguf-bf16");
  const started = convertCheckpoint({
    input: path,
    output: join(folder, name),
    type: "f32",
    signal: controller.signal,
    onProgress: ({ done, total }) => {
      if (done > total / 2) controller.abort();
    },
  });
  await expect(started).rejects.toMatchObject({ code: "aborted" });
  expect(readdirSync(folder)).toEqual([]);
});
