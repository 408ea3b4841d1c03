// The benchmark scripts where they compute: medians, ratios, shares of bandwidth, rounds of training, and the table of
// the README.

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

interface Report {
  readonly wasBusy?: boolean;
  readonly results: readonly unknown[];
}

interface SpeedTable {
  readonly summarise: (model: string, rounds: readonly unknown[], bandwidth: unknown) => Record<string, unknown>;
  readonly speedTable: (report: Report) => string;
  readonly insertTable: (text: string, report: Report) => string;
}

interface TrainingSummary {
  readonly summariseTraining: (rounds: readonly unknown[]) => Record<string, unknown>;
  readonly trainingSentence: (report: unknown) => string;
}

const load = async <T>(path: string): Promise<T> => (await import(new URL(path, import.meta.url).href)) as T;
const { summarise, speedTable, insertTable } = await load<SpeedTable>("../bench/peers/speed-table.mjs");
const { summariseTraining, trainingSentence } = await load<TrainingSummary>("../bench/peers/training-summary.mjs");
const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");
const published = JSON.parse(read("../bench/results/peers-bench-1b.json")) as Report;

const side = (prefill: number, decode: number, together: readonly number[]) => ({ prefill, decode, together });
const ROUNDS = [
  {
    mimo: side(100, 10, [40]),
    mimoInt8: side(150, 11, [88]),
    llama: side(50, 20, [80]),
    llamaWithoutPool: side(40, 5, [10]),
  },
  {
    mimo: side(300, 30, [60]),
    mimoInt8: side(165, 11, [88]),
    llama: side(60, 24, [90]),
    llamaWithoutPool: side(40, 5, [10]),
  },
  {
    mimo: side(200, 12, [44]),
    mimoInt8: side(400, 11, [88]),
    llama: side(55, 22, [88]),
    llamaWithoutPool: side(40, 5, [10]),
  },
];
const BANDWIDTH = { bytesPerSecond: 24e9, decode: 1e9, together: [{ sequences: 8, bytesPerStep: 2e9 }] };

describe("a summary of rounds", () => {
  const summary = summarise("bench-1b-q4_k.gguf", ROUNDS, BANDWIDTH);

  test("has medians, ratios with both roundings, and what llama.cpp does without a thread pool", () => {
    expect(summary["prefill"]).toEqual({
      mimo: 200,
      llama: 55,
      ratio: 3.636,
      mimoInt8: 165,
      ratioInt8: 3,
      llamaWithoutPool: 40,
    });
  });

  test("tells the share of the memory's bandwidth that decoding reads", () => {
    expect(summary["decode"]).toMatchObject({ readShare: { mimo: 0.5, llama: 0.9167 } });
    // 44 tokens per second of 8 sequences are 5.5 steps of 2 GB.
    expect(summary["together"]).toMatchObject([{ sequences: 8, mimo: 44, readShare: { mimo: 0.4583 } }]);
  });

  test("becomes a row of the table", () => {
    const machine = { cpu: "CPU", cores: 2, readBytesPerSecond: 24e9 };
    const settings = { rounds: 3, threads: 2, prompt: 512 };
    const report = { results: [summary], machine, settings, commit: "abc1234", date: "2026-01-01" };
    const [header, , row] = speedTable(report).split("\n");
    expect(header).toContain("8 together");
    expect(row?.split("|").map((cell) => cell.trim())).toEqual([
      "",
      "Q4_K",
      "200",
      "3.64",
      "3.00",
      "5.00",
      "12",
      "0.55",
      "0.50",
      "2.40",
      "50 %, 92 %",
      "44",
      "0.50",
      "1.00",
      "4.40",
      "46 %, 92 %",
      "",
    ]);
    expect(speedTable(report)).toContain("commit abc1234, 2026-01-01; medians of 3 rounds");
  });
});

describe("rounds of training", () => {
  const round = (ours: number, theirs: number) => ({
    mimo: {
      tokensPerSecond: { median: ours },
      milliseconds: { step: 10, forward: 2, losses: 3, backward: 4, update: 1 },
      arithmetic: { operationsPerToken: 5, operationsPerSecond: 5 * ours },
      machine: { operationsPerSecond: 1000 },
      memory: { parameters: 1, activations: 2 },
    },
    torch: { tokensPerSecond: theirs, milliseconds: { step: 20, forward: 8, backward: 11, update: 1 } },
  });
  const results = summariseTraining([round(100, 50), round(300, 75), round(120, 40)]);

  test("give medians, their ratio, and the extremes of single rounds", () => {
    expect(results).toMatchObject({
      tokensPerSecond: { mimo: 120, torch: 50, ratio: 2.4 },
      ratios: { min: 2, max: 4 },
      operationsPerSecond: { mimo: 600, fastestProduct: 1000 },
    });
  });

  test("put the losses to the forward pass, where PyTorch has them", () => {
    expect(results["milliseconds"]).toEqual({
      mimo: { step: 10, forward: 5, backward: 4, update: 1 },
      torch: { step: 20, forward: 8, backward: 11, update: 1 },
    });
  });

  test("become a sentence", () => {
    const settings = { batch: 8, length: 512, mtpHeads: 1, threads: 2 };
    expect(trainingSentence({ preset: "nano", settings, results })).toBe(
      "nano, 8 × 512 tokens, MTP heads: 1, threads: 2: 120 tokens/s, PyTorch 50: 2.4 times as fast (2–4).",
    );
  });
});

describe("the table of the README", () => {
  test("is the one that the results give", () => {
    const readme = read("../README.md");
    expect(insertTable(readme, published)).toBe(readme);
  });

  test("takes no figures from a busy machine, and nothing without its place", () => {
    expect(() => insertTable(read("../README.md"), { ...published, wasBusy: true })).toThrow("idle");
    expect(() => insertTable("no place", published)).toThrow("around the table");
  });
});
