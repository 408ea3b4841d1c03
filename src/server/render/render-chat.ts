// Chat Completions: each event becomes a delta; a stream sends it, the whole reply merges it.
//
// A call's first delta has its index, id, type and name, every later one its index and more of its arguments. Log-
// probabilities go out with the next delta of their choice.

import type { FinishDetail, FinishReason, TokenAlternative, TokenLogprobs, Usage } from "../../api/events.ts";
import type { EncodedChat } from "../../tokenizer/chat.ts";
import { errorBody } from "../errors.ts";
import { type Detail, detailOf } from "./details.ts";
import { detailField, type Frame, type Renderer, type ReplyHeader, type TokenBytes, usageBody } from "./renderer.ts";
import { type InvalidCall, invalidCallsField, Turn, type TurnEvent, type TurnOptions } from "./turn.ts";

export interface ChatReplyOptions extends Pick<TurnOptions, "hasTools"> {
  readonly header: ReplyHeader;
  readonly numChoices: number;
  readonly includeUsage: boolean;
  readonly callId: (choice: number, index: number) => string;
  readonly tokenBytes: TokenBytes;
  /** What the stream shows of the answer's making. */
  readonly include: ReadonlySet<Detail>;
  readonly prompt: Pick<EncodedChat, "ids" | "prompt">;
}

interface CallDelta {
  readonly index: number;
  readonly id?: string;
  readonly type?: "function";
  readonly function: { readonly name?: string; readonly arguments: string };
}

interface Delta {
  readonly role?: "assistant";
  readonly content?: string;
  readonly reasoning_content?: string;
  readonly tool_calls?: readonly CallDelta[];
}

interface Call {
  readonly id: string;
  readonly type: "function";
  readonly function: { readonly name: string; arguments: string };
}

class Choice {
  readonly turn: Turn;
  usage: Usage | undefined;
  #content = "";
  #reasoning = "";
  readonly #calls: Call[] = [];
  readonly #logprobs: object[] = [];
  #numSent = 0;
  #finishReason: FinishReason | null = null;
  #finishDetail: FinishDetail | undefined;
  #invalidCalls: readonly InvalidCall[] = [];

  constructor(turn: Turn) {
    this.turn = turn;
  }

  /** Takes an event in, and gives what it changes; undefined where it waits for the next. */
  apply(event: TurnEvent, tokenBytes: TokenBytes): { delta: Delta; finish_reason: FinishReason | null } | undefined {
    const give = (delta: Delta) => ({ delta, ...this.#ending() });
    switch (event.type) {
      case "text":
        this.#content += event.text;
        return give({ content: event.text });
      case "reasoning":
        this.#reasoning += event.text;
        return give({ reasoning_content: event.text });
      case "call": {
        const { index, id, name } = event;
        this.#calls.push({ id, type: "function", function: { name, arguments: "" } });
        return give({ tool_calls: [{ index, id, type: "function", function: { name, arguments: "" } }] });
      }
      case "arguments": {
        const { index, json } = event;
        this.#calls[index]!.function.arguments += json;
        return give({ tool_calls: [{ index, function: { arguments: json } }] });
      }
      case "logprobs":
        this.#logprobs.push(...event.tokens.map((token) => logprobBody(token, tokenBytes)));
        return undefined;
      case "call_end":
        return undefined;
      case "done":
        this.usage = event.usage;
        this.#finishReason = event.finishReason;
        this.#finishDetail = event.finishDetail;
        this.#invalidCalls = event.invalidCalls;
        return give({});
      default:
        return event satisfies never;
    }
  }

  /** Log-probabilities that have not been sent. */
  takeLogprobs(): object | null {
    const taken = this.#logprobs.slice(this.#numSent);
    this.#numSent = this.#logprobs.length;
    return taken.length > 0 ? { content: taken, refusal: null } : null;
  }

  whole(index: number): object {
    const hasCalls = this.#calls.length > 0;
    const message = {
      role: "assistant",
      content: this.#content === "" && hasCalls ? null : this.#content,
      refusal: null,
      ...(this.#reasoning === "" ? {} : { reasoning_content: this.#reasoning }),
      ...(hasCalls ? { tool_calls: this.#calls } : {}),
    };
    const logprobs = this.#logprobs.length > 0 ? { content: this.#logprobs, refusal: null } : null;
    return { index, message, logprobs, ...this.#ending() };
  }

  #ending() {
    return {
      finish_reason: this.#finishReason,
      ...detailField(this.#finishDetail),
      ...invalidCallsField(this.#invalidCalls),
    };
  }
}

export function chatRenderer(options: ChatReplyOptions): Renderer {
  const { header, numChoices, includeUsage, hasTools, callId, tokenBytes, include, prompt } = options;
  const choices = Array.from(
    { length: numChoices },
    (_, i) => new Choice(new Turn({ hasTools, callId: (index) => callId(i, index) })),
  );
  const usage = (): object => {
    const usages = choices.flatMap((choice) => choice.usage ?? []);
    return usageBody(usages, usages.slice(0, 1));
  };
  const { id, created, model } = header;
  const chunk = (chunkChoices: readonly object[], usageField: object | null = null): Frame => ({
    data: {
      id,
      object: "chat.completion.chunk",
      created,
      model,
      choices: chunkChoices,
      ...(includeUsage ? { usage: usageField } : {}),
    },
  });
  const detail = (index: number, mimo: object | undefined): Frame[] =>
    mimo === undefined ? [] : [chunk([{ index, delta: {}, logprobs: null, finish_reason: null, mimo }])];
  const promptDetail = include.has("prompt")
    ? { prompt: { text: prompt.prompt, tokens: prompt.ids.length } }
    : undefined;
  return {
    begin: () => [
      ...choices.map((_, index) =>
        chunk([{ index, delta: { role: "assistant" }, logprobs: null, finish_reason: null }]),
      ),
      ...detail(0, promptDetail),
    ],
    push: (index, event) => {
      const choice = choices[index]!;
      const changes = choice.turn.push(event).flatMap((turnEvent) => {
        const change = choice.apply(turnEvent, tokenBytes);
        return change === undefined ? [] : [chunk([{ index, ...change, logprobs: choice.takeLogprobs() }])];
      });
      return [...detail(index, detailOf(event, include)), ...changes];
    },
    end: () => [...(includeUsage ? [chunk([], usage())] : []), { data: "[DONE]" }],
    fail: (error) => [{ data: errorBody(error) }],
    whole: () => ({
      id,
      object: "chat.completion",
      created,
      model,
      choices: choices.map((choice, index) => choice.whole(index)),
      usage: usage(),
    }),
  };
}

function logprobBody(token: TokenLogprobs, tokenBytes: TokenBytes): object {
  const describe = ({ token: id, text, logprob }: TokenAlternative) => ({
    token: text,
    logprob,
    bytes: [...tokenBytes(id)],
  });
  return { ...describe(token), top_logprobs: token.top.map(describe) };
}
