// The own data of a run: the files that a recipe's mixtures name, their indices, and what the run remembers of them, all
// in one folder. A run that goes on finds the files as they were, or says which of them is not.
//
// `files.json` is written last: without it, indices are made anew. Removes nothing that it has not made.

import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writeFiles } from "../../checkpoint/output-file.ts";
import { fileNames, type RowSource } from "../data/mixture.ts";
import type { Recipe } from "../recipe.ts";
import { checkUnchanged, type FileRecord, indexFile, OwnFile, type Watch } from "./own-file.ts";

const RECORD = "files.json";
/** A row of a text holds about so many bytes for each token of the longest document: eight documents and a part. */
const ROW_BYTES_PER_TOKEN = 32;

export interface OwnDataOptions extends Watch {
  readonly recipe: Recipe;
  /** For indices. */
  readonly folder: string;
  /** Whether the folder's indices are those of the recipe; otherwise they are made anew. */
  readonly isBegun: boolean;
}

export class OwnData implements Disposable {
  /** By the paths that mixtures name. */
  readonly sources: ReadonlyMap<string, RowSource>;
  readonly #files: readonly OwnFile[];

  /** Throws `invalid_argument` for files that are malformed or have changed, `not_found`, `io_failed`, `aborted`. */
  static async open(options: OwnDataOptions): Promise<OwnData> {
    const { recipe, folder, isBegun } = options;
    const paths = fileNames(recipe.stages.flatMap(({ data }) => data));
    if (paths.length === 0) return new OwnData([], folder);
    const known = readRecord(folder);
    if (isBegun && known !== undefined) {
      for (const record of known) await checkUnchanged(record, options);
      return new OwnData(known, folder);
    }
    mkdirSync(folder, { recursive: true });
    rmSync(join(folder, RECORD), { force: true });
    const maxRowBytes = ROW_BYTES_PER_TOKEN * Math.max(...recipe.stages.map(({ maxLength }) => maxLength));
    const records: FileRecord[] = [];
    for (const [i, path] of paths.entries()) {
      records.push(await indexFile({ ...options, path, stem: stemOf(folder, i), maxRowBytes }));
    }
    const text = new TextEncoder().encode(`${JSON.stringify(records, null, 2)}\n`);
    await writeFiles([{ path: join(folder, RECORD), chunks: () => [text] }]);
    return new OwnData(records, folder);
  }

  private constructor(records: readonly FileRecord[], folder: string) {
    this.#files = records.map((record, i) => new OwnFile(record, stemOf(folder, i)));
    this.sources = new Map(records.map(({ path }, i) => [path, this.#files[i]!]));
  }

  [Symbol.dispose](): void {
    for (const file of this.#files) file[Symbol.dispose]();
  }
}

function readRecord(folder: string): readonly FileRecord[] | undefined {
  const path = join(folder, RECORD);
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as readonly FileRecord[]) : undefined;
}

function stemOf(folder: string, file: number): string {
  return join(folder, String(file));
}
