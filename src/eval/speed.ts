// What drafting gains on the suites' own questions: tokens per second and per step, one request at a time.
//
// Settings take turns on every task, each of them first now and then, so that a machine that slows down slows all of
// them. All must give the same tokens, which is counted. Only the first answer of a task is timed, without the prompt; a
// task whose prompt the context cannot hold is left out. A model that answers all of them within seconds is asked
// again, as its first seconds are those of a program that is still being compiled.
// Refuses to know whether answers are right.

import type { Generation } from "../api/mimo.ts";
import { type ModelClient, orTooLong } from "./attempt.ts";
import { taskSeedOf } from "./evaluate.ts";
import type { EvalTask, Suite } from "./suites.ts";

export type Depth = number | "auto";

export interface SpeedOptions {
  /** Depths of drafts to compare; 0 is plain decoding. */
  readonly depths: readonly Depth[];
  readonly seed: number;
  readonly temperature: number;
  /** Most tokens of an answer. Default 256: enough to time, and no waiting for a model that does not end. */
  readonly maxTokens?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

export interface SpeedRow {
  readonly depth: Depth;
  readonly tokensPerSecond: number;
  readonly tokensPerStep: number;
}

export interface Speed {
  readonly rows: readonly SpeedRow[];
  readonly numTasks: number;
  readonly numTokens: number;
  /** Tasks for which every depth gave the same tokens. */
  readonly numEqual: number;
}

const TASKS_PER_SUITE = 3;
const MAX_TOKENS = 256;
/** What each setting is timed for at least, or in so many passes over the tasks. */
const STEADY_MS = 5000;
const MOST_PASSES = 10;

export async function compareSpeed(
  client: ModelClient,
  suites: readonly Suite[],
  { depths, seed, temperature, maxTokens = MAX_TOKENS, signal, onProgress }: SpeedOptions,
): Promise<Speed> {
  const chosen = suites.flatMap((suite) => firstTasks(suite, seed));
  let turn = 0;
  const askAll = async ({ evalTask, taskSeed }: TimedTask): Promise<Generation[]> => {
    const { task, sample } = evalTask;
    const { tools, thinking } = sample;
    const settings = { temperature, seed: taskSeed, maxTokens, signal };
    const generations: Generation[] = [];
    const first = turn++;
    for (const i of depths.keys()) {
      const j = (first + i) % depths.length;
      const speculation = depths[j]!;
      generations[j] = await client.generate({ messages: task.prompt, tools, thinking, ...settings, speculation });
    }
    return generations;
  };
  const passOver = async (pass: number, passes: number): Promise<Pass> => {
    const sums = depths.map(() => ({ decoded: 0, steps: 0, ms: 0 }));
    let [numTasks, numEqual, numTokens] = [0, 0, 0];
    for (const [i, timed] of chosen.entries()) {
      onProgress?.(pass * chosen.length + i, passes * chosen.length);
      const generations = await orTooLong(askAll(timed));
      if (generations === undefined) continue;
      // The first task of all pays for what is cold.
      const isCold = pass === 0 && numTasks === 0;
      for (const [j, { usage }] of (isCold ? await askAll(timed) : generations).entries()) {
        const decoded = Math.max(0, usage.completionTokens - 1);
        const sum = sums[j]!;
        sum.decoded += decoded;
        sum.steps += decoded / usage.speculation.acceptLength;
        sum.ms += usage.decodeMs;
      }
      numTasks++;
      numTokens += generations[0]?.tokens.length ?? 0;
      numEqual += Number(new Set(generations.map(({ tokens }) => tokens.join())).size === 1);
    }
    return { sums, numTasks, numEqual, numTokens };
  };
  const first = await passOver(0, 1);
  const ms = Math.min(...first.sums.map((sum) => sum.ms));
  const numFurther = ms === 0 || ms >= STEADY_MS ? 0 : Math.min(MOST_PASSES, Math.ceil(STEADY_MS / ms));
  const further: Pass[] = [];
  while (further.length < numFurther) further.push(await passOver(1 + further.length, 1 + numFurther));
  const counted = numFurther === 0 ? [first] : further;
  const rows = depths.map((depth, j) => {
    const total = (key: keyof Sum): number => counted.reduce((sum, { sums }) => sum + sums[j]![key], 0);
    const [decoded, steps, decodeMs] = [total("decoded"), total("steps"), total("ms")];
    return {
      depth,
      tokensPerSecond: decodeMs === 0 ? 0 : (1000 * decoded) / decodeMs,
      tokensPerStep: steps === 0 ? 1 : decoded / steps,
    };
  });
  const { numTasks, numEqual, numTokens } = first;
  return { rows, numTasks, numTokens, numEqual };
}

/** Of one setting. */
interface Sum {
  decoded: number;
  steps: number;
  ms: number;
}

/** All tasks once. */
interface Pass {
  readonly sums: readonly Sum[];
  readonly numTasks: number;
  readonly numEqual: number;
  readonly numTokens: number;
}

interface TimedTask {
  readonly evalTask: EvalTask;
  readonly taskSeed: number;
}

/** Of suites with lengths, the shortest only: what is timed is decoding. */
function firstTasks({ name, parts, tasks }: Suite, seed: number): TimedTask[] {
  const iterator = tasks(seed);
  const chosen: TimedTask[] = [];
  const isByLength = name.startsWith("retrieval/");
  for (let index = 0; chosen.length < TASKS_PER_SUITE; index++) {
    const next = iterator.next();
    if (next.done === true) break;
    if (isByLength && next.value.part !== parts[0]) continue;
    chosen.push({ evalTask: next.value, taskSeed: taskSeedOf(seed, name, index) });
  }
  return chosen;
}
