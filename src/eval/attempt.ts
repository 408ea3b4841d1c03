// One attempt at one task: asks the model, executes the tools it calls until it answers, and grades the answer.
//
// A call is valid if it can be parsed and fits the schema of a tool that was offered. An invalid one that can be parsed
// comes back to the model as an error, as in training; one that cannot be parsed ends the attempt, because the chat
// format has no way to repeat it. An answer counts only where the model ended its turn.
// Refuses to know suites, and how the model runs.

import type { Generation } from "../api/mimo.ts";
import type { ChatOptions } from "../api/request.ts";
import type { ParsedToolCall } from "../api/events.ts";
import { assistantMessage, type SampleMessage } from "../train/data/sample.ts";
import { callProblem, openToolBox, type ToolBox } from "../train/data/tool-box.ts";
import { MimoError } from "../util/errors.ts";
import { type EvalTask, solutionOf } from "./suites.ts";

/** What answers: a loaded model, or a test's stand-in. */
export interface ModelClient {
  readonly generate: (options: ChatOptions) => Promise<Generation>;
}

export type AttemptOptions = Pick<ChatOptions, "temperature" | "seed" | "maxTokens" | "speculation" | "signal">;

export interface Attempt {
  readonly right: boolean;
  /** Why it is not right. */
  readonly problem: string | undefined;
  /** What the model said, and the results of its calls. */
  readonly transcript: readonly SampleMessage[];
  readonly content: string;
  readonly isCutOff: boolean;
  readonly numCalls: number;
  readonly numValidCalls: number;
  readonly numTokens: number;
  /** Their negative log-probabilities added up, in nats, before temperature. */
  readonly surprise: number;
  /** Tokens after the first of each answer, and the steps of the trunk that gave them. */
  readonly decoded: number;
  readonly steps: number;
}

/** A solution takes at most four calls, in at most three rounds. */
export const MAX_CALLS = 12;
export const MAX_ROUNDS = 8;

const NOTHING = { numCalls: 0, numValidCalls: 0, numTokens: 0, surprise: 0, decoded: 0, steps: 0 } as const;

export async function attempt(client: ModelClient, evalTask: EvalTask, options: AttemptOptions): Promise<Attempt> {
  const { sample, task } = evalTask;
  const { tools, thinking } = sample;
  const box = task.world === undefined ? undefined : openToolBox(task.world);
  const transcript: SampleMessage[] = [];
  const counts: { -readonly [Name in keyof typeof NOTHING]: number } = { ...NOTHING };
  for (let round = 1; ; round++) {
    const generation = await client.generate({
      ...options,
      messages: [...task.prompt, ...transcript],
      tools,
      thinking,
      logprobs: 0,
    });
    const { text, reasoning, toolCalls, finishReason, usage } = generation;
    const decoded = Math.max(0, usage.completionTokens - 1);
    counts.numTokens += usage.completionTokens;
    counts.surprise -= generation.logprobs.reduce((sum, { logprob }) => sum + logprob, 0);
    counts.decoded += decoded;
    counts.steps += decoded / usage.speculation.acceptLength;
    const checked = toolCalls.map((call) => ({ call, problem: problemOfCall(call, tools) }));
    counts.numCalls += checked.length;
    counts.numValidCalls += checked.filter(({ problem }) => problem === undefined).length;

    const end = (problem: string | undefined): Attempt => ({
      ...counts,
      right: problem === undefined,
      problem,
      transcript,
      content: text,
      isCutOff: finishReason === "length",
    });
    const parsed = toolCalls.filter((call) => "name" in call);
    const said = assistantMessage(text, reasoning);
    transcript.push(
      parsed.length === 0
        ? said
        : {
            ...said,
            tool_calls: parsed.map(({ name, arguments: args }) => ({
              type: "function" as const,
              function: { name, arguments: args },
            })),
          },
    );
    if (finishReason === "length") return end(`It did not end within ${usage.completionTokens} tokens.`);
    if (toolCalls.length === 0) return end(await problemOfAnswer(evalTask, text, box));
    const unreadable = toolCalls.find((call) => "error" in call);
    if (unreadable !== undefined) return end(unreadable.error);
    if (box === undefined) return end("It called a tool, and there are none.");
    if (counts.numCalls > MAX_CALLS || round === MAX_ROUNDS) {
      return end(`It had not answered after ${counts.numCalls} calls in ${round} rounds.`);
    }
    for (const { call, problem } of checked) {
      transcript.push({ role: "tool", content: problem === undefined ? execute(box, call) : `Error: ${problem}.` });
    }
  }
}

/** An attempt at a task whose prompt the context cannot hold. */
export function tooLongAttempt(): Attempt {
  const problem = "The context cannot hold the conversation.";
  return { ...NOTHING, right: false, problem, transcript: [], content: "", isCutOff: false };
}

/** Undefined where the prompt was too long for the context. */
export async function orTooLong<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof MimoError && error.code === "context_length_exceeded") return undefined;
    throw error;
  }
}

function problemOfCall(call: ParsedToolCall, tools: EvalTask["sample"]["tools"]): string | undefined {
  return "error" in call ? call.error : callProblem(tools, call.name, call.arguments);
}

function execute(box: ToolBox, call: ParsedToolCall): string {
  return "error" in call ? `Error: ${call.error}` : box.call(call.name, call.arguments);
}

async function problemOfAnswer(
  evalTask: EvalTask,
  content: string,
  box: ToolBox | undefined,
): Promise<string | undefined> {
  const problem = await evalTask.grade(content);
  if (problem !== undefined) return problem;
  if (box === undefined) return undefined;
  // Whoever says that a note was saved must have saved it.
  for (const { name, text } of savedNotes(evalTask)) {
    if (box.call("read_note", { name }) !== text) return `The note "${name}" does not say "${text}" afterwards.`;
  }
  return undefined;
}

interface SavedNote {
  readonly name: string;
  readonly text: string;
}

function savedNotes(evalTask: EvalTask): SavedNote[] {
  return solutionOf(evalTask)
    .flatMap(({ tool_calls: calls }) => calls ?? [])
    .filter((call) => call.function.name === "save_note")
    .map((call) => call.function.arguments as unknown as SavedNote);
}
