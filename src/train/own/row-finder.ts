// Which bytes of a file are rows. Documents of a text are separated by two blank lines or more; one that is longer than
// a bound goes on in further rows, between lines where it can. Of JSON lines, each that says something is a row.
//
// A row's hash is of its bytes alone: it decides what is held out, whatever else a file holds.

import { isUtf8 } from "node:buffer";
import { mix } from "../../util/random.ts";
import { badData } from "./faults.ts";
import type { Line } from "./lines.ts";
import { parseRow } from "./row.ts";

export interface RowSpan {
  readonly offset: number;
  readonly byteLength: number;
  /** Whether the document goes on in the next row. */
  readonly continues: boolean;
  readonly hash: number;
}

export interface RowFinder {
  /** Longest line that it takes, in bytes. */
  readonly maxLineBytes: number;
  /** The row that is known to end before or with this line. Throws `invalid_argument` that names the line. */
  add(line: Line): RowSpan | undefined;
  end(): RowSpan | undefined;
}

/** Longest line of JSON. */
const MAX_JSON_BYTES = 16 << 20;
/** Blank lines that separate documents; fewer separate paragraphs. */
const SEPARATING_LINES = 2;
const HASH_START = 0x811c9dc5;

export class DocumentFinder implements RowFinder {
  readonly maxLineBytes: number;
  readonly #path: string;
  #row: { readonly offset: number; end: number; hash: number } | undefined;
  #blankLines = 0;

  constructor(path: string, maxRowBytes: number) {
    this.#path = path;
    this.maxLineBytes = maxRowBytes;
  }

  add(line: Line): RowSpan | undefined {
    const { offset, bytes } = line;
    checkUtf8(bytes, `${this.#path}, line ${line.number}`);
    if (isBlank(bytes)) {
      this.#blankLines++;
      return undefined;
    }
    const end = offset + bytes.length;
    let closed: RowSpan | undefined;
    if (this.#row !== undefined) {
      if (this.#blankLines >= SEPARATING_LINES) closed = this.end();
      else if (end - this.#row.offset > this.maxLineBytes) {
        // What lies between belongs to the document.
        this.#row.end = offset;
        closed = this.#close(true);
      }
    }
    this.#row ??= { offset, end, hash: HASH_START };
    this.#row.end = end;
    this.#row.hash = hashBytes(this.#row.hash, bytes);
    this.#blankLines = 0;
    return closed;
  }

  end(): RowSpan | undefined {
    return this.#row === undefined ? undefined : this.#close(false);
  }

  #close(continues: boolean): RowSpan {
    const { offset, end, hash } = this.#row!;
    this.#row = undefined;
    return { offset, byteLength: end - offset, continues, hash: mix(hash, end - offset) };
  }
}

export class JsonFinder implements RowFinder {
  readonly maxLineBytes = MAX_JSON_BYTES;
  readonly #placeOf: (number: number) => string;

  constructor(placeOf: (number: number) => string) {
    this.#placeOf = placeOf;
  }

  add({ offset, bytes, number, isWhole }: Line): RowSpan | undefined {
    const place = this.#placeOf(number);
    if (!isWhole) throw badData(place, `at most ${MAX_JSON_BYTES >> 20} MiB`, "more", "Divide it among several rows.");
    if (isBlank(bytes)) return undefined;
    checkUtf8(bytes, place);
    if (parseRow(textOf(bytes), place) === undefined) return undefined;
    const hash = mix(hashBytes(HASH_START, bytes), bytes.length);
    return { offset, byteLength: bytes.length, continues: false, hash };
  }

  end(): undefined {
    return undefined;
  }
}

/** UTF-8 that was checked. */
export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}

function checkUtf8(bytes: Uint8Array, place: string): void {
  if (isUtf8(bytes)) return;
  throw badData(place, "UTF-8", "bytes that are not", "Convert the file, for instance with iconv -t UTF-8.");
}

function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d));
}

function hashBytes(start: number, bytes: Uint8Array): number {
  let hash = start;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash;
}
