// Tasks of public benchmarks, from a file in the form in which their authors publish them: GSM8K, HumanEval and MBPP as
// JSON lines, recognised by their fields and graded as their authors do.
//
// Each file becomes two suites, answered at once and after thinking. What a chat model has to be told about the form of
// an answer is added to the task's own words. Python is graded by running it, so a runner must be given.
// Refuses to know where files come from, and how Python is run.

import { codeOf } from "../train/data/run-code.ts";
import { conversation } from "../train/data/sample.ts";
import { MimoError } from "../util/errors.ts";
import { type EvalTask, judge, type Suite } from "./suites.ts";

/** What went wrong in a program, if anything did. */
export type PythonRunner = (program: string) => Promise<string | undefined>;

interface Problem {
  readonly question: string;
  /** An answer that is right. */
  readonly answer: string;
  readonly grade: EvalTask["grade"];
}

type Row = Readonly<Record<string, unknown>>;

interface Format {
  readonly name: string;
  readonly about: string;
  readonly fields: readonly string[];
  readonly needsPython: boolean;
  /** Undefined where the fields do not hold what they should. */
  readonly read: (row: Row, runPython: PythonRunner) => Problem | undefined;
}

const FORMATS: readonly Format[] = [
  {
    name: "GSM8K",
    about: "word problems, by the number after ####",
    fields: ["question", "answer"],
    needsPython: false,
    read: readGsm8k,
  },
  {
    name: "HumanEval",
    about: "Python functions to complete, by their tests",
    fields: ["task_id", "prompt", "canonical_solution", "test", "entry_point"],
    needsPython: true,
    read: readHumanEval,
  },
  {
    name: "MBPP",
    about: "Python from a description, by its tests",
    fields: ["task_id", "code", "test_list"],
    needsPython: true,
    read: readMbpp,
  },
];

export interface StandardFile {
  /** Of the suites. */
  readonly name: string;
  /** As errors name it. */
  readonly path: string;
  readonly text: string;
}

/** Most tokens of an answer, at once and after thinking. */
const MAX_TOKENS = { direct: 2048, thinking: 8192 } as const;

/**
 * The suites of a file. Throws `invalid_argument` with the line at fault, and where answers are programs and there is
 * no runner.
 */
export function standardSuites({ name, path, text }: StandardFile, runPython: PythonRunner | undefined): Suite[] {
  const lines = text.split("\n").flatMap((line, i) => (line.trim() === "" ? [] : [{ line, number: i + 1 }]));
  const rows = lines.map(({ line, number }) => parseRow(line, `${path}, line ${number}`));
  const format = FORMATS.find(({ fields }) => rows[0] !== undefined && fields.every((field) => field in rows[0]!));
  if (format === undefined) {
    const found = rows[0] === undefined ? "an empty file" : `the fields ${Object.keys(rows[0]).join(", ")}`;
    const forms = FORMATS.map((one) => `${one.name} (${one.fields.join(", ")})`).join(", ");
    throw badFile(path, `JSON lines of ${forms}`, found);
  }
  if (format.needsPython && runPython === undefined) {
    throw new MimoError("invalid_argument", `${path}: ${format.name} is graded by running the model's Python.`, {
      param: "file",
      remedy:
        "Add --run-code to allow that. Programs have limits of time and memory, but your rights, files and network: use a container for a model you do not trust.",
    });
  }
  const run: PythonRunner = runPython ?? (() => Promise.resolve(undefined));
  const problems = rows.map((row, i) => {
    const problem = format.read(row, run);
    if (problem !== undefined) return problem;
    throw badFile(
      `${path}, line ${lines[i]!.number}`,
      `a task of ${format.name}`,
      `the fields ${Object.keys(row).join(", ")}, or other values in them`,
    );
  });
  return (["direct", "thinking"] as const).map((mode) => ({
    name: `${name}/${mode}`,
    about: `${format.about}, ${mode === "thinking" ? "thinking first" : "answered at once"}`,
    maxTokens: MAX_TOKENS[mode],
    parts: [],
    numTasks: problems.length,
    tasks: () => problems.map((problem) => taskOf(problem, mode === "thinking")).values(),
  }));
}

function taskOf({ question, answer, grade }: Problem, thinking: boolean): EvalTask {
  const sample = conversation([{ question, answer, reasoning: "" }], { thinking });
  return { sample, task: { prompt: sample.messages.slice(0, -1), answer }, grade };
}

function parseRow(line: string, place: string): Row {
  try {
    const row: unknown = JSON.parse(line);
    if (typeof row === "object" && row !== null && !Array.isArray(row)) return row as Row;
  } catch {
    // Refused below, as any line that is no object.
  }
  throw badFile(place, "a JSON object", JSON.stringify(line.slice(0, 40)));
}

function badFile(place: string, expected: string, found: string): MimoError {
  return new MimoError("invalid_argument", `${place}: expected ${expected}, found ${found}.`, { param: "file" });
}

/** Cobbe et al. 2021: the first number after ####, without commas. */
function readGsm8k({ question, answer }: Row): Problem | undefined {
  if (typeof question !== "string" || typeof answer !== "string") return undefined;
  const expected = numberAfterMarks(answer);
  if (expected === undefined) return undefined;
  return {
    question: `${question}\n\nEnd your answer with #### and the number.`,
    answer,
    grade: (content) => judge(numberAfterMarks(content) === expected),
  };
}

function numberAfterMarks(text: string): number | undefined {
  const [, digits] = /#### (-?[\d.,]+)/.exec(text) ?? [];
  const value = digits === undefined ? Number.NaN : Number(digits.replaceAll(",", ""));
  return Number.isNaN(value) ? undefined : value;
}

/** Chen et al. 2021: the completed function, the task's `check`, and its call. */
function readHumanEval(row: Row, runPython: PythonRunner): Problem | undefined {
  const { prompt, canonical_solution: solution, test, entry_point: name } = row;
  if ([prompt, solution, test, name].some((value) => typeof value !== "string")) return undefined;
  // It becomes a part of the program.
  if (!/^\w+$/.test(String(name))) return undefined;
  return {
    question: `Complete this Python function. Answer with the whole function in one block of code.\n\n\`\`\`python\n${String(prompt)}\`\`\``,
    answer: String(solution),
    grade: (content) => {
      const code = codeOf(content);
      // A whole function stands behind the beginning, which gives it imports and helpers; a completion goes on from it.
      const isWhole = new RegExp(`^\\s*(?:async )?def ${String(name)}\\b`, "m").test(code);
      const completed = `${String(prompt)}${isWhole ? "\n" : ""}${code}`;
      return runPython(`${completed}\n\n${String(test)}\n\ncheck(${String(name)})\n`);
    },
  };
}

/** Austin et al. 2021: the code, then every assertion; in their words, without examples of other tasks. */
function readMbpp(row: Row, runPython: PythonRunner): Problem | undefined {
  const { code, test_list: tests, test_setup_code: setup = "", test_imports: imports = [] } = row;
  // The sanitized set calls the description "prompt".
  const description = row["text"] ?? row["prompt"];
  if (typeof description !== "string" || typeof code !== "string" || typeof setup !== "string") return undefined;
  if (!isTexts(tests) || !isTexts(imports)) return undefined;
  return {
    question: `You are an expert Python programmer, and here is your task: ${description} Your code should pass these tests:\n\n${tests.join("\n")}\n\nAnswer with the code in one block.`,
    answer: code,
    grade: (content) => runPython([...imports, codeOf(content), setup, ...tests, ""].join("\n")),
  };
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}
