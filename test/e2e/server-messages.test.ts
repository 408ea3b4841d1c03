// Anthropic's Messages as its own SDK meets it, over a tiny model, and over one that follows a script.

import Anthropic, { APIUserAbortError, BadRequestError } from "@anthropic-ai/sdk";
import type { MessageParam, Tool } from "@anthropic-ai/sdk/resources/messages";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MESSAGE, MESSAGE_EVENT, misfit } from "./event-shapes.ts";
import {
  eventually,
  failureOf,
  framesOf,
  promptsOf,
  scriptedModel,
  serveModel,
  type Serving,
  serveTiny,
  type TinyServing,
  collect,
} from "./serving.ts";

const clientOf = ({ url }: Serving, apiKey = "none"): Anthropic =>
  new Anthropic({ baseURL: url, apiKey, maxRetries: 0 });
const user = (content: MessageParam["content"]): MessageParam => ({ role: "user", content });

describe("a tiny model", () => {
  let serving: TinyServing;
  let anthropic: Anthropic;
  const extensions = { seed: 7, ignore_eos: true };
  const hello = { model: "tiny", messages: [user("Hello")], max_tokens: 24, ...extensions };

  beforeAll(async () => {
    serving = await serveTiny();
    anthropic = clientOf(serving);
  });
  afterAll(() => serving[Symbol.asyncDispose]());

  test("plain and streamed say the same", async () => {
    const plain = await anthropic.messages.create(hello);
    expect(misfit(MESSAGE, plain)).toBeUndefined();
    expect(plain).toMatchObject({ stop_reason: "max_tokens", stop_sequence: null, usage: { output_tokens: 24 } });
    expect(plain._request_id).toMatch(/^[\w-]{36}$/);
    const events = await collect(await anthropic.messages.create({ ...hello, stream: true }));
    for (const event of events) expect(misfit(MESSAGE_EVENT, event)).toBeUndefined();
    const assembled = await anthropic.messages.stream(hello).finalMessage();
    expect(assembled.content).toEqual(plain.content);
    expect(assembled.usage.output_tokens).toBe(24);
  });

  test("what was cached is told, and counted once", async () => {
    const { input_tokens: count } = await anthropic.messages.countTokens({ model: "tiny", messages: hello.messages });
    await anthropic.messages.create(hello);
    const { usage } = await anthropic.messages.create(hello);
    expect(usage.cache_read_input_tokens).toBeGreaterThan(0);
    expect(usage.input_tokens + (usage.cache_read_input_tokens ?? 0)).toBe(count);
  });

  test("counted tokens are those of the prompt, in a stream from its beginning", async () => {
    const { model, messages, max_tokens: _, ...rest } = { ...hello, system: "Be kind." };
    const { input_tokens: count } = await anthropic.messages.countTokens({ model, messages, system: rest.system });
    const [start] = await collect(await anthropic.messages.create({ ...hello, system: rest.system, stream: true }));
    expect(start).toMatchObject({ type: "message_start", message: { usage: { input_tokens: count } } });
    expect(count).toBeGreaterThan(messages.length);
  });

  test("a stop sequence is named and left out", async () => {
    const { content } = await anthropic.messages.create({ ...hello, max_tokens: 60 });
    const text = content[0]?.type === "text" ? content[0].text : "";
    const stop = text.slice(10, 12);
    const stopped = await anthropic.messages.create({ ...hello, max_tokens: 60, stop_sequences: ["\u0000", stop] });
    expect(stopped).toMatchObject({
      content: [{ text: text.slice(0, text.indexOf(stop)) }],
      stop_reason: "stop_sequence",
      stop_sequence: stop,
    });
  });

  test("a client that stops listening ends the answer", async () => {
    const idle = (): Promise<void> =>
      eventually(
        async () => /^mimo:num_requests_running{.*} 0$/m.test((await serving.get("/metrics")).text),
        "nothing runs",
      );
    const stream = anthropic.messages.stream({ ...hello, max_tokens: 900 });
    stream.on("text", () => stream.abort());
    expect(await failureOf(stream.finalMessage())).toBeInstanceOf(APIUserAbortError);
    await idle();
    const controller = new AbortController();
    const pending = anthropic.messages.create({ ...hello, max_tokens: 900 }, { signal: controller.signal });
    setTimeout(() => controller.abort(), 50);
    expect(await failureOf(pending)).toBeInstanceOf(APIUserAbortError);
    await idle();
  });

  test("a prompt that is too long is refused", async () => {
    const error = await failureOf(anthropic.messages.create({ ...hello, messages: [user("x".repeat(2000))] }));
    expect(error).toBeInstanceOf(BadRequestError);
    expect(error.message).toMatch(/\d{4} tokens.*1024/);
  });
});

const WEATHER: Tool = {
  name: "get_weather",
  description: "Weather of a place",
  input_schema: { type: "object", properties: { place: { type: "string" } }, required: ["place"] },
};
const CALL = "<tool_call>\n<function=get_weather>\n<parameter=place>Oslo</parameter>\n</function>\n</tool_call>";
const SCRIPT = `<think>They want Oslo.</think>Let me look.${CALL}`;

describe("a scripted model", () => {
  const model = scriptedModel(SCRIPT);
  const prompts = promptsOf(model);
  let serving: Serving;
  let anthropic: Anthropic;
  const ask = { model: "tiny", messages: [user("Weather?")], max_tokens: 200, tools: [WEATHER] };

  beforeAll(async () => {
    serving = await serveModel(model);
    anthropic = clientOf(serving);
  });
  afterAll(() => serving[Symbol.asyncDispose]());

  async function promptOf(body: object): Promise<string> {
    const { status, text } = await serving.post("/v1/messages", { ...ask, ...body });
    expect({ status, text }).toEqual({ status: 200, text });
    return prompts.at(-1) ?? "";
  }

  test("thinking, text and calls are blocks, plain and streamed", async () => {
    const plain = await anthropic.messages.create({ ...ask, thinking: { type: "enabled", budget_tokens: 1024 } });
    expect(misfit(MESSAGE, plain)).toBeUndefined();
    const streamed = await anthropic.messages.stream(ask).finalMessage();
    for (const { content, stop_reason: reason, usage } of [plain, streamed]) {
      expect(content).toMatchObject([
        { type: "thinking", thinking: "They want Oslo.", signature: expect.stringMatching(/^[\w-]{43}$/) as string },
        { type: "text", text: "Let me look." },
        { type: "tool_use", name: "get_weather", input: { place: "Oslo" } },
      ]);
      expect(reason).toBe("tool_use");
      expect(usage).toMatchObject({ input_tokens: 6, cache_read_input_tokens: 4 });
    }
    const events = await collect(await anthropic.messages.create({ ...ask, stream: true }));
    for (const event of events) expect(misfit(MESSAGE_EVENT, event)).toBeUndefined();
    const { text } = await serving.post("/v1/messages?beta=true", { ...ask, stream: true });
    const types = framesOf(text).map(({ type }) => type as string);
    expect(types.filter((type, i) => type !== types[i - 1])).toEqual([
      "message_start",
      "content_block_start",
      "ping",
      "content_block_delta",
      "content_block_stop",
      "content_block_start",
      "content_block_delta",
      "content_block_stop",
      "content_block_start",
      "content_block_delta",
      "content_block_stop",
      "message_delta",
      "message_stop",
    ]);
    expect(text).toMatch(/^event: message_start\ndata: {"type":"message_start"/);
  });

  test("a tool's round trip, with thinking and without", async () => {
    const round = async (dropsThinking: boolean): Promise<string> => {
      const { content } = await anthropic.messages.create(ask);
      const id = content.flatMap((block) => (block.type === "tool_use" ? block.id : []))[0] ?? "";
      await anthropic.messages.create({
        ...ask,
        messages: [
          user("Weather?"),
          {
            role: "assistant",
            content: content.filter(({ type }) => !dropsThinking || type !== "thinking") as never,
          },
          user([
            { type: "tool_result", tool_use_id: id, content: [{ type: "text", text: "Rain" }] },
            { type: "text", text: "Go on." },
          ]),
        ],
      });
      return prompts.at(-1) ?? "";
    };
    const whole = await round(false);
    expect(whole).toContain(`<|im_start|>assistant\n<think>They want Oslo.</think>Let me look.${CALL}<|im_end|>`);
    expect(whole).toMatch(
      /<tool_response>\nRain\n<\/tool_response>\n<\|im_end\|><\|im_start\|>user\nGo on\.<\|im_end\|>/,
    );
    expect(await round(true)).toBe(whole);
    expect((await serving.get("/metrics")).text).toMatch(/^mimo:reasoning_restored_total{.*} 1$/m);
  });

  test("the system prompt, in every form, without the line that changes with every request", async () => {
    const plain = await promptOf({ system: "Be kind. Be brief." });
    expect(plain).toMatch(/^<\|im_start\|>system\nBe kind\. Be brief\./);
    const header = "x-anthropic-billing-header: cc_version=2; cch=1a2b3;";
    const cached = { cache_control: { type: "ephemeral" } };
    for (const system of [
      [
        { type: "text", text: "Be kind. ", ...cached },
        { type: "text", text: "Be brief." },
      ],
      [
        { type: "text", text: header },
        { type: "text", text: "Be kind. Be brief." },
      ],
      `${header}\nBe kind. Be brief.`,
    ])
      expect(await promptOf({ system })).toBe(plain);
    const within = await promptOf({ messages: [user("A"), { role: "system", content: "B" }, user("C")] });
    expect(within).toMatch(/user\nA<\|im_end\|><\|im_start\|>system\nB<\|im_end\|><\|im_start\|>user\nC/);
  });

  test("the switch for thinking", async () => {
    const off = await promptOf({ thinking: { type: "disabled" } });
    expect(off).toMatch(/<think><\/think>$/);
    expect(await promptOf({})).toBe(off);
    for (const thinking of [{ type: "enabled", budget_tokens: 2000 }, { type: "adaptive" }])
      expect(await promptOf({ thinking })).toMatch(/assistant\n$/);
  });

  test("what Claude Code sends is accepted, and what is left out is said", async () => {
    const { status, headers } = await serving.post(
      "/v1/messages?beta=true",
      {
        ...ask,
        messages: [
          user("A"),
          {
            role: "assistant",
            content: [
              { type: "redacted_thinking", data: "x" },
              { type: "text", text: "B" },
            ],
          },
          user([{ type: "text", text: "C", cache_control: { type: "ephemeral" } }]),
        ],
        tools: [WEATHER, { type: "web_search_20250305", name: "web_search" }],
        thinking: { type: "enabled", budget_tokens: 2000 },
        output_config: { effort: "high" },
        context_management: { edits: [{ type: "clear_thinking_20251015" }] },
        metadata: { user_id: "{}" },
        tool_choice: { type: "auto", disable_parallel_tool_use: true },
      },
      { headers: { authorization: "Bearer x", "anthropic-beta": "a,b", "anthropic-version": "2023-06-01" } },
    );
    expect(status).toBe(200);
    expect(headers.get("x-mimo-warning")).toMatch(/tools\[1\].*redacted_thinking/);
    expect((await serving.get("/", { method: "HEAD" })).status).toBe(200);
  });

  test("a tool's failure is said to the model, and choices of tools are heeded", async () => {
    const failed = { type: "tool_result", tool_use_id: "a", content: "no such place", is_error: true };
    const call = { type: "tool_use", id: "a", name: "get_weather", input: { place: "x" } };
    const messages = [user("Hi"), { role: "assistant", content: [call] }, { role: "user", content: [failed] }];
    expect(await promptOf({ messages })).toContain("<tool_response>\nError: no such place\n</tool_response>");
    const none = await anthropic.messages.create({ ...ask, tool_choice: { type: "none" } });
    expect(none.stop_reason).toBe("end_turn");
    const twice = scriptedModel(CALL + CALL);
    await using serving2 = await serveModel(twice);
    const one = { ...ask, tool_choice: { type: "auto" as const, disable_parallel_tool_use: true } };
    expect((await clientOf(serving2).messages.create(one)).content).toHaveLength(1);
    expect((await clientOf(serving2).messages.create(ask)).content).toHaveLength(2);
  });
});
