// One file of own data: read through once into indices of its rows, then any row at once. What was read is known by its
// size and hash, so that a file which changes is refused instead of giving other samples.
// Refuses to know mixtures, recipes and runs.

import { createHash } from "node:crypto";
import { createReadStream, renameSync, statSync } from "node:fs";
import { extname } from "node:path";
import { InputFile } from "../../checkpoint/input-file.ts";
import { abortedError } from "../../util/errors.ts";
import { defined } from "../../util/assert.ts";
import type { Split } from "../data/random.ts";
import type { Sample } from "../data/sample.ts";
import { badData, changedFile, fileFault } from "./faults.ts";
import { LineSplitter } from "./lines.ts";
import { parseRow } from "./row.ts";
import { DocumentFinder, JsonFinder, textOf, type RowFinder } from "./row-finder.ts";
import { RowIndex, RowIndexWriter } from "./row-index.ts";

export const OWN_KINDS = [".txt", ".jsonl", ".parquet"] as const;
type Kind = (typeof OWN_KINDS)[number];

/** What a run remembers of a file. */
export interface FileRecord {
  readonly path: string;
  readonly byteLength: number;
  readonly sha256: string;
  readonly rows: Readonly<Record<Split, number>>;
}

export interface Watch {
  /** Bytes that were read, of one file. */
  readonly onProgress?: ((path: string, done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface IndexOptions extends Watch {
  readonly path: string;
  /** Path without ending of what is made of the file. */
  readonly stem: string;
  /** Longest row of a text in bytes; a longer document takes several. */
  readonly maxRowBytes: number;
}

/** Makes the indices of a file. Throws `invalid_argument` with the line at fault, `not_found`, `io_failed`, `aborted`. */
export async function indexFile(options: IndexOptions): Promise<FileRecord> {
  const { path, stem, maxRowBytes } = options;
  const kind = kindOf(path);
  const placeOf = (number: number): string => `${path}, ${kind === ".parquet" ? "row" : "line"} ${number}`;
  try {
    const finder = kind === ".txt" ? new DocumentFinder(path, maxRowBytes) : new JsonFinder(placeOf);
    if (kind !== ".parquet") return { path, ...(await indexRows(path, finder, options)) };
    // Hashed before it is unpacked: both read all of it.
    const { byteLength, sha256 } = await fingerprint(path, options);
    const out = `${stem}.jsonl`;
    // Here, as hardly any run has such a file.
    const { unpackParquet } = await import("./parquet.ts");
    await unpackParquet({ path, out: `${out}.part`, onRows: (done, total) => report(options, path, done, total) });
    renameSync(`${out}.part`, out);
    return { path, byteLength, sha256, rows: (await indexRows(out, finder, options)).rows };
  } catch (error) {
    throw fileFault(error, path);
  }
}

/** Throws `invalid_argument` where the file is no longer the one of the record. */
export async function checkUnchanged(record: FileRecord, watch: Watch): Promise<void> {
  const { path, byteLength, sha256 } = record;
  try {
    const { size } = statSync(path);
    if (size !== byteLength) throw changedFile(path, `${byteLength} bytes`, `${size}`);
    const found = await fingerprint(path, watch);
    if (found.sha256 !== sha256) throw changedFile(path, `the SHA-256 ${sha256}`, found.sha256);
  } catch (error) {
    throw fileFault(error, path);
  }
}

/** The rows of a file whose indices were made. */
export class OwnFile implements Disposable {
  readonly #path: string;
  readonly #isText: boolean;
  readonly #rows: InputFile;
  readonly #indices: Readonly<Record<Split, RowIndex>>;
  readonly #changedAt: number;

  constructor({ path }: FileRecord, stem: string) {
    const kind = kindOf(path);
    this.#path = kind === ".parquet" ? `${stem}.jsonl` : path;
    this.#isText = kind === ".txt";
    this.#rows = new InputFile(this.#path);
    this.#changedAt = statSync(this.#path).mtimeMs;
    this.#indices = {
      train: new RowIndex(indexPath(stem, "train")),
      heldout: new RowIndex(indexPath(stem, "heldout")),
    };
  }

  size(split: Split): number {
    return this.#indices[split].size;
  }

  /** Throws `invalid_argument` where the file was changed since it was opened. */
  sample(split: Split, row: number): Sample {
    const found = statSync(this.#path, { throwIfNoEntry: false });
    if (found?.size !== this.#rows.size || found.mtimeMs !== this.#changedAt) {
      const what = found === undefined ? "nothing" : "another size or time";
      throw changedFile(this.#path, "a file that stays as it is during a run", what);
    }
    const { offset, byteLength, continues } = this.#indices[split].at(row);
    const text = textOf(this.#rows.read(offset, byteLength));
    if (!this.#isText) return defined(parseRow(text, this.#path), "a row that says something");
    const whole = text.replaceAll("\r\n", "\n");
    // The newline behind a document is no part of it.
    return { kind: "text", text: continues ? whole : whole.replace(/\n$/, ""), continues, isDivisible: true };
  }

  [Symbol.dispose](): void {
    this.#rows[Symbol.dispose]();
    for (const index of Object.values(this.#indices)) index[Symbol.dispose]();
  }
}

async function indexRows(path: string, finder: RowFinder, options: IndexOptions): Promise<Omit<FileRecord, "path">> {
  using writer = new RowIndexWriter((split) => indexPath(options.stem, split));
  const splitter = new LineSplitter(finder.maxLineBytes);
  const addAll = (lines: ReturnType<LineSplitter["push"]>): void => {
    for (const line of lines) {
      const row = finder.add(line);
      if (row !== undefined) writer.add(row);
    }
  };
  const found = await fingerprint(path, options, (chunk) => addAll(splitter.push(chunk)));
  addAll(splitter.end());
  const last = finder.end();
  if (last !== undefined) writer.add(last);
  const rows = writer.finish();
  if (rows.train > 0 && rows.heldout > 0) return { ...found, rows };
  const count = rows.train + rows.heldout;
  throw badData(
    options.path,
    "two documents or more, different ones, as one is held out",
    count === 0 ? (found.byteLength === 0 ? "an empty file" : "none that says anything") : `${count}`,
    count === 0 ? "Check that it is the right file." : "Two blank lines separate the documents of a text.",
  );
}

/** Reads a file through once. */
async function fingerprint(
  path: string,
  watch: Watch,
  onChunk: (chunk: Buffer) => void = () => {},
): Promise<Pick<FileRecord, "byteLength" | "sha256">> {
  const hash = createHash("sha256");
  const { size } = statSync(path);
  let byteLength = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    onChunk(chunk);
    byteLength += chunk.length;
    report(watch, path, byteLength, size);
  }
  return { byteLength, sha256: hash.digest("hex") };
}

function report({ onProgress, signal }: Watch, path: string, done: number, total: number): void {
  if (signal?.aborted === true) throw abortedError(signal.reason);
  onProgress?.(path, done, total);
}

function kindOf(path: string): Kind {
  const kind = OWN_KINDS.find((known) => extname(path).toLowerCase() === known);
  const expected = `a file that ends in ${OWN_KINDS.join(", ")}`;
  if (kind === undefined) throw badData(path, expected, extname(path) || "no ending");
  try {
    if (statSync(path).isFile()) return kind;
  } catch (error) {
    throw fileFault(error, path);
  }
  throw badData(path, expected, "something else", "Name each file of a folder by itself.");
}

function indexPath(stem: string, split: Split): string {
  return `${stem}.${split}`;
}
