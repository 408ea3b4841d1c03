// Which files make up the checkpoint at a path, by their names and by the index; weight files are not opened. Nothing
// that belongs to a set is left out: a missing shard is named. Paths that leave the folder are refused.

import { readdirSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join, resolve, sep } from "node:path";

import { MimoError } from "../util/errors.ts";
import { fileSystemError, invalid, listNames, unsupported } from "./errors.ts";
import { describe, isJsonObject, readJsonObject } from "./json.ts";

const INDEX_NAME = "model.safetensors.index.json";
const CONFIG_NAME = "config.json";

/** The name of one file of a set, for example `name-00002-of-00005.gguf`. */
const SHARD_NAME = /^(.*-)(\d{5})-of-(\d{5})(\.gguf|\.safetensors)$/;
const PICKLE_NAME = /\.(bin|pt|pth|ckpt|pkl)$/;

export type CheckpointFiles =
  /** Absolute paths; the shards of a set are in their order. */
  | { readonly format: "gguf"; readonly weights: readonly string[] }
  /** `index` is the file name of each tensor, where the folder has an index. */
  | {
      readonly format: "safetensors";
      readonly folder: string;
      readonly weights: readonly string[];
      readonly index: ReadonlyMap<string, string> | undefined;
    };

/** Throws `not_found`, `checkpoint_invalid`, or `checkpoint_unsupported` where the weights are pickle files. */
export function locateCheckpoint(path: string): CheckpointFiles {
  const absolute = resolve(path);
  return isFolder(absolute) ? locateFolder(absolute) : locateFile(absolute);
}

function locateFile(path: string): CheckpointFiles {
  if (PICKLE_NAME.test(path)) throw pickleError(path, basename(path));
  if (path.endsWith(".safetensors")) {
    const remedy = `Give the folder that holds it: ${dirname(path)}`;
    throw invalid(path, "path", "a folder with config.json and weights, or a .gguf file", "one weight file", remedy);
  }
  const folder = dirname(path);
  const names = namesOfSet(basename(path));
  if (names === undefined) return { format: "gguf", weights: [path] };
  requirePresent(folder, names, new Set(namesIn(folder)));
  return { format: "gguf", weights: names.map((name) => join(folder, name)) };
}

function locateFolder(folder: string): CheckpointFiles {
  const names = namesIn(folder);
  if (names.some((name) => name.endsWith(".safetensors")) || names.includes(INDEX_NAME)) {
    return locateSafetensors(folder, new Set(names));
  }
  const ggufs = names.filter((name) => name.endsWith(".gguf"));
  if (ggufs.length > 0) return locateGguf(folder, ggufs);
  const pickle = names.find((name) => PICKLE_NAME.test(name));
  if (pickle !== undefined) throw pickleError(folder, pickle);
  const remedy = "Give a Hugging Face folder (config.json and *.safetensors) or a .gguf file.";
  throw invalid(folder, "folder", "*.safetensors or *.gguf", listNames(names) || "an empty folder", remedy);
}

/** All safetensors files of the folder: MTP heads come in a shard of their own that an index may not list. */
function locateSafetensors(folder: string, present: ReadonlySet<string>): CheckpointFiles {
  if (!present.has(CONFIG_NAME)) {
    const remedy = "Download config.json of the same model into the folder.";
    throw invalid(folder, CONFIG_NAME, "the model's configuration beside its weights", "no such file", remedy);
  }
  const index = present.has(INDEX_NAME) ? readIndex(containedPath(folder, INDEX_NAME)) : undefined;
  const names = [...present].filter((name) => name.endsWith(".safetensors"));
  const required = new Set(index?.values());
  for (const name of names) {
    for (const member of namesOfSet(name) ?? []) required.add(member);
  }
  requirePresent(folder, [...required], present);
  const weights = names.toSorted().map((name) => containedPath(folder, name));
  return { format: "safetensors", folder, weights, index };
}

function locateGguf(folder: string, names: readonly string[]): CheckpointFiles {
  const first = names.toSorted()[0]!;
  const members = namesOfSet(first) ?? [first];
  const others = names.filter((name) => !members.includes(name));
  if (others.length > 0) {
    const remedy = "Give the path of one file, or of any shard of one set.";
    throw invalid(folder, "folder", "one GGUF model", listNames(names.toSorted()), remedy);
  }
  requirePresent(folder, members, new Set(names));
  return { format: "gguf", weights: members.map((name) => join(folder, name)) };
}

function readIndex(path: string): ReadonlyMap<string, string> {
  const weightMap = readJsonObject(path)["weight_map"];
  if (!isJsonObject(weightMap)) throw invalid(path, "weight_map", "an object", describe(weightMap));
  const index = new Map<string, string>();
  for (const [tensor, name] of Object.entries(weightMap)) {
    if (typeof name !== "string" || !/^[^/\\\0]+\.safetensors$/.test(name)) {
      throw invalid(path, `weight_map.${tensor}`, "the name of a .safetensors file in the same folder", describe(name));
    }
    index.set(tensor, name);
  }
  return index;
}

/** The names of all files of the set that `name` belongs to; undefined where it is no shard's name. */
function namesOfSet(name: string): readonly string[] | undefined {
  const [, stem, number, count, extension] = SHARD_NAME.exec(name) ?? [];
  if (Number(number) < 1 || !(Number(number) <= Number(count))) return undefined;
  const digits = (i: number) => String(i).padStart(5, "0");
  return Array.from({ length: Number(count) }, (_, i) => `${stem}${digits(i + 1)}-of-${count}${extension}`);
}

function requirePresent(folder: string, names: readonly string[], present: ReadonlySet<string>): void {
  const missing = names.filter((name) => !present.has(name));
  if (missing.length === 0) return;
  const remedy = "Download the missing files into the same folder.";
  throw invalid(folder, "weights", `${names.length} files`, `${listNames(missing)} missing`, remedy);
}

function pickleError(path: string, name: string): MimoError {
  const remedy = "Pickle files can run code when loaded. Download the model as safetensors or GGUF, or convert it.";
  return unsupported(path, "weights", "*.safetensors or *.gguf", name, remedy);
}

/**
 * The path of a file of `folder` that, links followed, lies inside the folder. In the Hugging Face cache a folder
 * links its files into `blobs` of the same model: those are inside, too.
 */
export function containedPath(folder: string, name: string): string {
  const path = join(folder, name);
  try {
    const root = realpathSync(folder);
    const roots = [root];
    if (basename(dirname(root)) === "snapshots") roots.push(join(dirname(dirname(root)), "blobs"));
    const real = realpathSync(path);
    if (roots.some((allowed) => real.startsWith(allowed + sep))) return path;
    throw invalid(path, "path", `a file inside ${folder}`, `a link to ${real}`);
  } catch (thrown) {
    throw fileSystemError(thrown, path);
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (thrown) {
    throw fileSystemError(thrown, path);
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (thrown) {
    throw fileSystemError(thrown, folder);
  }
}
