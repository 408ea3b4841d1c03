// Suites and their grading, with models that know everything or nothing, and prompts compared with training's tokens.

import { describe, expect, test } from "vitest";
import { createByteTokenizer } from "../tokenizer/byte-tokenizer.ts";
import { encodeChat } from "../tokenizer/chat.ts";
import { Tokenizer } from "../tokenizer/tokenizer.ts";
import { encodeSample } from "../train/dataset.ts";
import { abortedError, MimoError } from "../util/errors.ts";
import { fitCurve } from "./accept-fit.ts";
import { attempt, MAX_CALLS, MAX_ROUNDS } from "./attempt.ts";
import { evaluate } from "./evaluate.ts";
import { differenceOf, shareOf } from "./interval.ts";
import { compareSpeed } from "./speed.ts";
import { createSuites, type EvalTask, selectSuites, solutionOf, type Suite } from "./suites.ts";
import { generationOf, PerfectModel, takeTasks } from "./testing.ts";
import { thinkingGains } from "./thinking.ts";

const suites = createSuites({ lengths: [256, 1024], countTokens: (text) => Math.ceil(text.length / 3) });
const NUM_TASKS = 40;
const tasks = new Map(suites.map((suite) => [suite.name, takeTasks(suite, NUM_TASKS)]));
const perfect = new PerfectModel([...tasks.values()].flat());
const suiteOf = (name: string): Suite => selectSuites(suites, [name])[0]!;

describe("the interval", () => {
  test.each([
    [0, 10, 0, 0.2775],
    [10, 10, 0.7225, 1],
    [5, 10, 0.2366, 0.7634],
    [81, 263, 0.2553, 0.3662],
    [0, 0, 0, 1],
  ])("%i of %i is Wilson's", (right, count, low, high) => {
    const share = shareOf(right, count);
    expect(share.low).toBeCloseTo(low, 4);
    expect(share.high).toBeCloseTo(high, 4);
    expect(share).toMatchObject({ right, count, share: count === 0 ? 0 : right / count });
  });
});

test.each([
  [[56, 70], [48, 80], 0.0524, 0.3339],
  [[9, 10], [3, 10], 0.1705, 0.809],
  [[10, 10], [0, 20], 0.6791, 1],
] as const)("the interval of the difference of %j and %j is Newcombe's", ([a, b], [c, d], low, high) => {
  const found = differenceOf(shareOf(a, b), shareOf(c, d));
  expect(found.difference).toBeCloseTo(a / b - c / d, 10);
  expect(found.low).toBeCloseTo(low, 4);
  expect(found.high).toBeCloseTo(high, 4);
});

describe("the curve of accept length", () => {
  const points = (a: number, b: number, errors: readonly number[]) =>
    [0.05, 0.2, 0.4, 0.7, 1.1].map((x, i) => [x, 4 * (1 - a * x ** b) + errors[i % errors.length]!] as const);

  test.each([
    [0.58, 0.58],
    [0.3, 1.7],
    [0.9, 0.12],
  ])("is found again for a = %f, b = %f", (a, b) => {
    const fit = fitCurve(points(a, b, [0]), 4)!;
    expect(fit.a).toBeCloseTo(a, 4);
    expect(fit.b).toBeCloseTo(b, 4);
    expect(fit).toMatchObject({ maxLength: 4, numSuites: 5 });
    expect(fit.r2).toBeCloseTo(1, 6);
  });

  test("explains less where points stray, and nothing where there are few or all are alike", () => {
    const { r2 } = fitCurve(points(0.58, 0.58, [0.2, -0.2]), 4)!;
    expect(r2).toBeGreaterThan(0.8);
    expect(r2).toBeLessThan(0.99);
    expect(fitCurve(points(0.58, 0.58, [0]).slice(0, 2), 4)).toBeUndefined();
    expect(
      fitCurve(
        [0.1, 0.2, 0.3].map((x) => [x, 2] as const),
        4,
      ),
    ).toBeUndefined();
  });
});

describe("suites", () => {
  test.each(suites.map((suite) => [suite.name, suite] as const))("%s has tasks, parts and room", (name, suite) => {
    const made = tasks.get(name)!;
    expect(made).toHaveLength(NUM_TASKS);
    expect(new Set(made.map(({ task }) => JSON.stringify(task.prompt))).size).toBeGreaterThan(NUM_TASKS / 2);
    expect(new Set(made.map(({ part }) => part ?? ""))).toEqual(new Set(suite.parts.length === 0 ? [""] : suite.parts));
    // A token is a character or more, so these limits are ample for any vocabulary of letters.
    for (const message of made.flatMap(solutionOf)) {
      const { content, reasoning_content: reasoning, tool_calls: calls } = message;
      expect(`${reasoning ?? ""}${content}${JSON.stringify(calls ?? "")}`.length).toBeLessThan(suite.maxTokens);
    }
    expect(takeTasks(suite, 3)).toMatchObject(
      made.slice(0, 3).map(({ task: { prompt, answer } }) => ({ task: { prompt, answer } })),
    );
  });

  test("prompts are the beginning of what training reads", () => {
    const { tokenizerJson, tokenizerConfig } = createByteTokenizer({ vocabSize: 512 });
    const tokenizer = Tokenizer.fromJson(tokenizerJson, tokenizerConfig);
    for (const { sample, task } of [...tasks.values()].flatMap((all) => all.slice(0, 4))) {
      const { tools, thinking } = sample;
      const { ids } = encodeChat(tokenizer, { messages: task.prompt, tools, enableThinking: thinking });
      expect([...encodeSample(tokenizer, sample, "all").tokens].slice(0, ids.length)).toEqual(ids);
    }
  });

  test("are selected by name or group", () => {
    expect(selectSuites(suites, ["code", "tools"]).map(({ name }) => name)).toEqual([
      "tools",
      "code/write",
      "code/predict",
    ]);
    expect(() => selectSuites(suites, ["cod"])).toThrow(/no suite "cod"/);
    expect(createSuites({ lengths: [], countTokens: () => 1 }).some(({ name }) => name.startsWith("retrieval"))).toBe(
      false,
    );
  });
});

describe("an evaluation", () => {
  test("of a model that knows every solution finds nothing wrong", async () => {
    const {
      suites: results,
      tokensPerStep,
      isInterrupted,
    } = await evaluate(perfect, suites, { tasks: NUM_TASKS, failures: 1 });
    expect(results.flatMap(({ suite, failures }) => failures.map(({ problem }) => `${suite}: ${problem}`))).toEqual([]);
    expect({ tokensPerStep, isInterrupted }).toEqual({ tokensPerStep: 3, isInterrupted: false });
    for (const { suite, share, count, crossEntropy, details } of results) {
      expect({ suite, share, count, crossEntropy }).toEqual({ suite, share: 1, count: NUM_TASKS, crossEntropy: 0.5 });
      expect(details.filter((detail) => detail.share < 1)).toEqual([]);
      const { parts } = suiteOf(suite);
      expect(details.slice(0, parts.length).map(({ name }) => name)).toEqual(parts);
    }
    expect(results.find(({ suite }) => suite === "tools")!.details.at(-1)!.name).toBe("valid calls");
    expect(results.find(({ suite }) => suite === "html")!.details).toMatchObject([
      { name: "parses", right: NUM_TASKS },
    ]);
  });

  test("of a model that talks nonsense finds nothing right", async () => {
    const nonsense = { generate: () => Promise.resolve(generationOf({ text: "<blub" })) };
    const { suites: results } = await evaluate(nonsense, suites, { tasks: NUM_TASKS, failures: 2 });
    for (const { suite, right, count, failures, details } of results) {
      expect({ suite, right, count, failures: failures.length }).toEqual({
        suite,
        right: 0,
        count: NUM_TASKS,
        failures: 2,
      });
      expect(details.filter((detail) => detail.right > 0)).toEqual([]);
    }
  });

  test("counts invalid calls", async () => {
    const calls = [{ name: "no_such_tool", arguments: {} }, { error: "A tool call must begin with <function=NAME>." }];
    const caller = { generate: () => Promise.resolve(generationOf({ toolCalls: calls })) };
    const {
      suites: [result],
    } = await evaluate(caller, [suiteOf("tools")], { tasks: 5 });
    expect(result).toMatchObject({ right: 0, count: 5 });
    expect(result!.details.at(-1)).toMatchObject({ name: "valid calls", right: 0, count: 10 });
  });

  test("is the same for any concurrency, and interrupted gives what is finished", async () => {
    const controller = new AbortController();
    let numAnswers = 0;
    const generate: typeof perfect.generate = async (options) => {
      if (++numAnswers === 30) controller.abort();
      if (options.signal?.aborted === true) throw abortedError();
      return perfect.generate(options);
    };
    const whole = await evaluate(perfect, suites, { tasks: 7, concurrency: 1 });
    expect(await evaluate(perfect, suites, { tasks: 7, concurrency: 16 })).toEqual(whole);
    const part = await evaluate({ generate }, suites, { tasks: 20, concurrency: 3, signal: controller.signal });
    expect(part.isInterrupted).toBe(true);
    expect(part.suites[0]).toMatchObject({ right: 20, count: 20 });
    expect(part.suites.at(-1)!.count).toBe(0);
  });

  test("tells needles by length and depth", async () => {
    const depths = [0, 0.5, 1];
    const countTokens = (text: string): number => Math.ceil(text.length / 3);
    const atDepths = selectSuites(createSuites({ lengths: [256, 1024], countTokens, depths }), ["retrieval"]);
    const asked = atDepths.flatMap((suite) => takeTasks(suite, 30));
    // This one reads the second half of a text only.
    const model = new PerfectModel(asked.filter(({ depth }) => depth !== 0));
    const generate: typeof model.generate = (options) =>
      model.knows(options) ? model.generate(options) : Promise.resolve(generationOf({ text: "Nobody knows." }));
    const { suites: results } = await evaluate({ generate }, atDepths, { tasks: 30 });
    const [single, multiKey, ...others] = results;
    for (const { grid } of [single!, multiKey!]) {
      expect(grid!.map(({ part, depth, right, count }) => [part, depth, right, count])).toEqual(
        depths.flatMap((depth) => ["256", "1K"].map((part) => [part, depth, depth === 0 ? 0 : 5, 5])),
      );
    }
    expect(others.map(({ suite, grid }) => [suite, grid])).toEqual([
      ["retrieval/multi-value", undefined],
      ["retrieval/variables", undefined],
    ]);
  });

  test("tells what thinking gains, where both ways were asked", async () => {
    const arithmetic = selectSuites(suites, ["arithmetic", "json"]);
    const generate: typeof perfect.generate = (options) =>
      options.thinking === true ? perfect.generate(options) : Promise.resolve(generationOf({ text: "It is x." }));
    const { suites: results } = await evaluate({ generate }, arithmetic, { tasks: 40 });
    expect(thinkingGains(results)).toEqual([
      { group: "arithmetic", thinking: 1, direct: 0, ...differenceOf(shareOf(40, 40), shareOf(0, 40)) },
    ]);
    expect(thinkingGains(results.filter(({ suite }) => suite !== "arithmetic/direct"))).toEqual([]);
  });

  test("takes a prompt that does not fit for a failure, and any other error for an end", async () => {
    const failing = (code: "context_length_exceeded" | "internal") => ({
      generate: () => Promise.reject(new MimoError(code, `It is ${code}.`)),
    });
    const [suite] = suites;
    const { suites: results } = await evaluate(failing("context_length_exceeded"), [suite!], { tasks: 3, failures: 9 });
    expect(results[0]).toMatchObject({ right: 0, count: 3 });
    expect(results[0]).toMatchObject({ numTooLong: 3 });
    expect(results[0]!.failures[0]!.problem).toContain("context");
    await expect(evaluate(failing("internal"), [suite!])).rejects.toThrow("It is internal.");
    await expect(evaluate(perfect, suites, { tasks: 0 })).rejects.toThrow(/tasks must be/);
    await expect(evaluate(perfect, suites, { task: 3 } as object)).rejects.toThrow(/Unknown option "task"/);
  });

  test("gives each task a seed of its own, and its limit", async () => {
    const asked: unknown[] = [];
    const generate: typeof perfect.generate = (options) => {
      asked.push([options.seed, options.temperature, options.maxTokens, options.speculation]);
      return perfect.generate(options);
    };
    const suite = suiteOf("json");
    await evaluate({ generate }, [suite], { tasks: 3, temperature: 0.5, speculation: 2, concurrency: 1 });
    expect(new Set(asked.map((one) => (one as number[])[0])).size).toBe(3);
    expect(asked[0]).toEqual([expect.any(Number), 0.5, suite.maxTokens, 2]);
  });
});

describe("an attempt", () => {
  const toolTask = (fits: (task: EvalTask) => boolean): EvalTask => takeTasks(suiteOf("tools"), 400).find(fits)!;
  const callsOf = (task: EvalTask) => solutionOf(task).flatMap(({ tool_calls: calls }) => calls ?? []);

  test("ends where the model calls on and on", async () => {
    const task = toolTask(({ sample }) => sample.tools.some((tool) => tool.function.name === "clock"));
    let numAsked = 0;
    const endless = (count: number) => ({
      generate: () => {
        numAsked++;
        return Promise.resolve(
          generationOf({ toolCalls: Array.from({ length: count }, () => ({ name: "clock", arguments: {} })) }),
        );
      },
    });
    const slow = await attempt(endless(1), task, {});
    expect(slow).toMatchObject({ right: false, numCalls: MAX_ROUNDS, numValidCalls: MAX_ROUNDS });
    expect(slow.problem).toContain("had not answered");
    expect(numAsked).toBe(MAX_ROUNDS);
    expect(await attempt(endless(MAX_CALLS + 1), task, {})).toMatchObject({ right: false, numCalls: MAX_CALLS + 1 });
    expect(numAsked).toBe(MAX_ROUNDS + 1);
  });

  test("tells the model what was wrong with a call", async () => {
    const task = toolTask(({ part }) => part === "one call");
    const seen: unknown[] = [];
    const generate = ({ messages }: { messages: readonly unknown[] }) => {
      seen.push(messages.at(-1));
      const isFirst = messages.length === task.task.prompt.length;
      return Promise.resolve(
        isFirst
          ? generationOf({ toolCalls: [{ name: "phone", arguments: {} }] })
          : generationOf({ text: task.task.answer }),
      );
    };
    const { numCalls, numValidCalls } = await attempt({ generate }, task, {});
    expect({ numCalls, numValidCalls }).toEqual({ numCalls: 1, numValidCalls: 0 });
    expect(seen[1]).toEqual({ role: "tool", content: "Error: there is no tool called phone." });
  });

  test("does not believe that a note was saved", async () => {
    const task = toolTask((one) => callsOf(one).some((call) => call.function.name === "save_note"));
    const generate = () => Promise.resolve(generationOf({ text: task.task.answer }));
    expect(await attempt({ generate }, task, {})).toMatchObject({
      right: false,
      problem: expect.stringContaining("afterwards") as string,
    });
  });

  test("is wrong where the answer does not end, and where a tool is called without tools", async () => {
    const [task] = tasks.get("identity")!;
    const endless = {
      generate: () => Promise.resolve(generationOf({ text: task!.task.answer, finishReason: "length" })),
    };
    expect(await attempt(endless, task!, {})).toMatchObject({ right: false, isCutOff: true });
    const caller = { generate: () => Promise.resolve(generationOf({ toolCalls: [{ name: "clock", arguments: {} }] })) };
    expect(await attempt(caller, task!, {})).toMatchObject({ right: false, numCalls: 1, numValidCalls: 0 });
  });
});

test("depths of drafts are compared on equal tokens", async () => {
  const asked: unknown[] = [];
  const generate: typeof perfect.generate = (options) => {
    asked.push(options.speculation);
    return Promise.resolve(generationOf({ text: "x" }));
  };
  const speed = await compareSpeed({ generate }, suites.slice(0, 2), {
    depths: [0, 3, "auto"],
    seed: 1,
    temperature: 0,
  });
  expect(speed).toMatchObject({ numTasks: 6, numEqual: 6, numTokens: 18 });
  expect(speed.rows).toMatchObject([0, 3, "auto"].map((depth) => ({ depth, tokensPerSecond: 3000, tokensPerStep: 3 })));
  // The first task twice; then all of them again, as they took no time worth measuring, and each setting first in turn.
  expect(asked).toHaveLength(3 * (7 + 10 * 6));
  expect(asked.slice(0, 6)).toEqual([0, 3, "auto", 3, "auto", 0]);
  const short = { generate: () => Promise.reject(new MimoError("context_length_exceeded", "It is too long.")) };
  const none = await compareSpeed(short, suites.slice(0, 1), { depths: [0], seed: 1, temperature: 0 });
  expect(none).toMatchObject({ numTasks: 0, numTokens: 0 });
});
