// Measures prefill and decode speed of a loaded model, in token ids, through the engine's client.
//
// A round starts a batch of sequences at once. Prefill ends when every sequence has its first token; decode is timed
// from there until the batch has made its tokens, so that no prompt runs in between. Whatever still runs is stopped.

import type { FetchStats } from "../backends/backend.ts";
import type { EngineClient } from "../engine/client.ts";
import { readsSince } from "../engine/expert-reads.ts";
import type { SequenceOutput } from "../engine/sequence.ts";
import { DEFAULT_SAMPLING } from "../ops/sample/sample.ts";
import { defined } from "../util/assert.ts";
import { MimoError } from "../util/errors.ts";
import { randomKey, randomUnit } from "../util/random.ts";

export interface BenchCase {
  /** Prompt tokens of each sequence. */
  readonly context: number;
  /** Sequences that run at once. */
  readonly batch: number;
  readonly speculation: number | "auto";
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface Measurement extends BenchCase {
  /** Tokens per second of all sequences together. */
  readonly prefill: Spread;
  readonly decode: Spread;
  /** Tokens that a sequence gains per step. */
  readonly tokensPerStep: number;
  /** While decoding, the median round; undefined where all weights are used in place. */
  readonly experts: ExpertTraffic | undefined;
}

export interface ExpertTraffic {
  /** Experts asked for per token, and the share of them that was in memory. */
  readonly usesPerToken: number;
  readonly hitRate: number;
  readonly bytesReadPerToken: number;
  /** Share of the time in which nothing but reading happened. */
  readonly waitShare: number;
  readonly bytesReadPerSecond: number;
  readonly heldBytes: number;
}

export interface MeasureOptions {
  /** Tokens per sequence to time. */
  readonly tokens: number;
  readonly rounds: number;
  /** The prompts' ids come from here, cyclically; undefined draws random ones. */
  readonly promptIds: readonly number[] | undefined;
  readonly signal: AbortSignal;
}

/** One unmeasured round, then `rounds` measured ones. */
export async function measure(client: EngineClient, bench: BenchCase, options: MeasureOptions): Promise<Measurement> {
  const rounds: Round[] = [];
  for (let round = 0; round <= options.rounds; round++) {
    const measured = await new RoundMeter(client, bench, options).run(round);
    if (round > 0) rounds.push(measured);
  }
  return {
    ...bench,
    prefill: spread(rounds.map(({ prefill }) => prefill)),
    decode: spread(rounds.map(({ decode }) => decode)),
    tokensPerStep: spread(rounds.map(({ tokensPerStep }) => tokensPerStep)).median,
    experts: rounds.toSorted((a, b) => a.decode - b.decode)[rounds.length >> 1]?.experts,
  };
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number): number => defined(sorted[index], "a measured round");
  const middle = (sorted.length - 1) / 2;
  return { median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2, min: at(0), max: at(sorted.length - 1) };
}

interface Round {
  readonly prefill: number;
  readonly decode: number;
  readonly tokensPerStep: number;
  readonly experts: ExpertTraffic | undefined;
}

class RoundMeter {
  readonly #client: EngineClient;
  readonly #bench: BenchCase;
  readonly #options: MeasureOptions;
  readonly #done = new AbortController();
  readonly #started = new Set<number>();
  #prefilledAt = 0;
  #endedAt = 0;
  #readsBefore: FetchStats | undefined;
  #readsAfter: FetchStats | undefined;
  #decoded = 0;
  #steps = 0;

  constructor(client: EngineClient, bench: BenchCase, options: MeasureOptions) {
    this.#client = client;
    this.#bench = bench;
    this.#options = options;
  }

  async run(round: number): Promise<Round> {
    const { batch, context } = this.#bench;
    const begin = performance.now();
    await Promise.all(Array.from({ length: batch }, (_, i) => this.#runSequence(i, round)));
    return {
      prefill: (1000 * batch * context) / (this.#prefilledAt - begin),
      decode: (1000 * this.#decoded) / (this.#endedAt - this.#prefilledAt),
      tokensPerStep: this.#decoded / this.#steps,
      experts: this.#expertTraffic(),
    };
  }

  #expertTraffic(): ExpertTraffic | undefined {
    if (this.#readsBefore === undefined || this.#readsAfter === undefined) return undefined;
    const { uses, hits, bytesRead, waitMs, heldBytes } = readsSince(this.#readsAfter, this.#readsBefore);
    const ms = this.#endedAt - this.#prefilledAt;
    return {
      usesPerToken: uses / this.#decoded,
      hitRate: hits / uses,
      bytesReadPerToken: bytesRead / this.#decoded,
      waitShare: waitMs / ms,
      bytesReadPerSecond: (1000 * bytesRead) / ms,
      heldBytes,
    };
  }

  async #runSequence(index: number, round: number): Promise<void> {
    const { signal } = this.#options;
    const request = {
      prompt: this.#prompt(randomKey(index, round)),
      maxTokens: Number.MAX_SAFE_INTEGER,
      stopTokens: [],
      sampling: { ...DEFAULT_SAMPLING, temperature: 0 },
      speculation: this.#bench.speculation,
      // Every round computes its prompts.
      cache: false,
    };
    try {
      for await (const output of this.#client.submit(request, AbortSignal.any([signal, this.#done.signal]))) {
        this.#record(index, output);
      }
    } catch (error) {
      if (!(error instanceof MimoError && error.code === "aborted" && this.#done.signal.aborted)) throw error;
    }
  }

  #record(index: number, { tokens }: SequenceOutput): void {
    const { batch } = this.#bench;
    if (tokens.length === 0 || this.#done.signal.aborted) return;
    if (this.#started.size === batch) {
      this.#decoded += tokens.length;
      this.#steps++;
    } else if (this.#started.add(index).size === batch) {
      this.#prefilledAt = performance.now();
      this.#readsBefore = this.#client.expertReads;
    }
    if (this.#decoded < batch * this.#options.tokens) return;
    this.#endedAt = performance.now();
    this.#readsAfter = this.#client.expertReads;
    this.#done.abort();
  }

  /** Different for every sequence and round, so that nothing can be reused. */
  #prompt(key: number): number[] {
    const { promptIds } = this.#options;
    const { vocabSize } = this.#client.info.config;
    const start = promptIds === undefined ? 0 : Math.floor(randomUnit(key, 0) * promptIds.length);
    return Array.from({ length: this.#bench.context }, (_, i) =>
      promptIds === undefined
        ? Math.floor(randomUnit(key, i) * vocabSize)
        : defined(promptIds[(start + i) % promptIds.length], "a token"),
    );
  }
}
