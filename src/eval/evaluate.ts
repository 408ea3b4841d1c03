// Runs suites on a model: many attempts at once, so that the engine has full batches, and one result for each suite.
//
// Which tasks are asked and with which seeds depends on the options alone, not on the order in which answers come, so
// a run can be repeated. Interrupted, it gives what is finished by then. A task that the model's context cannot hold
// counts as wrong; any other error ends the run.
// Refuses to know tables and files.

import { refuseUnknownKeys } from "../api/request.ts";
import { hashText } from "../train/data/random.ts";
import { MimoError } from "../util/errors.ts";
import { randomKey } from "../util/random.ts";
import { type Attempt, attempt, type ModelClient, orTooLong, tooLongAttempt } from "./attempt.ts";
import { type Share, shareOf } from "./interval.ts";
import { countTasks, type EvalTask, type Suite } from "./suites.ts";

export interface EvaluateOptions {
  /** Tasks of each suite. Default 100, or all of a suite of a known few. */
  readonly tasks?: number | undefined;
  /** Decides tasks and sampling. Default 1. */
  readonly seed?: number | undefined;
  /** Attempts at once. Default 8. */
  readonly concurrency?: number | undefined;
  /** Default 0: greedy. */
  readonly temperature?: number | undefined;
  /** Most tokens of an answer, instead of each suite's own limit. */
  readonly maxTokens?: number | undefined;
  /** Tokens to draft per step. Default "auto". */
  readonly speculation?: number | "auto" | undefined;
  /** Failures to keep for each suite. Default 0. */
  readonly failures?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Receives finished tasks and all of them. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

const KEYS: readonly (keyof EvaluateOptions)[] = [
  "tasks",
  "seed",
  "concurrency",
  "temperature",
  "maxTokens",
  "speculation",
  "failures",
  "signal",
  "onProgress",
];

export interface SuiteResult extends Share {
  readonly suite: string;
  /** Shares of the tasks' parts, of answers that parse, and of calls that are valid. */
  readonly details: readonly (Share & { readonly name: string })[];
  readonly meanTokens: number;
  /** Answers that did not end within their limit. */
  readonly numCutOff: number;
  /** Tasks that the context could not hold: they count as wrong. */
  readonly numTooLong: number;
  /** Tokens per decoding step of the trunk: the mean accept length. */
  readonly tokensPerStep: number;
  /** Mean negative log-probability of the answers' tokens in nats, before temperature; at temperature 1, the entropy. */
  readonly crossEntropy: number;
  /** Shares by part and depth, where needles stand at depths. */
  readonly grid?: readonly GridCell[];
  readonly failures: readonly Failure[];
}

export interface GridCell extends Share {
  readonly part: string;
  readonly depth: number;
}

export interface Failure {
  readonly part: string | undefined;
  readonly problem: string;
  readonly prompt: EvalTask["task"]["prompt"];
  readonly thinking: boolean;
  /** What the model said, and the results of its calls. */
  readonly transcript: Attempt["transcript"];
  readonly expected: string;
}

export interface Evaluation {
  readonly suites: readonly SuiteResult[];
  /** Over all suites. */
  readonly tokensPerStep: number;
  readonly isInterrupted: boolean;
}

/** Throws `invalid_argument` for options out of range, and what generating throws. */
export async function evaluate(
  client: ModelClient,
  suites: readonly Suite[],
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  refuseUnknownKeys(options, KEYS);
  const { tasks, seed = 1, concurrency = 8, temperature = 0, speculation = "auto" } = options;
  for (const [param, value] of Object.entries({ tasks: tasks ?? 1, concurrency })) checkCount(param, value);
  const tallies = suites.map((suite) => new Tally(suite, options.failures ?? 0));
  const jobs = planJobs(tallies, tasks, seed);
  const total = suites.reduce((sum, suite) => sum + countTasks(suite, tasks), 0);
  let done = 0;
  options.onProgress?.(0, total);
  // One that fails stops the others.
  const failed = new AbortController();
  const signal = AbortSignal.any([failed.signal, ...(options.signal === undefined ? [] : [options.signal])]);
  const work = async (): Promise<void> => {
    while (!signal.aborted) {
      const next = jobs.next();
      if (next.done === true) return;
      const { tally, evalTask, taskSeed } = next.value;
      const maxTokens = options.maxTokens ?? tally.suite.maxTokens;
      const settings = { temperature, seed: taskSeed, maxTokens, speculation, signal };
      tally.add(evalTask, await orTooLong(attempt(client, evalTask, settings)));
      options.onProgress?.(++done, total);
    }
  };
  const isInterrupted = (): boolean => options.signal?.aborted === true;
  const workers = Array.from({ length: concurrency }, () =>
    work().catch((error: unknown) => {
      failed.abort();
      throw error;
    }),
  );
  const ends = await Promise.allSettled(workers);
  // The first error is the cause; the others were stopped by it.
  const errors = ends.flatMap((end) => (end.status === "rejected" ? [end.reason as unknown] : []));
  const error = errors.find((one) => !isAborted(one)) ?? errors[0];
  if (error !== undefined && !(isAborted(error) && isInterrupted())) throw error;
  return {
    suites: tallies.map((tally) => tally.result()),
    tokensPerStep: tokensPerStep(tallies),
    isInterrupted: isInterrupted(),
  };
}

function checkCount(param: string, value: number): void {
  if (Number.isSafeInteger(value) && value > 0) return;
  throw new MimoError("invalid_argument", `${param} must be an integer of at least 1, found ${value}.`, { param });
}

interface Job {
  readonly tally: Tally;
  readonly evalTask: EvalTask;
  readonly taskSeed: number;
}

/** Tasks are made when they are due: a long text takes a while. */
function* planJobs(tallies: readonly Tally[], numTasks: number | undefined, seed: number): Generator<Job, undefined> {
  for (const tally of tallies) {
    const { name, tasks } = tally.suite;
    const count = countTasks(tally.suite, numTasks);
    const iterator = tasks(seed);
    for (let index = 0; index < count; index++) {
      const next = iterator.next();
      if (next.done === true) break;
      yield { tally, evalTask: next.value, taskSeed: taskSeedOf(seed, name, index) };
    }
  }
  return undefined;
}

export function taskSeedOf(seed: number, suite: string, index: number): number {
  return randomKey(seed, hashText(suite), index) >>> 0;
}

function isAborted(error: unknown): boolean {
  return error instanceof MimoError && error.code === "aborted";
}

function tokensPerStep(tallies: readonly Tally[]): number {
  const steps = tallies.reduce((sum, tally) => sum + tally.steps, 0);
  return steps === 0 ? 1 : tallies.reduce((sum, tally) => sum + tally.decoded, 0) / steps;
}

function cellName(part: string, depth: number): string {
  return `${part} at ${depth}`;
}

/** What is counted of one suite. */
class Tally {
  readonly suite: Suite;
  decoded = 0;
  steps = 0;
  readonly #maxFailures: number;
  readonly #counts = new Map<string, { right: number; count: number }>();
  readonly #failures: Failure[] = [];
  #numTokens = 0;
  #surprise = 0;
  #numCutOff = 0;
  #numTooLong = 0;

  constructor(suite: Suite, maxFailures: number) {
    this.suite = suite;
    this.#maxFailures = maxFailures;
  }

  add(evalTask: EvalTask, ended: Attempt | undefined): void {
    const { task, sample, part, depth } = evalTask;
    this.#numTooLong += Number(ended === undefined);
    const made = ended ?? tooLongAttempt();
    const { right, problem, content, transcript } = made;
    this.decoded += made.decoded;
    this.steps += made.steps;
    this.#numTokens += made.numTokens;
    this.#surprise += made.surprise;
    this.#numCutOff += Number(made.isCutOff);
    this.#count("", Number(right), 1);
    if (part !== undefined) this.#count(part, Number(right), 1);
    if (part !== undefined && depth !== undefined) this.#count(cellName(part, depth), Number(right), 1);
    if (this.suite.parses !== undefined) this.#count("parses", Number(this.suite.parses(content)), 1);
    if (task.world !== undefined) this.#count("valid calls", made.numValidCalls, made.numCalls);
    if (problem === undefined || this.#failures.length >= this.#maxFailures) return;
    const { prompt, answer: expected } = task;
    this.#failures.push({ part, problem, prompt, thinking: sample.thinking, transcript, expected });
  }

  result(): SuiteResult {
    const { name, parts, depths } = this.suite;
    const { count } = this.#share("");
    const details = [...parts, "parses", "valid calls"]
      .filter((part) => this.#counts.has(part))
      .map((part) => ({ name: part, ...this.#share(part) }));
    const cellsAt = (depth: number): GridCell[] =>
      parts.map((part) => ({ part, depth, ...this.#share(cellName(part, depth)) }));
    return {
      suite: name,
      ...this.#share(""),
      details,
      meanTokens: count === 0 ? 0 : this.#numTokens / count,
      numCutOff: this.#numCutOff,
      numTooLong: this.#numTooLong,
      tokensPerStep: tokensPerStep([this]),
      crossEntropy: this.#numTokens === 0 ? 0 : this.#surprise / this.#numTokens,
      ...(depths === undefined ? {} : { grid: depths.flatMap(cellsAt) }),
      failures: this.#failures,
    };
  }

  #share(name: string): Share {
    const { right, count } = this.#counts.get(name) ?? { right: 0, count: 0 };
    return shareOf(right, count);
  }

  #count(name: string, right: number, count: number): void {
    const before = this.#counts.get(name) ?? { right: 0, count: 0 };
    this.#counts.set(name, { right: before.right + right, count: before.count + count });
  }
}
