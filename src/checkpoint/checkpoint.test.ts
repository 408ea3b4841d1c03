import { mkdirSync, renameSync, rmSync, symlinkSync, truncateSync } from "node:fs";
import { basename, join } from "node:path";

import { describe, expect, test } from "vitest";

import { openCheckpoint } from "./checkpoint.ts";
import type { GgufValue } from "./gguf-format.ts";
import { writeGguf } from "./gguf-writer.ts";
import { writeSafetensors, writeShardedSafetensors } from "./safetensors-writer.ts";
import type { TensorSource } from "./tensor-info.ts";
import { mimoErrorOf, patternBytes, patternTensor, temporaryFolder, writeBytes } from "./testing.ts";

const TENSORS = ["a", "b", "c"].map((name) => patternTensor(name, "f32", [4, 8]));

async function huggingFaceFolder(maxShardBytes = 128): Promise<string> {
  const folder = temporaryFolder();
  writeBytes(folder, "config.json", '{"model_type":"mimo_v2_flash"}');
  await writeShardedSafetensors(folder, TENSORS, { maxShardBytes });
  return folder;
}

/** Three shards; `change` may alter the metadata of each. */
async function splitGguf(
  change: (metadata: Map<string, GgufValue>, shard: number) => void = () => {},
): Promise<string> {
  const folder = temporaryFolder();
  for (const [i, tensor] of TENSORS.entries()) {
    const metadata = new Map<string, GgufValue>([
      ["split.no", { type: "u16", value: i }],
      ["split.count", { type: "u16", value: 3 }],
      ["split.tensors.count", { type: "i32", value: 3 }],
    ]);
    if (i === 0) metadata.set("general.architecture", { type: "string", value: "mimo2" });
    change(metadata, i);
    await writeGguf(join(folder, `m-0000${i + 1}-of-00003.gguf`), { metadata, tensors: [tensor] });
  }
  return folder;
}

async function singleGguf(folder: string, name = "model.gguf", tensors: readonly TensorSource[] = TENSORS) {
  const path = join(folder, name);
  await writeGguf(path, { metadata: new Map([["k", { type: "u8", value: 1 }]]), tensors });
  return path;
}

function expectPatterns(path: string): void {
  using checkpoint = openCheckpoint(path);
  expect([...checkpoint.tensors.keys()].toSorted()).toEqual(["a", "b", "c"]);
  expect(checkpoint.byteLength).toBe(3 * 128);
  for (const info of checkpoint.tensors.values()) {
    expect(info).toMatchObject({ dtype: "f32", shape: [4, 8], byteLength: 128 });
    expect(checkpoint.read(info)).toEqual(patternBytes(info.name, 128));
    expect(checkpoint.read(info, 32, 64)).toEqual(patternBytes(info.name, 128).subarray(32, 64));
  }
}

describe("a Hugging Face folder", () => {
  test("in one file and in shards", async () => {
    const single = await huggingFaceFolder(1e9);
    expectPatterns(single);
    const sharded = await huggingFaceFolder();
    expectPatterns(sharded);
    using checkpoint = openCheckpoint(sharded);
    expect(checkpoint.format).toBe("safetensors");
    expect(checkpoint.config).toEqual({ model_type: "mimo_v2_flash" });
    expect(checkpoint.metadata.size).toBe(0);
    expect(basename(checkpoint.tensors.get("c")!.file)).toBe("model-00003-of-00003.safetensors");
  });

  test("a shard that the index does not list is read, too", async () => {
    const folder = await huggingFaceFolder();
    await writeSafetensors(join(folder, "model_mtp.safetensors"), [patternTensor("mtp", "bf16", [2])]);
    using checkpoint = openCheckpoint(folder);
    expect([...checkpoint.tensors.keys()].toSorted()).toEqual(["a", "b", "c", "mtp"]);
  });

  test("one file of any name, without an index", async () => {
    const folder = temporaryFolder();
    writeBytes(folder, "config.json", "{}");
    await writeSafetensors(join(folder, "weights.safetensors"), TENSORS);
    expectPatterns(folder);
  });

  test("missing shards are named, with an index and without", async () => {
    const folder = await huggingFaceFolder();
    rmSync(join(folder, "model-00002-of-00003.safetensors"));
    const missing = /weights: expected 3 files, found model-00002-of-00003.safetensors missing/;
    expect(mimoErrorOf(() => openCheckpoint(folder), "checkpoint_invalid").message).toMatch(missing);
    rmSync(join(folder, "model.safetensors.index.json"));
    expect(mimoErrorOf(() => openCheckpoint(folder), "checkpoint_invalid").message).toMatch(missing);
  });

  test("a name in two files is refused", async () => {
    const folder = await huggingFaceFolder();
    await writeSafetensors(join(folder, "model.safetensors"), TENSORS);
    const error = mimoErrorOf(() => openCheckpoint(folder), "checkpoint_invalid");
    expect(error.message).toMatch(/a: expected a name that no other file has, found it in model-00001-of-00003/);
    expect(error.remedy).toContain("keep the files of one");
  });

  test.each(["../x.safetensors", "/etc/x.safetensors", "sub/x.safetensors", "..\\x.safetensors", "x.bin", "", 5])(
    "an index that names %j is refused",
    async (name) => {
      const folder = await huggingFaceFolder();
      writeBytes(folder, "model.safetensors.index.json", JSON.stringify({ weight_map: { a: name } }));
      const error = mimoErrorOf(() => openCheckpoint(folder), "checkpoint_invalid");
      expect(error.message).toMatch(/weight_map\.a: expected the name of a \.safetensors file in the same folder/);
    },
  );

  test("an index that disagrees with the files is refused", async () => {
    const folder = await huggingFaceFolder();
    const first = "model-00001-of-00003.safetensors";
    writeBytes(folder, "model.safetensors.index.json", JSON.stringify({ weight_map: { z: first } }));
    expect(mimoErrorOf(() => openCheckpoint(folder), "checkpoint_invalid").message).toMatch(/z: .* no such tensor/);
    writeBytes(folder, "model.safetensors.index.json", JSON.stringify({ weight_map: { b: first } }));
    expect(mimoErrorOf(() => openCheckpoint(folder), "checkpoint_invalid").message).toMatch(/b: .* it in model-00002/);
    writeBytes(folder, "model.safetensors.index.json", "{}");
    expect(mimoErrorOf(() => openCheckpoint(folder), "checkpoint_invalid").message).toMatch(/weight_map: expected an/);
  });

  test("without config.json, with a broken one", async () => {
    const folder = await huggingFaceFolder();
    writeBytes(folder, "config.json", "[]");
    expect(mimoErrorOf(() => openCheckpoint(folder), "checkpoint_invalid").message).toMatch(
      /JSON: expected a JSON object/,
    );
    rmSync(join(folder, "config.json"));
    const error = mimoErrorOf(() => openCheckpoint(folder), "checkpoint_invalid");
    expect(error.message).toMatch(/config\.json: expected .* found no such file/);
    expect(error.remedy).toContain("Download config.json");
  });

  test("side files by plain name only, and only from inside", async () => {
    const folder = await huggingFaceFolder();
    writeBytes(folder, "tokenizer.json", '{"é":1}');
    symlinkSync("/etc/hostname", join(folder, "outside.json"));
    mkdirSync(join(folder, "sub"));
    using checkpoint = openCheckpoint(folder);
    expect(checkpoint.readText("tokenizer.json")).toBe('{"é":1}');
    expect(checkpoint.readText("absent.json")).toBeUndefined();
    for (const name of ["../x", "/etc/passwd", "sub/x", "..", "a\0b"]) {
      mimoErrorOf(() => checkpoint.readText(name), "invalid_argument");
    }
    expect(mimoErrorOf(() => checkpoint.readText("outside.json"), "checkpoint_invalid").message).toContain("a link to");
    expect(mimoErrorOf(() => checkpoint.readText("sub"), "checkpoint_invalid").message).toContain("a regular file");
  });

  test("the links of a Hugging Face cache are followed", async () => {
    const cache = temporaryFolder();
    const blobs = join(cache, "models--x", "blobs");
    const snapshot = join(cache, "models--x", "snapshots", "0123");
    mkdirSync(blobs, { recursive: true });
    mkdirSync(snapshot, { recursive: true });
    writeBytes(blobs, "aaaa", "{}");
    await writeSafetensors(join(blobs, "bbbb"), TENSORS);
    symlinkSync("../../blobs/aaaa", join(snapshot, "config.json"));
    symlinkSync("../../blobs/bbbb", join(snapshot, "model.safetensors"));
    expectPatterns(snapshot);
  });

  test("a weight file that links out of the folder is refused", async () => {
    const folder = await huggingFaceFolder();
    const outside = temporaryFolder();
    renameSync(join(folder, "model-00003-of-00003.safetensors"), join(outside, "x"));
    symlinkSync(join(outside, "x"), join(folder, "model-00003-of-00003.safetensors"));
    expect(mimoErrorOf(() => openCheckpoint(folder), "checkpoint_invalid").message).toContain("a link to");
  });
});

describe("GGUF", () => {
  test("one file, by itself or by its folder", async () => {
    const folder = temporaryFolder();
    const path = await singleGguf(folder);
    expectPatterns(path);
    expectPatterns(folder);
    using checkpoint = openCheckpoint(path);
    expect(checkpoint.format).toBe("gguf");
    expect(checkpoint.config).toBeUndefined();
    expect(checkpoint.metadata.get("k")).toEqual({ type: "u8", value: 1 });
    expect(checkpoint.readText("tokenizer.json")).toBeUndefined();
  });

  test("a split set, by any shard or by its folder", async () => {
    const folder = await splitGguf();
    expectPatterns(folder);
    for (const i of [1, 2, 3]) expectPatterns(join(folder, `m-0000${i}-of-00003.gguf`));
    using checkpoint = openCheckpoint(join(folder, "m-00003-of-00003.gguf"));
    expect(checkpoint.metadata.get("general.architecture")).toEqual({
      type: "string",
      value: "mimo2",
    });
  });

  test("a missing shard is named", async () => {
    const folder = await splitGguf();
    rmSync(join(folder, "m-00001-of-00003.gguf"));
    for (const path of [folder, join(folder, "m-00003-of-00003.gguf")]) {
      const error = mimoErrorOf(() => openCheckpoint(path), "checkpoint_invalid");
      expect(error.message).toMatch(/found m-00001-of-00003\.gguf missing/);
    }
  });

  test.each([
    ["split.no", 0, /split\.no: expected 1, found 0/],
    ["split.count", 4, /split\.count: expected 3, found 4/],
    ["split.tensors.count", 2, /split\.tensors\.count: expected 3, found 2/],
    ["split.no", undefined, /split\.no: expected 1, found nothing/],
  ])("a shard with %s = %s is refused", async (key, value, message) => {
    const folder = await splitGguf((metadata, shard) => {
      if (shard !== 1) return;
      if (value === undefined) metadata.delete(key);
      else metadata.set(key, { type: "i32", value });
    });
    expect(mimoErrorOf(() => openCheckpoint(folder), "checkpoint_invalid").message).toMatch(message);
  });

  test("a shard under another name says what it belongs to", async () => {
    const folder = await splitGguf();
    renameSync(join(folder, "m-00001-of-00003.gguf"), join(folder, "first.gguf"));
    const error = mimoErrorOf(() => openCheckpoint(join(folder, "first.gguf")), "checkpoint_invalid");
    expect(error.message).toMatch(/split\.count: expected 1, found 3/);
  });

  test.each(["m-00000-of-00000.gguf", "m-00001-of-00000.gguf", "m-00003-of-00002.gguf"])(
    "%s is no shard's name",
    async (name) => {
      const folder = temporaryFolder();
      expectPatterns(await singleGguf(folder, name));
      expectPatterns(folder);
    },
  );

  test("a folder with two models asks for one", async () => {
    const folder = temporaryFolder();
    await singleGguf(folder, "a.gguf");
    await singleGguf(folder, "b.gguf");
    const error = mimoErrorOf(() => openCheckpoint(folder), "checkpoint_invalid");
    expect(error.message).toMatch(/expected one GGUF model, found a\.gguf, b\.gguf/);
  });
});

describe("paths that hold no checkpoint", () => {
  test("missing, empty, of another kind", async () => {
    const folder = temporaryFolder();
    const missing = mimoErrorOf(() => openCheckpoint(join(folder, "absent.gguf")), "not_found");
    expect(missing.remedy).toContain("Check the path");
    expect(mimoErrorOf(() => openCheckpoint(folder), "checkpoint_invalid").message).toContain("found an empty folder");
    const text = writeBytes(folder, "notes.txt", "some text");
    expect(mimoErrorOf(() => openCheckpoint(text), "checkpoint_invalid").message).toContain("the letters GGUF");
    mimoErrorOf(() => openCheckpoint("/dev/null"), "checkpoint_invalid");
  });

  test("pickle files are refused, never read", () => {
    const folder = temporaryFolder();
    writeBytes(folder, "config.json", "{}");
    const path = writeBytes(folder, "pytorch_model.bin", "");
    for (const given of [folder, path]) {
      const error = mimoErrorOf(() => openCheckpoint(given), "checkpoint_unsupported");
      expect(error.remedy).toContain("safetensors");
    }
  });

  test("one safetensors file points to its folder", async () => {
    const folder = await huggingFaceFolder(1e9);
    const error = mimoErrorOf(() => openCheckpoint(join(folder, "model.safetensors")), "checkpoint_invalid");
    expect(error.remedy).toContain(folder);
  });
});

describe("lifetime", () => {
  test("reading a file that was shortened since is an error", async () => {
    const path = await singleGguf(temporaryFolder());
    using checkpoint = openCheckpoint(path);
    truncateSync(path, 100);
    const error = mimoErrorOf(() => checkpoint.read(checkpoint.tensors.get("c")!), "io_failed");
    expect(error.message).toContain("it was longer when opened");
  });

  test("a file replaced on disk does not change what is read", async () => {
    const path = await singleGguf(temporaryFolder());
    using checkpoint = openCheckpoint(path);
    const info = checkpoint.tensors.get("c")!;
    await writeGguf(path, { metadata: new Map(), tensors: [patternTensor("other", "f32", [1])] });
    expect(checkpoint.read(info)).toEqual(patternBytes("c", 128));
  });

  test("a closed checkpoint says so, and closes once", async () => {
    const checkpoint = openCheckpoint(await singleGguf(temporaryFolder()));
    checkpoint[Symbol.dispose]();
    checkpoint[Symbol.dispose]();
    mimoErrorOf(() => checkpoint.read(checkpoint.tensors.get("a")!), "disposed");
    mimoErrorOf(() => checkpoint.readText("x"), "disposed");
  });
});
