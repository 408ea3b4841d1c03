// Runs of training as the server shows them: the list, and lines of their files, of which only the new ones are asked for.

import { useCallback, useRef } from "react";
import { requestJson } from "../api/client.ts";
import { type Polled, usePolled } from "../api/polled.ts";

export interface Run {
  readonly name: string;
  readonly running: boolean;
  /** ISO 8601. */
  readonly started_at: string;
  readonly updated_at: string;
  readonly stage: string | null;
  readonly step: number | null;
  readonly total_steps: number | null;
  readonly loss: number | null;
  readonly tokens_per_second: number | null;
}

/** What every line has: of all stages. */
interface Step {
  readonly totalSteps: number;
}

export interface StepMetrics extends Step {
  readonly stage: string;
  readonly step: number;
  readonly loss: number;
  /** Of each MTP head. */
  readonly mtpLosses: readonly number[];
  /** Where it was measured. */
  readonly heldoutLoss?: number;
  readonly learningRate: number;
  readonly gradientNorm: number;
  /** Load of the busiest expert above the mean, of each layer with experts. */
  readonly maxViolation: readonly number[];
  readonly tokens: number;
  readonly tokensPerSecond: number;
}

export interface Sample extends Step {
  readonly stage: string;
  readonly prompt: string;
  readonly text: string;
}

const LIST_MS = 3000;
const LINES_MS = 2000;

async function readRuns(signal: AbortSignal): Promise<readonly Run[]> {
  return (await requestJson<{ readonly data: readonly Run[] }>("/v1/runs", { signal })).data;
}

/** The latest first. */
export function useRuns(): Polled<readonly Run[]> {
  return usePolled(readRuns, LIST_MS);
}

interface KnownLines<T> {
  readonly lines: readonly T[];
  /** Lines of the file that were seen. */
  readonly next: number;
}

type LinesByRun<T> = ReadonlyMap<string, readonly T[]>;

/** Lines of runs by their names; the same map as before, where nothing is new. */
export function useRunLines<T>(names: readonly string[], file: "metrics" | "samples"): Polled<LinesByRun<T>> {
  const known = useRef(new Map<string, KnownLines<T>>());
  const last = useRef<LinesByRun<T>>(new Map());
  // A list that is made anew has the same names all the same.
  const list = JSON.stringify(names);
  const read = useCallback(
    async (signal: AbortSignal) => {
      const wanted = JSON.parse(list) as string[];
      for (const name of wanted) known.current.set(name, await readOn(name, file, known.current.get(name), signal));
      const lines = new Map(wanted.map((name) => [name, known.current.get(name)!.lines]));
      const isNew =
        lines.size !== last.current.size || [...lines].some(([name, own]) => last.current.get(name) !== own);
      if (isNew) last.current = lines;
      return last.current;
    },
    [list, file],
  );
  return usePolled(read, LINES_MS);
}

interface Page<T> {
  readonly data: readonly T[];
  readonly next: number;
  readonly has_more: boolean;
}

async function readOn<T>(
  name: string,
  file: string,
  known: KnownLines<T> = { lines: [], next: 0 },
  signal: AbortSignal,
): Promise<KnownLines<T>> {
  let { lines, next } = known;
  for (;;) {
    const path = `/v1/runs/${encodeURIComponent(name)}/${file}?after=${next}`;
    const page = await requestJson<Page<T>>(path, { signal });
    if (page.next < next) {
      // It went on from an earlier step, or was begun anew.
      [lines, next] = [[], 0];
      continue;
    }
    if (page.data.length > 0) lines = [...lines, ...page.data];
    next = page.next;
    if (!page.has_more) return { lines, next };
  }
}
