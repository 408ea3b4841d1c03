// The model of `mimo chat` without an argument: the one that comes with the package, or else a tiny one of random
// weights, made once in the cache folder, so that every part can be tried without a download.

import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { initCheckpoint } from "../convert/init.ts";
import { type Environment, embeddedModel, packageVersion } from "./environment.ts";

export interface DefaultModel {
  readonly path: string;
  readonly isRandom: boolean;
}

export async function defaultModel({ cacheFolder }: Environment): Promise<DefaultModel> {
  const embedded = embeddedModel();
  if (embedded !== undefined) return { path: embedded, isRandom: false };
  const path = join(cacheFolder, `tiny-${packageVersion()}`);
  if (!existsSync(path)) await createTinyModel(path);
  return { path, isRandom: true };
}

/** Whole or not at all: two chats that start at once may both make it, and either one's will do. */
async function createTinyModel(path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  const scratch = mkdtempSync(`${path}-`);
  try {
    await initCheckpoint({ preset: "tiny", out: join(scratch, "model") });
    renameSync(join(scratch, "model"), path);
  } catch (error) {
    if (!existsSync(path)) throw error;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
