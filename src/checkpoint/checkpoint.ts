// Files as named tensors, lazily: opening reads headers only, `read` reads one tensor or a part of it. A checkpoint is
// a Hugging Face folder of safetensors, one GGUF file, or a split GGUF set. Every header is checked when it is opened,
// so that ranges of tensors can be trusted afterwards. Knows nothing of models or of what tensor names mean.

import { existsSync } from "node:fs";
import { basename, join } from "node:path";

import { assert, defined } from "../util/assert.ts";
import { MimoError } from "../util/errors.ts";
import { invalid } from "./errors.ts";
import type { GgufValue } from "./gguf-format.ts";
import { readGguf } from "./gguf.ts";
import { InputFile } from "./input-file.ts";
import { readJsonObject, type JsonObject } from "./json.ts";
import { containedPath, locateCheckpoint, type CheckpointFiles } from "./locate.ts";
import { readSafetensors } from "./safetensors.ts";
import type { TensorInfo } from "./tensor-info.ts";

/** Side files, such as tokenizer.json, are some ten megabytes. */
const MAX_TEXT_BYTES = 1 << 28;

export interface Checkpoint {
  readonly format: "safetensors" | "gguf";
  /** The path as it was given. */
  readonly path: string;
  /** By name, in file order. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** config.json of a Hugging Face folder; undefined for GGUF. */
  readonly config: JsonObject | undefined;
  /** Key-values of a GGUF file, of the first shard of a set; empty for a Hugging Face folder. */
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** Bytes of all tensors. */
  readonly byteLength: number;
  /**
   * A copy of a tensor's bytes `begin` to `end`, all of them by default. Throws `io_failed` where the file can no
   * longer be read, `disposed` after the checkpoint was closed.
   */
  read(info: TensorInfo, begin?: number, end?: number): Uint8Array;
  /** A side file of a Hugging Face folder, by its plain name; undefined where it is absent, and for GGUF. */
  readText(name: string): string | undefined;
  [Symbol.dispose](): void;
}

/**
 * Opens a Hugging Face folder, a .gguf file, any shard of a split GGUF set, or the folder that holds one. It returns
 * within a second, however large the weights are, and therefore is synchronous. Throws `not_found`,
 * `checkpoint_invalid` for malformed or incomplete files, `checkpoint_unsupported` for pickle files and for element
 * types this project does not read.
 */
export function openCheckpoint(path: string): Checkpoint {
  const located = locateCheckpoint(path);
  const files: InputFile[] = [];
  try {
    for (const weights of located.weights) files.push(new InputFile(weights));
    const content = located.format === "gguf" ? readGgufSet(files) : readFolder(files, located);
    return new OpenCheckpoint({ format: located.format, path, files, ...content });
  } catch (thrown) {
    for (const file of files) file[Symbol.dispose]();
    throw thrown;
  }
}

interface Content {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly config: JsonObject | undefined;
  readonly folder: string | undefined;
}

type SafetensorsFolder = Extract<CheckpointFiles, { format: "safetensors" }>;

function readFolder(files: readonly InputFile[], { folder, index }: SafetensorsFolder): Content {
  const tensors = new Map<string, TensorInfo>();
  for (const file of files) addTensors(tensors, readSafetensors(file).tensors);
  for (const [name, fileName] of index ?? []) {
    const info = tensors.get(name);
    if (info !== undefined && basename(info.file) === fileName) continue;
    const found = info === undefined ? "no such tensor" : `it in ${basename(info.file)}`;
    throw invalid(join(folder, fileName), name, "the tensor that the index places here", found);
  }
  const config = readJsonObject(containedPath(folder, "config.json"));
  return { tensors, metadata: new Map(), config, folder };
}

function readGgufSet(files: readonly InputFile[]): Content {
  const headers = files.map(readGguf);
  const tensors = new Map<string, TensorInfo>();
  for (const header of headers) addTensors(tensors, header.tensors);
  headers.forEach(({ metadata }, i) => requireSplit(files[i]!.path, metadata, i, files.length, tensors.size));
  return { tensors, metadata: headers[0]!.metadata, config: undefined, folder: undefined };
}

/** Each shard states its place in the set. A file that is no shard states nothing, or a set of one. */
function requireSplit(
  path: string,
  metadata: ReadonlyMap<string, GgufValue>,
  number: number,
  count: number,
  numTensors: number,
): void {
  const facts = { "split.no": number, "split.count": count, "split.tensors.count": numTensors };
  for (const [key, expected] of Object.entries(facts)) {
    const found = metadata.get(key)?.value;
    if (found === expected || (found === undefined && count === 1)) continue;
    const remedy = "Keep the shards of one set together, under the names they were published with.";
    throw invalid(path, key, String(expected), found === undefined ? "nothing" : String(found), remedy);
  }
}

function addTensors(tensors: Map<string, TensorInfo>, added: readonly TensorInfo[]): void {
  for (const info of added) {
    const other = tensors.get(info.name);
    if (other !== undefined) {
      const remedy = "Two sets of weights may be mixed: keep the files of one.";
      throw invalid(
        info.file,
        info.name,
        "a name that no other file has",
        `it in ${basename(other.file)}, too`,
        remedy,
      );
    }
    tensors.set(info.name, info);
  }
}

class OpenCheckpoint implements Checkpoint {
  readonly format: "safetensors" | "gguf";
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly config: JsonObject | undefined;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly byteLength: number;
  readonly #folder: string | undefined;
  readonly #files: Map<string, InputFile>;
  #disposed = false;

  constructor(content: Content & Pick<Checkpoint, "format" | "path"> & { readonly files: readonly InputFile[] }) {
    this.format = content.format;
    this.path = content.path;
    this.tensors = content.tensors;
    this.config = content.config;
    this.metadata = content.metadata;
    this.byteLength = [...content.tensors.values()].reduce((sum, info) => sum + info.byteLength, 0);
    this.#folder = content.folder;
    this.#files = new Map(content.files.map((file) => [file.path, file]));
  }

  read(info: TensorInfo, begin = 0, end = info.byteLength): Uint8Array {
    this.#requireOpen();
    const file = defined(this.#files.get(info.file), `file of ${info.name}`);
    assert(begin >= 0 && begin <= end && end <= info.byteLength, `bytes ${begin} to ${end} lie outside ${info.name}`);
    return file.read(info.byteOffset + begin, end - begin);
  }

  readText(name: string): string | undefined {
    this.#requireOpen();
    if (basename(name) !== name || name === ".." || name.includes("\0")) {
      throw new MimoError("invalid_argument", `Expected the plain name of a side file, found ${JSON.stringify(name)}.`);
    }
    if (this.#folder === undefined || !existsSync(join(this.#folder, name))) return undefined;
    using file = new InputFile(containedPath(this.#folder, name));
    if (file.size > MAX_TEXT_BYTES) throw invalid(file.path, "size", `at most ${MAX_TEXT_BYTES} bytes`, `${file.size}`);
    return new TextDecoder().decode(file.read(0, file.size));
  }

  [Symbol.dispose](): void {
    for (const file of this.#files.values()) file[Symbol.dispose]();
    this.#files.clear();
    this.#disposed = true;
  }

  #requireOpen(): void {
    if (this.#disposed) throw new MimoError("disposed", `${this.path}: the checkpoint is closed`);
  }
}
