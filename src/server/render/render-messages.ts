// Anthropic's Messages: reasoning, text and calls are blocks of one message; a stream tells when each begins, grows and
// ends.
//
// A call's input is a value in a whole reply, so one that was cut off is given as far as it goes.

import type { FinishReason, Usage } from "../../api/events.ts";
import { closeJson } from "./close-json.ts";
import { messagesErrorBody } from "./messages-errors.ts";
import { detailField, type Frame, type Renderer, type ReplyHeader } from "./renderer.ts";
import { invalidCallsField, Turn, type TurnEvent, type TurnOptions } from "./turn.ts";

export interface MessagesReplyOptions extends TurnOptions {
  readonly header: ReplyHeader;
  /** For an error in a stream. */
  readonly requestId: string;
  readonly promptTokens: number;
  /** Signs reasoning. */
  readonly sign: (reasoning: string) => string;
}

interface Block {
  readonly type: "thinking" | "text" | "tool_use";
  /** Of a call. */
  readonly call?: { readonly id: string; readonly name: string };
  /** Text, or the JSON of a call's input. */
  text: string;
  isOpen: boolean;
}

export function messagesRenderer(options: MessagesReplyOptions): Renderer {
  const message = new Message(options);
  return {
    begin: () => [frame("message_start", { message: message.body() })],
    push: (_, event) => message.turn.push(event).flatMap((turnEvent) => message.apply(turnEvent)),
    end: () => [frame("message_delta", message.ending()), frame("message_stop", {})],
    fail: (error) => [{ event: "error", data: messagesErrorBody(error, options.requestId) }],
    whole: () => message.body(),
  };
}

function frame(type: string, fields: object): Frame {
  return { event: type, data: { type, ...fields } };
}

class Message {
  readonly turn: Turn;
  readonly #options: MessagesReplyOptions;
  readonly #blocks: Block[] = [];
  #done: Extract<TurnEvent, { type: "done" }> | undefined;

  constructor(options: MessagesReplyOptions) {
    this.turn = new Turn(options);
    this.#options = options;
  }

  apply(event: TurnEvent): readonly Frame[] {
    switch (event.type) {
      case "text":
        return this.#addText("text", event.text);
      case "reasoning":
        return this.#addText("thinking", event.text);
      case "call":
        return [...this.#close(), ...this.#open({ type: "tool_use", call: { id: event.id, name: event.name } })];
      case "arguments":
        return [this.#grow(event.json)];
      case "call_end":
        return this.#close();
      case "logprobs":
        return [];
      case "done":
        this.#done = event;
        return this.#close();
      default:
        return event satisfies never;
    }
  }

  body(): object {
    const { header, promptTokens } = this.#options;
    const { delta, usage, ...extension } = this.ending();
    return {
      id: header.id,
      type: "message",
      role: "assistant",
      model: header.model,
      content: this.#blocks.map((block) => this.#blockBody(block)),
      ...delta,
      usage: usage ?? usageBody({ promptTokens, cachedTokens: 0, completionTokens: 0, reasoningTokens: 0 }),
      ...extension,
    };
  }

  /** How the message ended, where it has. */
  ending(): { readonly delta: object; readonly usage: object | undefined } {
    const done = this.#done;
    const isStopString = done?.finishReason === "stop" && done.stopString !== undefined;
    return {
      delta: {
        stop_reason: done === undefined ? null : isStopString ? "stop_sequence" : STOP_REASONS[done.finishReason],
        stop_sequence: isStopString ? done.stopString : null,
      },
      usage: done === undefined ? undefined : usageBody(done.usage),
      ...detailField(done?.finishDetail),
      ...invalidCallsField(done?.invalidCalls ?? []),
    };
  }

  #addText(type: "text" | "thinking", text: string): readonly Frame[] {
    const current = this.#current;
    const opening = current?.type === type ? [] : [...this.#close(), ...this.#open({ type })];
    return [...opening, this.#grow(text)];
  }

  get #current(): Block | undefined {
    const last = this.#blocks.at(-1);
    return last?.isOpen === true ? last : undefined;
  }

  get #index(): number {
    return this.#blocks.length - 1;
  }

  #open(kind: Pick<Block, "type" | "call">): readonly Frame[] {
    const block: Block = { ...kind, text: "", isOpen: true };
    this.#blocks.push(block);
    const start = frame("content_block_start", { index: this.#index, content_block: this.#blockBody(block) });
    return this.#index === 0 ? [start, frame("ping", {})] : [start];
  }

  #grow(text: string): Frame {
    const block = this.#current!;
    block.text += text;
    return this.#delta(deltaOf(block, text));
  }

  #close(): readonly Frame[] {
    const block = this.#current;
    if (block === undefined) return [];
    block.isOpen = false;
    const signature = { type: "signature_delta", signature: this.#options.sign(block.text) };
    return [
      ...(block.type === "thinking" ? [this.#delta(signature)] : []),
      frame("content_block_stop", { index: this.#index }),
    ];
  }

  #delta(delta: object): Frame {
    return frame("content_block_delta", { index: this.#index, delta });
  }

  #blockBody({ type, text, call, isOpen }: Block): object {
    if (type === "text") return { type, text };
    if (type === "thinking") return { type, thinking: text, signature: isOpen ? "" : this.#options.sign(text) };
    return { type, id: call?.id, name: call?.name, input: inputOf(text) };
  }
}

function deltaOf({ type }: Block, text: string): object {
  if (type === "text") return { type: "text_delta", text };
  if (type === "thinking") return { type: "thinking_delta", thinking: text };
  return { type: "input_json_delta", partial_json: text };
}

function inputOf(json: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch {
    return JSON.parse(closeJson(json)) as unknown;
  }
}

const STOP_REASONS: Readonly<Record<FinishReason, string>> = {
  stop: "end_turn",
  length: "max_tokens",
  tool_calls: "tool_use",
};

/** What was read from the cache is not counted among the input. */
function usageBody({
  promptTokens,
  cachedTokens,
  completionTokens,
  reasoningTokens,
}: Pick<Usage, "promptTokens" | "cachedTokens" | "completionTokens" | "reasoningTokens">): object {
  return {
    input_tokens: promptTokens - cachedTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cachedTokens,
    output_tokens: completionTokens,
    output_tokens_details: { thinking_tokens: reasoningTokens },
  };
}
