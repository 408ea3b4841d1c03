// `mimo eval` as people run it, on random weights: nothing is right, and everything about that is reported.

import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { BitsPerByte } from "../../src/eval/bits-per-byte.ts";
import type { Evaluation } from "../../src/eval/evaluate.ts";
import type { Speed } from "../../src/eval/speed.ts";
import { resultOf, Surroundings } from "./command.ts";

const here = await Surroundings.create();
afterAll(() => here[Symbol.dispose]());

const HAS_PYTHON = spawnSync("python3", ["-c", "pass"]).status === 0;
/** One thread: prompts are short, and other tests run beside. */
const EVAL = ["eval", "tiny", "--threads", "1"] as const;

interface Report extends Evaluation {
  readonly settings: Readonly<Record<string, unknown>>;
  readonly speculation: { readonly depth: number; readonly tokensPerStep: number; readonly fit?: object };
  readonly thinking: readonly object[];
  readonly bitsPerByte: readonly BitsPerByte[];
  readonly speed?: Speed;
}

beforeAll(async () => {
  expect((await here.run(["init", "--preset", "tiny", "--seed", "1", "tiny"])).exitCode).toBe(0);
  for (const name of ["gsm8k", "humaneval", "mbpp"]) {
    copyFileSync(new URL(`../standard-files/${name}.jsonl`, import.meta.url), here.path(`${name}.jsonl`));
  }
  writeFileSync(here.path("notes.txt"), "A short text. 你好。\n".repeat(40));
  writeFileSync(here.path("empty.txt"), "");
});

describe("mimo eval", () => {
  test("asks every suite and prints a table", async () => {
    const args = ["--tasks", "2", "--max-tokens", "6", "--lengths", "256", "--show-failures", "1"];
    const { exitCode, stdout } = await here.run([...EVAL, ...args]);
    expect(exitCode).toBe(0);
    for (const part of [
      "suite ",
      "95 % interval",
      "arithmetic/direct",
      "retrieval/variables",
      "chinese",
      "Expected:",
    ]) {
      expect(stdout).toContain(part);
    }
    expect(stdout).toMatch(/^tools +2 +0\.0 % +0\.0–65\.8/m);
    expect(stdout).toContain("Thinking, arithmetic: 0.0 % with, 0.0 % without: +0.0 points");
  });

  test("gives JSON, on standard output and in a file, the same on every run", async () => {
    const args = [...EVAL, "--suite", "json,code", "--tasks", "3", "--max-tokens", "8", "--temperature", "1"];
    const first = await here.run([...args, "--speed", "--json", "--out", "result.json"]);
    expect(first).toMatchObject({ exitCode: 0, stderr: expect.stringContaining("Wrote result.json.\n") as string });
    const report = JSON.parse(first.stdout) as Report;
    expect(JSON.parse(readFileSync(here.path("result.json"), "utf8"))).toEqual(report);
    expect(report).toMatchObject({
      isInterrupted: false,
      settings: { split: "heldout", tasks: 3, temperature: 1, maxTokens: 8 },
      model: { path: "tiny" },
    });
    expect(report.suites.map(({ suite }) => suite)).toEqual(["json", "code/write", "code/predict"]);
    expect(report.suites[0]).toMatchObject({ right: 0, count: 3, share: 0, low: 0, numCutOff: 3, meanTokens: 8 });
    expect(report.speculation.tokensPerStep).toBeGreaterThanOrEqual(1);
    // Of random weights, about what all tokens alike would have.
    for (const { crossEntropy } of report.suites) {
      expect(crossEntropy).toBeGreaterThan(3);
      expect(crossEntropy).toBeLessThan(10);
    }
    expect({ thinking: report.thinking, bitsPerByte: report.bitsPerByte }).toEqual({ thinking: [], bitsPerByte: [] });
    expect(report.speed!.numEqual).toBe(report.speed!.numTasks);
    expect(report.speed!.rows[0]).toMatchObject({ depth: 0, tokensPerStep: 1 });
    const again = JSON.parse((await here.run([...args, "--concurrency", "1", "--json"])).stdout) as Report;
    expect(again.suites.map(({ meanTokens, right }) => [meanTokens, right])).toEqual(
      report.suites.map(({ meanTokens, right }) => [meanTokens, right]),
    );
  });

  test("draws needles by length and depth", async () => {
    const args = ["--needle-grid", "needles.svg", "--lengths", "256", "--tasks", "22", "--max-tokens", "2"];
    const { exitCode, stdout, stderr } = await here.run([...EVAL, ...args]);
    expect({ exitCode, stderr }).toMatchObject({
      exitCode: 0,
      stderr: expect.stringContaining("Wrote needles.svg") as string,
    });
    expect(stdout).not.toContain("arithmetic");
    expect(stdout).toMatch(/^retrieval\/multi-key, depth +256\n0 % +0\/2$/m);
    const picture = readFileSync(here.path("needles.svg"), "utf8");
    expect(picture.match(/>0\/2</g)).toHaveLength(22);
    expect(picture.match(/>100 %</g)).toHaveLength(2);
  });

  test("gives bits per byte of generators and of a text, and asks nothing else", async () => {
    const args = ["--bits-per-byte", "--text", "notes.txt", "--tasks", "1", "--json"];
    const { exitCode, stdout } = await here.run([...EVAL, ...args]);
    expect(exitCode).toBe(0);
    const { suites, bitsPerByte } = JSON.parse(stdout) as Report;
    expect(suites).toEqual([]);
    expect(bitsPerByte.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["stories", "tools", "chinese", "notes.txt"]),
    );
    for (const { bitsPerByte: bits, crossEntropy, numBytes, numTokens } of bitsPerByte) {
      expect(bits).toBeCloseTo((crossEntropy * numTokens) / Math.LN2 / numBytes, 10);
      expect(crossEntropy).toBeGreaterThan(3);
    }
    const { stdout: table } = await here.run([...EVAL, "--text", "notes.txt", "--context", "64"]);
    expect(table).toMatch(/^notes\.txt +1 +\d+ +\d+\.\d{3}/m);
    expect(table).toContain("pieces of at most 64 tokens");
  });

  test("asks the tasks of a file", async () => {
    const { exitCode, stdout } = await here.run([...EVAL, "--file", "gsm8k.jsonl", "--max-tokens", "4"]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^gsm8k\/direct +3 +0\.0 %/m);
    expect(stdout).toMatch(/^gsm8k\/thinking +3 +0\.0 %/m);
    expect(stdout).not.toContain("arithmetic");
  });

  test.skipIf(!HAS_PYTHON)("runs programs where that is asked for", async () => {
    const args = ["--file", "humaneval.jsonl", "--file", "mbpp.jsonl", "--suite", "humaneval/direct,mbpp/direct"];
    const { exitCode, stdout } = await here.run([...EVAL, ...args, "--run-code", "--max-tokens", "4"]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^humaneval\/direct +3 +0\.0 %/m);
    expect(stdout).toMatch(/^mbpp\/direct +3 +0\.0 %/m);
  });

  test("gives what is finished when it is stopped", async () => {
    const child = here.spawn([...EVAL, "--suite", "talk", "--tasks", "100000", "--out", "part.json"]);
    const ended = resultOf(child);
    await new Promise<void>((resolve) => {
      child.stderr.on("data", (chunk: Buffer) => {
        if (chunk.toString().includes("answered")) resolve();
      });
      child.once("close", () => resolve());
    });
    child.kill("SIGINT");
    const { exitCode, stdout, stderr } = await ended;
    expect(exitCode).toBe(130);
    expect(stdout).toContain("talk");
    expect(stderr).toMatch(/Interrupted after \d+ of 100000 tasks/);
    expect(JSON.parse(readFileSync(here.path("part.json"), "utf8"))).toMatchObject({ isInterrupted: true });
    expect(existsSync(here.path("part.json.part"))).toBe(false);
  });

  test.each([
    [["--suite", "poetry"], "Suites: arithmetic/direct"],
    [["--lengths", "1M"], "--help"],
    [["--lengths", "512K"], "give other lengths"],
    [["--tasks", "0"], "--help"],
    [["--temperature", "-1"], "--help"],
    [["--file", "humaneval.jsonl"], "--run-code"],
    [["--file", "notes.txt"], "expected a JSON object"],
    [["--file", "gsm8k.jsonl", "--file", "gsm8k.jsonl"], "rename one"],
    [["--text", "empty.txt"], "found an empty file"],
    [["--suite", "json", "--needle-grid", "needles.svg"], "retrieval/single"],
  ])("%j is refused with a hint", async (args, hint) => {
    const { exitCode, stderr } = await here.run([...EVAL, ...args]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(hint);
  });
});
