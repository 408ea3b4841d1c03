// Whatever a model says, the three chat APIs tell the same of it, and each of them the same in a stream as in a whole.

import fc from "fast-check";
import { expect, test } from "vitest";
import { scriptedEvents, scriptedOutputs, TOKENIZER } from "../../../test/e2e/serving.ts";
import type { ToolDefinition } from "../../tokenizer/chat-request.ts";
import { MimoError } from "../../util/errors.ts";
import { closeJson } from "./close-json.ts";
import { chatRenderer } from "./render-chat.ts";
import { messagesRenderer } from "./render-messages.ts";
import { responsesRenderer, type ResponsesRenderer } from "./render-responses.ts";
import type { Frame, Renderer, ServerEvent } from "./renderer.ts";

const TOOLS: readonly ToolDefinition[] = [
  {
    type: "function",
    function: {
      name: "write",
      parameters: { type: "object", properties: { text: { type: "string" }, count: { type: "integer" } } },
    },
  },
];
const CALL =
  '<tool_call>\n<function=write>\n<parameter=text> a\n"b" </parameter>\n<parameter=count>3</parameter>\n</function>\n</tool_call>';
const header = { id: "reply", created: 1, model: "tiny" };
const callId = (index: number): string => `call-${index}`;

const newChat = (hasTools: boolean): Renderer =>
  chatRenderer({
    header,
    numChoices: 1,
    includeUsage: true,
    hasTools,
    callId: (_, index) => callId(index),
    tokenBytes: (id) => TOKENIZER.tokenBytes(id),
    include: new Set<never>(),
    prompt: { ids: [1, 2], prompt: "Hi" },
  });

function newResponse(hasTools: boolean): ResponsesRenderer {
  let numItems = 0;
  return responsesRenderer({
    header,
    echo: { metadata: {} },
    hasTools,
    callId,
    itemId: (prefix) => `${prefix}${numItems++}`,
    seal: (text) => `sealed ${text}`,
    now: () => 2,
  });
}

const newMessage = (hasTools: boolean): Renderer =>
  messagesRenderer({
    header,
    requestId: "request",
    promptTokens: 10,
    hasTools,
    callId,
    sign: (text) => `signed ${text}`,
  });

async function eventsOf(text: string, sizes: readonly number[], finish: "stop" | "length"): Promise<ServerEvent[]> {
  const events: ServerEvent[] = [];
  for await (const event of scriptedEvents(
    text,
    { tools: TOOLS, stop: ["STOP"] },
    scriptedOutputs(text, sizes, finish),
  ))
    events.push(event);
  return events;
}

/** Frames as a client reads them. */
function streamOf(renderer: Renderer, events: readonly ServerEvent[]): any[] {
  const frames: Frame[] = [...renderer.begin()];
  for (const event of events) frames.push(...renderer.push(0, event));
  frames.push(...renderer.end());
  return frames.map(({ event, data }) => {
    const read = JSON.parse(JSON.stringify(data)) as { readonly type: string };
    expect(event).toBe(read.type);
    return read;
  });
}

/** What a client makes of a stream of a response. */
function assembleResponse(frames: readonly any[]): any {
  expect(frames.map((frame) => frame.sequence_number)).toEqual(frames.map((_, i) => i));
  expect(frames.slice(0, 2).map(({ type }) => type)).toEqual(["response.created", "response.in_progress"]);
  const items: any[] = [];
  let open: any;
  for (const frame of frames.slice(2, -1)) {
    const { type, output_index: index, item_id: id } = frame;
    expect(index).toBe(type === "response.output_item.added" ? items.length : items.length - 1);
    if (id !== undefined) expect(id).toBe(open.id);
    if (type === "response.output_item.added") {
      expect(open).toBeUndefined();
      open = frame.item;
      expect(open.status).toBe("in_progress");
      items.push(open);
    } else if (type === "response.content_part.added") open.content[frame.content_index] = frame.part;
    else if (type === "response.content_part.done") expect(open.content[frame.content_index]).toEqual(frame.part);
    else if (type === "response.output_item.done") {
      const { status, encrypted_content: sealed } = frame.item;
      expect(["completed", "incomplete"]).toContain(status);
      Object.assign(open, { status }, sealed === undefined ? {} : { encrypted_content: sealed });
      expect(open).toEqual(frame.item);
      open = undefined;
    } else if (type === "response.function_call_arguments.delta") open.arguments += frame.delta;
    else if (type === "response.function_call_arguments.done")
      expect([frame.name, frame.arguments]).toEqual([open.name, open.arguments]);
    else if (type.endsWith(".delta")) open.content[frame.content_index].text += frame.delta;
    else expect(frame.text).toBe(open.content[frame.content_index].text);
  }
  const { type, response } = frames.at(-1);
  expect(type).toBe(`response.${response.status}`);
  expect(response.output).toEqual(items);
  return response;
}

/** What a client makes of a stream of a message. */
function assembleMessage(frames: readonly any[]): any {
  const [{ type, message }, ...rest] = frames;
  expect(type).toBe("message_start");
  expect(frames.at(-1)).toEqual({ type: "message_stop" });
  let open: any;
  for (const frame of rest.slice(0, -2)) {
    if (frame.type === "ping") continue;
    const place = frame.type === "content_block_start" ? message.content.length : message.content.length - 1;
    expect(frame.index).toBe(place);
    if (frame.type === "content_block_start") {
      expect(open).toBeUndefined();
      open = { json: "", ...frame.content_block };
      message.content.push(open);
    } else if (frame.type === "content_block_stop") {
      const { json } = open;
      delete open.json;
      if (open.type === "tool_use") open.input = JSON.parse(closeJson(json));
      open = undefined;
    } else {
      const { delta } = frame;
      if (delta.type === "text_delta") open.text += delta.text;
      else if (delta.type === "thinking_delta") open.thinking += delta.thinking;
      else if (delta.type === "signature_delta") open.signature += delta.signature;
      else open.json += delta.partial_json;
    }
  }
  const { type: last, delta, ...others } = rest.at(-2);
  expect(last).toBe("message_delta");
  return { ...message, ...delta, ...others };
}

interface Told {
  readonly text: string;
  readonly reasoning: string;
  readonly calls: readonly { readonly id: string; readonly name: string; readonly input: unknown }[];
  readonly finish: string;
  /** Ids of calls that their tool does not take. */
  readonly invalid: readonly string[];
  /** Tokens: of the prompt, cached, written, reasoning. */
  readonly usage: readonly number[];
}

const idsOf = (calls: readonly { readonly id: string }[] = []): string[] => calls.map(({ id }) => id);
const join = (texts: readonly string[]): string => texts.join("");

function toldByChat({ choices: [{ message, finish_reason: finish, invalid_tool_calls: invalid }], usage }: any): Told {
  return {
    text: message.content ?? "",
    reasoning: message.reasoning_content ?? "",
    calls: (message.tool_calls ?? []).map((call: any) => ({
      id: call.id,
      name: call.function.name,
      input: JSON.parse(closeJson(call.function.arguments)),
    })),
    finish,
    invalid: idsOf(invalid),
    usage: [
      usage.prompt_tokens,
      usage.prompt_tokens_details.cached_tokens,
      usage.completion_tokens,
      usage.completion_tokens_details.reasoning_tokens,
    ],
  };
}

function toldByResponse({
  output,
  status,
  incomplete_details: details,
  usage,
  invalid_tool_calls: invalid,
}: any): Told {
  const textOf = (type: string): string =>
    join(
      output.filter((item: any) => item.type === type).flatMap(({ content }: any) => content.map((p: any) => p.text)),
    );
  const calls = output.filter((item: any) => item.type === "function_call");
  expect(details).toEqual(status === "incomplete" ? { reason: "max_output_tokens" } : null);
  return {
    text: textOf("message"),
    reasoning: textOf("reasoning"),
    calls: calls.map((call: any) => ({
      id: call.call_id,
      name: call.name,
      input: JSON.parse(closeJson(call.arguments)),
    })),
    finish: status === "incomplete" ? "length" : calls.length > 0 ? "tool_calls" : "stop",
    invalid: idsOf(invalid),
    usage: [
      usage.input_tokens,
      usage.input_tokens_details.cached_tokens,
      usage.output_tokens,
      usage.output_tokens_details.reasoning_tokens,
    ],
  };
}

const FINISHES: Readonly<Record<string, string>> = {
  end_turn: "stop",
  stop_sequence: "stop",
  max_tokens: "length",
  tool_use: "tool_calls",
};

function toldByMessage({
  content,
  stop_reason: reason,
  stop_sequence: stop,
  usage,
  invalid_tool_calls: invalid,
}: any): Told {
  expect(stop).toBe(reason === "stop_sequence" ? "STOP" : null);
  return {
    text: join(content.map((block: any) => block.text ?? "")),
    reasoning: join(content.map((block: any) => block.thinking ?? "")),
    calls: content.flatMap(({ type, id, name, input }: any) => (type === "tool_use" ? [{ id, name, input }] : [])),
    finish: FINISHES[reason] ?? reason,
    invalid: idsOf(invalid),
    usage: [
      usage.input_tokens + usage.cache_read_input_tokens,
      usage.cache_read_input_tokens,
      usage.output_tokens,
      usage.output_tokens_details.thinking_tokens,
    ],
  };
}

test("the three APIs agree, streamed and whole", async () => {
  const word = fc.constantFrom(
    "<think>", "</think>", "<tool_call>", "</tool_call>", "<function=write>", "</function>", "<parameter=text>",
    "<parameter=count>", "</parameter>", "\n", "é😀", "Hello", '"\\', "12", CALL, "STOP",
  ); // prettier-ignore
  const text = fc.array(word, { maxLength: 12 }).map((words) => words.join(""));
  const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(
      text,
      sizes,
      fc.constantFrom("stop", "length"),
      fc.boolean(),
      async (said, cuts, finish, hasTools) => {
        const events = await eventsOf(said, cuts, finish);
        if (events.length === 0) return;
        const [chat, response, message] = [newChat(hasTools), newResponse(hasTools), newMessage(hasTools)];
        for (const event of events) chat.push(0, event);
        const told = toldByChat(chat.whole());
        const streamedResponse = assembleResponse(streamOf(response, events));
        expect(streamedResponse).toEqual(response.whole());
        expect(toldByResponse(streamedResponse)).toEqual(told);
        const streamedMessage = assembleMessage(streamOf(message, events));
        expect(streamedMessage).toEqual(message.whole());
        expect(toldByMessage(streamedMessage)).toEqual(told);
      },
    ),
    { numRuns: 200 },
  );
});

test("what was cut off is incomplete", async () => {
  const response = newResponse(true);
  for (const event of await eventsOf(`<think>Hm</think>${CALL.slice(0, 60)}`, [2], "length")) response.push(0, event);
  expect(response.whole()).toMatchObject({
    status: "incomplete",
    incomplete_details: { reason: "max_output_tokens" },
    completed_at: null,
    output: [
      { type: "reasoning", status: "completed", encrypted_content: "sealed Hm" },
      { type: "function_call", status: "incomplete", call_id: "call-0", name: "write" },
    ],
  });
});

test("a stop string is named", async () => {
  const message = newMessage(true);
  for (const event of await eventsOf("One STOP two", [3], "stop")) message.push(0, event);
  expect(message.whole()).toMatchObject({
    content: [{ type: "text", text: "One " }],
    stop_reason: "stop_sequence",
    stop_sequence: "STOP",
  });
});

test("a failure ends a stream in each one's own way", () => {
  const error = new MimoError("internal", "No.");
  const response = newResponse(true);
  response.begin();
  expect(response.fail(error)).toMatchObject([
    {
      event: "response.failed",
      data: { sequence_number: 2, response: { status: "failed", error: { code: "server_error" } } },
    },
  ]);
  const cancelled = newResponse(true);
  expect(cancelled.cancel()).toMatchObject({ status: "cancelled", error: null });
  expect(cancelled.fail(new MimoError("aborted", "Gone."))).toMatchObject([{ data: { response: { error: null } } }]);
  expect(newMessage(true).fail(error)).toEqual([
    {
      event: "error",
      data: { type: "error", error: { type: "api_error", message: "No." }, request_id: "request" },
    },
  ]);
});
