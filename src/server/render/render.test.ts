// A streamed reply, put together by a client, is the reply that is not streamed; and how a model's output was cut into
// steps changes neither.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { scriptedEvents, scriptedOutputs, TOKENIZER } from "../../../test/e2e/serving.ts";
import type { ToolDefinition } from "../../tokenizer/chat-request.ts";
import { MimoError } from "../../util/errors.ts";
import { chatRenderer, type ChatReplyOptions } from "./render-chat.ts";
import { completionsRenderer } from "./render-completions.ts";
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
const HEADER = { id: "chatcmpl-1", created: 1, model: "tiny" };
const tokenBytes = (id: number): Uint8Array => TOKENIZER.tokenBytes(id);

function newChat(options: Partial<ChatReplyOptions> = {}): Renderer {
  const callId = (choice: number, index: number): string => `call-${choice}-${index}`;
  return chatRenderer({
    header: HEADER,
    numChoices: 1,
    hasTools: true,
    includeUsage: true,
    callId,
    tokenBytes,
    include: new Set(),
    prompt: { ids: [1, 2], prompt: "Hi" },
    ...options,
  });
}

async function eventsOf(
  text: string,
  sizes: readonly number[],
  finish: "stop" | "length" = "stop",
): Promise<ServerEvent[]> {
  const events: ServerEvent[] = [];
  const outputs = scriptedOutputs(text, sizes, finish);
  for await (const event of scriptedEvents(text, { tools: TOOLS, logprobs: 1 }, outputs)) events.push(event);
  return events;
}

function framesFrom(renderer: Renderer, events: readonly (readonly [number, ServerEvent])[]): readonly Frame[] {
  return [...renderer.begin(), ...events.flatMap(([choice, event]) => renderer.push(choice, event)), ...renderer.end()];
}

/** What a client makes of the chunks of a chat, written without a look at the renderer. */
function assembleChat(frames: readonly Frame[]): any {
  const last = frames.at(-1);
  expect(last).toEqual({ data: "[DONE]" });
  const chunks = frames.slice(0, -1).map(({ data }) => data as any);
  const choices: any[] = [];
  for (const { choices: parts, ...rest } of chunks) {
    expect(rest).toMatchObject({ id: HEADER.id, object: "chat.completion.chunk", created: 1, model: "tiny" });
    for (const { index, delta, logprobs, finish_reason, ...extensions } of parts) {
      const fresh = { index, message: { role: "", content: null, refusal: null }, logprobs: null, finish_reason: null };
      const choice = (choices[index] ??= fresh);
      expect(choice.finish_reason).toBeNull();
      choice.finish_reason = finish_reason;
      Object.assign(choice, extensions);
      const { message } = choice;
      message.role += delta.role ?? "";
      if (delta.content !== undefined) message.content = (message.content ?? "") + delta.content;
      if (delta.reasoning_content !== undefined)
        message.reasoning_content = (message.reasoning_content ?? "") + delta.reasoning_content;
      for (const { index: at, id, type, function: called } of delta.tool_calls ?? []) {
        message.tool_calls ??= [];
        if (id !== undefined) message.tool_calls[at] = { id, type, function: { name: called.name, arguments: "" } };
        else expect(called.name).toBeUndefined();
        message.tool_calls[at].function.arguments += called.arguments;
      }
      if (logprobs !== null)
        choice.logprobs = { content: [...(choice.logprobs?.content ?? []), ...logprobs.content], refusal: null };
    }
  }
  for (const { message } of choices) if (message.tool_calls === undefined) message.content ??= "";
  expect(chunks.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true);
  const { usage, choices: none } = chunks.at(-1);
  expect(none).toEqual([]);
  return { id: HEADER.id, object: "chat.completion", created: 1, model: "tiny", choices, usage };
}

const CALL =
  '<tool_call>\n<function=write>\n<parameter=text> a\n"b" </parameter>\n<parameter=count>3</parameter>\n</function>\n</tool_call>';

describe("chat", () => {
  test("tells reasoning, content and calls apart", async () => {
    const renderer = newChat();
    const text = `<think>Hm</think>Well.${CALL}${CALL}`;
    for (const event of await eventsOf(text, [3])) renderer.push(0, event);
    const call = (index: number): object => ({
      id: `call-0-${index}`,
      type: "function",
      function: { name: "write", arguments: '{"text":" a\\n\\"b\\" ","count":3}' },
    });
    expect(renderer.whole()).toMatchObject({
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: "Well.", reasoning_content: "Hm", tool_calls: [call(0), call(1)] },
          finish_reason: "tool_calls",
        },
      ],
      usage: {
        prompt_tokens: 10,
        prompt_tokens_details: { cached_tokens: 4 },
        completion_tokens_details: {
          reasoning_tokens: 2,
          accepted_prediction_tokens: 2,
          rejected_prediction_tokens: 1,
        },
      },
    });
  });

  test("arguments go out while they are written", async () => {
    const renderer = newChat();
    const events = await eventsOf(CALL, [1]);
    const deltas = events.flatMap((event) => renderer.push(0, event)).map(({ data }) => (data as any).choices[0].delta);
    const calls = deltas.flatMap(({ tool_calls: list }) => list ?? []);
    expect(calls[0]).toEqual({
      index: 0,
      id: "call-0-0",
      type: "function",
      function: { name: "write", arguments: "" },
    });
    expect(calls.slice(1).every((call) => call.index === 0 && !("id" in call) && !("name" in call.function))).toBe(
      true,
    );
    expect(calls.length).toBeGreaterThan(6);
  });

  test("a call that is cut off is neither closed nor an end of its own", async () => {
    const renderer = newChat();
    for (const event of await eventsOf(CALL.slice(0, 60), [2], "length")) renderer.push(0, event);
    const [choice] = (renderer.whole() as any).choices;
    expect(choice.finish_reason).toBe("length");
    expect(() => JSON.parse(choice.message.tool_calls[0].function.arguments) as unknown).toThrow();
  });

  test("a call that its tool does not take is told with the end, one that was cut off is not", async () => {
    const wrong = CALL.replace(">3<", ">three<");
    const choiceOf = async (text: string, finish: "stop" | "length"): Promise<any> => {
      const renderer = newChat();
      for (const event of await eventsOf(text, [2], finish)) renderer.push(0, event);
      return (renderer.whole() as any).choices[0];
    };
    expect((await choiceOf(CALL + wrong, "stop")).invalid_tool_calls).toEqual([
      { id: "call-0-1", errors: ["count must be integer, not string."] },
    ]);
    expect(await choiceOf(CALL, "stop")).not.toHaveProperty("invalid_tool_calls");
    expect(await choiceOf(wrong.slice(0, -5), "length")).not.toHaveProperty("invalid_tool_calls");
  });

  test("what cannot be answered as a call is text", async () => {
    const nameless = "<tool_call>no function</tool_call>";
    const withTools = newChat();
    for (const event of await eventsOf(`A${nameless}B`, [2])) withTools.push(0, event);
    expect((withTools.whole() as any).choices[0]).toMatchObject({
      message: { content: `A${nameless}B` },
      finish_reason: "stop",
    });
    const without = newChat({ hasTools: false });
    for (const event of await eventsOf(`A${CALL}B`, [2])) without.push(0, event);
    expect((without.whole() as any).choices[0]).toMatchObject({
      message: { content: `A${CALL}B` },
      finish_reason: "stop",
    });
  });

  test("a failure is a frame of its own", () => {
    const [frame] = newChat().fail(new MimoError("invalid_argument", "No.", { param: "maxTokens" }));
    expect(frame).toEqual({
      data: { error: { message: "No.", type: "invalid_request_error", param: "max_tokens", code: "invalid_argument" } },
    });
  });

  test("streamed = whole, for any output, in any steps", async () => {
    const word = fc.constantFrom(
      "<think>", "</think>", "<tool_call>", "</tool_call>", "<function=write>", "</function>", "<parameter=text>",
      "<parameter=count>", "</parameter>", "\n", "é😀", "Hello", '"\\', "12", CALL,
    ); // prettier-ignore
    const text = fc.array(word, { maxLength: 12 }).map((words) => words.join(""));
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(text, text, sizes, sizes, fc.boolean(), async (first, second, cuts, otherCuts, hasTools) => {
        const [a, b, again] = [
          await eventsOf(first, cuts),
          await eventsOf(second, cuts),
          await eventsOf(first, otherCuts),
        ];
        // Choices take turns as they like.
        const both: [number, ServerEvent][] = [];
        for (let i = 0; i < Math.max(a.length, b.length); i++) {
          if (a[i] !== undefined) both.push([0, a[i]!]);
          if (b[i] !== undefined) both.push([1, b[i]!]);
        }
        const renderer = newChat({ numChoices: 2, hasTools });
        expect(assembleChat(framesFrom(renderer, both))).toEqual(renderer.whole());
        const other = newChat({ hasTools });
        for (const event of again) other.push(0, event);
        expect((other.whole() as any).choices[0]).toEqual((renderer.whole() as any).choices[0]);
      }),
      { numRuns: 150 },
    );
  });
});

describe("completions", () => {
  const options = { header: HEADER, numPrompts: 1, numChoices: 2, includeUsage: true, tokenBytes };
  const prompt: ServerEvent = {
    type: "prompt",
    text: "Hé",
    logprobs: [
      { token: 72, text: "H", logprob: null },
      { token: 0xc3, text: "\ufffd", logprob: -2, top: [{ token: 0xa9, text: "\ufffd", logprob: -1 }] },
      { token: 0xa9, text: "\ufffd", logprob: -3, top: [{ token: 0xa9, text: "\ufffd", logprob: -3 }] },
    ],
  };

  test("streamed = whole, with the prompt and its log-probabilities", async () => {
    const renderer = completionsRenderer(options);
    const events: [number, ServerEvent][] = [
      [0, prompt],
      [1, prompt],
      ...(await eventsOf("one two", [2])).map((event): [number, ServerEvent] => [0, event]),
      ...(await eventsOf("three", [3])).map((event): [number, ServerEvent] => [1, event]),
    ];
    const frames = framesFrom(renderer, events);
    const chunks = frames.slice(0, -1).map(({ data }) => data as any);
    const choices = [0, 1].map((index) => {
      const parts = chunks.flatMap((chunk) => chunk.choices).filter((part) => part.index === index);
      const lists = parts.flatMap(({ logprobs }) => logprobs ?? []);
      const joined = (key: string): unknown[] => lists.flatMap((list) => list[key]);
      return {
        index,
        text: parts.map((part) => part.text).join(""),
        logprobs: {
          tokens: joined("tokens"),
          token_logprobs: joined("token_logprobs"),
          top_logprobs: joined("top_logprobs"),
          text_offset: joined("text_offset"),
        },
        finish_reason: parts.at(-1).finish_reason,
      };
    });
    expect({ ...(renderer.whole() as object) }).toMatchObject({ choices, usage: chunks.at(-1).usage });
    expect(choices[0]?.text).toBe("Héone two");
    expect(choices[0]?.logprobs.tokens.slice(0, 4)).toEqual(["H", "bytes:\\xc3", "bytes:\\xa9", "o"]);
    expect(choices[0]?.logprobs.top_logprobs.slice(0, 3)).toEqual([
      null,
      { "bytes:\\xa9": -1, "bytes:\\xc3": -2 },
      { "bytes:\\xa9": -3 },
    ]);
    // Two choices of one prompt count it once.
    expect(chunks.at(-1).usage.prompt_tokens).toBe(10);
  });
});
