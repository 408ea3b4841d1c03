// Reads the header of a GGUF file: metadata and where each tensor lies. Versions 2 and 3, little-endian.
// What comes out is checked: names are unique, tensor ranges are aligned, inside the file and disjoint, and agree
// with type and shape. Tensor bytes are not read. Source: docs/gguf.md in ggml-org/ggml.

import { formatShape } from "../tensor/shape.ts";
import { tensorBytes } from "../tensor/tensor.ts";
import { invalid, unsupported } from "./errors.ts";
import { GgufCursor } from "./gguf-cursor.ts";
import {
  ALIGNMENT_KEY,
  alignUp,
  DEFAULT_ALIGNMENT,
  GGUF_MAGIC,
  GGUF_TYPES,
  TENSOR_TYPES,
  type GgufItemType,
  type GgufValue,
} from "./gguf-format.ts";
import type { InputFile } from "./input-file.ts";
import type { TensorInfo } from "./tensor-info.ts";

const MAX_ENTRIES = 1 << 16;
const MAX_TENSORS = 1 << 18;
const MAX_DIMENSIONS = 4;
const MAX_ALIGNMENT = 1 << 16;

export interface GgufHeader {
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: readonly TensorInfo[];
}

/**
 * Throws `checkpoint_invalid` for a malformed file, `checkpoint_unsupported` for another version or byte order, for
 * arrays of arrays, and for tensor types that this project does not read.
 */
export function readGguf(file: InputFile): GgufHeader {
  const cursor = new GgufCursor(file);
  readVersion(cursor);
  const numTensors = cursor.count("tensor count", MAX_TENSORS);
  const numEntries = cursor.count("metadata count", MAX_ENTRIES);
  const metadata = readMetadata(cursor, numEntries);
  const alignment = readAlignment(metadata, file);
  const relative: TensorInfo[] = [];
  for (let i = 0; i < numTensors; i++) relative.push(readTensor(cursor, i, alignment));
  const dataStart = alignUp(cursor.position, alignment);
  const tensors = relative.map((tensor) => ({
    ...tensor,
    byteOffset: dataStart + tensor.byteOffset,
  }));
  requireDistinct(tensors, file);
  requireDisjointRanges(tensors, file);
  return { metadata, tensors };
}

function readVersion(cursor: GgufCursor): void {
  const magic = cursor.u32("magic");
  if (magic !== GGUF_MAGIC) throw cursor.error("magic", 4, "the letters GGUF", `0x${magic.toString(16)}`);
  const version = cursor.u32("version");
  if (version === 2 || version === 3) return;
  // A big-endian file has its version in the upper byte.
  const found = version % 2 ** 24 === 0 && version !== 0 ? "a big-endian file" : String(version);
  throw unsupported(
    cursor.file.path,
    "version",
    "2 or 3, little-endian",
    found,
    "Convert the file with a current llama.cpp.",
  );
}

function readMetadata(cursor: GgufCursor, numEntries: number): Map<string, GgufValue> {
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < numEntries; i++) {
    const key = cursor.name(`metadata key ${i}`);
    if (metadata.has(key)) throw invalid(cursor.file.path, key, "distinct keys", "it twice");
    metadata.set(key, readValue(cursor, key));
  }
  return metadata;
}

function readValue(cursor: GgufCursor, key: string): GgufValue {
  const type = readType(cursor, key);
  if (type !== "array") return { type, value: cursor.item(type, key) };
  const itemType = readType(cursor, `${key} (items)`);
  if (itemType === "array") throw unsupported(cursor.file.path, key, "an array of plain items", "an array of arrays");
  return { type, itemType, value: cursor.items(itemType, key) };
}

function readType(cursor: GgufCursor, key: string): GgufItemType | "array" {
  const code = cursor.u32(`type of ${key}`);
  const type = GGUF_TYPES[code];
  if (type === undefined) throw cursor.error(`type of ${key}`, 4, `a type below ${GGUF_TYPES.length}`, String(code));
  return type;
}

function readAlignment(metadata: ReadonlyMap<string, GgufValue>, file: InputFile): number {
  const entry = metadata.get(ALIGNMENT_KEY);
  if (entry === undefined) return DEFAULT_ALIGNMENT;
  const { value } = entry;
  const isPowerOfTwo = typeof value === "number" && Number.isInteger(Math.log2(value));
  if (entry.type === "u32" && isPowerOfTwo && value >= 8 && value <= MAX_ALIGNMENT) return value;
  throw invalid(
    file.path,
    ALIGNMENT_KEY,
    `a u32 power of two from 8 to ${MAX_ALIGNMENT}`,
    `${entry.type} ${String(value)}`,
  );
}

/** One tensor, its `byteOffset` still relative to the start of the data. */
function readTensor(cursor: GgufCursor, index: number, alignment: number): TensorInfo {
  const { path, size } = cursor.file;
  const name = cursor.name(`name of tensor ${index}`);
  const numDimensions = cursor.u32(`${name}: dimensions`);
  if (numDimensions > MAX_DIMENSIONS) {
    throw cursor.error(`${name}: dimensions`, 4, `at most ${MAX_DIMENSIONS}`, String(numDimensions));
  }
  const shape: number[] = [];
  for (let i = 0; i < numDimensions; i++) {
    const length = cursor.count(`${name}: dimension ${i}`, Number.MAX_SAFE_INTEGER);
    if (length === 0) throw cursor.error(`${name}: dimension ${i}`, 8, "at least 1", "0");
    shape.unshift(length); // The file lists the innermost dimension first.
  }
  const code = cursor.u32(`${name}: type`);
  const type = TENSOR_TYPES.get(code);
  if (type === undefined || "unsupported" in type) {
    const found = type === undefined ? `unknown type ${code}` : type.unsupported;
    const expected = `one of ${readableTypes()}`;
    throw unsupported(path, `${name}: type`, expected, found, "Choose a file with another quantisation.");
  }
  const byteLength = tensorBytes(type.dtype, shape);
  if (byteLength === undefined) {
    throw invalid(path, `${name}: shape`, `rows of whole ${type.dtype} blocks, below 2^53 bytes`, formatShape(shape));
  }
  const byteOffset = cursor.count(`${name}: offset`, size);
  if (byteOffset % alignment !== 0) {
    throw cursor.error(`${name}: offset`, 8, `a multiple of ${alignment}`, String(byteOffset));
  }
  return { name, dtype: type.dtype, shape, file: path, byteOffset, byteLength };
}

function readableTypes(): string {
  return [...TENSOR_TYPES.values()].flatMap((type) => ("dtype" in type ? [type.dtype] : [])).join(", ");
}

function requireDistinct(tensors: readonly TensorInfo[], file: InputFile): void {
  const names = new Set<string>();
  for (const { name } of tensors) {
    if (names.has(name)) throw invalid(file.path, name, "distinct tensor names", "it twice");
    names.add(name);
  }
}

function requireDisjointRanges(tensors: readonly TensorInfo[], file: InputFile): void {
  let end = 0;
  for (const tensor of tensors.toSorted((a, b) => a.byteOffset - b.byteOffset)) {
    const { name, byteOffset, byteLength } = tensor;
    if (byteOffset < end) {
      throw invalid(
        file.path,
        `${name}: offset`,
        `byte ${end} or later, where the tensor before it ends`,
        `${byteOffset}`,
      );
    }
    end = byteOffset + byteLength;
    if (end > file.size) {
      const remedy = "The file may be incomplete: download or copy it again.";
      throw invalid(file.path, `${name}: data`, `bytes up to ${end}`, `a file of ${file.size}`, remedy);
    }
  }
}
