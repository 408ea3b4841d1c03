// Files in the form of public benchmarks: what is recognised, what counts as right, and programs that are run to know.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { evaluate } from "./evaluate.ts";
import { runPython } from "./run-python.ts";
import { type PythonRunner, standardSuites } from "./standard-files.ts";
import type { Suite } from "./suites.ts";
import { generationOf, PerfectModel, takeTasks } from "./testing.ts";

const PATH = process.env["PATH"] ?? "";
const HAS_PYTHON = spawnSync("python3", ["-c", "pass"]).status === 0;
/** More than a busy machine takes to start Python. */
const AMPLE_MS = 60_000;

const run: PythonRunner = (program) => runPython(program, { path: PATH, timeoutMs: AMPLE_MS });

function open(name: string, runner?: PythonRunner): Suite[] {
  const text = readFileSync(new URL(`../../test/standard-files/${name}.jsonl`, import.meta.url), "utf8");
  return standardSuites({ name, path: `${name}.jsonl`, text }, runner);
}

async function gradesOf(suite: Suite, index: number, ...contents: readonly string[]): Promise<(string | undefined)[]> {
  const { grade } = takeTasks(suite, index + 1)[index]!;
  return Promise.all(contents.map(async (content) => grade(content)));
}

const RIGHT = undefined;
const WRONG = "The answer is not the right one.";

test("a file is two suites of all its tasks, at once and after thinking", async () => {
  const suites = open("gsm8k");
  expect(suites.map(({ name }) => name)).toEqual(["gsm8k/direct", "gsm8k/thinking"]);
  const perfect = new PerfectModel(suites.flatMap((suite) => takeTasks(suite, 9)));
  const { suites: results } = await evaluate(perfect, suites);
  expect(results.map(({ right, count }) => [right, count])).toEqual([
    [3, 3],
    [3, 3],
  ]);
  expect((await evaluate(perfect, suites, { tasks: 2 })).suites[0]).toMatchObject({ count: 2 });
  expect(takeTasks(suites[1]!, 1)[0]!.sample.thinking).toBe(true);
});

test("GSM8K goes by the number after the marks", async () => {
  const [suite] = open("gsm8k");
  const given = ["84", "It is #### 84", "#### 84.", "#### 85", "#### eighty-four", "#### 84, not #### 85"];
  expect(await gradesOf(suite!, 0, ...given)).toEqual([WRONG, RIGHT, RIGHT, WRONG, WRONG, RIGHT]);
  expect(await gradesOf(suite!, 1, "#### 1790", "#### 1,790", "#### 1.790")).toEqual([RIGHT, RIGHT, WRONG]);
  expect(await gradesOf(suite!, 2, "#### -5", "#### 5")).toEqual([RIGHT, WRONG]);
});

test.each([
  ["", "found an empty file"],
  ['{"title": "x", "year": 1}', "found the fields title, year"],
  [
    '{"question": "x", "answer": "#### 1"}\n\n{"question": "y", "answer": "2"}',
    "x.jsonl, line 3: expected a task of GSM8K",
  ],
  ['{"question": "x", "answer": "#### 1"}\n[1]', 'x.jsonl, line 2: expected a JSON object, found "[1]"'],
])("%j is refused with what it is", (text, message) => {
  expect(() => standardSuites({ name: "x", path: "x.jsonl", text }, undefined)).toThrow(message);
});

test.each(["humaneval", "mbpp"])("%s is refused where programs must not run", (name) => {
  expect(() => open(name)).toThrow(
    expect.objectContaining({ remedy: expect.stringContaining("--run-code") as string }),
  );
});

test("a name that is none does not become a part of a program", () => {
  const row = { task_id: "0", prompt: "", canonical_solution: "", test: "", entry_point: "f) or (1" };
  expect(() => standardSuites({ name: "x", path: "x", text: JSON.stringify(row) }, run)).toThrow(/a task of HumanEval/);
});

describe.skipIf(!HAS_PYTHON)("programs", () => {
  test.each(["humaneval", "mbpp"])("%s passes with its own solutions, and fails without", async (name) => {
    const [suite] = open(name, run);
    const tasks = takeTasks(suite!, 9);
    const perfect = await evaluate(new PerfectModel(tasks), [suite!], { concurrency: 2, failures: 3 });
    expect(perfect.suites[0]).toMatchObject({ right: 3, count: 3, failures: [] });
    const nonsense = { generate: () => Promise.resolve(generationOf({ text: "I would rather not." })) };
    expect((await evaluate(nonsense, [suite!], { concurrency: 2 })).suites[0]).toMatchObject({ right: 0, count: 3 });
  });

  test("a completion may be the whole function, in a block, and needs the imports of its beginning", async () => {
    const [suite] = open("humaneval", run);
    const answer = (sum: string): string =>
      `Here it is:\n\`\`\`python\ndef mean_distance(points: list) -> float:\n    return ${sum} / len(points)\n\`\`\`\nDone.`;
    const [right, wrong] = await gradesOf(
      suite!,
      1,
      answer("sum(math.hypot(*point) for point in points)"),
      answer("sum(abs(x) for x, _ in points)"),
    );
    expect(right).toBe(RIGHT);
    expect(wrong).toBe("The program failed: AssertionError.");
  });

  test.each<readonly [program: string, problem: string | undefined]>([
    ["assert 1 + 1 == 2", undefined],
    ["import sys; sys.exit(0)", "SystemExit"],
    ["import os; os._exit(0)", "it ended too early"],
    ["open('big', 'wb').write(b'x' * 2**25)", "OSError"],
    ["def f(:", "SyntaxError"],
    ["import os; assert 'HOME' not in os.environ", undefined],
    ["import os; assert set(os.listdir('.')) == {'program.py', 'stderr.txt'}", undefined],
  ])("%s ends with %j", async (program, problem) => {
    const found = await run(program);
    if (problem === undefined) expect(found).toBeUndefined();
    else expect(found).toContain(problem);
  });

  test.runIf(process.platform === "linux")("memory has a limit, where the system enforces one", async () => {
    expect(await run("x = 'a' * 2**32")).toContain("MemoryError");
  });

  test("one without end is stopped", async () => {
    const program = "while True: pass";
    expect(await runPython(program, { path: PATH, timeoutMs: 1000 })).toBe("The program did not end within 1 s.");
  });

  test("what one has started ends with it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "mimo-started-"));
    try {
      const file = JSON.stringify(join(folder, "pid"));
      const start = "import subprocess; child = subprocess.Popen(['sleep', '600'])";
      expect(await run(`${start}; open(${file}, 'w').write(str(child.pid))`)).toBeUndefined();
      const pid = readFileSync(join(folder, "pid"), "utf8");
      const stateOf = (): string => spawnSync("ps", ["-o", "stat=", "-p", pid], { encoding: "utf8" }).stdout.trim();
      // Gone, or ended and not yet collected.
      await expect.poll(stateOf, { timeout: AMPLE_MS }).toMatch(/^(?:Z.*)?$/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

test("where there is no python3, that is said", async () => {
  await expect(runPython("pass", { path: "/nowhere" })).rejects.toMatchObject({
    code: "not_found",
    remedy: expect.stringContaining("Install Python 3") as string,
  });
});
