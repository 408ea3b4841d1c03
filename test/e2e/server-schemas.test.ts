// Every reply and every chunk of OpenAI's APIs is what their published schemas say: whole and streamed, with tools,
// reasoning and log-probabilities, and errors of every kind.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { misfit, openai } from "./event-shapes.ts";
import { framesOf, scriptedModel, serveModel, type Serving, serveTiny, type TinyServing, twoKeys } from "./serving.ts";

const API = {
  chat: ["/v1/chat/completions", "CreateChatCompletionResponse", "CreateChatCompletionStreamResponse"],
  completions: ["/v1/completions", "CreateCompletionResponse", "CreateCompletionResponse"],
  responses: ["/v1/responses", "Response", "ResponseStreamEvent"],
} as const;
const messages = [{ role: "user", content: "Hello" }];
const place = { type: "object", properties: { place: { type: "string" } }, required: ["place"] };
const tool = { name: "get_weather", description: "Weather of a place", parameters: place };
const CALL = "<tool_call>\n<function=get_weather>\n<parameter=place>Oslo</parameter>\n</function>\n</tool_call>";

type Case = readonly [api: keyof typeof API, what: string, body: object];

/** Whole and streamed. */
async function expectPublished(serving: Serving, [api, , fields]: Case): Promise<void> {
  // Random weights may write bytes that are no text, and then there is little to stream.
  const body = { seed: 1, ...fields };
  const [path, whole, chunk] = API[api];
  const reply = await serving.post(path, body);
  expect({ status: reply.status, misfit: misfit(openai(whole), reply.json) }).toEqual({
    status: 200,
    misfit: undefined,
  });
  const { text } = await serving.post(path, { ...body, stream: true });
  const frames = framesOf(text);
  expect(frames.length).toBeGreaterThan(2);
  for (const frame of frames) expect(misfit(openai(chunk), frame)).toBeUndefined();
}

describe("a tiny model", () => {
  let serving: TinyServing;
  beforeAll(async () => {
    serving = await serveTiny();
  });
  afterAll(() => serving[Symbol.asyncDispose]());

  test.each<Case>([
    ["chat", "plain", { messages, max_tokens: 8 }],
    ["chat", "several choices", { messages, max_tokens: 8, n: 3 }],
    ["chat", "log-probabilities", { messages, max_tokens: 8, logprobs: true, top_logprobs: 3 }],
    ["chat", "usage in the stream", { messages, max_tokens: 8, stream_options: { include_usage: true } }],
    ["completions", "plain", { prompt: "Hello", max_tokens: 8 }],
    ["completions", "lists", { prompt: ["Hello", "World"], n: 2, max_tokens: 8 }],
    ["completions", "log-probabilities", { prompt: "Hello", max_tokens: 8, logprobs: 2 }],
    ["responses", "plain", { input: "Hello", max_output_tokens: 8 }],
  ])("%s, %s", async (...one) => {
    await expectPublished(serving, one);
  });

  test("models", async () => {
    expect(misfit(openai("ListModelsResponse"), (await serving.get("/v1/models")).json)).toBeUndefined();
    expect(misfit(openai("Model"), (await serving.get("/v1/models/tiny")).json)).toBeUndefined();
  });
});

describe("a scripted model", () => {
  let serving: Serving;
  beforeAll(async () => {
    serving = await serveModel(scriptedModel(`<think>They want Oslo.</think>Let me look.${CALL}${CALL}`));
  });
  afterAll(() => serving[Symbol.asyncDispose]());

  test.each<Case>([
    ["chat", "reasoning", { messages }],
    ["chat", "tools", { messages, tools: [{ type: "function", function: tool }] }],
    ["chat", "log-probabilities of calls", { messages, logprobs: true, tools: [{ type: "function", function: tool }] }],
    ["responses", "reasoning", { input: "Hello", reasoning: { effort: "low" } }],
    ["responses", "tools", { input: "Hello", tools: [{ type: "function", ...tool }] }],
    ["responses", "sealed reasoning", { input: "Hello", include: ["reasoning.encrypted_content"], store: false }],
  ])("%s, %s", async (...one) => {
    await expectPublished(serving, one);
  });
});

describe("errors", () => {
  const error = openai("ErrorResponse");

  test("of every status", async () => {
    using keys = twoKeys();
    const headers = { authorization: `Bearer ${keys.secrets[0]}` };
    await using serving = await serveModel(scriptedModel("Hi"), { keyFile: keys.path, maxBodyBytes: 1000 });
    await using loading = await serveModel(undefined);
    const path = "/v1/chat/completions";
    const replies = await Promise.all([
      serving.post(path, { messages, temperature: -1 }, { headers }),
      serving.post(path, { messages }),
      serving.get("/metrics", { headers }),
      serving.get("/nowhere"),
      serving.get(path),
      serving.post(path, "x".repeat(2000), { headers }),
      serving.post(path, "{}", { headers: { ...headers, "content-type": "text/plain" } }),
      serving.post("/v1/embeddings", {}, { headers }),
      loading.post(path, { messages }),
    ]);
    expect(replies.map(({ status }) => status)).toEqual([400, 401, 403, 404, 405, 413, 415, 501, 503]);
    for (const { json } of replies) expect(misfit(error, json)).toBeUndefined();
  });

  test("of a server that is busy", async () => {
    await using busy = await serveModel(scriptedModel(undefined), { maxRunning: 1, maxQueue: 1, maxQueueMs: 50 });
    const { status, json } = await busy.post("/v1/chat/completions", { messages, n: 2 });
    expect(status).toBe(429);
    expect(misfit(error, json)).toBeUndefined();
  });

  test("within a stream", async () => {
    const model = scriptedModel("x");
    model.answer = async function* () {
      yield { type: "text", text: "begin" };
      throw new Error("broken");
    };
    await using serving = await serveModel(model);
    const whole = await serving.post("/v1/chat/completions", { messages });
    expect(whole.status).toBe(500);
    expect(misfit(error, whole.json)).toBeUndefined();
    for (const [api, body] of [
      ["chat", { messages }],
      ["responses", { input: "Hi" }],
    ] as const) {
      const [path, , chunk] = API[api];
      const { text } = await serving.post(path, { ...body, stream: true });
      const frames = framesOf(text);
      const last = frames.pop();
      for (const frame of frames) expect(misfit(openai(chunk), frame)).toBeUndefined();
      expect(misfit(api === "chat" ? error : openai(chunk), last)).toBeUndefined();
    }
  });

  test("a schema that is not fulfilled is noticed", () => {
    expect(misfit(error, { error: { message: "x", type: "y", code: null } })).toContain("param");
    expect(misfit(openai("Response"), {})).toContain("access_programs");
  });
});
