import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { MimoError } from "../util/errors.ts";
import { InputFile } from "./input-file.ts";
import { writeSafetensors } from "./safetensors-writer.ts";
import { readSafetensors, type SafetensorsHeader } from "./safetensors.ts";
import { mimoErrorOf, patternBytes, patternTensor, temporaryFolder, writeBytes } from "./testing.ts";

const TENSORS = [
  patternTensor("a", "f32", [2, 3]),
  patternTensor("b.weight", "bf16", [5]),
  patternTensor("c", "f8_e4m3", [130, 3]),
  patternTensor("__proto__", "f16", [1, 1, 1]),
  patternTensor("scalar", "i32", []),
  patternTensor("empty", "f32", [0, 7]),
];

function readHeader(path: string): SafetensorsHeader {
  using file = new InputFile(path);
  return readSafetensors(file);
}

function encode(header: unknown, dataBytes: number): Uint8Array {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = Buffer.alloc(8 + json.length + dataBytes);
  bytes.writeBigUInt64LE(BigInt(json.length));
  json.copy(bytes, 8);
  return bytes;
}

const ENTRY = { dtype: "F32", shape: [2], data_offsets: [0, 8] };

test("what is written is read back", async () => {
  const path = join(temporaryFolder(), "x.safetensors");
  await writeSafetensors(path, TENSORS, { metadata: { format: "pt" } });
  const { tensors, metadata } = readHeader(path);
  expect([...metadata]).toEqual([["format", "pt"]]);
  expect(tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }))).toEqual(
    TENSORS.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
  );
  using file = new InputFile(path);
  for (const { name, byteOffset, byteLength } of tensors) {
    expect(file.read(byteOffset, byteLength)).toEqual(patternBytes(name, byteLength));
  }
  expect(tensors[0]!.byteOffset % 8).toBe(0);
});

describe("malformed files", () => {
  const folder = () => temporaryFolder();

  test.each([
    ["a header that is no object", encode("[1]", 0), /header: expected a JSON object, found \[1\]/],
    ["a header that is no JSON", encode("{", 0), /header: expected JSON in UTF-8/],
    ["a header in Latin-1", Buffer.concat([encode("", 0), Buffer.of(0xe9)]).fill(1, 0, 1), /header: expected JSON/],
    ["an entry that is no object", encode({ a: 5 }, 0), /a: expected an object, found 5/],
    ["no dtype", encode({ a: { ...ENTRY, dtype: undefined } }, 8), /a\.dtype: expected a string, found nothing/],
    ["a negative size", encode({ a: { ...ENTRY, shape: [-2] } }, 8), /a\.shape: expected .* found \[-2\]/],
    ["a fractional size", encode({ a: { ...ENTRY, shape: [0.5] } }, 8), /a\.shape/],
    ["nine dimensions", encode({ a: { ...ENTRY, shape: Array(9).fill(1) } }, 8), /a\.shape/],
    ["sizes whose product wraps", encode({ a: { ...ENTRY, shape: [2 ** 32, 2 ** 32] } }, 8), /a\.shape: .*2\^53/],
    ["offsets of another size", encode({ a: { ...ENTRY, data_offsets: [0, 7] } }, 8), /expected 8 bytes for f32 \[2\]/],
    ["offsets out of order", encode({ a: { ...ENTRY, data_offsets: [8, 0] } }, 8), /a\.data_offsets/],
    ["an end beyond the file", encode({ a: { ...ENTRY, data_offsets: [8, 16] } }, 8), /within the 8 bytes/],
    ["an overlap", encode({ a: ENTRY, b: { ...ENTRY, data_offsets: [4, 12] } }, 12), /b\.data_offsets: expected 8,/],
    ["a gap", encode({ a: ENTRY, b: { ...ENTRY, data_offsets: [12, 20] } }, 20), /b\.data_offsets: expected 8,/],
    ["a gap at the start", encode({ a: { ...ENTRY, data_offsets: [8, 16] } }, 16), /a\.data_offsets: expected 0,/],
    ["bytes of nobody at the end", encode({ a: ENTRY }, 9), /data: expected 8 bytes, found 9/],
    [
      "a name twice",
      encode(`{"a":${JSON.stringify(ENTRY)},"a":${JSON.stringify({ ...ENTRY, data_offsets: [8, 16] })}}`, 16),
      /a\.data_offsets: expected 0,/,
    ],
    ["metadata that is no text", encode({ __metadata__: { a: 1 } }, 0), /__metadata__\.a: expected a string/],
    ["deep nesting", encode(`{"a":${"[".repeat(1e6)}${"]".repeat(1e6)}}`, 0), /a: expected an object/],
    ["a deep shape", encode(`{"a":{"dtype":"F32","shape":${"[".repeat(1e6)}${"]".repeat(1e6)}}}`, 0), /a\.shape/],
    ["values without end", encode(`{"a":[${"[],".repeat(5e6)}[]]}`, 0), /header: expected at most 4000000 values/],
  ])("%s", (_, bytes, message) => {
    const path = writeBytes(folder(), "x.safetensors", bytes);
    const error = mimoErrorOf(() => readHeader(path), "checkpoint_invalid");
    expect(error.message).toMatch(message);
    expect(error.message.startsWith(`${path}: `)).toBe(true);
  });

  test.each(["I64", "F64", "F8_E5M2", "BOOL", "F4", ""])("dtype %j is named as unsupported", (dtype) => {
    const path = writeBytes(folder(), "x.safetensors", encode({ weight: { ...ENTRY, dtype } }, 8));
    const error = mimoErrorOf(() => readHeader(path), "checkpoint_unsupported");
    expect(error.message).toContain(`weight.dtype: expected one of F32, F16, BF16, F8_E4M3, I32, found "${dtype}"`);
  });

  test.each([0n, 1n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n])("header length %s", (length) => {
    const bytes = Buffer.from(encode({ a: ENTRY }, 8));
    bytes.writeBigUInt64LE(length);
    const path = writeBytes(folder(), "x.safetensors", bytes);
    mimoErrorOf(() => readHeader(path), "checkpoint_invalid");
  });

  test("a header of a gigabyte in a sparse file is refused unread", () => {
    const path = join(folder(), "x.safetensors");
    const descriptor = openSync(path, "w");
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(10n ** 9n);
    writeSync(descriptor, length);
    ftruncateSync(descriptor, 2e9);
    closeSync(descriptor);
    const error = mimoErrorOf(() => readHeader(path), "checkpoint_invalid");
    expect(error.message).toContain("header length: expected at most 100000000 bytes, found 1000000000");
  });

  test("a file cut at any byte", async () => {
    const whole = join(folder(), "whole.safetensors");
    await writeSafetensors(whole, TENSORS.slice(0, 3));
    const bytes = readFileSync(whole);
    for (let length = 0; length < bytes.length; length++) {
      const path = writeBytes(join(whole, ".."), "cut.safetensors", bytes.subarray(0, length));
      mimoErrorOf(() => readHeader(path), "checkpoint_invalid");
    }
  });

  test("any bytes changed give a valid file or a MimoError", async () => {
    const whole = join(folder(), "whole.safetensors");
    await writeSafetensors(whole, TENSORS.slice(0, 3));
    const bytes = readFileSync(whole);
    const header = bytes.length - 424;
    const change = fc.tuple(fc.nat(header), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const changed = Buffer.from(bytes);
        for (const [at, byte] of changes) changed[at] = byte;
        const path = writeBytes(join(whole, ".."), "changed.safetensors", changed);
        try {
          for (const info of readHeader(path).tensors) {
            expect(info.byteOffset + info.byteLength).toBeLessThanOrEqual(bytes.length);
          }
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(MimoError);
        }
      }),
      { numRuns: 1500 },
    );
  });
});
