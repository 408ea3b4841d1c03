// The server as real clients meet it: OpenAI's SDK and Vercel's, over a tiny model, and over one that follows a script
// where it matters what the model says.

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, jsonSchema, streamText, tool } from "ai";
import OpenAI, { APIError, BadRequestError, NotFoundError } from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Mimo } from "../../src/index.ts";
import { framesOf, scriptedModel, serveModel, type Serving, serveTiny, type TinyServing, collect } from "./serving.ts";

let mimo: Mimo;
let serving: TinyServing;
let openai: OpenAI;

const clientOf = ({ url }: Serving): OpenAI => new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
const hello = {
  model: "tiny",
  messages: [{ role: "user" as const, content: "Hello" }],
  seed: 7,
  max_tokens: 24,
  ignore_eos: true,
};

beforeAll(async () => {
  serving = await serveTiny();
  ({ mimo } = serving);
  openai = clientOf(serving);
});
afterAll(() => serving[Symbol.asyncDispose]());

describe("openai, chat", () => {
  test("plain and streamed say the same", async () => {
    const plain = await openai.chat.completions.create(hello);
    expect(plain.usage).toMatchObject({ completion_tokens: 24, total_tokens: (plain.usage?.prompt_tokens ?? 0) + 24 });
    const chunks = await collect(
      await openai.chat.completions.create({ ...hello, stream: true, stream_options: { include_usage: true } }),
    );
    const text = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");
    expect(text).toBe(plain.choices[0]?.message.content);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 24 } });
    expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe(plain.choices[0]?.finish_reason);
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
  });

  test("the SDK's own assembly agrees", async () => {
    const plain = await openai.chat.completions.create(hello);
    const runner = openai.chat.completions.stream(hello);
    expect((await runner.finalChatCompletion()).choices[0]?.message.content).toBe(plain.choices[0]?.message.content);
  });

  test("several choices differ, and a seed repeats all", async () => {
    const ask = async (): Promise<(string | null)[]> =>
      (await openai.chat.completions.create({ ...hello, n: 3 })).choices.map(({ message }) => message.content);
    const choices = await ask();
    expect(new Set(choices).size).toBe(3);
    expect(await ask()).toEqual(choices);
    expect(choices[0]).toBe((await openai.chat.completions.create(hello)).choices[0]?.message.content);
  });

  test("log-probabilities: the chosen token is among the likeliest, with the same number", async () => {
    const { choices } = await openai.chat.completions.create({
      ...hello,
      temperature: 0,
      logprobs: true,
      top_logprobs: 2,
    });
    const tokens = choices[0]?.logprobs?.content ?? [];
    expect(tokens).toHaveLength(24);
    for (const { logprob, bytes, top_logprobs: top } of tokens) {
      expect(top[0]).toMatchObject({ logprob, bytes });
      expect(top).toHaveLength(2);
    }
  });

  test("mistakes are errors with a field, and are not tried again", async () => {
    const client = new OpenAI({ baseURL: `${serving.url}/v1`, apiKey: "none" });
    const refused = (params: object): Promise<APIError> =>
      client.chat.completions.create({ ...hello, ...params } as never).then(
        () => expect.fail("accepted"),
        (error: APIError) => error,
      );
    expect(await refused({ model: "gpt-9" })).toBeInstanceOf(NotFoundError);
    expect(await refused({ model: "gpt-9" })).toMatchObject({ code: "model_not_found", param: "model" });
    expect(await refused({ temperature: -1 })).toBeInstanceOf(BadRequestError);
    expect(await refused({ temperature: -1 })).toMatchObject({ param: "temperature", type: "invalid_request_error" });
    expect(await refused({ tool_choice: "required" })).toMatchObject({
      code: "invalid_argument",
      param: "tool_choice",
    });
    expect(await refused({ audio: {} })).toMatchObject({ code: "not_supported", param: "audio" });
    const long = { messages: [{ role: "user", content: "x".repeat(2000) }] };
    expect(await refused(long)).toMatchObject({
      code: "context_length_exceeded",
      message: expect.stringMatching(/\d{4} tokens.*1024/) as string,
    });
  });

  test("a client that stops listening ends the stream", async () => {
    const stream = await openai.chat.completions.create({ ...hello, max_tokens: 900, stream: true });
    for await (const chunk of stream) {
      expect(chunk.object).toBe("chat.completion.chunk");
      stream.controller.abort();
    }
    const controller = new AbortController();
    const pending = openai.chat.completions.create({ ...hello, max_tokens: 900 }, { signal: controller.signal });
    setTimeout(() => controller.abort(), 50);
    await expect(pending).rejects.toThrow("aborted");
  });

  test("models", async () => {
    const models = await collect(openai.models.list());
    expect(models.map(({ id }) => id)).toEqual(["tiny"]);
    expect(await openai.models.retrieve("tiny")).toMatchObject({ object: "model", context_length: 1024 });
    await expect(openai.models.retrieve("../../etc/passwd")).rejects.toBeInstanceOf(NotFoundError);
  });
});

describe("openai, completions", () => {
  const base = { model: "tiny", prompt: "Hello", seed: 3, max_tokens: 16 };

  test("text, lists, ids; plain and streamed", async () => {
    const ids = mimo.tokenizer.encode("Hello");
    const one = await openai.completions.create(base);
    const many = await openai.completions.create({ ...base, prompt: ["Hello", "Other", "Hello"], n: 2 });
    expect(many.choices.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5]);
    const texts = many.choices.map(({ text }) => text);
    expect([texts[0], texts[4]]).toEqual([one.choices[0]?.text, one.choices[0]?.text]);
    expect(texts[5]).toBe(texts[1]);
    expect(many.usage?.prompt_tokens).toBe(2 * ids.length + mimo.tokenizer.encode("Other").length);
    for (const prompt of [ids, [ids]])
      expect((await openai.completions.create({ ...base, prompt })).choices[0]?.text).toBe(texts[0]);
    const chunks = await collect(await openai.completions.create({ ...base, stream: true }));
    expect(chunks.map(({ choices }) => choices[0]?.text ?? "").join("")).toBe(texts[0]);
  });

  test("echo with log-probabilities, as lm-eval asks for them", async () => {
    const prompts = ["The quick brown fox", "jumps"].map((text) => mimo.tokenizer.encode(text));
    const { choices } = await openai.completions.create({
      model: "tiny",
      prompt: prompts,
      temperature: 0,
      max_tokens: 1,
      logprobs: 1,
      echo: true,
      seed: 1234,
    });
    for (const [i, ids] of prompts.entries()) {
      const lists = choices[i]?.logprobs;
      const values = lists?.token_logprobs ?? [];
      expect(values).toHaveLength(ids.length + 1);
      expect(values[0]).toBeNull();
      const { values: logits, columns } = await mimo.logits(ids);
      for (const [at, value] of values.entries()) {
        if (at === 0) continue;
        const row = logits.subarray((at - 1) * columns).subarray(0, mimo.tokenizer.numTokens);
        const normaliser = Math.log(row.reduce((sum, logit) => sum + Math.exp(logit), 0));
        const top = Object.values(lists?.top_logprobs?.[at] ?? {});
        expect(top).toContain(value);
        expect(Math.max(...top)).toBeCloseTo(Math.max(...row) - normaliser, 4);
        if (at < ids.length) expect(value).toBeCloseTo(row[ids[at]!]! - normaliser, 4);
        // Greedy: the chosen one is the likeliest, to the bit.
        else expect(value).toBe(Math.max(...top));
      }
      expect(choices[i]?.text.startsWith(mimo.tokenizer.decode(ids))).toBe(true);
    }
    const alone = await openai.completions.create({ ...base, max_tokens: 0, echo: true, logprobs: 0 });
    expect(alone.choices[0]).toMatchObject({ text: "Hello", finish_reason: "length" });
    expect(alone.choices[0]?.logprobs?.tokens).toHaveLength(mimo.tokenizer.encode("Hello").length);
  });

  test("stop strings and stop ids", async () => {
    const { choices } = await openai.completions.create({ ...base, max_tokens: 60 });
    const text = choices[0]?.text ?? "";
    const stop = text.slice(10, 12);
    const stopped = await openai.completions.create({ ...base, max_tokens: 60, stop });
    expect(stopped.choices[0]).toMatchObject({ text: text.slice(0, text.indexOf(stop)), finish_reason: "stop" });
  });
});

const WEATHER = {
  name: "get_weather",
  description: "Weather of a place",
  parameters: {
    type: "object",
    properties: { place: { type: "string" }, days: { type: "integer" } },
    required: ["place"],
  },
} as const;
const SCRIPT =
  "<think>They want Oslo.</think>Let me look." +
  '<tool_call>\n<function=get_weather>\n<parameter=place> Oslo "S"</parameter>\n<parameter=days>3</parameter>\n</function>\n</tool_call>' +
  "<tool_call>\n<function=get_weather>\n<parameter=place>null</parameter>\n</function>\n</tool_call>";
const ARGUMENTS = [{ place: ' Oslo "S"', days: 3 }, { place: "null" }];

describe("tools", () => {
  const model = scriptedModel(SCRIPT);
  let scripted: Serving;
  beforeAll(async () => {
    scripted = await serveModel(model);
  });
  afterAll(() => scripted[Symbol.asyncDispose]());
  const params = { ...hello, tools: [{ type: "function" as const, function: WEATHER }] };

  test("openai: calls and reasoning, plain and streamed", async () => {
    const client = clientOf(scripted);
    const { choices } = await client.chat.completions.create(params);
    const message = choices[0]?.message;
    expect(message).toMatchObject({ content: "Let me look.", reasoning_content: "They want Oslo." });
    const calls = message?.tool_calls?.map((call) =>
      call.type === "function" ? JSON.parse(call.function.arguments) : 0,
    );
    expect(calls).toEqual(ARGUMENTS);
    expect(choices[0]?.finish_reason).toBe("tool_calls");
    const streamed = await client.chat.completions.stream(params).finalChatCompletion();
    expect(streamed.choices[0]?.finish_reason).toBe("tool_calls");
    expect(streamed.choices[0]?.message.content).toBe("Let me look.");
    expect(
      streamed.choices[0]?.message.tool_calls?.map((call) =>
        call.type === "function" ? JSON.parse(call.function.arguments) : 0,
      ),
    ).toEqual(ARGUMENTS);
  });

  test("one call at most where calls must not be parallel, none where there are to be none", async () => {
    const client = clientOf(scripted);
    const single = await client.chat.completions.create({ ...params, parallel_tool_calls: false });
    expect(single.choices[0]?.message.tool_calls).toHaveLength(1);
    expect(single.choices[0]?.finish_reason).toBe("tool_calls");
    const none = await client.chat.completions.create({ ...params, tool_choice: "none" });
    expect(none.choices[0]?.message.tool_calls).toBeUndefined();
    expect(model.calls.at(-1)).toMatchObject({ toolChoice: "none" });
  });

  test("every spelling of the switch for thinking, and of reasoning", async () => {
    const prompt = async (extra: object): Promise<string> =>
      (await scripted.post("/apply-template", { messages: params.messages, ...extra })).json.prompt;
    const off = await prompt({ enable_thinking: false });
    expect(off).toMatch(/<think><\/think>$/);
    for (const extra of [
      {},
      { reasoning_effort: "none" },
      { reasoning: { effort: "none" } },
      { reasoning: { max_tokens: 0 } },
      { reasoning: { enabled: false, effort: "high" } },
      { thinking: { type: "auto" } },
      { thinking_budget_tokens: 100 },
      { thinking: { type: "disabled" } },
      { chat_template_kwargs: { enable_thinking: false }, enable_thinking: true },
    ])
      expect(await prompt(extra)).toBe(off);
    for (const extra of [
      { enable_thinking: true },
      { reasoning_effort: "low" },
      { reasoning: { effort: "low" } },
      { reasoning: { max_tokens: 100 } },
      { reasoning: { enabled: true } },
      { thinking: { type: "enabled" } },
      { thinking: { type: "adaptive" } },
      { chat_template_kwargs: { enable_thinking: true } },
    ])
      expect(await prompt(extra)).toMatch(/<\|im_start\|>assistant\n$/);
    const turn = (field: string): object => ({
      messages: [
        ...params.messages,
        { role: "assistant", content: "A", [field]: "Because." },
        { role: "developer", content: "B" },
      ],
    });
    expect(await prompt(turn("reasoning"))).toBe(await prompt(turn("reasoning_content")));
    expect(await prompt(turn("reasoning"))).toContain("<think>Because.</think>A");
  });

  test("ai: generateText and streamText", async () => {
    const provider = createOpenAICompatible({ name: "mimo", baseURL: `${scripted.url}/v1`, includeUsage: true });
    const options = {
      model: provider("tiny"),
      prompt: "Weather?",
      tools: { get_weather: tool({ description: "Weather", inputSchema: jsonSchema(WEATHER.parameters as object) }) },
    };
    const whole = await generateText(options);
    expect(whole.text).toBe("Let me look.");
    expect(whole.reasoningText).toBe("They want Oslo.");
    expect(whole.toolCalls.map(({ input }) => input as unknown)).toEqual(ARGUMENTS);
    expect(whole.finishReason).toBe("tool-calls");
    const stream = streamText(options);
    expect(await stream.text).toBe("Let me look.");
    expect(await stream.reasoningText).toBe("They want Oslo.");
    expect((await stream.toolCalls).map(({ input }) => input as unknown)).toEqual(ARGUMENTS);
    expect(await stream.usage).toMatchObject({ inputTokens: 10, cachedInputTokens: 4 });
  });

  test("an error inside a stream is a frame, and an exception for the client", async () => {
    const failing = scriptedModel("x");
    failing.answer = async function* () {
      yield { type: "text", text: "begin" };
      throw new Error("secret /path");
    };
    await using broken = await serveModel(failing);
    const { text } = await broken.post("/v1/chat/completions", { ...hello, stream: true });
    expect(framesOf(text).at(-1)).toMatchObject({ error: { type: "server_error", code: "internal" } });
    expect(text).not.toMatch(/secret|\[DONE\]/);
    const stream = await clientOf(broken).chat.completions.create({ ...hello, stream: true });
    await expect(collect(stream)).rejects.toBeInstanceOf(APIError);
    const whole = await broken.post("/v1/chat/completions", hello);
    expect([whole.status, whole.headers.get("x-should-retry")]).toEqual([500, "false"]);
    expect(whole.text).not.toContain("secret");
    expect(broken.log.join("")).toContain("secret");
  });
});
