// Parquet to JSON lines, one for each row. A row of a compressed row group costs the whole group, and training reads rows
// in random order; so groups are unpacked once, one after the other, into a file where every row can be had alone.
//
// Columns: `text`, or `messages` with `tools` and `thinking`; lists, structs and their JSON are all understood.

import { closeSync, openSync, writeSync } from "node:fs";
import * as zlib from "node:zlib";
import {
  type AsyncBuffer,
  type Compressors,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
} from "hyparquet";
import { InputFile } from "../../checkpoint/input-file.ts";
import { MimoError } from "../../util/errors.ts";
import { badData } from "./faults.ts";

const COLUMNS = ["text", "messages", "tools", "thinking"];

export interface UnpackOptions {
  readonly path: string;
  /** Of the JSON lines. */
  readonly out: string;
  /** Called after each row group; throws what is to end the work. */
  readonly onRows: (done: number, total: number) => void;
}

/** Throws `invalid_argument` for a file that is no Parquet, has neither column, or is compressed in an unknown way. */
export async function unpackParquet({ path, out, onRows }: UnpackOptions): Promise<void> {
  using input = new InputFile(path);
  const file: AsyncBuffer = {
    byteLength: input.size,
    slice: (start, end = input.size) => {
      if (start < 0 || end < start || end > input.size) throw new Error(`bytes ${start} to ${end} of ${input.size}`);
      return input.read(start, end - start).buffer as ArrayBuffer;
    },
  };
  const metadata = await reading(path, () => parquetMetadataAsync(file));
  const columns = columnsOf(metadata, path);
  const descriptor = openSync(out, "w");
  try {
    let rowStart = 0;
    for (const group of metadata.row_groups) {
      const rowEnd = rowStart + Number(group.num_rows);
      const rows = await reading(path, () =>
        parquetReadObjects({ file, metadata, columns, rowStart, rowEnd, compressors: COMPRESSORS, parsers: PARSERS }),
      );
      for (const row of rows) writeSync(descriptor, `${lineOf(row)}\n`);
      rowStart = rowEnd;
      onRows(rowStart, Number(metadata.num_rows));
    }
  } finally {
    closeSync(descriptor);
  }
}

function columnsOf({ schema }: FileMetaData, path: string): string[] {
  const names: string[] = [];
  // Depth first: the root, then each of its children with all below it.
  for (let at = 1; at < schema.length; at = behind(schema, at)) names.push(schema[at]!.name);
  if (names.includes("text") || names.includes("messages")) return COLUMNS.filter((name) => names.includes(name));
  throw badData(path, "a column text or messages", `the columns ${names.join(", ") || "none"}`, "Rename the column.");
}

function behind(schema: FileMetaData["schema"], at: number): number {
  let next = at + 1;
  for (let left = schema[at]?.num_children ?? 0; left > 0; left--) next = behind(schema, next);
  return next;
}

/** Absent values are left out, columns that hold JSON are parsed. */
function lineOf(row: Readonly<Record<string, unknown>>): string {
  const { text, messages, tools, thinking } = row;
  const line = messages == null ? { text: text ?? "" } : { messages: plain(messages), tools: plain(tools), thinking };
  return JSON.stringify(line, (_, value: unknown) => {
    if (typeof value === "bigint") return Number(value);
    return value ?? undefined;
  });
}

function plain(value: unknown): unknown {
  if (typeof value !== "string") return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    // The check of the row says what is wrong with it.
    return value;
  }
}

/** What the reader throws, as a fault of the file. */
async function reading<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof MimoError) throw error;
    const { message } = error as Error;
    const isCompressed = message.includes("compression codec");
    throw badData(
      path,
      isCompressed
        ? `Parquet that is compressed with one of ${Object.keys(COMPRESSORS).join(", ")}, SNAPPY`
        : "Parquet",
      message,
      isCompressed ? "Write the file with Snappy, or use a newer Node.js." : "Check that the file is whole.",
    );
  }
}

const { zstdDecompressSync: zstdDecompress } = zlib as { readonly zstdDecompressSync?: typeof zlib.gunzipSync };

/** What Node has, Zstandard in newer versions only. Snappy is the reader's own. */
const COMPRESSORS: Compressors = {
  GZIP: (bytes, maxOutputLength) => zlib.gunzipSync(bytes, { maxOutputLength }),
  BROTLI: (bytes, maxOutputLength) => zlib.brotliDecompressSync(bytes, { maxOutputLength }),
  ...(zstdDecompress === undefined
    ? {}
    : { ZSTD: (bytes, maxOutputLength) => zstdDecompress(bytes, { maxOutputLength }) }),
};

const PARSERS = {
  stringFromBytes: (bytes: Uint8Array | undefined): string | undefined =>
    bytes && new TextDecoder("utf-8", { fatal: true }).decode(bytes),
};
