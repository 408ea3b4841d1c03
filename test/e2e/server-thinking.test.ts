// Thinking that clients limit and end, and answers that the server cuts, over HTTP and with a real engine.
//
// The model writes readable nonsense and never ends by itself; its template opens thinking where it is on.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { load } from "../../src/api/load.ts";
import type { Mimo } from "../../src/api/mimo.ts";
import type { AnswerOptions } from "../../src/api/request.ts";
import { type TextCheckpoint, writeTextCheckpoint } from "../../src/api/testing.ts";
import { eventually, framesOf, promptsOf, scriptedModel, serveModel, type Serving, twoKeys } from "./serving.ts";

const TEMPLATE =
  "{%- for message in messages -%}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>{%- endfor -%}" +
  "<|im_start|>assistant\n{%- if enable_thinking -%}<think>{%- else -%}<think></think>{%- endif -%}";
/** So long that no answer ends before its reader has had time to act on it. */
const CONTEXT = 8192;
const messages = [{ role: "user" as const, content: "Go." }];
const CHAT = "/v1/chat/completions";
const CONTROL = "/v1/chat/completions/control";

let checkpoint: TextCheckpoint;
let mimo: Mimo;
let serving: Serving;

beforeAll(async () => {
  checkpoint = await writeTextCheckpoint();
  writeFileSync(join(checkpoint.path, "chat_template.jinja"), TEMPLATE);
  mimo = await load(checkpoint.path, { contextLength: CONTEXT, threads: 1 });
  serving = await serveModel(mimo);
});
afterAll(async () => {
  await serving[Symbol.asyncDispose]();
  await mimo.close();
  checkpoint.remove();
});

describe("a budget", () => {
  test("holds to the token in Chat Completions, and the answer follows", async () => {
    for (const fields of [
      { enable_thinking: true, thinking_budget_tokens: 12 },
      { chat_template_kwargs: { enable_thinking: true }, thinking_token_budget: 12 },
      { thinking: { type: "enabled", budget_tokens: 12 } },
      { reasoning: { max_tokens: 12 } },
      { reasoning_effort: "high", thinking_budget_tokens: 12 },
    ]) {
      const { json } = await serving.post(CHAT, { messages, max_tokens: 30, seed: 1, ...fields });
      const [{ message, finish_reason: reason }] = json.choices;
      expect(message.reasoning_content.length).toBeGreaterThanOrEqual(12);
      expect(message.content.length).toBeGreaterThan(0);
      expect(reason).toBe("length");
      expect(json.usage).toMatchObject({ completion_tokens: 30, completion_tokens_details: { reasoning_tokens: 12 } });
    }
  });

  test("of nothing leaves no thought, and none lets the model think to the end", async () => {
    for (const [budget, thought] of [
      [0, 0],
      [-1, 30],
    ]) {
      const body = { messages, max_tokens: 30, enable_thinking: true, thinking_budget_tokens: budget };
      const { json } = await serving.post(CHAT, body);
      expect(json.usage.completion_tokens_details.reasoning_tokens).toBe(thought);
    }
  });

  test("holds in Messages and Responses, whose own counts say so", async () => {
    const anthropic = new Anthropic({ baseURL: serving.url, apiKey: "none" });
    const message = await anthropic.messages.create({
      model: "tiny",
      max_tokens: 30,
      messages,
      thinking: { type: "enabled", budget_tokens: 12 },
    });
    expect(message.content.map(({ type }) => type)).toEqual(["thinking", "text"]);
    expect(message.usage).toMatchObject({ output_tokens: 30, output_tokens_details: { thinking_tokens: 12 } });
    const openai = new OpenAI({ baseURL: `${serving.url}/v1`, apiKey: "none" });
    const response = await openai.responses.create({
      model: "tiny",
      max_output_tokens: 200,
      input: "Go.",
      reasoning: { effort: "minimal" },
    });
    expect(response.output.map(({ type }) => type)).toEqual(["reasoning", "message"]);
    expect(response.usage).toMatchObject({ output_tokens: 200, output_tokens_details: { reasoning_tokens: 128 } });
  });

  test("by effort, in every API; a number of tokens comes before it", async () => {
    const model = scriptedModel("Yes.");
    await using scripted = await serveModel(model);
    const budgetOf = async (path: string, body: object): Promise<number | undefined> => {
      expect((await scripted.post(path, body)).status).toBe(200);
      return (model.calls.at(-1) as AnswerOptions).thinkingBudget;
    };
    const efforts = { minimal: 128, low: 512, medium: 2048, high: 8192, xhigh: 32_768, max: undefined };
    for (const [effort, budget] of Object.entries(efforts)) {
      expect(await budgetOf(CHAT, { messages, reasoning_effort: effort })).toBe(budget);
      expect(await budgetOf(CHAT, { messages, reasoning: { effort } })).toBe(budget);
      expect(await budgetOf("/v1/responses", { input: "Go.", reasoning: { effort } })).toBe(budget);
      const adaptive = { messages, max_tokens: 9, thinking: { type: "adaptive" }, output_config: { effort } };
      expect(await budgetOf("/v1/messages", adaptive)).toBe(budget);
    }
    expect(await budgetOf(CHAT, { messages, reasoning_effort: "low", thinking_budget_tokens: 3 })).toBe(3);
    expect(await budgetOf(CHAT, { messages, reasoning: { effort: "low", max_tokens: 3 } })).toBe(3);
    expect(await budgetOf(CHAT, { messages })).toBeUndefined();
  });
});

describe("the end of thinking, from outside", () => {
  test("takes effect while the answer runs, for the key that asked for it alone", async () => {
    using keys = twoKeys();
    await using keyed = await serveModel(mimo, { keyFile: keys.path });
    const [own, other] = keys.secrets.map((secret) => ({ headers: { authorization: `Bearer ${secret}` } }));
    const openai = new OpenAI({ baseURL: `${keyed.url}/v1`, apiKey: keys.secrets[0] });
    const stream = await openai.chat.completions.create({
      model: "tiny",
      messages,
      stream: true,
      ...({ enable_thinking: true } as object),
    });
    let id = "";
    let reasoning = "";
    let content = "";
    for await (const chunk of stream) {
      const delta = chunk.choices[0]?.delta as { reasoning_content?: string; content?: string } | undefined;
      reasoning += delta?.reasoning_content ?? "";
      content += delta?.content ?? "";
      if (content !== "") break;
      if (id !== "" || reasoning === "") continue;
      id = chunk.id;
      const end = { id, action: "reasoning_end" };
      expect((await keyed.post(CONTROL, end, other)).status).toBe(404);
      expect((await keyed.post(CONTROL, { ...end, id: "chatcmpl-1" }, own)).status).toBe(404);
      expect((await keyed.post(CONTROL, { ...end, action: "explode" }, own)).json.error.param).toBe("action");
      expect(await keyed.post(CONTROL, end, own)).toMatchObject({ status: 200, json: { ...end, success: true } });
      // A second time is no mistake.
      expect((await keyed.post(CONTROL, end, own)).status).toBe(200);
    }
    expect(reasoning).not.toBe("");
    expect(content).not.toBe("");
    const late = async (): Promise<boolean> =>
      (await keyed.post(CONTROL, { id, action: "reasoning_end" }, own)).json.error?.code === "not_found";
    await eventually(late, "an answer that has ended is not known any more");
  });
});

describe("an answer that goes round in circles", () => {
  // So much for one letter that nothing else is written.
  const looping = (): object => ({
    messages,
    max_tokens: 300,
    max_repetition: 32,
    logit_bias: { [mimo.tokenizer.encode("a")[0]!]: 100 },
  });

  test("is cut, and every API says why", async () => {
    const { json } = await serving.post(CHAT, looping());
    expect(json.choices[0]).toMatchObject({ finish_reason: "length", finish_detail: "repetition" });
    expect(json.usage.completion_tokens).toBe(32);
    const streamed = framesOf((await serving.post(CHAT, { ...looping(), stream: true })).text);
    expect(streamed.at(-1).choices[0]).toMatchObject({ finish_reason: "length", finish_detail: "repetition" });
    const text = await serving.post("/v1/completions", { ...looping(), prompt: "a" });
    expect(text.json.choices[0]).toMatchObject({ finish_reason: "length", finish_detail: "repetition" });
    const message = await serving.post("/v1/messages", looping());
    expect(message.json).toMatchObject({ stop_reason: "max_tokens", finish_detail: "repetition" });
    const response = await serving.post("/v1/responses", { ...looping(), max_tokens: undefined, input: "Go." });
    expect(response.json).toMatchObject({
      status: "incomplete",
      incomplete_details: { reason: "max_output_tokens" },
      finish_detail: "repetition",
    });
    expect(serving.log.join("")).toContain('"finish":"repetition"');
  });

  test("thinks no more, then answers, then is cut", async () => {
    const { json } = await serving.post(CHAT, { ...looping(), enable_thinking: true });
    const [{ message, finish_detail: detail }] = json.choices;
    expect(message).toMatchObject({ reasoning_content: "a".repeat(32), content: "a".repeat(32) });
    expect(detail).toBe("repetition");
  });

  test("goes on where the request or the server allows it", async () => {
    const { json } = await serving.post(CHAT, { ...looping(), max_repetition: 0 });
    expect(json.choices[0].finish_detail).toBeUndefined();
    expect(json.usage.completion_tokens).toBe(300);
    await using strict = await serveModel(mimo, { maxRepetition: 64 });
    const cut = await strict.post(CHAT, { ...looping(), max_repetition: undefined });
    expect(cut.json.usage.completion_tokens).toBe(64);
  });
});

test("a flood of calls ends at the server's limit, and at a response's own", async () => {
  const call = (place: string): string =>
    `<tool_call>\n<function=go>\n<parameter=place>${place}</parameter>\n</function>\n</tool_call>`;
  const model = scriptedModel(Array.from({ length: 40 }, (_, i) => call(`p${i}`)).join(""));
  const parameters = { type: "object", properties: { place: { type: "string" } } };
  const tools = [{ type: "function", function: { name: "go", parameters } }];
  const callsAt = async (maxToolCalls: number | undefined): Promise<[number, string | undefined]> => {
    await using flooded = await serveModel(model, maxToolCalls === undefined ? {} : { maxToolCalls });
    const { json } = await flooded.post(CHAT, { messages, tools });
    const [{ message, finish_reason: reason, finish_detail: detail }] = json.choices;
    expect(reason).toBe("tool_calls");
    return [message.tool_calls.length, detail];
  };
  expect(await callsAt(undefined)).toEqual([32, "max_tool_calls"]);
  expect(await callsAt(3)).toEqual([3, "max_tool_calls"]);
  expect(await callsAt(0)).toEqual([40, undefined]);
  await using scripted = await serveModel(model, { maxToolCalls: 5 });
  const flat = [{ type: "function", name: "go", parameters }];
  for (const [asked, given] of [
    [2, 2],
    [9, 5],
  ]) {
    const { json } = await scripted.post("/v1/responses", { input: "Go.", tools: flat, max_tool_calls: asked });
    expect(json).toMatchObject({ status: "completed", max_tool_calls: asked, finish_detail: "max_tool_calls" });
    expect(json.output).toHaveLength(given!);
  }
});

test("a call inside thinking ends it and is a call, in every API", async () => {
  const call = "<tool_call>\n<function=go>\n</function>\n</tool_call>";
  await using scripted = await serveModel(scriptedModel(`<think>I should go.${call}`));
  const definition = { name: "go", description: "Goes.", parameters: { type: "object", properties: {} } };
  const chat = await scripted.post(CHAT, { messages, tools: [{ type: "function", function: definition }] });
  expect(chat.json.choices[0]).toMatchObject({
    finish_reason: "tool_calls",
    message: { content: null, reasoning_content: "I should go.", tool_calls: [{ function: { name: "go" } }] },
  });
  const response = await scripted.post("/v1/responses", {
    input: "Go.",
    tools: [{ type: "function", ...definition }],
  });
  expect(response.json.output.map(({ type }: { type: string }) => type)).toEqual(["reasoning", "function_call"]);
  const message = await scripted.post("/v1/messages", {
    messages,
    max_tokens: 99,
    tools: [{ name: "go", input_schema: definition.parameters }],
  });
  expect(message.json.content.map(({ type }: { type: string }) => type)).toEqual(["thinking", "tool_use"]);
});

test("a prompt that is too long is refused with both numbers by every API, streamed or not", async () => {
  const long = "x".repeat(CONTEXT);
  const said = [{ role: "user", content: long }];
  for (const [path, body] of [
    [CHAT, { messages: said }],
    ["/v1/completions", { prompt: long }],
    ["/v1/responses", { input: long }],
    ["/v1/messages", { messages: said, max_tokens: 9 }],
  ] as const) {
    for (const stream of [false, true]) {
      const { status, json } = await serving.post(path, { ...body, stream });
      expect(status, path).toBe(400);
      expect(json.error.message, path).toMatch(/8\d{3} tokens.*8192/);
    }
  }
});

test("the recommended system prompt stands in for one that is missing, in every API", async () => {
  const model = scriptedModel("Yes.");
  const prompts = promptsOf(model);
  await using scripted = await serveModel(model, { systemPrompt: "zh" });
  const start = "<|im_start|>system\n你是MiMo";
  for (const [path, body, own] of [
    [CHAT, { messages }, { messages: [{ role: "system", content: "Own." }, ...messages] }],
    ["/apply-template", { messages }, { messages: [{ role: "developer", content: "Own." }, ...messages] }],
    ["/v1/responses", { input: "Go." }, { input: "Go.", instructions: "Own." }],
    ["/v1/messages", { messages, max_tokens: 9 }, { messages, max_tokens: 9, system: "Own." }],
  ] as const) {
    expect((await scripted.post(path, body)).status).toBe(200);
    expect(prompts.at(-1), path).toContain(start);
    await scripted.post(path, own);
    expect(prompts.at(-1), path).toMatch(/^<\|im_start\|>system\nOwn\./);
  }
});

test("where a checkpoint recommends a temperature, tools take it too", async () => {
  const model = scriptedModel("Yes.");
  await using scripted = await serveModel(model);
  const tools = [{ type: "function", function: { name: "go" } }];
  const temperature = async (): Promise<number | undefined> => {
    await scripted.post(CHAT, { messages, tools });
    return model.calls.at(-1)?.temperature;
  };
  expect(await temperature()).toBe(0.3);
  Object.assign(model, { samplingDefaults: { temperature: 0.6 } });
  expect(await temperature()).toBe(0.6);
});
