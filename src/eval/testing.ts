// Stand-ins for a model in this room's tests: one that knows every solution, and one that knows nothing.

import type { Generation } from "../api/mimo.ts";
import type { ParsedToolCall } from "../api/events.ts";
import type { ChatOptions } from "../api/request.ts";
import type { SampleMessage } from "../train/data/sample.ts";
import type { ModelClient } from "./attempt.ts";
import type { EvalTask, Suite } from "./suites.ts";

export interface Said {
  readonly text?: string;
  readonly reasoning?: string;
  readonly toolCalls?: readonly ParsedToolCall[];
  readonly finishReason?: Generation["finishReason"];
}

/** Ten tokens with half a nat each, in three steps after the first token. */
export function generationOf({ text = "", reasoning = "", toolCalls = [], finishReason }: Said): Generation {
  const usage = { completionTokens: 10, decodeMs: 3, speculation: { acceptLength: 3 } } as Generation["usage"];
  const natural = toolCalls.length > 0 ? "tool_calls" : "stop";
  return {
    text,
    reasoning,
    toolCalls,
    logprobs: Array.from({ length: 10 }, () => ({ token: 1, text: "", logprob: -0.5, top: [] })),
    tokens: [1, 2, 3],
    seed: 0,
    finishReason: finishReason ?? natural,
    usage,
  };
}

export function takeTasks({ tasks }: Suite, count: number, seed = 1): EvalTask[] {
  const iterator = tasks(seed);
  const taken: EvalTask[] = [];
  while (taken.length < count) {
    const next = iterator.next();
    if (next.done === true) break;
    taken.push(next.value);
  }
  return taken;
}

/** Says at every point of a task's conversation what its solution says there. */
export class PerfectModel implements ModelClient {
  readonly #answers = new Map<string, SampleMessage>();

  constructor(tasks: readonly EvalTask[]) {
    for (const { sample } of tasks) {
      for (const [i, message] of sample.messages.entries()) {
        if (message.role === "assistant") this.#answers.set(keyOf(sample.messages.slice(0, i), sample), message);
      }
    }
  }

  knows(options: ChatOptions): boolean {
    return this.#answers.has(keyOf(options.messages, options));
  }

  readonly generate = (options: ChatOptions): Promise<Generation> => {
    const found = this.#answers.get(keyOf(options.messages, options));
    if (found === undefined) throw new Error(`an unknown conversation: ${JSON.stringify(options.messages)}`);
    const toolCalls = (found.tool_calls ?? []).map(({ function: { name, arguments: args } }) => ({
      name,
      arguments: args as Readonly<Record<string, unknown>>,
    }));
    return Promise.resolve(generationOf({ text: found.content, reasoning: found.reasoning_content ?? "", toolCalls }));
  };
}

function keyOf(messages: readonly unknown[], { tools, thinking }: Pick<ChatOptions, "tools" | "thinking">): string {
  return JSON.stringify([messages, tools, thinking]);
}
