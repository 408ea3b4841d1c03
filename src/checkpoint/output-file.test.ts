import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { writeGguf } from "./gguf-writer.ts";
import { writeFiles } from "./output-file.ts";
import { writeSafetensors, writeShardedSafetensors } from "./safetensors-writer.ts";
import { patternTensor, temporaryFolder, writeBytes } from "./testing.ts";

const TENSORS = ["a", "b"].map((name) => patternTensor(name, "f32", [64]));

test("on failure the old files stay and no parts remain", async () => {
  const folder = temporaryFolder();
  const path = writeBytes(folder, "x", "old");
  const failing = {
    path,
    *chunks() {
      yield Buffer.from("new");
      throw new Error("source failed");
    },
  };
  const fine = { path: join(folder, "y"), chunks: () => [Buffer.from("new")] };
  await expect(writeFiles([fine, failing])).rejects.toThrow("source failed");
  expect(readdirSync(folder)).toEqual(["x"]);
  expect(readFileSync(path, "utf8")).toBe("old");
});

test("an abort between chunks leaves nothing behind", async () => {
  const folder = temporaryFolder();
  const controller = new AbortController();
  const source = {
    ...TENSORS[0]!,
    *chunks() {
      yield new Uint8Array(100);
      controller.abort();
      yield new Uint8Array(156);
    },
  };
  const { signal } = controller;
  const written = writeSafetensors(join(folder, "x.safetensors"), [source], { signal });
  await expect(written).rejects.toMatchObject({ code: "aborted" });
  expect(readdirSync(folder)).toEqual([]);
});

test.each([
  ["fewer", 255],
  ["more", 257],
])("a source that gives %s bytes than its shape is refused", async (_, length) => {
  const folder = temporaryFolder();
  const source = { ...TENSORS[0]!, chunks: () => [new Uint8Array(length)] };
  const written = writeGguf(join(folder, "x.gguf"), { metadata: new Map(), tensors: [source] });
  await expect(written).rejects.toThrow(/a: expected 256 bytes, found/);
  expect(readdirSync(folder)).toEqual([]);
});

test("a folder that does not exist", async () => {
  const written = writeSafetensors(join(temporaryFolder(), "no", "x.safetensors"), TENSORS);
  await expect(written).rejects.toMatchObject({ code: "not_found" });
});

test("quantised types are refused by safetensors", async () => {
  const written = writeSafetensors(join(temporaryFolder(), "x"), [patternTensor("a", "q8_0", [32])]);
  await expect(written).rejects.toThrow(/a: expected one of f32, f16, bf16, f8_e4m3, i32, found q8_0/);
});

test("sharded sets refuse a folder with other weights, and replace their own", async () => {
  const folder = temporaryFolder();
  await writeShardedSafetensors(folder, TENSORS, { maxShardBytes: 256 });
  await writeShardedSafetensors(folder, TENSORS, { maxShardBytes: 256 });
  expect(readdirSync(folder).toSorted()).toEqual([
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "model.safetensors.index.json",
  ]);
  const written = writeShardedSafetensors(folder, TENSORS);
  await expect(written).rejects.toThrow(/expected no other weights, found model-00001-of-00002/);
});
