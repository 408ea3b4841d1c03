import { readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { DTYPES, type DType } from "../tensor/dtype.ts";
import { MimoError } from "../util/errors.ts";
import type { GgufValue } from "./gguf-format.ts";
import { writeGguf } from "./gguf-writer.ts";
import { readGguf, type GgufHeader } from "./gguf.ts";
import { InputFile } from "./input-file.ts";
import { mimoErrorOf, patternBytes, patternTensor, temporaryFolder, writeBytes } from "./testing.ts";

const METADATA = new Map<string, GgufValue>([
  ["general.architecture", { type: "string", value: "mimo2" }],
  ["empty", { type: "string", value: "" }],
  ["u8", { type: "u8", value: 255 }],
  ["i8", { type: "i8", value: -128 }],
  ["u16", { type: "u16", value: 65535 }],
  ["i16", { type: "i16", value: -32768 }],
  ["u32", { type: "u32", value: 4294967295 }],
  ["i32", { type: "i32", value: -2147483648 }],
  ["f32", { type: "f32", value: 0.5 }],
  ["f64", { type: "f64", value: Math.PI }],
  ["u64", { type: "u64", value: 2n ** 64n - 1n }],
  ["u64 small", { type: "u64", value: Number.MAX_SAFE_INTEGER }],
  ["i64", { type: "i64", value: -(2n ** 63n) }],
  ["i64 small", { type: "i64", value: -5 }],
  ["bool", { type: "bool", value: true }],
  ["strings", { type: "array", itemType: "string", value: ["<|im_start|>", "", "é", "字"] }],
  ["numbers", { type: "array", itemType: "i32", value: [1, -2, 3] }],
  ["bools", { type: "array", itemType: "bool", value: [true, false] }],
  ["none", { type: "array", itemType: "f32", value: [] }],
]);

const STORABLE = (Object.keys(DTYPES) as DType[]).filter((dtype) => dtype !== "f8_e4m3");

function readHeader(path: string): GgufHeader {
  using file = new InputFile(path);
  return readGguf(file);
}

/** A small file and its bytes: one key, two tensors. */
async function smallFile(): Promise<{ folder: string; bytes: Buffer; headerBytes: number }> {
  const folder = temporaryFolder();
  const path = join(folder, "whole.gguf");
  const metadata = new Map<string, GgufValue>([["k", { type: "array", itemType: "u16", value: [1, 2] }]]);
  await writeGguf(path, {
    metadata,
    tensors: [patternTensor("a", "f32", [3, 2]), patternTensor("b", "q8_0", [64])],
  });
  // magic, version, counts 24 | key 9, types 8, length 8, items 4 | a: 9 + 4 + 16 + 4 + 8 | b: 9 + 4 + 8 + 4 + 8
  return { folder, bytes: readFileSync(path), headerBytes: 24 + 29 + 41 + 33 };
}

describe("round trips", () => {
  test("metadata of every type keeps its type and order", async () => {
    const path = join(temporaryFolder(), "x.gguf");
    await writeGguf(path, { metadata: METADATA, tensors: [] });
    expect([...readHeader(path).metadata]).toEqual([...METADATA]);
  });

  test("tensors of every dtype keep their bytes", async () => {
    const path = join(temporaryFolder(), "x.gguf");
    const sources = STORABLE.map((dtype) => patternTensor(`t.${dtype}`, dtype, [3, 256]));
    sources.push(patternTensor("vector", "f32", [5]), patternTensor("experts", "q4_k", [2, 3, 4, 512]));
    await writeGguf(path, { metadata: new Map(), tensors: sources });
    const { tensors } = readHeader(path);
    expect(tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }))).toEqual(
      sources.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
    );
    using file = new InputFile(path);
    for (const { name, byteOffset, byteLength } of tensors) {
      expect(byteOffset % 32).toBe(0);
      expect(file.read(byteOffset, byteLength)).toEqual(patternBytes(name, byteLength));
    }
  });

  test("an alignment of its own", async () => {
    const path = join(temporaryFolder(), "x.gguf");
    const metadata = new Map<string, GgufValue>([["general.alignment", { type: "u32", value: 4096 }]]);
    await writeGguf(path, {
      metadata,
      tensors: [patternTensor("a", "f32", [1]), patternTensor("b", "f32", [1])],
    });
    expect(readHeader(path).tensors.map(({ byteOffset }) => byteOffset)).toEqual([4096, 8192]);
  });

  test("a string longer than the window of the reader", async () => {
    const path = join(temporaryFolder(), "x.gguf");
    const value = "ab".repeat(2 ** 20);
    const metadata = new Map<string, GgufValue>([["a", { type: "string", value }], ...METADATA]);
    await writeGguf(path, { metadata, tensors: [] });
    expect([...readHeader(path).metadata]).toEqual([...metadata]);
  });
});

describe("the writer refuses", () => {
  test.each<[string, GgufValue]>([
    ["u8", { type: "u8", value: 256 }],
    ["i32", { type: "i32", value: 2 ** 31 }],
    ["u64", { type: "u64", value: -1 }],
    ["u32", { type: "u32", value: 1.5 }],
    ["f32", { type: "f32", value: "1" }],
    ["bool", { type: "bool", value: 1 }],
    ["string", { type: "array", itemType: "string", value: ["a", 5] }],
  ])("a value that is no %s", async (type, value) => {
    const path = join(temporaryFolder(), "x.gguf");
    const written = writeGguf(path, { metadata: new Map([["key", value]]), tensors: [] });
    await expect(written).rejects.toThrow(`key: expected a value of type ${type}`);
  });

  test("f8_e4m3, shapes without whole blocks, a name twice", async () => {
    const path = join(temporaryFolder(), "x.gguf");
    const write = (...tensors: Parameters<typeof writeGguf>[1]["tensors"]) =>
      writeGguf(path, { metadata: new Map(), tensors });
    await expect(write(patternTensor("a", "f8_e4m3", [4]))).rejects.toThrow(/a: expected a type that GGUF has/);
    const noBlock = { ...patternTensor("a", "q8_0", [32]), shape: [32, 16] };
    await expect(write(noBlock)).rejects.toThrow(/rows of whole q8_0 blocks \(32 elements\)/);
    const tensor = patternTensor("a", "f32", [4]);
    await expect(write(tensor, tensor)).rejects.toThrow(/distinct names/);
  });
});

describe("malformed files", () => {
  test("a file cut at any byte", async () => {
    const { folder, bytes } = await smallFile();
    const dataEnd = bytes.length - 28; // The padding after the last tensor may be absent.
    for (let length = 0; length < dataEnd; length++) {
      const path = writeBytes(folder, "cut.gguf", bytes.subarray(0, length));
      const error = mimoErrorOf(() => readHeader(path), "checkpoint_invalid");
      expect(error.message).toMatch(/: expected .*, found /);
    }
    readHeader(writeBytes(folder, "cut.gguf", bytes.subarray(0, dataEnd)));
  });

  const VALUES = [0n, 1n, 2n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];
  const FIELDS: readonly [string, number, number][] = [
    ["magic", 0, 4],
    ["version", 4, 4],
    ["tensor count", 8, 8],
    ["metadata count", 16, 8],
    ["key length", 24, 8],
    ["value type", 33, 4],
    ["item type", 37, 4],
    ["array length", 41, 8],
    ["name length", 53, 8],
    ["number of dimensions", 62, 4],
    ["inner dimension", 66, 8],
    ["outer dimension", 74, 8],
    ["tensor type", 82, 4],
    ["offset", 86, 8],
    ["second offset", 119, 8],
  ];

  test.each(FIELDS)("%s set to extreme values", async (_, at, width) => {
    const { folder, bytes, headerBytes } = await smallFile();
    expect(at).toBeLessThan(headerBytes);
    const original = width === 8 ? bytes.readBigUInt64LE(at) : BigInt(bytes.readUInt32LE(at));
    for (const value of VALUES) {
      const wrapped = BigInt.asUintN(8 * width, value);
      const changed = Buffer.from(bytes);
      if (width === 8) changed.writeBigUInt64LE(wrapped, at);
      else changed.writeUInt32LE(Number(wrapped), at);
      const path = writeBytes(folder, "changed.gguf", changed);
      // Fewer or smaller things than there are may still be a well-formed file, and so may another of the first types.
      if (wrapped <= original || wrapped <= 2n) openOrMimoError(path);
      else mimoErrorOf(() => readHeader(path), "checkpoint_invalid", "checkpoint_unsupported");
    }
  });

  test.each([
    ["another file", "GGML", 0, /magic \(at byte 0\): expected the letters GGUF/],
    ["a big-endian file", Buffer.of(0, 0, 0, 3), 4, /version: expected 2 or 3, little-endian, found a big-endian file/],
    ["version 1", Buffer.of(1, 0, 0, 0), 4, /version: expected 2 or 3, little-endian, found 1/],
    ["a type of later versions", Buffer.of(13), 33, /type of k \(at byte 33\): expected a type below 13, found 13/],
    ["an array of arrays", Buffer.of(9), 37, /k: expected an array of plain items, found an array of arrays/],
    ["five dimensions", Buffer.of(5), 62, /a: dimensions \(at byte 62\): expected at most 4, found 5/],
    ["an empty dimension", Buffer.of(0), 66, /a: dimension 0 \(at byte 66\): expected at least 1, found 0/],
    ["an IQ1 tensor", Buffer.of(19), 82, /a: type: expected one of .*, found IQ1_S/],
    ["a ternary tensor", Buffer.of(35), 82, /a: type: expected one of .*, found TQ2_0/],
    ["an unknown tensor type", Buffer.of(99), 82, /a: type: expected one of .*, found unknown type 99/],
    ["rows of broken blocks", Buffer.of(8), 82, /a: shape: expected rows of whole q8_0 blocks/],
    ["an offset between alignments", Buffer.of(33), 119, /b: offset \(at byte 119\): expected a multiple of 32/],
    ["an overlap", Buffer.of(0), 119, /: offset: expected byte \d+ or later/],
    ["data beyond the end", Buffer.of(96), 119, /b: data: expected bytes up to 292, found a file of/],
    ["a name twice", "a", 102, /a: expected distinct tensor names, found it twice/],
  ])("%s", async (_, field, at, message) => {
    const { folder, bytes } = await smallFile();
    bytes.set(Buffer.from(field), at);
    const path = writeBytes(folder, "x.gguf", bytes);
    const error = mimoErrorOf(() => readHeader(path), "checkpoint_invalid", "checkpoint_unsupported");
    expect(error.message).toMatch(message);
  });

  test("a key twice, a boolean of 2, an alignment of 3, a name that is no UTF-8", async () => {
    const folder = temporaryFolder();
    const path = join(folder, "x.gguf");
    const entries: [string, GgufValue][] = [
      ["a", { type: "bool", value: true }],
      ["b", { type: "bool", value: true }],
    ];
    await writeGguf(path, { metadata: new Map(entries), tensors: [] });
    const bytes = readFileSync(path);
    const withByte = (at: number, byte: number) => () =>
      readHeader(writeBytes(folder, "y.gguf", Buffer.from(bytes).fill(byte, at, at + 1)));
    expect(mimoErrorOf(withByte(46, 0x61), "checkpoint_invalid").message).toMatch(/distinct keys, found it twice/);
    expect(mimoErrorOf(withByte(37, 2), "checkpoint_invalid").message).toMatch(/a \(at byte 37\): expected 0 or 1/);
    expect(mimoErrorOf(withByte(32, 0xff), "checkpoint_invalid").message).toMatch(/a name in UTF-8/);

    await writeGguf(path, {
      metadata: new Map([["general.alignmenT", { type: "u32", value: 3 }]]),
      tensors: [],
    });
    const aligned = writeBytes(folder, "y.gguf", readFileSync(path).fill("t", 48, 49));
    expect(mimoErrorOf(() => readHeader(aligned), "checkpoint_invalid").message).toMatch(/power of two .* found u32 3/);
  });

  test("a sparse file of endless strings, arrays and tensors is refused early", () => {
    const path = join(temporaryFolder(), "x.gguf");
    const open = (fields: readonly (readonly [number, bigint])[]) => {
      const bytes = Buffer.alloc(64);
      bytes.write("GGUF");
      bytes.writeUInt32LE(3, 4);
      for (const [at, value] of fields) bytes.writeBigUInt64LE(value, at);
      writeFileSync(path, bytes);
      truncateSync(path, 1e12);
      return mimoErrorOf(() => readHeader(path), "checkpoint_invalid").message;
    };
    const key = [24, 1n] as const;
    expect(open([[16, 1n], key, [33, 8n], [37, 10n ** 11n]])).toMatch(/length of .* expected at most 134217728/);
    expect(open([[16, 1n], key, [33, 8n], [37, 134_217_700n]])).toMatch(/header: expected at most 134217728 bytes/);
    expect(open([[16, 1n], key, [33, 9n], [37, 0n], [41, 10n ** 10n]])).toMatch(
      /length of .* expected at most 8388608/,
    );
    expect(open([[16, 65537n]])).toMatch(/metadata count \(at byte 16\): expected at most 65536, found 65537/);
    expect(open([[8, 10n ** 6n]])).toMatch(/tensor count \(at byte 8\): expected at most 262144, found 1000000/);
    expect(open([[16, 65536n]])).toMatch(/metadata key 0 \(at byte 32\): expected a name/);
  });

  test("any bytes changed give a valid file or a MimoError", async () => {
    const { folder, bytes, headerBytes } = await smallFile();
    const change = fc.tuple(fc.nat(headerBytes - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const changed = Buffer.from(bytes);
        for (const [at, byte] of changes) changed[at] = byte;
        openOrMimoError(writeBytes(folder, "changed.gguf", changed));
      }),
      { numRuns: 2000 },
    );
  });
});

function openOrMimoError(path: string): void {
  try {
    const { size } = statSync(path);
    for (const { byteOffset, byteLength } of readHeader(path).tensors) {
      expect(byteOffset + byteLength).toBeLessThanOrEqual(size);
    }
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(MimoError);
  }
}
