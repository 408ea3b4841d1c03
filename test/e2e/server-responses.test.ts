// The Responses API as real clients meet it: OpenAI's SDK and Vercel's for Open Responses, over a tiny model, and over one
// that follows a script.

import { createOpenResponses } from "@ai-sdk/open-responses";
import { generateText, jsonSchema, streamText, tool } from "ai";
import OpenAI, { APIError } from "openai";
import type { ResponseInputItem } from "openai/resources/responses/responses";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { misfit, openai as published } from "./event-shapes.ts";
import {
  eventually,
  framesOf,
  promptsOf,
  scriptedModel,
  serveModel,
  type Serving,
  serveTiny,
  type TinyServing,
  collect,
} from "./serving.ts";

const clientOf = ({ url }: Serving): OpenAI => new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });

describe("a tiny model", () => {
  let serving: TinyServing;
  let openai: OpenAI;
  const hello = { model: "tiny", input: "Hello", max_output_tokens: 24, seed: 7, ignore_eos: true };

  beforeAll(async () => {
    serving = await serveTiny();
    openai = clientOf(serving);
  });
  afterAll(() => serving[Symbol.asyncDispose]());

  test("plain and streamed say the same, and what a chat says", async () => {
    const plain = await openai.responses.create(hello);
    expect(misfit(published("Response"), plain)).toBeUndefined();
    expect(plain).toMatchObject({
      status: "incomplete",
      incomplete_details: { reason: "max_output_tokens" },
      usage: { output_tokens: 24 },
    });
    const events = await collect(await openai.responses.create({ ...hello, stream: true }));
    for (const event of events) expect(misfit(published("ResponseStreamEvent"), event)).toBeUndefined();
    const text = events.map((event) => (event.type === "response.output_text.delta" ? event.delta : "")).join("");
    expect(text).toBe(plain.output_text);
    expect(events.at(-1)).toMatchObject({ type: "response.incomplete", response: { usage: { output_tokens: 24 } } });
    const { choices } = await openai.chat.completions.create({
      ...hello,
      messages: [{ role: "user", content: "Hello" }],
      max_tokens: 24,
    } as never);
    expect(choices[0]?.message.content).toBe(text);
  });

  test("what was cached is told", async () => {
    await openai.responses.create(hello);
    const { usage } = await openai.responses.create(hello);
    expect(usage?.input_tokens_details.cached_tokens).toBeGreaterThan(0);
  });

  test("the SDK's own assembly agrees", async () => {
    const plain = await openai.responses.create(hello);
    const assembled = await openai.responses.stream(hello).finalResponse();
    expect(assembled.output_text).toBe(plain.output_text);
  });

  test("instructions and items make the prompt of a chat", async () => {
    const count = async (body: object): Promise<number> =>
      (await serving.post("/v1/responses/input_tokens", { model: "tiny", ...body })).json.input_tokens;
    const template = await serving.post("/tokenize", {
      messages: [
        { role: "system", content: "Be kind." },
        { role: "user", content: "Hello" },
      ],
    });
    expect(await count({ input: "Hello", instructions: "Be kind." })).toBe(template.json.count);
    const developer = { role: "developer", content: [{ type: "input_text", text: "Be kind." }] };
    expect(await count({ input: [developer, { role: "user", content: "Hello" }] })).toBe(template.json.count);
  });

  test("a client that stops listening ends the stream", async () => {
    const stream = await openai.responses.create({ ...hello, max_output_tokens: 900, stream: true });
    for await (const event of stream) if (event.type === "response.output_text.delta") break;
    await eventually(
      async () => /^mimo:num_requests_running{.*} 0$/m.test((await serving.get("/metrics")).text),
      "end",
    );
  });

  test("a response that is too long for the context is refused", async () => {
    const long = openai.responses.create({ model: "tiny", input: "x".repeat(2000) });
    await expect(long).rejects.toMatchObject({ status: 400, code: "context_length_exceeded", param: "input" });
  });
});

const WEATHER = {
  type: "function" as const,
  name: "get_weather",
  description: "Weather of a place",
  strict: false,
  parameters: { type: "object", properties: { place: { type: "string" } }, required: ["place"] },
};
const CALL = "<tool_call>\n<function=get_weather>\n<parameter=place>Oslo</parameter>\n</function>\n</tool_call>";
const SCRIPT = `<think>They want Oslo.</think>Let me look.${CALL}`;

describe("a scripted model", () => {
  const model = scriptedModel(SCRIPT);
  const prompts = promptsOf(model);
  let serving: Serving;
  let openai: OpenAI;
  const ask = { model: "tiny", input: "Weather?", tools: [WEATHER] };

  beforeAll(async () => {
    serving = await serveModel(model);
    openai = clientOf(serving);
  });
  afterAll(() => serving[Symbol.asyncDispose]());

  test("reasoning, text and calls are items, plain and streamed", async () => {
    const plain = await openai.responses.create(ask);
    const events = await collect(await openai.responses.create({ ...ask, stream: true }));
    for (const event of events) expect(misfit(published("ResponseStreamEvent"), event)).toBeUndefined();
    for (const { status, output } of [plain, await openai.responses.stream(ask).finalResponse()]) {
      expect(status).toBe("completed");
      expect(output).toMatchObject([
        { type: "reasoning", summary: [], content: [{ type: "reasoning_text", text: "They want Oslo." }] },
        { type: "message", status: "completed", content: [{ type: "output_text", text: "Let me look." }] },
        { type: "function_call", status: "completed", name: "get_weather", arguments: '{"place":"Oslo"}' },
      ]);
    }
    expect(events.map(({ type }) => type).filter((type, i, all) => type !== all[i - 1])).toEqual([
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
      "response.reasoning_text.delta",
      "response.reasoning_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.output_item.added",
      "response.content_part.added",
      "response.output_text.delta",
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.output_item.added",
      "response.function_call_arguments.delta",
      "response.function_call_arguments.done",
      "response.output_item.done",
      "response.completed",
    ]);
  });

  /** The prompt of the turn after one with a call, whose items come back as `change` makes of them. */
  async function nextPrompt(change: (item: ResponseInputItem) => readonly ResponseInputItem[]): Promise<string> {
    const { output } = await openai.responses.create({ ...ask, include: ["reasoning.encrypted_content"] });
    const call = output.find((item) => item.type === "function_call");
    await openai.responses.create({
      ...ask,
      input: [
        { role: "user", content: "Weather?" },
        ...(output as ResponseInputItem[]).flatMap(change),
        { type: "function_call_output", call_id: call?.call_id ?? "", output: "Rain" },
      ],
    });
    return prompts.at(-1) ?? "";
  }

  test("a tool's round trip, however reasoning comes back", async () => {
    const whole = await nextPrompt((item) => [item]);
    expect(whole).toContain(`<|im_start|>assistant\n<think>They want Oslo.</think>Let me look.${CALL}<|im_end|>`);
    expect(whole).toContain("Rain");
    const sealed = await nextPrompt((item) => [item.type === "reasoning" ? { ...item, content: [] } : item]);
    expect(sealed).toBe(whole);
    const dropped = await nextPrompt((item) => (item.type === "reasoning" ? [] : [item]));
    expect(dropped).toBe(whole);
    const { text } = await serving.get("/metrics");
    expect(text).toMatch(/^mimo:reasoning_restored_total{.*} 1$/m);
  });

  test("sealed reasoning of another server is left out, with a warning", async () => {
    const items = [
      { role: "user", content: "A" },
      { type: "reasoning", summary: [], encrypted_content: "AAAA.QUFB" },
      { role: "assistant", content: "B" },
      { role: "user", content: "C" },
    ];
    const { status, headers } = await serving.post("/v1/responses", { input: items });
    expect([status, headers.get("x-mimo-warning")]).toEqual([200, expect.stringContaining("input[1].encrypted")]);
    expect(prompts.at(-1)).toContain("<|im_start|>assistant\n<think></think>B");
  });

  test("what Codex sends is accepted", async () => {
    const { status, text } = await serving.post("/v1/responses", {
      model: "tiny",
      instructions: "You are Codex.",
      input: [
        { type: "message", role: "developer", content: [{ type: "input_text", text: "Rules" }] },
        { type: "message", role: "user", content: [{ type: "input_text", text: "Weather?" }] },
      ],
      tools: [WEATHER, { type: "custom", name: "apply_patch", format: { type: "grammar" } }],
      tool_choice: "auto",
      parallel_tool_calls: true,
      reasoning: { effort: "medium", summary: "auto" },
      store: false,
      stream: true,
      include: ["reasoning.encrypted_content"],
      prompt_cache_key: "abc",
      text: { verbosity: "low" },
      client_metadata: { a: "b" },
    });
    expect(status).toBe(200);
    const frames = framesOf(text);
    for (const frame of frames) expect(misfit(published("ResponseStreamEvent"), frame)).toBeUndefined();
    expect(frames.at(-1).response).toMatchObject({ prompt_cache_key: "abc", reasoning: { effort: "medium" } });
    expect(frames.at(-1).response.output[0].encrypted_content).toMatch(/^[\w-]+\.[\w-]+$/);
    expect(prompts.at(-1)).toMatch(/^<\|im_start\|>system\nYou are Codex\..*Rules.*Weather\?/s);
  });

  test("tools of other types are left out, with a warning, and so are their items", async () => {
    const { status, headers, json } = await serving.post("/v1/responses", {
      input: [
        { type: "web_search_call", id: "ws_1" },
        { role: "user", content: "Weather?" },
      ],
      tools: [WEATHER, { type: "web_search" }, { type: "namespace", name: "x" }],
      parallel_tool_calls: true,
      metadata: { a: "b" },
    });
    expect(status).toBe(200);
    expect(headers.get("x-mimo-warning")).toMatch(/tools\[1\].*tools\[2\] of type namespace.*input\[0\]/);
    expect(json).toMatchObject({ metadata: { a: "b" }, store: false, tool_choice: "auto" });
  });

  test.each<[object, string]>([
    [{ background: true }, "background"],
    [{ conversation: "conv_1" }, "conversation"],
    [{ prompt: { id: "p" } }, "prompt"],
    [{ truncation: "auto" }, "truncation"],
    [{ top_logprobs: 2 }, "top_logprobs"],
    [{ include: ["message.output_text.logprobs"] }, "include"],
    [{ text: { format: { type: "yaml" } } }, "text.format.type"],
    [{ text: { format: { type: "json_schema", name: "x" } } }, "text.format.schema"],
    [{ text: { format: { type: "json_object", schema: {} } } }, "text.format.schema"],
    [{ text: { format: { type: "json_schema", schema: { enum: [] } } } }, "text.format.schema.enum"],
    [{ response_format: { type: "json_object" } }, "response_format"],
    [{ max_output_tokens: 0 }, "max_output_tokens"],
    [{ reasoning: { effort: "much" } }, "reasoning.effort"],
    [{ metadata: { a: 1 } }, "metadata.a"],
    [{ tool_choice: "required" }, "tool_choice"],
    [{ tool_choice: { type: "function", name: "g" }, tools: [WEATHER] }, "tool_choice"],
    [{ tool_choice: { type: "web_search" }, tools: [{ type: "web_search" }] }, "tool_choice"],
    [
      { tools: [{ type: "web_search" }, { ...WEATHER, strict: true, parameters: { propertyNames: {} } }] },
      "tools[1].parameters.propertyNames",
    ],
    [{ tools: [{ type: "function", name: "a b" }] }, "tools[0].name"],
    [{ previous_response_id: "resp_unknown" }, "previous_response_id"],
    [{ input: undefined }, "input"],
    [{ input: [] }, "input"],
    [{ input: [{ role: "root", content: "x" }] }, "input[0].role"],
    [{ input: [{ role: "user" }] }, "input[0].content"],
    [{ input: [{ role: "user", content: [{ type: "input_image" }] }] }, "input[0].content[0].type"],
    [{ input: [{ type: "item_reference", id: "msg_1" }] }, "input[0].type"],
    [{ input: [{ type: "function_call", call_id: "a", name: "f", arguments: "{" }] }, "input[0].arguments"],
    [{ input: [{ type: "function_call", call_id: "a", name: "", arguments: "{}" }] }, "input[0].name"],
    [{ input: [{ type: "function_call_output", output: "x" }] }, "input[0].call_id"],
  ])("%j is refused by name", async (fields, param) => {
    const { status, json } = await serving.post("/v1/responses", { input: "Hi", ...fields });
    expect({ status, param: json.error.param }).toEqual({ status: 400, param });
    expect(json.error.message).toContain(param);
  });

  test("no effort is no thinking, any other is some", async () => {
    await openai.responses.create({ ...ask, reasoning: { effort: "none" } });
    expect(prompts.at(-1)).toMatch(/<think><\/think>$/);
    await openai.responses.create({ ...ask, reasoning: { effort: "low" } });
    expect(prompts.at(-1)).toMatch(/assistant\n$/);
  });

  test("Open Responses, by Vercel's SDK", async () => {
    const provider = createOpenResponses({ name: "mimo", url: `${serving.url}/v1/responses` });
    const options = {
      model: provider("tiny"),
      prompt: "Weather?",
      tools: { get_weather: tool({ description: "Weather", inputSchema: jsonSchema(WEATHER.parameters as object) }) },
    };
    const whole = await generateText(options);
    expect([whole.text, whole.reasoningText]).toEqual(["Let me look.", "They want Oslo."]);
    expect(whole.toolCalls.map(({ input }) => input as unknown)).toEqual([{ place: "Oslo" }]);
    expect(whole.finishReason).toBe("tool-calls");
    const stream = streamText(options);
    expect(await stream.text).toBe("Let me look.");
    expect(await stream.reasoningText).toBe("They want Oslo.");
    expect((await stream.toolCalls).map(({ input }) => input as unknown)).toEqual([{ place: "Oslo" }]);
    expect(await stream.usage).toMatchObject({ inputTokens: 10, cachedInputTokens: 4 });
  });
});

test("a failure is the end of a stream, told as one", async () => {
  const failing = scriptedModel("x");
  failing.answer = async function* () {
    yield { type: "text", text: "begin" };
    throw new Error("secret /path");
  };
  await using serving = await serveModel(failing);
  const { text } = await serving.post("/v1/responses", { input: "Hi", stream: true });
  const last = framesOf(text).at(-1);
  expect(misfit(published("ResponseStreamEvent"), last)).toBeUndefined();
  expect(last).toMatchObject({ type: "response.failed", response: { error: { code: "server_error" } } });
  expect(text).not.toContain("secret");
  await expect(clientOf(serving).responses.create({ model: "tiny", input: "Hi" })).rejects.toBeInstanceOf(APIError);
});
