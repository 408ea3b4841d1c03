// Runs of training, read from the files that the trainer writes: a folder for each, in it lines of JSON.
//
// Names are plain, so none leads out of the folder. A line that is still being written is left for the next time.

import { open, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { MimoError } from "../util/errors.ts";

export const RUN_FILES = { metrics: "metrics.jsonl", samples: "samples.jsonl" } as const;
export type RunFile = keyof typeof RUN_FILES;

export interface Run {
  readonly name: string;
  /** Whether it wrote a line lately, for its own pace. */
  readonly isRunning: boolean;
  readonly startedAt: Date;
  readonly updatedAt: Date;
  /** The last line of its metrics. */
  readonly last: Readonly<Record<string, unknown>> | undefined;
}

export interface Lines {
  readonly lines: readonly object[];
  /** Number of lines up to the last of these. */
  readonly next: number;
  readonly hasMore: boolean;
}

const PLAIN_NAME = /^\w[\w.-]*$/;
const TAIL_BYTES = 65_536;
/** Of a run that says nothing of its pace, and of one that is fast. */
const MIN_SILENCE_MS = 60_000;
/** A silence of so many steps is an end. */
const SILENT_STEPS = 5;

/** Those that have begun, the latest first; none where there is no folder. */
export async function listRuns(folder: string): Promise<readonly Run[]> {
  const names = await readdir(folder).catch(() => []);
  const runs = await Promise.all(names.filter((name) => PLAIN_NAME.test(name)).map((name) => readRun(folder, name)));
  return runs.filter((run) => run !== undefined).toSorted((a, b) => b.updatedAt.getTime() - a.updatedAt.getTime());
}

async function readRun(folder: string, name: string): Promise<Run | undefined> {
  const path = join(folder, name, RUN_FILES.metrics);
  const [metrics, model, recipe] = await Promise.all(
    [path, join(folder, name, "model"), join(folder, name, "recipe.yaml")].map((one) =>
      stat(one).catch(() => undefined),
    ),
  );
  if (metrics?.isFile() !== true) return undefined;
  const last = await lastLine(path);
  // The model is written at the end.
  const hasEnded = model !== undefined && model.mtimeMs >= metrics.mtimeMs;
  return {
    name,
    isRunning: !hasEnded && Date.now() - metrics.mtimeMs < longestSilence(last),
    startedAt: (recipe ?? metrics).birthtime,
    updatedAt: metrics.mtime,
    last,
  };
}

function longestSilence({ tokens, tokensPerSecond }: NonNullable<Run["last"]> = {}): number {
  const stepMs = (1000 * Number(tokens)) / Number(tokensPerSecond);
  return Math.max(MIN_SILENCE_MS, Number.isFinite(stepMs) ? SILENT_STEPS * stepMs : 0);
}

async function lastLine(path: string): Promise<Run["last"]> {
  await using file = await open(path);
  const { size } = await file.stat();
  const length = Math.min(size, TAIL_BYTES);
  // A buffer of nothing is refused.
  const { buffer } = await file.read({ buffer: Buffer.alloc(Math.max(1, length)), position: size - length });
  return completeLines(buffer.toString()).flatMap(parseLine).at(-1) as Run["last"];
}

/** Lines of a run behind the first `after`, at most `limit`. Throws `not_found` for a run that is none; a file may be missing. */
export async function readRunLines(
  folder: string,
  name: string,
  file: RunFile,
  { after, limit }: { readonly after: number; readonly limit: number },
): Promise<Lines> {
  const isRun = PLAIN_NAME.test(name) && (await readRun(folder, name)) !== undefined;
  if (!isRun)
    throw new MimoError("not_found", `There is no run ${JSON.stringify(name.slice(0, 64))}.`, { param: "name" });
  const text = await readFile(join(folder, name, RUN_FILES[file]), "utf8").catch(() => "");
  const all = completeLines(text);
  const lines = all.slice(after, after + limit);
  // A run that was set back has fewer lines than were seen.
  const next = Math.min(after, all.length) + lines.length;
  return { lines: lines.flatMap(parseLine), next, hasMore: next < all.length };
}

function completeLines(text: string): readonly string[] {
  return text.split("\n").slice(0, -1);
}

/** What is no object, such as a line that a run left when it was killed, is left out. */
function parseLine(line: string): readonly object[] {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? [value] : [];
  } catch {
    return [];
  }
}
