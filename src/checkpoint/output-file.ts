// Writes files so that a reader sees the old one or the whole new one, never a part: each goes to `<path>.part`,
// reaches the disk, and only when all of them have is each renamed into place. On failure the parts are removed and
// files that were there before stay as they were.

import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";

import { abortedError } from "../util/errors.ts";
import { fileSystemError } from "./errors.ts";

export interface OutputFile {
  readonly path: string;
  readonly chunks: () => Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** Throws `io_failed` (disk full, no permission …), `aborted`, or what a chunk's producer throws. */
export async function writeFiles(files: readonly OutputFile[], signal?: AbortSignal): Promise<void> {
  const parts: string[] = [];
  try {
    for (const file of files) {
      parts.push(partOf(file.path));
      await writePart(file, signal);
    }
    for (const { path } of files) await renameInto(path);
  } catch (thrown) {
    for (const part of parts) await rm(part, { force: true });
    throw thrown;
  }
  for (const folder of new Set(files.map(({ path }) => dirname(path)))) await syncFolder(folder);
}

function partOf(path: string): string {
  return `${path}.part`;
}

async function writePart(file: OutputFile, signal: AbortSignal | undefined): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(partOf(file.path), "w");
    for await (const chunk of file.chunks()) {
      if (signal?.aborted === true) throw abortedError(signal.reason);
      await writeChunk(handle, chunk);
    }
    await handle.sync();
  } catch (thrown) {
    throw fileSystemError(thrown, file.path);
  } finally {
    await handle?.close();
  }
}

async function writeChunk(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  let done = 0;
  while (done < chunk.length) done += (await handle.write(chunk, done)).bytesWritten;
}

async function renameInto(path: string): Promise<void> {
  try {
    await rename(partOf(path), path);
  } catch (thrown) {
    throw fileSystemError(thrown, path);
  }
}

/** Makes renames durable. Platforms that cannot open folders (Windows) order them by themselves. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  let handle: FileHandle | undefined;
  try {
    handle = await open(folder, "r");
    await handle.sync();
  } catch (thrown) {
    throw fileSystemError(thrown, folder);
  } finally {
    await handle?.close();
  }
}
