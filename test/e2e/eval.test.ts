// `mimo eval` as people run it, on random weights: nothing is right, and everything about that is reported.

import { existsSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Evaluation } from "../../src/eval/evaluate.ts";
import type { Speed } from "../../src/eval/speed.ts";
import { resultOf, Surroundings } from "./command.ts";

const here = await Surroundings.create();
afterAll(() => here[Symbol.dispose]());

/** One thread: prompts are short, and other tests run beside. */
const EVAL = ["eval", "tiny", "--threads", "1"] as const;

interface Report extends Evaluation {
  readonly settings: Readonly<Record<string, unknown>>;
  readonly speculation: { readonly depth: number; readonly tokensPerStep: number };
  readonly speed?: Speed;
}

beforeAll(async () => {
  expect((await here.run(["init", "--preset", "tiny", "--seed", "1", "tiny"])).exitCode).toBe(0);
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
    expect(report.speed!.numEqual).toBe(report.speed!.numTasks);
    expect(report.speed!.rows[0]).toMatchObject({ depth: 0, tokensPerStep: 1 });
    const again = JSON.parse((await here.run([...args, "--concurrency", "1", "--json"])).stdout) as Report;
    expect(again.suites.map(({ meanTokens, right }) => [meanTokens, right])).toEqual(
      report.suites.map(({ meanTokens, right }) => [meanTokens, right]),
    );
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
  ])("%j is refused with a hint", async (args, hint) => {
    const { exitCode, stderr } = await here.run([...EVAL, ...args]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(hint);
  });
});
