// What a request demands of its answer, as real clients ask for it, over random weights: whatever these would say, forced
// calls are written, strict ones satisfy their schema, and JSON is of its format; or the request is refused.

import Anthropic, { BadRequestError as AnthropicBadRequest } from "@anthropic-ai/sdk";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import type { Tool } from "@anthropic-ai/sdk/resources/messages";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateObject, generateText, jsonSchema, streamText, tool } from "ai";
import { Ajv2020 } from "ajv/dist/2020.js";
import OpenAI, { BadRequestError } from "openai";
import { LengthFinishReasonError } from "openai/core/error";
import { zodFunction, zodResponseFormat, zodResponsesFunction, zodTextFormat } from "openai/helpers/zod";
import type { ChatCompletionFunctionTool, ChatCompletionMessageToolCall } from "openai/resources/chat/completions";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { misfit, openai as published } from "./event-shapes.ts";
import { collect, failureOf, serveTiny, type TinyServing } from "./serving.ts";

const Forecast = z.object({
  city: z.enum(["Oslo", "Rome", "São Paulo"]),
  days: z.int().min(1).max(7),
  note: z.string().max(6).nullable(),
});
const Report = z.object({ title: z.string().max(8), tags: z.array(z.enum(["a", "b"])).max(3), done: z.boolean() });
/** What random weights do not finish in a few tokens. */
const Essay = z.object({ text: z.string().min(300) });

const ajv = new Ajv2020({ strict: false });
const PARAMETERS = z.toJSONSchema(Forecast) as Record<string, unknown>;
const isForecast = ajv.compile(PARAMETERS);
const strictTool = (name: string): ChatCompletionFunctionTool => ({
  type: "function",
  function: { name, strict: true, parameters: PARAMETERS },
});
const TOOLS = [strictTool("forecast"), strictTool("history")];
/** Asserts something that no grammar can keep. */
const UNKEPT = { type: "object", properties: { a: { type: "array", uniqueItems: true } } };

let serving: TinyServing;
let openai: OpenAI;
let anthropic: Anthropic;
let id: (text: string) => number;

beforeAll(async () => {
  serving = await serveTiny({}, { contextLength: 8192 });
  openai = new OpenAI({ baseURL: `${serving.url}/v1`, apiKey: "none", maxRetries: 0 });
  anthropic = new Anthropic({ baseURL: serving.url, apiKey: "none", maxRetries: 0 });
  id = (text) => serving.mimo.tokenizer.addedTokenId(text)!;
});
afterAll(() => serving[Symbol.asyncDispose]());

const SEEDS = [1, 2];
const go = { role: "user" as const, content: "Go." };

function expectForecast(json: string): void {
  expect({ json, valid: isForecast(JSON.parse(json)), errors: isForecast.errors }).toMatchObject({ valid: true });
}

describe("openai, chat", () => {
  const ask = { model: "tiny", messages: [go], temperature: 1, max_tokens: 4000 };
  const functionsOf = (calls: readonly ChatCompletionMessageToolCall[] | undefined) =>
    (calls ?? []).map((call) => (call.type === "function" ? call.function : expect.fail("no function")));

  test("required: nothing but calls, each of them valid; several at once; the same in a stream", async () => {
    let most = 0;
    for (const seed of SEEDS) {
      const params = {
        ...ask,
        seed,
        tools: TOOLS,
        tool_choice: "required" as const,
        // Eager to call, and less so with every call.
        logit_bias: { [id("<tool_call>")]: 8 },
        frequency_penalty: 2,
      };
      const { choices } = await openai.chat.completions.create(params);
      expect(choices[0]).toMatchObject({ finish_reason: "tool_calls", message: { content: null } });
      expect(choices[0]).not.toHaveProperty("invalid_tool_calls");
      const functions = functionsOf(choices[0]?.message.tool_calls);
      expect(functions.length).toBeGreaterThan(0);
      most = Math.max(most, functions.length);
      for (const called of functions) {
        expect(called.name).toMatch(/^(forecast|history)$/);
        expectForecast(called.arguments);
      }
      const streamed = await openai.chat.completions.stream(params).finalChatCompletion();
      expect(streamed.choices[0]?.finish_reason).toBe("tool_calls");
      expect(functionsOf(streamed.choices[0]?.message.tool_calls)).toMatchObject(functions);
      const single = await openai.chat.completions.create({ ...params, parallel_tool_calls: false });
      expect(functionsOf(single.choices[0]?.message.tool_calls)).toEqual(functions.slice(0, 1));
      expect(single.choices[0]?.finish_reason).toBe("tool_calls");
    }
    expect(most).toBeGreaterThan(1);
  });

  test("of a name, of some names, of none", async () => {
    const eager = { ...ask, seed: 1, tools: TOOLS, logit_bias: { [id("<tool_call>")]: 100 } };
    const named = await openai.chat.completions.create({
      ...eager,
      tool_choice: { type: "function", function: { name: "history" } },
    });
    expect(functionsOf(named.choices[0]?.message.tool_calls).map(({ name }) => name)).toEqual(["history"]);
    expect(named.choices[0]?.finish_reason).toBe("tool_calls");
    const some = await openai.chat.completions.create({
      ...ask,
      seed: 2,
      tools: TOOLS,
      tool_choice: {
        type: "allowed_tools",
        allowed_tools: { mode: "required", tools: [{ type: "function", function: { name: "forecast" } }] },
      },
    });
    for (const { name } of functionsOf(some.choices[0]?.message.tool_calls)) expect(name).toBe("forecast");
    expect(some.choices[0]?.finish_reason).toBe("tool_calls");
    const none = await openai.chat.completions.create({ ...eager, tool_choice: "none", max_tokens: 20 });
    expect(none.choices[0]).toMatchObject({ finish_reason: "length" });
    expect(none.choices[0]?.message.tool_calls).toBeUndefined();
    expect(none.choices[0]?.message.content).not.toContain("<tool_call>");
  });

  test("the SDK's parser: strict functions and formats", async () => {
    for (const seed of SEEDS) {
      const called = await openai.chat.completions.parse({
        ...ask,
        seed,
        tools: [zodFunction({ name: "forecast", parameters: Forecast })],
        tool_choice: "required",
        parallel_tool_calls: false,
      });
      Forecast.parse(called.choices[0]?.message.tool_calls?.[0]?.function.parsed_arguments);
      const params = { ...ask, seed, response_format: zodResponseFormat(Report, "report") };
      const plain = await openai.chat.completions.parse(params);
      expect(plain.choices[0]?.finish_reason).toBe("stop");
      Report.parse(plain.choices[0]?.message.parsed);
      const streamed = await openai.chat.completions.stream(params).finalChatCompletion();
      expect(streamed.choices[0]?.message).toMatchObject({
        content: plain.choices[0]?.message.content,
        parsed: plain.choices[0]?.message.parsed,
      });
    }
  });

  test("several choices, each of the format", async () => {
    const response_format = zodResponseFormat(Report, "report");
    const { choices } = await openai.chat.completions.parse({ ...ask, seed: 1, n: 3, response_format });
    expect(new Set(choices.map(({ message }) => message.content)).size).toBe(3);
    for (const { message } of choices) Report.parse(message.parsed);
  });

  test("any JSON object, also for a schema that is not strict, with a warning", async () => {
    const { tokenizer } = serving.mimo;
    const [quote, brace] = ['"', "}"].map((text) => tokenizer.encode(text)[0]!);
    // Strings of random weights would not end for long.
    const body = { ...ask, seed: 1, logit_bias: { [quote!]: 8, [brace!]: 12 } };
    const schema = { type: "object", properties: { a: { type: "array", uniqueItems: true } } };
    for (const [format, warning] of [
      [{ type: "json_object" }, null],
      [{ type: "json_schema", json_schema: { name: "x", strict: false, schema } }, /not strict/],
    ] as const) {
      const { json, headers } = await serving.post("/v1/chat/completions", { ...body, response_format: format });
      expect(json.choices[0].finish_reason).toBe("stop");
      expect(JSON.parse(json.choices[0].message.content)).toBeTypeOf("object");
      if (warning === null) expect(headers.get("x-mimo-warning")).toBeNull();
      else expect(headers.get("x-mimo-warning")).toMatch(warning);
    }
  });

  test("what max_tokens cuts is never reported complete", async () => {
    const cut = { ...ask, seed: 1, max_tokens: 20 };
    const response_format = zodResponseFormat(Essay, "essay");
    const { choices } = await openai.chat.completions.create({ ...cut, response_format });
    expect(choices[0]?.finish_reason).toBe("length");
    expect(await failureOf(openai.chat.completions.parse({ ...cut, response_format }))).toBeInstanceOf(
      LengthFinishReasonError,
    );
    const tools = [zodFunction({ name: "write", parameters: Essay })];
    for (const tool_choice of ["required", { type: "function", function: { name: "write" } }] as const) {
      const called = await openai.chat.completions.create({ ...cut, max_tokens: 60, tools, tool_choice });
      expect(called.choices[0]?.finish_reason).toBe("length");
      const [call] = functionsOf(called.choices[0]?.message.tool_calls);
      expect(() => JSON.parse(call?.arguments ?? "") as unknown).toThrow();
    }
  });

  test("thinking comes first, free, and what follows is kept", async () => {
    const logit_bias = { [id("<think>")]: 100, [id("</think>")]: 2, [id("<tool_call>")]: 50, [id("<|im_end|>")]: 20 };
    const thinking = { ...ask, seed: 4, reasoning_effort: "low" as const, logit_bias };
    const { choices } = await openai.chat.completions.create({
      ...thinking,
      tools: TOOLS,
      tool_choice: "required",
      parallel_tool_calls: false,
    });
    expect(choices[0]?.message).toMatchObject({
      content: null,
      reasoning_content: expect.stringMatching(/./) as string,
    });
    expectForecast(functionsOf(choices[0]?.message.tool_calls)[0]?.arguments ?? "");
    const format = zodResponseFormat(Report, "report");
    const text = await openai.chat.completions.parse({ ...thinking, response_format: format });
    Report.parse(text.choices[0]?.message.parsed);
    expect(text.choices[0]?.message).toHaveProperty("reasoning_content");
  });

  test("what cannot be kept is refused at once, streamed or not", async () => {
    const refused = async (params: object): Promise<BadRequestError> => {
      const error = await failureOf(openai.chat.completions.create({ ...ask, ...params } as never));
      expect(error).toBeInstanceOf(BadRequestError);
      return error as BadRequestError;
    };
    for (const stream of [false, true]) {
      const format = { type: "json_schema", json_schema: { name: "x", strict: true, schema: UNKEPT } };
      const error = await refused({ stream, response_format: format });
      expect(error.param).toBe("response_format.json_schema.schema.properties.a.uniqueItems");
      expect(error.message).toContain(`${error.param} is a keyword that cannot be enforced`);
      const odd = { type: "function", function: { name: "odd", strict: true, parameters: UNKEPT } };
      const tools = [{ type: "web_search" }, TOOLS[0], odd];
      expect(await refused({ stream, tools })).toMatchObject({
        param: "tools[2].function.parameters.properties.a.uniqueItems",
      });
      const choice = { type: "function", function: { name: "none such" } };
      expect(await refused({ stream, tools: TOOLS, tool_choice: choice })).toMatchObject({ param: "tool_choice" });
    }
  });
});

describe("openai, responses", () => {
  const ask = { model: "tiny", input: "Go.", temperature: 1, max_output_tokens: 900 };

  test("formats, by the SDK's parser; repeated in the reply", async () => {
    for (const seed of SEEDS) {
      const params = { ...ask, seed, text: { format: zodTextFormat(Report, "report") } };
      const plain = await openai.responses.parse(params);
      expect(plain).toMatchObject({ status: "completed", text: { format: { type: "json_schema", name: "report" } } });
      expect(misfit(published("Response"), plain)).toBeUndefined();
      Report.parse(plain.output_parsed);
      const events = await collect(await openai.responses.create({ ...params, stream: true }));
      for (const event of events) expect(misfit(published("ResponseStreamEvent"), event)).toBeUndefined();
      const text = events.map((event) => (event.type === "response.output_text.delta" ? event.delta : "")).join("");
      expect(text).toBe(plain.output_text);
    }
    const cut = await openai.responses.create({
      ...ask,
      max_output_tokens: 20,
      text: { format: zodTextFormat(Essay, "essay") },
    });
    expect(cut).toMatchObject({ status: "incomplete", output: [{ type: "message", status: "incomplete" }] });
  });

  test("calls: required, of a name, of some names", async () => {
    const tools = ["forecast", "history"].map((name) => zodResponsesFunction({ name, parameters: Forecast }));
    for (const [choice, names] of [
      ["required", /^(forecast|history)$/],
      [{ type: "function", name: "history" }, /^history$/],
      [{ type: "allowed_tools", mode: "required", tools: [{ type: "function", name: "forecast" }] }, /^forecast$/],
    ] as const) {
      const params = { ...ask, seed: 2, tools, tool_choice: choice as "required", parallel_tool_calls: false };
      const { output, status, ...reply } = await openai.responses.parse(params as never);
      expect({ status, choice: reply.tool_choice }).toEqual({ status: "completed", choice });
      const [item, ...others] = output;
      expect(others).toEqual([]);
      if (item?.type !== "function_call") return expect.fail("no call");
      expect(item).toMatchObject({ name: expect.stringMatching(names) as string, status: "completed" });
      expectForecast(item.arguments);
    }
  });
});

describe("anthropic", () => {
  const ask = { model: "tiny", messages: [go], temperature: 1, max_tokens: 4000 };
  const tools: Tool[] = ["forecast", "history"].map((name) => ({
    name,
    strict: true,
    input_schema: PARAMETERS as Tool["input_schema"],
  }));

  test("any, a tool of a name, and one call at most", async () => {
    for (const [choice, names] of [
      [{ type: "any" }, /^(forecast|history)$/],
      [{ type: "tool", name: "history" }, /^history$/],
      [{ type: "any", disable_parallel_tool_use: true }, /^(forecast|history)$/],
    ] as const) {
      const params = { ...ask, seed: 3, tools, tool_choice: choice };
      const { content, stop_reason: reason } = await anthropic.messages.create(params);
      expect(reason).toBe("tool_use");
      expect(content.length).toBeGreaterThan(0);
      if (choice.type === "tool" || "disable_parallel_tool_use" in choice) expect(content).toHaveLength(1);
      for (const block of content) {
        if (block.type !== "tool_use") return expect.fail("no call");
        expect(block.name).toMatch(names);
        expectForecast(JSON.stringify(block.input));
      }
      const streamed = await anthropic.messages.stream(params).finalMessage();
      const told = (blocks: readonly object[]) => blocks.map((block) => ({ ...block, id: "" }));
      expect(told(streamed.content)).toEqual(told(content));
    }
  });

  test("formats, by the SDK's parser and by the older name", async () => {
    // The SDK leaves out what Anthropic's models do not keep; so no bounds.
    const Verdict = z.object({ verdict: z.enum(["yes", "no"]), sure: z.boolean() });
    const format = zodOutputFormat(Verdict);
    for (const seed of SEEDS) {
      const params = { ...ask, seed, output_config: { format } };
      const { parsed_output: parsed, stop_reason: reason } = await anthropic.messages.parse(params);
      Verdict.parse(parsed);
      expect(reason).toBe("end_turn");
    }
    const { json } = await serving.post("/v1/messages", {
      ...ask,
      output_format: { type: "json_schema", schema: format.schema },
    });
    Verdict.parse(JSON.parse(json.content[0].text));
    const essay = { type: "json_schema" as const, schema: z.toJSONSchema(Essay) as Record<string, unknown> };
    const cut = await anthropic.messages.create({ ...ask, max_tokens: 20, output_config: { format: essay } });
    expect(cut.stop_reason).toBe("max_tokens");
  });

  test("what cannot be kept is refused at once, streamed or not", async () => {
    const format = { type: "json_schema" as const, schema: UNKEPT };
    for (const call of [
      anthropic.messages.create({ ...ask, output_config: { format } }),
      anthropic.messages.create({ ...ask, output_config: { format }, stream: true }),
    ]) {
      const error = await failureOf(call);
      expect(error).toBeInstanceOf(AnthropicBadRequest);
      expect(error.message).toContain("output_config.format.schema.properties.a.uniqueItems is a keyword");
    }
    const odd = { name: "odd", strict: true, input_schema: UNKEPT as Tool["input_schema"] };
    const error = await failureOf(anthropic.messages.create({ ...ask, tools: [tools[0]!, odd] }));
    expect(error.message).toContain("tools[1].input_schema.properties.a.uniqueItems is a keyword");
  });
});

describe("ai", () => {
  const provider = () =>
    createOpenAICompatible({ name: "mimo", baseURL: `${serving.url}/v1`, supportsStructuredOutputs: true })("tiny");
  const ask = { prompt: "Go.", temperature: 1, maxOutputTokens: 900, maxRetries: 0 };

  test("objects and strict tools", async () => {
    for (const seed of SEEDS) {
      const { object } = await generateObject({ ...ask, seed, model: provider(), schema: Report });
      Report.parse(object);
      const tools = {
        forecast: tool({ strict: true, inputSchema: Forecast }),
        history: tool({ strict: true, inputSchema: Forecast }),
      };
      const options = {
        ...ask,
        seed,
        model: provider(),
        tools,
        toolChoice: { type: "tool", toolName: "history" } as const,
      };
      const whole = await generateText(options);
      expect(whole.toolCalls.map(({ toolName }) => toolName)).toEqual(["history"]);
      const inputs = whole.toolCalls.map(({ input }) => Forecast.parse(input));
      const stream = streamText({ ...options, toolChoice: "required" });
      for (const { input } of await stream.toolCalls) Forecast.parse(input);
      expect(await stream.finishReason).toBe("tool-calls");
      expect(inputs).toHaveLength(1);
    }
  });

  test("a schema that cannot be kept is an error", async () => {
    const schema = jsonSchema(UNKEPT as object);
    const error = await failureOf(generateObject({ ...ask, model: provider(), schema }));
    expect(error.message).toContain("response_format.json_schema.schema.properties.a.uniqueItems");
  });
});
