// Walks the header of a GGUF file through one bounded window, so that opening a file of hundreds of gigabytes reads
// only its header. Invariant: every length is checked against the file and against a limit before it is read or
// allocated; errors name the field and its byte offset.

import { isUtf8 } from "node:buffer";

import type { MimoError } from "../util/errors.ts";
import { invalid } from "./errors.ts";
import { ITEM_BYTES, type GgufItem, type GgufItemType } from "./gguf-format.ts";
import type { InputFile } from "./input-file.ts";

const WINDOW_BYTES = 1 << 20;

/** Bytes of a header. The largest in use, with the vocabularies of their tokenizers, stay below 20 MB. */
const MAX_HEADER_BYTES = 1 << 27;

/** Longest name or key, the limit of the format for keys. */
const MAX_NAME_BYTES = 65535;

/** Array items in one file. Tokenizers have three arrays of up to some 300 000. */
const MAX_ARRAY_ITEMS = 1 << 23;

export class GgufCursor {
  readonly file: InputFile;
  /** Offset in the file of the next byte to read. */
  position = 0;
  #window = Buffer.alloc(0);
  #windowStart = 0;
  #itemsLeft = MAX_ARRAY_ITEMS;

  constructor(file: InputFile) {
    this.file = file;
  }

  u32(field: string): number {
    const at = this.#take(4, field);
    return this.#window.readUInt32LE(at);
  }

  u64(field: string): number | bigint {
    const at = this.#take(8, field);
    const high = this.#window.readUInt32LE(at + 4);
    // Below 2^53 a number is exact.
    if (high < 1 << 21) return high * 2 ** 32 + this.#window.readUInt32LE(at);
    return this.#window.readBigUInt64LE(at);
  }

  /** A u64 that counts or measures something of which there can be at most `limit`. */
  count(field: string, limit: number): number {
    const value = this.u64(field);
    if (typeof value === "bigint" || value > limit) throw this.error(field, 8, `at most ${limit}`, String(value));
    return value;
  }

  /** A string; bytes that are no UTF-8 become U+FFFD, as free text may hold them. */
  string(field: string): string {
    const length = this.count(`length of ${field}`, MAX_HEADER_BYTES);
    const at = this.#take(length, field);
    return this.#window.toString("utf8", at, at + length);
  }

  /** A string that names something: not empty, and exact. */
  name(field: string): string {
    const length = this.count(`length of ${field}`, MAX_NAME_BYTES);
    const at = this.#take(length, field);
    const bytes = this.#window.subarray(at, at + length);
    if (length === 0 || !isUtf8(bytes)) throw this.error(field, length, "a name in UTF-8", `${length} other bytes`);
    return bytes.toString("utf8");
  }

  item(type: GgufItemType, field: string): GgufItem {
    if (type === "string") return this.string(field);
    if (type === "u64") return this.u64(field);
    const at = this.#take(ITEM_BYTES[type], field);
    const window = this.#window;
    switch (type) {
      case "u8":
        return window.readUInt8(at);
      case "i8":
        return window.readInt8(at);
      case "u16":
        return window.readUInt16LE(at);
      case "i16":
        return window.readInt16LE(at);
      case "u32":
        return window.readUInt32LE(at);
      case "i32":
        return window.readInt32LE(at);
      case "f32":
        return window.readFloatLE(at);
      case "f64":
        return window.readDoubleLE(at);
      case "i64":
        return exactNumber(window.readBigInt64LE(at));
      case "bool":
        return this.#boolean(window.readUInt8(at), field);
      default:
        return type satisfies never;
    }
  }

  items(type: GgufItemType, field: string): GgufItem[] {
    const limit = Math.floor((this.file.size - this.position) / ITEM_BYTES[type]);
    const length = this.count(`length of ${field}`, Math.min(limit, this.#itemsLeft));
    this.#itemsLeft -= length;
    const items: GgufItem[] = [];
    for (let i = 0; i < length; i++) items.push(this.item(type, field));
    return items;
  }

  /** An error about the `length` bytes just read. */
  error(field: string, length: number, expected: string, found: string): MimoError {
    return invalid(this.file.path, `${field} (at byte ${this.position - length})`, expected, found);
  }

  #boolean(value: number, field: string): boolean {
    if (value > 1) throw this.error(field, 1, "0 or 1", String(value));
    return value === 1;
  }

  /** Moves past `length` bytes and returns where they are in the window. */
  #take(length: number, field: string): number {
    const start = this.position;
    const left = this.file.size - start;
    if (length > left) {
      throw invalid(
        this.file.path,
        `${field} (at byte ${start})`,
        `${length} bytes`,
        `the end of the file after ${left}`,
        "The file may be incomplete: download or copy it again.",
      );
    }
    if (start + length > MAX_HEADER_BYTES) {
      const found = `${field} up to byte ${start + length}`;
      throw invalid(this.file.path, "header", `at most ${MAX_HEADER_BYTES} bytes`, found);
    }
    if (start + length > this.#windowStart + this.#window.length) {
      const size = Math.min(left, Math.max(length, WINDOW_BYTES));
      if (this.#window.length !== size) this.#window = Buffer.allocUnsafeSlow(size);
      this.file.readInto(this.#window, start);
      this.#windowStart = start;
    }
    this.position += length;
    return start - this.#windowStart;
  }
}

function exactNumber(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
