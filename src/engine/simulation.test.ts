// The engine under load, with a fake model and a fake clock: random arrivals, turns of conversations, aborts in every
// phase, slow readers, priorities, evictions. Memory is whole after every step, every token is the one it must be,
// nobody waits for ever, and nobody's work delays another's chat beyond a bound.

import { describe, expect, test } from "vitest";
import { GREEDY } from "../../test/support.ts";
import type { Backend } from "../backends/backend.ts";
import type { PrefixCacheOptions } from "../cache/prefix-cache.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { randomKey, randomUnit } from "../util/random.ts";
import { Engine } from "./engine.ts";
import { createFakeRunner, FAKE_VOCABULARY, fakeContinuation } from "../../test/fake-model.ts";
import type { SequenceOutput, SequenceRequest } from "./sequence.ts";

class Randomness {
  readonly #key: number;
  #counter = 0;
  constructor(...words: number[]) {
    this.#key = randomKey(...words);
  }
  /** An integer from 0 to `below` − 1. */
  integer(below: number): number {
    return Math.floor(below * randomUnit(this.#key, this.#counter++));
  }
  chance(probability: number): boolean {
    return randomUnit(this.#key, this.#counter++) < probability;
  }
  tokens(length: number): number[] {
    return Array.from({ length }, () => this.integer(FAKE_VOCABULARY));
  }
}

interface Job {
  readonly request: SequenceRequest;
  readonly submittedAt: number;
  /** Steps in which an output came. */
  firstRowsAt: number | undefined;
  firstTokenAt: number | undefined;
  tokens: number[];
  last: SequenceOutput | undefined;
}

interface SimulationOptions {
  readonly blocks: number;
  readonly maxSequences: number;
  readonly maxRows: number;
  readonly prefixCache: PrefixCacheOptions | undefined;
}

/** An engine over the fake model; time is counted in steps, and a step's duration in rows. */
class Simulation implements Disposable {
  readonly engine: Engine;
  readonly jobs = new Map<number, Job>();
  steps = 0;
  readonly #fake;
  readonly #options: SimulationOptions;

  constructor(options: SimulationOptions) {
    this.#options = options;
    const { blocks, maxSequences, maxRows, prefixCache } = options;
    const maxTokens = 64 * blocks;
    this.#fake = createFakeRunner({ dtype: "f32", maxTokens, maxSequences, maxRows }, maxTokens);
    const { passes } = this.#fake;
    this.engine = new Engine(
      undefined as unknown as Backend,
      undefined as unknown as Checkpoint,
      {
        maxTokens,
        maxSequences,
        maxRows,
        prefixCache,
        kvDType: "f32",
        activations: "f32",
        mtpMode: "parallel",
        packing: "none",
      },
      () => passes.reduce((sum, rows) => sum + 10 + rows, 0),
      this.#fake.runner,
    );
  }

  submit(prompt: readonly number[], options: Partial<SequenceRequest>): Job {
    const id = this.jobs.size + 1;
    const request = { id, prompt, maxTokens: 8, stopTokens: [], sampling: GREEDY, speculation: 0, ...options };
    const job: Job = {
      request,
      submittedAt: this.steps,
      firstRowsAt: undefined,
      firstTokenAt: undefined,
      tokens: [],
      last: undefined,
    };
    this.jobs.set(id, job);
    this.engine.submit(request);
    return job;
  }

  step(): void {
    this.steps++;
    const outputs = this.engine.step();
    this.engine.checkIntegrity();
    expect(this.#fake.passes.at(-1) ?? 0).toBeLessThanOrEqual(this.#options.maxRows);
    if (!this.engine.isIdle) expect(outputs.length).toBeGreaterThan(0);
    for (const output of outputs) this.#take(output);
  }

  abort({ request: { id } }: Job): void {
    const output = this.engine.abort(id);
    this.engine.checkIntegrity();
    if (output !== undefined) this.#take(output);
  }

  drain(): void {
    for (let limit = this.steps + 20_000; !this.engine.isIdle; this.step()) expect(this.steps).toBeLessThan(limit);
  }

  /** Nothing is held any more, and every token was the one that follows. */
  expectSound(): void {
    const { cache } = this.#fake;
    expect(cache.numFreeTokens).toBe(64 * this.#options.blocks);
    expect(cache.numFreeSequences).toBe(this.#options.maxSequences);
    for (const { request, tokens, last } of this.jobs.values()) {
      expect(last?.finish).toBeDefined();
      if (last?.finish === "length") expect(tokens).toHaveLength(request.maxTokens);
      const expected = fakeContinuation([...request.prompt, ...tokens]).slice(request.prompt.length - 1, -1);
      expect(tokens).toEqual(expected);
    }
  }

  [Symbol.dispose](): void {
    this.engine[Symbol.dispose]();
    this.#fake[Symbol.dispose]();
  }

  #take(output: SequenceOutput): void {
    const job = this.jobs.get(output.id)!;
    job.firstRowsAt ??= this.steps;
    if (output.tokens.length > 0) job.firstTokenAt ??= this.steps;
    job.tokens.push(...output.tokens);
    job.last = output;
  }
}

describe.each([
  ["a cache with room for snapshots", { snapshotBytes: 40_000, snapshotEvery: 96 }],
  ["a cache with room for three snapshots", { snapshotBytes: 1500, snapshotEvery: 32 }],
  ["a cache without snapshots", { snapshotBytes: 0 }],
  ["no cache", undefined],
] as const)("with %s", (_, prefixCache) => {
  test.each([1, 2, 3])(
    "seed %i: thousands of steps leave memory whole, every token true, and nobody waiting",
    (seed) => {
      const random = new Randomness(77, seed);
      using simulation = new Simulation({ blocks: 24, maxSequences: 5, maxRows: 48, prefixCache });
      const { engine, jobs } = simulation;
      /** Readers who are slow find out late that they have had enough. */
      const quits: { readonly job: Job; readonly at: number }[] = [];
      while (simulation.steps < 1500) {
        if (random.chance(0.11)) {
          const earlier = [...jobs.values()].at(-1 - random.integer(12));
          const isContinued = earlier !== undefined && random.chance(0.7);
          const history = isContinued ? [...earlier.request.prompt, ...earlier.tokens] : [];
          const kept = random.chance(0.5) ? history.length : random.integer(history.length + 1);
          const added = random.tokens(1 + random.integer(120));
          const isRepeated = isContinued && random.chance(0.2);
          const prompt = isRepeated ? earlier.request.prompt : [...history.slice(0, Math.min(kept, 700)), ...added];
          const job = simulation.submit(prompt, {
            maxTokens: 1 + random.integer(30),
            priority: random.chance(0.1) ? 1 : 0,
            tenant: ["ann", "bob", "cid"][random.integer(3)],
            cacheNamespace: random.chance(0.8) ? "shared" : "own",
            cache: random.chance(0.95),
          });
          if (random.chance(0.25)) quits.push({ job, at: simulation.steps + random.integer(40) });
        }
        for (const { job, at } of quits) if (at === simulation.steps) simulation.abort(job);
        if (random.chance(0.003)) engine.clearPrefixes(random.chance(0.5) ? "own" : undefined);
        simulation.step();
      }
      simulation.drain();
      simulation.expectSound();
      const waits = [...jobs.values()].map(({ submittedAt, firstRowsAt }) => (firstRowsAt ?? Infinity) - submittedAt);
      expect(jobs.size).toBeGreaterThan(120);
      expect(Math.max(...waits)).toBeLessThan(300);
      const stats = engine.prefixCacheStats;
      if (prefixCache === undefined) return expect(stats).toBeUndefined();
      // The seeds reach what they are meant to reach.
      expect(stats?.hits).toBeGreaterThan(30);
      expect(stats?.evictedBlocks).toBeGreaterThan(100);
      expect(stats?.evictedSnapshots ?? 0).toBeGreaterThan(prefixCache.snapshotBytes === 1500 ? 100 : -1);
    },
  );
});

test("memory that a running prompt has yet to take is not promised to another", () => {
  using simulation = new Simulation({ blocks: 10, maxSequences: 4, maxRows: 32, prefixCache: undefined });
  const random = new Randomness(9);
  const [first, second] = [random.tokens(400), random.tokens(400)].map((prompt) => simulation.submit(prompt, {}));
  while (first!.last?.finish === undefined) simulation.step();
  expect(second!.firstRowsAt).toBeUndefined();
  simulation.drain();
  simulation.expectSound();
});

describe("fairness", () => {
  const options = { blocks: 64, maxSequences: 4, maxRows: 64, prefixCache: {} };
  const random = new Randomness(5);
  const chat = (): number[] => random.tokens(20);
  const long = (): number[] => random.tokens(600);

  /** Steps from each chat's submission to its first token, beside `flood`. */
  function delays(flood: (simulation: Simulation) => void, chats: Partial<SequenceRequest>): number[] {
    using simulation = new Simulation(options);
    flood(simulation);
    const asked: Job[] = [];
    for (let i = 0; i < 8; i++) {
      for (let step = 0; step < 7 + 11 * i; step++) simulation.step();
      asked.push(simulation.submit(chat(), chats));
      while (asked.at(-1)!.firstTokenAt === undefined) simulation.step();
    }
    for (const job of simulation.jobs.values()) simulation.abort(job);
    simulation.expectSound();
    return asked.map(({ submittedAt, firstTokenAt }) => firstTokenAt! - submittedAt);
  }

  const manyLong = (simulation: Simulation): void => {
    for (let i = 0; i < 100; i++) simulation.submit(long(), { tenant: "flood", maxTokens: 10 });
  };

  test("a hundred long prompts of one tenant delay another's chat by those that run, not by those that wait", () => {
    // All of them take 1,000 steps. Four run at once, and one of them ends after at most 4 · 600 / 64 steps and its answer.
    const alone = delays(manyLong, { tenant: "flood" });
    expect(Math.max(...alone)).toBeGreaterThan(700);
    expect(Math.max(...delays(manyLong, { tenant: "chat" }))).toBeLessThanOrEqual(50);
  });

  test("a chat of higher priority takes a place at once", () => {
    expect(Math.max(...delays(manyLong, { tenant: "flood", priority: 1 }))).toBeLessThanOrEqual(2);
  });

  test("one long prompt does not hold up a chat of the same tenant, nor do many chats hold up the prompt", () => {
    const oneLong = (simulation: Simulation): void => void simulation.submit(random.tokens(4000), { maxTokens: 10 });
    expect(Math.max(...delays(oneLong, {}))).toBeLessThanOrEqual(3);

    using simulation = new Simulation(options);
    const prompt = simulation.submit(random.tokens(1280), {});
    for (let i = 0; i < 100; i++) simulation.submit(random.tokens(64), { maxTokens: 1 });
    while (prompt.firstTokenAt === undefined) simulation.step();
    // 20 chunks of its own, and as many turns of others.
    expect(simulation.steps).toBeLessThanOrEqual(42);
    simulation.drain();
    simulation.expectSound();
  });

  test("tenants that always have work get the same, however they divide it", () => {
    using simulation = new Simulation({ ...options, prefixCache: undefined });
    const ask = {
      long: () => simulation.submit(long(), { tenant: "long" }),
      short: () => simulation.submit(chat(), { tenant: "short" }),
    };
    for (let i = 0; i < 60; i++) ask.long();
    for (let i = 0; i < 600; i++) ask.short();
    for (let step = 0; step < 300; step++) simulation.step();
    const rows = { long: 0, short: 0 };
    for (const { request, firstTokenAt, tokens } of simulation.jobs.values()) {
      if (firstTokenAt !== undefined)
        rows[request.tenant as keyof typeof rows] += request.prompt.length + tokens.length;
    }
    expect(rows.long / rows.short).toBeGreaterThan(0.75);
    expect(rows.long / rows.short).toBeLessThan(1.3);
    for (const job of simulation.jobs.values()) simulation.abort(job);
    simulation.expectSound();
  });
});
