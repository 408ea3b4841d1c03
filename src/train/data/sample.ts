// What a generator makes: a piece of plain text, or a conversation, with the means to grade an answer where there is
// a right one.
//
// A generator is a pure function of a cursor and its options. `sampleAt` derives the cursor from the generator's name,
// the split, a seed and an index, so every sample can be made alone, in any order, on any machine.
// Refuses to know tokens, and what is done with samples.

import type { ChatMessage, ToolDefinition } from "../../tokenizer/chat-request.ts";
import { defined } from "../../util/assert.ts";
import { MimoError } from "../../util/errors.ts";
import { hashText, Random, type Split } from "./random.ts";
import type { ToolWorld } from "./tool-box.ts";

/** A message whose content is one string, as generators write it. */
export type SampleMessage = ChatMessage & { readonly content: string };

interface SampleForm {
  /** Where it is too long for a document, it becomes several; otherwise it loses its end. */
  readonly isDivisible?: boolean;
}

export interface TextSample extends SampleForm {
  readonly kind: "text";
  readonly text: string;
  /** Whether the text goes on elsewhere, so that nothing ends here. */
  readonly continues?: boolean;
}

export interface ChatSample extends SampleForm {
  readonly kind: "chat";
  readonly messages: readonly SampleMessage[];
  readonly tools: readonly ToolDefinition[];
  /** The template's `enable_thinking`: whether the assistant's messages carry reasoning. */
  readonly thinking: boolean;
  /** Where the last answer can be graded. */
  readonly task?: Task;
}

export type Sample = TextSample | ChatSample;

/** How an evaluation asks for the conversation's last answer, and grades what it gets. */
export interface Task {
  /** The conversation up to the last question of the user, that included. */
  readonly prompt: readonly SampleMessage[];
  /** An answer that is right, without reasoning. */
  readonly answer: string;
  /** Grades the content of a final answer. */
  readonly accepts: (content: string) => boolean;
  /** Where tools are used: the world in which the prompt ends, for `openToolBox`. */
  readonly world?: ToolWorld;
}

export interface Generator<Options extends object> {
  readonly name: string;
  readonly defaults: Options;
  readonly generate: (random: Random, options: Options) => Sample;
}

export interface SamplePlace {
  readonly split: Split;
  readonly seed: number;
  readonly index: number;
}

/** The sample at one place. Unknown options are refused. */
export function sampleAt<Options extends object>(
  generator: Generator<Options>,
  options: Partial<Options>,
  { split, seed, index }: SamplePlace,
): Sample {
  const random = new Random(
    [hashText(generator.name), hashText(split), seed, Math.floor(index / 2 ** 32), index],
    split,
  );
  return generator.generate(random, completeOptions(generator, options));
}

export function completeOptions<Options extends object>(
  generator: Generator<Options>,
  options: Partial<Options>,
): Options {
  const unknown = Object.keys(options).find((key) => !Object.hasOwn(generator.defaults, key));
  if (unknown !== undefined) {
    const known = Object.keys(generator.defaults).join(", ");
    throw new MimoError(
      "invalid_argument",
      `The generator ${generator.name} has no option ${unknown}: it has ${known}.`,
    );
  }
  return { ...generator.defaults, ...options };
}

export interface Exchange {
  readonly question: string;
  readonly answer: string;
  /** Written where the conversation thinks. */
  readonly reasoning: string;
  readonly accepts?: (content: string) => boolean;
}

export interface ConversationFrame {
  readonly thinking: boolean;
  readonly system?: SampleMessage | undefined;
}

/** Questions and answers as a conversation; its last exchange is the task. */
export function conversation(exchanges: readonly Exchange[], { thinking, system }: ConversationFrame): ChatSample {
  const messages: SampleMessage[] = system === undefined ? [] : [system];
  for (const { question, answer, reasoning } of exchanges) {
    messages.push({ role: "user", content: question }, assistantMessage(answer, thinking ? reasoning : ""));
  }
  const { answer, accepts } = defined(exchanges.at(-1), "an exchange of the conversation");
  const sample: ChatSample = { kind: "chat", messages, tools: [], thinking };
  return accepts === undefined ? sample : { ...sample, task: { prompt: messages.slice(0, -1), answer, accepts } };
}

export function assistantMessage(content: string, reasoning: string): SampleMessage {
  return reasoning === ""
    ? { role: "assistant", content }
    : { role: "assistant", reasoning_content: reasoning, content };
}

/** A sample whose text as a whole is of the cursor's split: for items that have no key of their own. */
export function freshSample<One extends Sample>(random: Random, draw: () => One): One {
  return random.fresh(draw, plainText);
}

/** All that a sample says, without the system's part: for measuring, not for training. */
export function plainText(sample: Sample): string {
  if (sample.kind === "text") return sample.text;
  return sample.messages
    .filter(({ role }) => role !== "system")
    .map(({ content, reasoning_content: reasoning, tool_calls: calls }) =>
      [reasoning ?? "", content, ...(calls ?? []).map((call) => JSON.stringify(call.function))].join(" "),
    )
    .join("\n");
}
