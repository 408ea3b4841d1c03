// Responses: each run of reasoning or text, and each call, is an item of the output; a stream tells when items and their
// parts begin, grow and end.
//
// An item is closed by the next one or by the end. Where the end came too early, what was open then is `incomplete`, and
// so is a call whose arguments are no whole JSON.

import type { FinishDetail, Usage } from "../../api/events.ts";
import type { MimoError } from "../../util/errors.ts";
import { errorBody } from "../errors.ts";
import { detailField, type Frame, type Renderer, type ReplyHeader } from "./renderer.ts";
import { type InvalidCall, invalidCallsField, Turn, type TurnEvent, type TurnOptions } from "./turn.ts";

export interface ResponsesReplyOptions extends TurnOptions {
  readonly header: ReplyHeader;
  /** Fields of the request that the reply repeats. */
  readonly echo: object;
  /** Names an item; `prefix` says of which kind. */
  readonly itemId: (prefix: "msg_" | "rs_" | "fc_") => string;
  /** Makes the opaque form of reasoning; undefined where it was not asked for. */
  readonly seal: ((reasoning: string) => string) | undefined;
  /** Seconds since 1970. */
  readonly now: () => number;
}

export interface ResponsesRenderer extends Renderer {
  /** The response as it is now. */
  readonly body: () => object;
  /** Ends it before its time. */
  readonly cancel: () => object;
}

type ItemStatus = "in_progress" | "completed" | "incomplete";
type ResponseStatus = ItemStatus | "failed" | "cancelled";

interface Item {
  readonly type: "message" | "reasoning" | "function_call";
  readonly id: string;
  /** Of a call. */
  readonly call?: { readonly id: string; readonly name: string };
  /** Text, or a call's arguments. */
  text: string;
  status: ItemStatus;
}

export function responsesRenderer(options: ResponsesReplyOptions): ResponsesRenderer {
  const reply = new Reply(options);
  const body = (): object => reply.body();
  return {
    begin: () => [
      reply.frame("response.created", { response: body() }),
      reply.frame("response.in_progress", { response: body() }),
    ],
    push: (_, event) => reply.turn.push(event).flatMap((turnEvent) => reply.apply(turnEvent)),
    end: () => [reply.frame(`response.${endingOf(reply.status)}`, { response: body() })],
    fail: (error) => {
      reply.fail(error);
      return [reply.frame("response.failed", { response: body() })];
    },
    whole: body,
    body,
    cancel: () => {
      reply.cancel();
      return body();
    },
  };
}

class Reply {
  readonly turn: Turn;
  status: ResponseStatus = "in_progress";
  readonly #options: ResponsesReplyOptions;
  readonly #items: Item[] = [];
  #numFrames = 0;
  #usage: Usage | undefined;
  #completedAt: number | undefined;
  #error: MimoError | undefined;
  #finishDetail: FinishDetail | undefined;
  #invalidCalls: readonly InvalidCall[] = [];

  constructor(options: ResponsesReplyOptions) {
    this.turn = new Turn(options);
    this.#options = options;
  }

  frame(type: string, fields: object): Frame {
    return { event: type, data: { type, sequence_number: this.#numFrames++, ...fields } };
  }

  apply(event: TurnEvent): readonly Frame[] {
    switch (event.type) {
      case "text":
        return this.#addText("message", event.text);
      case "reasoning":
        return this.#addText("reasoning", event.text);
      case "call":
        return [...this.#close("completed"), ...this.#open("function_call", { id: event.id, name: event.name })];
      case "arguments":
        return [this.#grow(event.json)];
      case "call_end":
        return this.#close(event.isWhole ? "completed" : "incomplete");
      case "logprobs":
        return [];
      case "done":
        this.#finishDetail = event.finishDetail;
        this.#invalidCalls = event.invalidCalls;
        return this.#finish(event.finishReason === "length" ? "incomplete" : "completed", event.usage);
      default:
        return event satisfies never;
    }
  }

  fail(error: MimoError): void {
    this.#error = error.code === "aborted" ? undefined : error;
    this.status = error.code === "aborted" ? "cancelled" : "failed";
  }

  cancel(): void {
    if (this.status === "in_progress") this.status = "cancelled";
  }

  body(): object {
    const { header, echo } = this.#options;
    return {
      id: header.id,
      object: "response",
      access_programs: null,
      created_at: header.created,
      completed_at: this.status === "completed" ? (this.#completedAt ?? null) : null,
      status: this.status,
      background: false,
      error: this.#error === undefined ? null : failureBody(this.#error),
      incomplete_details: this.status === "incomplete" ? { reason: "max_output_tokens" } : null,
      model: header.model,
      output: this.#items.map((item) => this.#itemBody(item)),
      usage: this.#usage === undefined ? null : responsesUsage(this.#usage),
      ...echo,
      ...detailField(this.#finishDetail),
      ...invalidCallsField(this.#invalidCalls),
    };
  }

  #addText(type: "message" | "reasoning", text: string): readonly Frame[] {
    const current = this.#current;
    const opening = current?.type === type ? [] : [...this.#close("completed"), ...this.#open(type)];
    return [...opening, this.#grow(text)];
  }

  /** The item that is being written. */
  get #current(): Item | undefined {
    const last = this.#items.at(-1);
    return last?.status === "in_progress" ? last : undefined;
  }

  #open(type: Item["type"], call?: Item["call"]): readonly Frame[] {
    const prefix = ({ message: "msg_", reasoning: "rs_", function_call: "fc_" } as const)[type];
    const item: Item = {
      type,
      id: this.#options.itemId(prefix),
      ...(call === undefined ? {} : { call }),
      text: "",
      status: "in_progress",
    };
    this.#items.push(item);
    const added = this.frame("response.output_item.added", { output_index: this.#index, item: this.#itemBody(item) });
    if (type === "function_call") return [added];
    return [added, this.frame("response.content_part.added", { ...this.#place(item), part: partOf(item) })];
  }

  #grow(text: string): Frame {
    const item = this.#current!;
    item.text += text;
    return this.frame(`response.${deltaName(item)}.delta`, {
      ...this.#place(item),
      delta: text,
      ...(item.type === "message" ? { logprobs: [] } : {}),
    });
  }

  #close(status: "completed" | "incomplete"): readonly Frame[] {
    const item = this.#current;
    if (item === undefined) return [];
    item.status = status;
    const place = this.#place(item);
    const name = `response.${deltaName(item)}.done`;
    const closing = this.#closingFrames(item, name, place);
    const done = { output_index: this.#index, item: this.#itemBody(item) };
    return [...closing, this.frame("response.output_item.done", done)];
  }

  #closingFrames(item: Item, name: string, place: object): readonly Frame[] {
    const { type, text, call } = item;
    if (type === "function_call") return [this.frame(name, { ...place, name: call?.name, arguments: text })];
    return [
      this.frame(name, { ...place, text, ...(type === "message" ? { logprobs: [] } : {}) }),
      this.frame("response.content_part.done", { ...place, part: partOf(item) }),
    ];
  }

  #finish(status: "completed" | "incomplete", usage: Usage): readonly Frame[] {
    // Clients look for a message, even for one that says nothing.
    const opening = this.#items.length === 0 ? this.#open("message") : [];
    const frames = [...opening, ...this.#close(status)];
    // One that was cancelled at its very end stays so.
    if (this.status === "in_progress") this.status = status;
    this.#usage = usage;
    this.#completedAt = this.#options.now();
    return frames;
  }

  get #index(): number {
    return this.#items.length - 1;
  }

  #place({ id, type }: Item): object {
    return { item_id: id, output_index: this.#index, ...(type === "function_call" ? {} : { content_index: 0 }) };
  }

  #itemBody(item: Item): object {
    const { type, id, status, call, text } = item;
    if (type === "function_call") return { id, type, status, call_id: call?.id, name: call?.name, arguments: text };
    // A part that has not begun is not there yet.
    const content = status === "in_progress" && text === "" ? [] : [partOf(item)];
    if (type === "message") return { id, type, status, role: "assistant", content };
    const { seal } = this.#options;
    const encrypted = seal !== undefined && status !== "in_progress" ? { encrypted_content: seal(text) } : {};
    return { id, type, status, summary: [], content, ...encrypted };
  }
}

/** There is no event of its own for what was cancelled. */
function endingOf(status: ResponseStatus): string {
  return status === "cancelled" ? "failed" : status;
}

function deltaName({ type }: Item): string {
  if (type === "function_call") return "function_call_arguments";
  return type === "message" ? "output_text" : "reasoning_text";
}

function partOf({ type, text }: Item): object {
  return type === "message"
    ? { type: "output_text", text, annotations: [], logprobs: [] }
    : { type: "reasoning_text", text };
}

function failureBody(error: MimoError): object {
  const { code, message } = errorBody(error).error;
  return {
    code: error.code === "overloaded" ? "rate_limit_exceeded" : error.status < 500 ? code : "server_error",
    message,
  };
}

function responsesUsage({ promptTokens, cachedTokens, completionTokens, reasoningTokens }: Usage): object {
  return {
    input_tokens: promptTokens,
    // What is kept of a prompt is not counted by the engine.
    input_tokens_details: { cached_tokens: cachedTokens, cache_write_tokens: 0 },
    output_tokens: completionTokens,
    output_tokens_details: { reasoning_tokens: reasoningTokens },
    total_tokens: promptTokens + completionTokens,
  };
}
