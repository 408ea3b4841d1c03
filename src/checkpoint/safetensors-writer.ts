// Writes .safetensors files, one or a sharded set with its index, from tensors that stream their bytes.
// The header comes first and follows from dtypes and shapes alone, so nothing is held in memory.

import { mkdir, readdir } from "node:fs/promises";
import { basename, join } from "node:path";

import { MimoError } from "../util/errors.ts";
import { fileSystemError, listNames } from "./errors.ts";
import { writeFiles, type OutputFile } from "./output-file.ts";
import { SAFETENSORS_DTYPES } from "./safetensors.ts";
import { exactChunks, requireDistinctNames, sourceBytes, type TensorSource } from "./tensor-info.ts";

export interface WriteSafetensorsOptions {
  /** Free text pairs kept in the header. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface WriteShardedSafetensorsOptions extends WriteSafetensorsOptions {
  /** Bytes of tensors in one file; a tensor that is larger gets a file of its own. Default 5 · 10^9. */
  readonly maxShardBytes?: number;
  /** Further files by name, listed in the index like the shards: MTP heads come in a file of their own. */
  readonly extraFiles?: ReadonlyMap<string, readonly TensorSource[]>;
}

const INDEX_NAME = "model.safetensors.index.json";

/** Data starts at a multiple of this, as the reference implementation has it. */
const ALIGNMENT = 8;

/** Writes one file, tensors in the given order. Dtypes are those of SAFETENSORS_DTYPES, else `invalid_argument`. */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorSource[],
  options: WriteSafetensorsOptions = {},
): Promise<void> {
  await writeFiles([safetensorsFile(path, tensors, options)], options.signal);
}

/**
 * Writes `model.safetensors`, or `model-0000i-of-0000n.safetensors` with `model.safetensors.index.json` where there is
 * more than one file, and creates `folder`. Refuses a folder that holds other .safetensors files: together they would be no checkpoint.
 */
export async function writeShardedSafetensors(
  folder: string,
  tensors: readonly TensorSource[],
  options: WriteShardedSafetensorsOptions = {},
): Promise<void> {
  const extraFiles = options.extraFiles ?? new Map<string, readonly TensorSource[]>();
  const trunkShards = splitIntoShards(tensors, options.maxShardBytes ?? 5e9);
  const shards = [...trunkShards, ...extraFiles.values()];
  const names = [...trunkShards.map((_, i) => shardName(i, trunkShards.length)), ...extraFiles.keys()];
  requireDistinctNames(shards.flat());
  const files = shards.map((shard, i) => safetensorsFile(join(folder, names[i]!), shard, options));
  if (shards.length > 1) files.push(indexFile(join(folder, INDEX_NAME), shards, names));
  await prepareFolder(folder, new Set(files.map(({ path }) => basename(path))));
  await writeFiles(files, options.signal);
}

function safetensorsFile(path: string, tensors: readonly TensorSource[], options: WriteSafetensorsOptions): OutputFile {
  requireDistinctNames(tensors);
  const header = encodeHeader(tensors, options.metadata ?? {});
  return {
    path,
    async *chunks() {
      yield header;
      for (const tensor of tensors) yield* exactChunks(tensor);
    },
  };
}

function encodeHeader(tensors: readonly TensorSource[], metadata: Readonly<Record<string, string>>): Uint8Array {
  const entries: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0) entries.push(["__metadata__", metadata]);
  let end = 0;
  for (const tensor of tensors) {
    if (tensor.name === "__metadata__") throw new MimoError("invalid_argument", "__metadata__ cannot name a tensor.");
    const begin = end;
    end += sourceBytes(tensor);
    entries.push([tensor.name, { dtype: formatDType(tensor), shape: tensor.shape, data_offsets: [begin, end] }]);
  }
  // Object.fromEntries defines own properties, so that a tensor named __proto__ stays a tensor.
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const padded = Math.ceil(json.length / ALIGNMENT) * ALIGNMENT;
  const header = new Uint8Array(8 + padded).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(padded), true);
  header.set(json, 8);
  return header;
}

function formatDType(tensor: TensorSource): string {
  const found = Object.entries(SAFETENSORS_DTYPES).find(([, dtype]) => dtype === tensor.dtype);
  if (found !== undefined) return found[0];
  const expected = Object.values(SAFETENSORS_DTYPES).join(", ");
  throw new MimoError("invalid_argument", `${tensor.name}: expected one of ${expected}, found ${tensor.dtype}`, {
    remedy: "Quantised types are stored in GGUF files.",
  });
}

function splitIntoShards(tensors: readonly TensorSource[], maxShardBytes: number): TensorSource[][] {
  const shards: TensorSource[][] = [[]];
  let shardBytes = 0;
  for (const tensor of tensors) {
    const bytes = sourceBytes(tensor);
    if (shardBytes > 0 && shardBytes + bytes > maxShardBytes) {
      shards.push([]);
      shardBytes = 0;
    }
    shards.at(-1)!.push(tensor);
    shardBytes += bytes;
  }
  return shards;
}

function shardName(index: number, count: number): string {
  if (count === 1) return "model.safetensors";
  const digits = (n: number) => String(n).padStart(5, "0");
  return `model-${digits(index + 1)}-of-${digits(count)}.safetensors`;
}

function indexFile(path: string, shards: readonly (readonly TensorSource[])[], names: readonly string[]): OutputFile {
  const weightMap = shards.flatMap((shard, i) => shard.map(({ name }) => [name, names[i]!] as const));
  const totalBytes = shards.flat().reduce((sum, tensor) => sum + sourceBytes(tensor), 0);
  const index = { metadata: { total_size: totalBytes }, weight_map: Object.fromEntries(weightMap) };
  return { path, chunks: () => [new TextEncoder().encode(`${JSON.stringify(index, null, 2)}\n`)] };
}

async function prepareFolder(folder: string, names: ReadonlySet<string>): Promise<void> {
  let present: string[];
  try {
    await mkdir(folder, { recursive: true });
    present = await readdir(folder);
  } catch (thrown) {
    throw fileSystemError(thrown, folder);
  }
  const others = present.filter((name) => (name.endsWith(".safetensors") || name === INDEX_NAME) && !names.has(name));
  if (others.length === 0) return;
  throw new MimoError("invalid_argument", `${folder}: expected no other weights, found ${listNames(others)}`, {
    remedy: "Choose an empty folder, or remove the other files.",
  });
}
