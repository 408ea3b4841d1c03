// What the tests of generators share: many samples of one generator, and its tasks.

import { type ChatSample, type Generator, type Sample, sampleAt, type Task } from "./sample.ts";
import type { Split } from "./random.ts";

export function makeSamples<Options extends object>(
  generator: Generator<Options>,
  count: number,
  options: Partial<Options> = {},
  split: Split = "train",
): Sample[] {
  return Array.from({ length: count }, (_, index) => sampleAt(generator, options, { split, seed: 5, index }));
}

export function chatsOf(samples: readonly Sample[]): ChatSample[] {
  return samples.filter((sample) => sample.kind === "chat");
}

export function tasksOf(samples: readonly Sample[]): Task[] {
  return chatsOf(samples).flatMap(({ task }) => task ?? []);
}

/** Questions with the answers that follow them. */
export function exchangesOf({ messages }: ChatSample): { question: string; answer: string; reasoning: string }[] {
  return messages.flatMap((message, i) => {
    const next = messages[i + 1];
    if (message.role !== "user" || next?.role !== "assistant") return [];
    return [{ question: message.content, answer: next.content, reasoning: next.reasoning_content ?? "" }];
  });
}
