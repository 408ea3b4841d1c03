// The suites: which held-out tasks of which generators, with how many tokens to answer, and what is told in detail.
//
// Every task is one that training cannot have shown, because the split is by content. Tasks of a suite are distinct,
// the same for every model, and come in one order, so that a run with fewer of them sees the first ones of a longer run.
// A conversation reads as in training: its thinking flag, tools and earlier turns are the sample's own.
// Refuses to know models, and how an answer comes about.

import { arithmetic } from "../train/data/arithmetic.ts";
import { chinese } from "../train/data/chinese.ts";
import { code } from "../train/data/code.ts";
import { htmlProblem } from "../train/data/html-check.ts";
import { html } from "../train/data/html.ts";
import { identity } from "../train/data/identity.ts";
import { json } from "../train/data/json.ts";
import { retrieval, type RetrievalKind } from "../train/data/retrieval.ts";
import { codeOf } from "../train/data/run-code.ts";
import { type ChatSample, type Generator, sampleAt, type Task } from "../train/data/sample.ts";
import { stories } from "../train/data/stories.ts";
import { tools } from "../train/data/tools.ts";
import { MimoError } from "../util/errors.ts";

export interface EvalTask {
  /** The whole conversation: what follows the task's prompt in it is a solution. */
  readonly sample: ChatSample;
  readonly task: Omit<Task, "accepts">;
  /** Why a final answer is wrong; undefined where it is right. */
  readonly grade: (content: string) => string | undefined | Promise<string | undefined>;
  /** The line of detail in which the task counts, one of the suite's parts. */
  readonly part?: string | undefined;
  /** Where the needle stands, one of the suite's depths. */
  readonly depth?: number | undefined;
}

export interface Suite {
  /** "group" or "group/member". */
  readonly name: string;
  readonly about: string;
  /** Most tokens of one answer or one round of calls: well beyond what a solution takes. */
  readonly maxTokens: number;
  readonly parts: readonly string[];
  /** Depths at which needles stand in turn: results are told by part and depth, too. */
  readonly depths?: readonly number[] | undefined;
  /** How many tasks there are, where they are a known few: all are asked by default. */
  readonly numTasks?: number | undefined;
  /** Whether an answer has the right form, whatever it says; told in detail as "parses". */
  readonly parses?: ((content: string) => boolean) | undefined;
  readonly tasks: (seed: number) => Iterator<EvalTask, unknown>;
}

export interface SuiteOptions {
  /** Lengths of the retrieval tasks in tokens, prompt and answer together. None: no retrieval. */
  readonly lengths: readonly number[];
  /** Tokens of a text by the model's tokenizer. */
  readonly countTokens: (text: string) => number;
  /** Where the needle of single and multi-key stands, from 0 to 1; anywhere where they are undefined. */
  readonly depths?: readonly number[] | undefined;
}

/** Of a suite that has no end. */
export const DEFAULT_TASKS = 100;
/** Draws in a row that bring no new task, after which a suite has no more. */
const MAX_MISSES = 3000;

export function createSuites(options: SuiteOptions): Suite[] {
  return [
    ...([false, true] as const).map(arithmeticSuite),
    toolSuite(),
    ...(options.lengths.length === 0
      ? []
      : RETRIEVAL_KINDS.map(([kind, about]) => retrievalSuite(kind, about, options))),
    {
      name: "stories",
      about: "questions about a story",
      maxTokens: 512,
      parts: [],
      tasks: tasksOf(stories, { plainShare: 0, questionTextShare: 0, requestShare: 0 }),
    },
    {
      name: "html",
      about: "pages that are well formed and show what was asked for",
      maxTokens: 2048,
      parts: [],
      parses: (content) => htmlProblem(codeOf(content)) === undefined,
      tasks: tasksOf(html, { textShare: 0 }),
    },
    {
      name: "json",
      about: "records as JSON with the right values",
      maxTokens: 1024,
      parts: [],
      parses: (content) => isJson(codeOf(content)),
      tasks: tasksOf(json, {}),
    },
    {
      name: "code/write",
      about: "JavaScript functions that pass their tests",
      maxTokens: 1024,
      parts: [],
      tasks: tasksOf(code, { textShare: 0, explainShare: 0, predictShare: 0 }),
    },
    {
      name: "code/predict",
      about: "what a call of a function returns",
      maxTokens: 256,
      parts: [],
      tasks: tasksOf(code, { textShare: 0, explainShare: 0, predictShare: 1 }),
    },
    {
      name: "identity",
      about: "questions whose answer names the model or its makers",
      maxTokens: 1024,
      parts: [],
      tasks: tasksOf(identity, {}, isAboutItself),
    },
    {
      name: "talk",
      about: "small talk, simple facts, the date",
      maxTokens: 1024,
      parts: [],
      tasks: tasksOf(identity, {}, (task) => !isAboutItself(task)),
    },
    {
      name: "chinese",
      about: "greetings, sums and questions about sentences, in Chinese",
      maxTokens: 512,
      parts: [],
      tasks: tasksOf(chinese, { textShare: 0 }),
    },
  ];
}

/** Suites by name or group, in the order of the list. Throws `invalid_argument` for a name that is neither. */
export function selectSuites(suites: readonly Suite[], names: readonly string[]): Suite[] {
  const matches = (suite: Suite, name: string): boolean => suite.name === name || suite.name.startsWith(`${name}/`);
  const unknown = names.find((name) => !suites.some((suite) => matches(suite, name)));
  if (unknown !== undefined) {
    throw new MimoError("invalid_argument", `There is no suite "${unknown}".`, {
      param: "suite",
      remedy: `Suites: ${suites.map(({ name }) => name).join(", ")}. The word before the slash names all of its kind.`,
    });
  }
  return suites.filter((suite) => names.some((name) => matches(suite, name)));
}

/** How many tasks of a suite are asked. */
export function countTasks({ numTasks = Infinity }: Suite, tasks: number | undefined): number {
  return Math.min(numTasks, tasks ?? (numTasks === Infinity ? DEFAULT_TASKS : numTasks));
}

function arithmeticSuite(thinking: boolean): Suite {
  return {
    name: thinking ? "arithmetic/thinking" : "arithmetic/direct",
    about: `sums and differences of up to 4 digits, ${thinking ? "worked out first" : "answered at once"}`,
    maxTokens: thinking ? 1024 : 128,
    parts: ["2 digits", "3 digits", "4 digits"],
    tasks: tasksOf(
      arithmetic,
      { maxDigits: 4, textShare: 0, chainShare: 0, productShare: 0, thinkingShare: thinking ? 1 : 0 },
      () => true,
      ({ task }) => {
        const numbers = task.prompt.at(-1)!.content.match(/\d+/g) ?? [];
        return `${Math.max(...numbers.map((number) => number.length))} digits`;
      },
    ),
  };
}

function toolSuite(): Suite {
  const parts = ["no call", "one call", "several calls"];
  return {
    name: "tools",
    about: "questions that tools answer, in as many rounds as it takes",
    maxTokens: 512,
    parts,
    tasks: tasksOf(
      tools,
      {},
      () => true,
      (task) => parts[Math.min(2, solutionOf(task).flatMap(({ tool_calls: calls }) => calls ?? []).length)]!,
    ),
  };
}

const RETRIEVAL_KINDS: readonly (readonly [RetrievalKind, string])[] = [
  ["single", "one fact in a long text"],
  ["multi-key", "one of many facts in a long text"],
  ["multi-value", "all values of one key in a long text"],
  ["variables", "a chain of variables through a long text"],
];

function retrievalSuite(kind: RetrievalKind, about: string, options: SuiteOptions): Suite {
  const { lengths, countTokens } = options;
  const depths = kind === "single" || kind === "multi-key" ? options.depths : undefined;
  return {
    name: `retrieval/${kind}`,
    about,
    maxTokens: 512,
    parts: lengths.map(nameLength),
    depths,
    // The same facts are hidden at every length and depth: what differs is the text around them.
    *tasks(seed) {
      const cells = (depths ?? [undefined]).flatMap((depth) =>
        lengths.map((length) => {
          // Room for the question, the template and the answer.
          const numTokens = length - Math.min(256, Math.floor(length / 4));
          const size = { minTokens: numTokens, maxTokens: numTokens, countTokens };
          const iterator = tasksOf(retrieval, { kinds: [kind], ...size, depth })(seed);
          return { part: nameLength(length), depth, iterator };
        }),
      );
      for (;;) {
        for (const { part, depth, iterator } of cells) {
          const { value, done } = iterator.next();
          if (done === true) return;
          yield { ...value, part, depth };
        }
      }
    },
  };
}

/** Lengths in binary thousands, as they are given: 2048 as "2K". */
function nameLength(length: number): string {
  return length % 1024 === 0 ? `${length / 1024}K` : String(length);
}

/** What the conversation says after the task's prompt: calls, results and the answer. */
export function solutionOf({ sample, task }: Pick<EvalTask, "sample" | "task">): ChatSample["messages"] {
  return sample.messages.slice(task.prompt.length);
}

function tasksOf<Options extends object>(
  generator: Generator<Options>,
  options: Partial<Options>,
  fits: (task: Task) => boolean = () => true,
  partOf: (task: Pick<EvalTask, "sample" | "task">) => string | undefined = () => undefined,
): (seed: number) => Iterator<EvalTask, void> {
  return function* drawTasks(seed) {
    const seen = new Set<string>();
    let misses = 0;
    for (let index = 0; misses < MAX_MISSES; index++) {
      const sample = sampleAt(generator, options, { split: "heldout", seed, index });
      const task = sample.kind === "chat" ? sample.task : undefined;
      if (sample.kind !== "chat" || task === undefined || !fits(task) || seen.has(keyOf(sample, task))) {
        misses++;
        continue;
      }
      misses = 0;
      seen.add(keyOf(sample, task));
      yield { sample, task, grade: (content) => judge(task.accepts(content)), part: partOf({ sample, task }) };
    }
  };
}

/** What grading without further knowledge has to say. */
export function judge(isRight: boolean): string | undefined {
  return isRight ? undefined : "The answer is not the right one.";
}

function keyOf({ thinking, tools: offered }: ChatSample, { prompt }: Task): string {
  return JSON.stringify([thinking, offered.map((tool) => tool.function.name), prompt]);
}

/** Only such answers name the model or its makers. */
function isAboutItself({ answer }: Task): boolean {
  return /\b(?:nano|mimo)/i.test(answer);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
