// Completions: text and, where they are asked for, log-probabilities in the four lists that this API has.
//
// Choices are numbered prompt by prompt. A token's copy among the alternatives is the same number, and is always there;
// where two tokens have the same text, the more probable one keeps it. A token that is no whole character is written as
// `bytes:\xe4`, so that those rarely do.

import type { FinishDetail, FinishReason, TokenLogprobs, Usage } from "../../api/events.ts";
import { errorBody } from "../errors.ts";
import {
  detailField,
  type Frame,
  type PromptLogprob,
  type Renderer,
  type ReplyHeader,
  type ServerEvent,
  type TokenBytes,
  usageBody,
} from "./renderer.ts";

export interface CompletionsReplyOptions {
  readonly header: ReplyHeader;
  readonly numPrompts: number;
  /** Choices of each prompt. */
  readonly numChoices: number;
  readonly includeUsage: boolean;
  readonly tokenBytes: TokenBytes;
}

interface LogprobLists {
  readonly tokens: string[];
  readonly token_logprobs: (number | null)[];
  readonly top_logprobs: (Record<string, number> | null)[];
  readonly text_offset: number[];
}

class Choice {
  readonly #tokenBytes: TokenBytes;
  usage: Usage | undefined;
  #text = "";
  #logprobs: LogprobLists | undefined;
  #offset = 0;
  #numSent = 0;
  #finishReason: FinishReason | null = null;
  #finishDetail: FinishDetail | undefined;

  constructor(tokenBytes: TokenBytes) {
    this.#tokenBytes = tokenBytes;
  }

  /** Takes an event in; gives the text it adds, or undefined where it adds none and ends nothing. */
  apply(event: ServerEvent): string | undefined {
    switch (event.type) {
      case "text":
        this.#text += event.text;
        return event.text;
      case "prompt":
        if (event.logprobs !== undefined) this.#addLogprobs(event.logprobs);
        this.#text += event.text;
        return event.text;
      case "logprobs":
        this.#addLogprobs(event.tokens);
        return undefined;
      case "done":
        this.usage = event.usage;
        this.#finishReason = event.finishReason;
        this.#finishDetail = event.finishDetail;
        return "";
      default:
        // A completion has no other structure.
        return undefined;
    }
  }

  /** What a stream sends: `text`, and log-probabilities that have not been sent. */
  part(index: number, text: string): object {
    const from = this.#numSent;
    this.#numSent = this.#logprobs?.tokens.length ?? 0;
    return { index, text, logprobs: this.#lists(from), ...this.#ending() };
  }

  whole(index: number): object {
    return { index, text: this.#text, logprobs: this.#lists(0), ...this.#ending() };
  }

  #ending() {
    return { finish_reason: this.#finishReason, ...detailField(this.#finishDetail) };
  }

  #lists(from: number): LogprobLists | null {
    const all = this.#logprobs;
    if (all === undefined || all.tokens.length === from) return null;
    return {
      tokens: all.tokens.slice(from),
      token_logprobs: all.token_logprobs.slice(from),
      top_logprobs: all.top_logprobs.slice(from),
      text_offset: all.text_offset.slice(from),
    };
  }

  #addLogprobs(tokens: readonly PromptLogprob[]): void {
    this.#logprobs ??= { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] };
    for (const one of tokens) {
      this.#logprobs.tokens.push(this.#nameOf(one.token));
      this.#logprobs.token_logprobs.push(one.logprob);
      this.#logprobs.top_logprobs.push(one.logprob === null ? null : this.#alternatives(one as TokenLogprobs));
      this.#logprobs.text_offset.push(this.#offset);
      this.#offset += one.text.length;
    }
  }

  #alternatives(one: TokenLogprobs): Record<string, number> {
    const names = new Map<string, number>();
    for (const { token, logprob } of [...one.top, one]) {
      const name = this.#nameOf(token);
      if (!names.has(name)) names.set(name, logprob);
    }
    return Object.fromEntries(names);
  }

  #nameOf(token: number): string {
    const bytes = this.#tokenBytes(token);
    const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
    if (!text.includes("\ufffd")) return text;
    return `bytes:${Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}`;
  }
}

export function completionsRenderer(options: CompletionsReplyOptions): Renderer {
  const { header, numPrompts, numChoices, includeUsage, tokenBytes } = options;
  const choices = Array.from({ length: numPrompts * numChoices }, () => new Choice(tokenBytes));
  const { id, created, model } = header;
  const usage = (): object =>
    usageBody(
      choices.flatMap((choice) => choice.usage ?? []),
      choices.filter((_, i) => i % numChoices === 0).flatMap((choice) => choice.usage ?? []),
    );
  const reply = (parts: readonly object[]): object => ({
    id,
    object: "text_completion",
    created,
    model,
    choices: parts,
  });
  const chunk = (parts: readonly object[], usageField: object | null = null): Frame => ({
    data: { ...reply(parts), ...(includeUsage ? { usage: usageField } : {}) },
  });
  return {
    begin: () => [],
    push: (index, event) => {
      const choice = choices[index]!;
      const text = choice.apply(event);
      return text === undefined ? [] : [chunk([choice.part(index, text)])];
    },
    end: () => [...(includeUsage ? [chunk([], usage())] : []), { data: "[DONE]" }],
    fail: (error) => [{ data: errorBody(error) }],
    whole: () => ({ ...reply(choices.map((choice, index) => choice.whole(index))), usage: usage() }),
  };
}
