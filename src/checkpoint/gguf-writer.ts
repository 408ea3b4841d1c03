// Writes a GGUF file (version 3, little-endian) from metadata and tensors that stream their bytes. The header comes
// first and follows from names, types and shapes alone, so no tensor is held in memory.

import { MimoError } from "../util/errors.ts";
import {
  ALIGNMENT_KEY,
  alignUp,
  DEFAULT_ALIGNMENT,
  GGUF_MAGIC,
  GGUF_TYPES,
  GGUF_VERSION,
  ITEM_BYTES,
  TENSOR_TYPES,
  type GgufItem,
  type GgufItemType,
  type GgufValue,
} from "./gguf-format.ts";
import { writeFiles } from "./output-file.ts";
import { exactChunks, requireDistinctNames, sourceBytes, type TensorSource } from "./tensor-info.ts";

export interface GgufContent {
  /** Written in this order. `general.alignment`, where present, is obeyed. */
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: readonly TensorSource[];
}

/** Throws `invalid_argument` for a dtype GGUF cannot store (f8_e4m3) and for values that do not fit their type. */
export async function writeGguf(
  path: string,
  content: GgufContent,
  options: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  requireDistinctNames(content.tensors);
  const alignment = alignmentOf(content.metadata);
  const header = encodeHeader(content, alignment);
  await writeFiles([{ path, chunks: () => fileChunks(header, content.tensors, alignment) }], options.signal);
}

async function* fileChunks(header: Uint8Array, tensors: readonly TensorSource[], alignment: number) {
  yield header;
  yield new Uint8Array(alignUp(header.length, alignment) - header.length);
  for (const tensor of tensors) {
    yield* exactChunks(tensor);
    const bytes = sourceBytes(tensor);
    yield new Uint8Array(alignUp(bytes, alignment) - bytes);
  }
}

function alignmentOf(metadata: ReadonlyMap<string, GgufValue>): number {
  const entry = metadata.get(ALIGNMENT_KEY);
  if (entry === undefined) return DEFAULT_ALIGNMENT;
  const { type, value } = entry;
  if (type === "u32" && typeof value === "number" && value >= 8 && Number.isInteger(Math.log2(value))) return value;
  throw new MimoError(
    "invalid_argument",
    `${ALIGNMENT_KEY}: expected a u32 power of two from 8, found ${String(value)}`,
  );
}

function encodeHeader({ metadata, tensors }: GgufContent, alignment: number): Uint8Array {
  const out = new ByteBuilder();
  out.u32(GGUF_MAGIC);
  out.u32(GGUF_VERSION);
  out.u64(tensors.length);
  out.u64(metadata.size);
  for (const [key, value] of metadata) putEntry(out, key, value);
  let offset = 0;
  for (const tensor of tensors) {
    out.string(tensor.name);
    out.u32(tensor.shape.length);
    for (const size of tensor.shape.toReversed()) out.u64(size);
    out.u32(typeCodeOf(tensor));
    out.u64(offset);
    offset = alignUp(offset + sourceBytes(tensor), alignment);
  }
  return out.bytes();
}

function typeCodeOf(tensor: TensorSource): number {
  for (const [code, type] of TENSOR_TYPES) if ("dtype" in type && type.dtype === tensor.dtype) return code;
  throw new MimoError("invalid_argument", `${tensor.name}: expected a type that GGUF has, found ${tensor.dtype}`, {
    remedy: "Write bf16 or a quantised type.",
  });
}

function putEntry(out: ByteBuilder, key: string, entry: GgufValue): void {
  out.string(key);
  out.u32(GGUF_TYPES.indexOf(entry.type));
  if (entry.type !== "array") return putItem(out, entry.type, entry.value, key);
  out.u32(GGUF_TYPES.indexOf(entry.itemType));
  out.u64(entry.value.length);
  for (const item of entry.value) putItem(out, entry.itemType, item, key);
}

function putItem(out: ByteBuilder, type: GgufItemType, item: GgufItem, key: string): void {
  if (!fits(type, item)) {
    throw new MimoError("invalid_argument", `${key}: expected a value of type ${type}, found ${String(item)}`);
  }
  if (type === "string") out.string(item as string);
  else out.item(type, item as Exclude<GgufItem, string>);
}

const INTEGER_RANGES: Partial<Readonly<Record<GgufItemType, readonly [bigint, bigint]>>> = {
  u8: [0n, 2n ** 8n],
  i8: [-(2n ** 7n), 2n ** 7n],
  u16: [0n, 2n ** 16n],
  i16: [-(2n ** 15n), 2n ** 15n],
  u32: [0n, 2n ** 32n],
  i32: [-(2n ** 31n), 2n ** 31n],
  u64: [0n, 2n ** 64n],
  i64: [-(2n ** 63n), 2n ** 63n],
};

function fits(type: GgufItemType, item: GgufItem): boolean {
  if (type === "string" || typeof item === "string") return type === "string" && typeof item === "string";
  if (type === "bool" || typeof item === "boolean") return type === "bool" && typeof item === "boolean";
  const range = INTEGER_RANGES[type];
  if (range === undefined) return typeof item === "number";
  return (typeof item === "bigint" || Number.isSafeInteger(item)) && item >= range[0] && item < range[1];
}

/** A growing run of bytes. */
class ByteBuilder {
  #buffer = Buffer.alloc(1 << 16);
  #length = 0;

  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  u32(value: number): void {
    this.item("u32", value);
  }

  u64(value: number): void {
    this.item("u64", value);
  }

  string(text: string): void {
    const length = Buffer.byteLength(text);
    this.u64(length);
    const at = this.#extend(length);
    this.#buffer.write(text, at, "utf8");
  }

  item(type: Exclude<GgufItemType, "string">, value: number | bigint | boolean): void {
    const at = this.#extend(ITEM_BYTES[type]);
    const buffer = this.#buffer;
    switch (type) {
      case "u8":
      case "bool":
        return void buffer.writeUInt8(Number(value), at);
      case "i8":
        return void buffer.writeInt8(Number(value), at);
      case "u16":
        return void buffer.writeUInt16LE(Number(value), at);
      case "i16":
        return void buffer.writeInt16LE(Number(value), at);
      case "u32":
        return void buffer.writeUInt32LE(Number(value), at);
      case "i32":
        return void buffer.writeInt32LE(Number(value), at);
      case "f32":
        return void buffer.writeFloatLE(Number(value), at);
      case "f64":
        return void buffer.writeDoubleLE(Number(value), at);
      case "u64":
        return void buffer.writeBigUInt64LE(BigInt(value), at);
      case "i64":
        return void buffer.writeBigInt64LE(BigInt(value), at);
      default:
        return type satisfies never;
    }
  }

  /** Makes room for `length` bytes and returns where they start. */
  #extend(length: number): number {
    const at = this.#length;
    this.#length += length;
    if (this.#length > this.#buffer.length) {
      const grown = Buffer.alloc(2 * this.#length);
      this.#buffer.copy(grown, 0, 0, at);
      this.#buffer = grown;
    }
    return at;
  }
}
