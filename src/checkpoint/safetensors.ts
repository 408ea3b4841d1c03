// Reads the header of a .safetensors file: u64 length, JSON of that length, then the bytes of all tensors.
// Source: the format's README in huggingface/safetensors. What comes out is checked: ranges lie inside the file,
// cover its data without gap or overlap, and agree with dtype and shape. Tensor bytes are not read.

import type { DType } from "../tensor/dtype.ts";
import { tensorBytes } from "../tensor/tensor.ts";
import { invalid, unsupported } from "./errors.ts";
import type { InputFile } from "./input-file.ts";
import { describe, isJsonObject, parseJsonObject } from "./json.ts";
import type { TensorInfo } from "./tensor-info.ts";

/** The dtypes read and written, by the format's names. */
export const SAFETENSORS_DTYPES = {
  F32: "f32",
  F16: "f16",
  BF16: "bf16",
  F8_E4M3: "f8_e4m3",
  I32: "i32",
} as const satisfies Record<string, DType>;

/** The limit of the reference implementation. */
const MAX_HEADER_BYTES = 100_000_000;
const MAX_DIMENSIONS = 8;

export interface SafetensorsHeader {
  readonly tensors: readonly TensorInfo[];
  readonly metadata: ReadonlyMap<string, string>;
}

/** Throws `checkpoint_invalid` for a malformed file, `checkpoint_unsupported` for a dtype outside SAFETENSORS_DTYPES. */
export function readSafetensors(file: InputFile): SafetensorsHeader {
  const headerBytes = readHeaderLength(file);
  const header = parseJsonObject(file.read(8, headerBytes), file.path, "header");
  const dataStart = 8 + headerBytes;
  const tensors: TensorInfo[] = [];
  let metadata: ReadonlyMap<string, string> = new Map();
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") metadata = readMetadata(entry, file);
    else tensors.push(readEntry(name, entry, dataStart, file));
  }
  requireFullCover(tensors, dataStart, file);
  return { tensors, metadata };
}

function readHeaderLength(file: InputFile): number {
  if (file.size < 8) throw invalid(file.path, "header length", "8 bytes", `a file of ${file.size}`, INCOMPLETE);
  const bytes = file.read(0, 8);
  const length = new DataView(bytes.buffer).getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES) {
    throw invalid(file.path, "header length", `at most ${MAX_HEADER_BYTES} bytes`, String(length));
  }
  if (length > file.size - 8) {
    const expected = `at most the ${file.size - 8} bytes that follow`;
    throw invalid(file.path, "header length", expected, String(length), INCOMPLETE);
  }
  return Number(length);
}

const INCOMPLETE = "The file may be incomplete: download or copy it again.";

function readMetadata(value: unknown, file: InputFile): ReadonlyMap<string, string> {
  if (!isJsonObject(value)) throw invalid(file.path, "__metadata__", "an object of strings", describe(value));
  const metadata = new Map<string, string>();
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") throw invalid(file.path, `__metadata__.${key}`, "a string", describe(text));
    metadata.set(key, text);
  }
  return metadata;
}

function readEntry(name: string, entry: unknown, dataStart: number, file: InputFile): TensorInfo {
  if (!isJsonObject(entry)) throw invalid(file.path, name, "an object", describe(entry));
  const dtype = readDType(name, entry["dtype"], file);
  const shape = entry["shape"];
  if (!isSizes(shape) || shape.length > MAX_DIMENSIONS) {
    throw invalid(file.path, `${name}.shape`, `at most ${MAX_DIMENSIONS} sizes`, describe(shape));
  }
  const offsets = entry["data_offsets"];
  if (!isSizes(offsets) || offsets.length !== 2) {
    throw invalid(file.path, `${name}.data_offsets`, "two byte offsets", describe(offsets));
  }
  const [begin, end] = offsets as [number, number];
  const byteLength = tensorBytes(dtype, shape);
  if (byteLength === undefined) {
    throw invalid(file.path, `${name}.shape`, "a size below 2^53 bytes", describe(shape));
  }
  if (end - begin !== byteLength) {
    const expected = `${byteLength} bytes for ${dtype} ${describe(shape)}`;
    throw invalid(file.path, `${name}.data_offsets`, expected, describe(offsets));
  }
  if (end > file.size - dataStart) {
    const expected = `offsets within the ${file.size - dataStart} bytes of data`;
    throw invalid(file.path, `${name}.data_offsets`, expected, describe(offsets), INCOMPLETE);
  }
  return { name, dtype, shape, file: file.path, byteOffset: dataStart + begin, byteLength };
}

function readDType(name: string, value: unknown, file: InputFile): DType {
  if (typeof value !== "string") throw invalid(file.path, `${name}.dtype`, "a string", describe(value));
  if (Object.hasOwn(SAFETENSORS_DTYPES, value)) return SAFETENSORS_DTYPES[value as keyof typeof SAFETENSORS_DTYPES];
  const expected = `one of ${Object.keys(SAFETENSORS_DTYPES).join(", ")}`;
  throw unsupported(file.path, `${name}.dtype`, expected, describe(value));
}

/**
 * The format allows neither gaps nor overlaps. This also catches duplicate names, of which JSON keeps only the last:
 * the bytes of the others belong to nobody.
 */
function requireFullCover(tensors: readonly TensorInfo[], dataStart: number, file: InputFile): void {
  const inFileOrder = tensors.toSorted((a, b) => a.byteOffset - b.byteOffset || a.byteLength - b.byteLength);
  let next = dataStart;
  for (const { name, byteOffset, byteLength } of inFileOrder) {
    if (byteOffset !== next) {
      const expected = `${next - dataStart}, where the data before it ends`;
      throw invalid(file.path, `${name}.data_offsets`, expected, String(byteOffset - dataStart));
    }
    next += byteLength;
  }
  if (next !== file.size) {
    throw invalid(file.path, "data", `${next - dataStart} bytes`, `${file.size - dataStart}`);
  }
}

function isSizes(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}
