// A conversation: its turns, its system message and its settings. Knows neither the terminal nor the model.
//
// Invariant: turns alternate, a user's message and what the model made of it, so that every prompt is well formed.

import { type AnswerOptions, checkThinkingBudget, toSequenceRequest } from "../../api/request.ts";
import type { ChatMessage } from "../../tokenizer/chat-request.ts";
import { MimoError } from "../../util/errors.ts";
import type { Answer } from "../answer.ts";
import { parseInteger, parseNumber, parseSpeculation } from "../options.ts";

type SettingName =
  | "temperature"
  | "topP"
  | "topK"
  | "minP"
  | "seed"
  | "maxTokens"
  | "maxRepetition"
  | "thinkingBudget"
  | "speculation";

/** What `/set` knows, by the names of the command line. */
export const SETTINGS: Readonly<
  Record<string, { readonly name: SettingName; readonly parse: (text: string) => number | "auto" }>
> = {
  temperature: { name: "temperature", parse: parseNumber },
  "top-p": { name: "topP", parse: parseNumber },
  "top-k": { name: "topK", parse: parseInteger },
  "min-p": { name: "minP", parse: parseNumber },
  seed: { name: "seed", parse: parseInteger },
  "max-tokens": { name: "maxTokens", parse: parseInteger },
  "max-repetition": { name: "maxRepetition", parse: parseInteger },
  "thinking-budget": { name: "thinkingBudget", parse: parseInteger },
  speculation: { name: "speculation", parse: parseSpeculation },
};

export interface ConversationOptions {
  readonly system: string | undefined;
  readonly thinking: boolean | undefined;
  readonly generation: AnswerOptions;
}

export class Conversation {
  system: string | undefined;
  /** Undefined: as the checkpoint's template says. */
  thinking: boolean | undefined;
  #generation: AnswerOptions;
  #turns: ChatMessage[] = [];

  constructor({ system, thinking, generation }: ConversationOptions) {
    this.system = system;
    this.thinking = thinking;
    this.#generation = generation;
  }

  get generation(): AnswerOptions {
    return this.#generation;
  }

  get messages(): readonly ChatMessage[] {
    return this.system === undefined ? this.#turns : [{ role: "system", content: this.system }, ...this.#turns];
  }

  /** The messages with one more of the user's; it becomes part of the conversation with `add`. */
  messagesWith(text: string): readonly ChatMessage[] {
    return [...this.messages, { role: "user", content: text }];
  }

  /** Adds a turn. An answer stopped before its first word leaves no trace; whether there was one. */
  add(text: string, answer: Answer): boolean {
    if (answer.end === undefined && answer.text === "" && answer.reasoning === "" && answer.toolCalls.length === 0)
      return false;
    this.#turns.push({ role: "user", content: text }, toMessage(answer));
    return true;
  }

  reset(): void {
    this.#turns = [];
  }

  /** Throws `invalid_argument` where there is no such setting or the value is out of its range. */
  set(name: string, value: string): void {
    const setting = Object.hasOwn(SETTINGS, name) ? SETTINGS[name] : undefined;
    if (setting === undefined) {
      throw new MimoError("invalid_argument", `There is no setting "${name}".`, {
        remedy: `Settings: ${Object.keys(SETTINGS).join(", ")}.`,
      });
    }
    const generation = { ...this.#generation, [setting.name]: setting.parse(value) };
    checkRanges(generation);
    this.#generation = generation;
  }
}

/** The library checks a whole request; here only its options matter. */
function checkRanges(generation: AnswerOptions): void {
  checkThinkingBudget(generation.thinkingBudget);
  toSequenceRequest(generation, [], { eosTokenIds: [], contextLength: 1, vocabSize: 1 });
}

/** Calls that could not be parsed stay in the text, as the model wrote them. */
function toMessage({ text, reasoning, toolCalls }: Answer): ChatMessage {
  const calls = toolCalls.flatMap(({ call }) =>
    "error" in call ? [] : [{ type: "function" as const, function: call }],
  );
  const unparsed = toolCalls.filter(({ call }) => "error" in call).map(({ raw }) => raw);
  return {
    role: "assistant",
    content: [text, ...unparsed].join(""),
    ...(reasoning === "" ? {} : { reasoning_content: reasoning }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
}
