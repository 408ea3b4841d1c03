// Constrained answers as callers meet them, through the real worker: tool choice, strict tools, JSON, thinking, errors.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { load, type ChatOptions, type GenerationEvent, type Mimo, type ToolDefinition } from "../index.ts";
import type { AnswerDemands } from "./mimo.ts";
import { type TextCheckpoint, writeTextCheckpoint } from "./testing.ts";

let checkpoint: TextCheckpoint;
let mimo: Mimo;
let id: (text: string) => number;

beforeAll(async () => {
  checkpoint = await writeTextCheckpoint();
  mimo = await load(checkpoint.path, { contextLength: 8192, kvDType: "f32" });
  id = (text) => mimo.tokenizer.addedTokenId(text)!;
});
afterAll(async () => {
  await mimo.close();
  checkpoint.remove();
});

const parameters = {
  type: "object",
  properties: { city: { type: "string", maxLength: 5 }, days: { type: "integer", minimum: 1, maximum: 7 } },
  required: ["city"],
  additionalProperties: false,
};
const tool = (name: string, strict?: boolean): ToolDefinition => ({
  type: "function",
  function: { name, parameters, strict },
});
const ASK = {
  messages: [{ role: "user", content: "Go." }],
  temperature: 1,
  topP: 1,
  seed: 5,
  maxTokens: 600,
} as const satisfies Partial<ChatOptions>;

async function answer(options: Partial<ChatOptions>) {
  const result = await mimo.generate({ ...ASK, ...options });
  const plain = await mimo.generate({ ...ASK, ...options, speculation: 0 });
  // Drafts and masks together: the same tokens, whatever is asked.
  expect(plain.tokens).toEqual(result.tokens);
  return result;
}

describe("tool choice", () => {
  test("required: the answer is calls that satisfy the schema, and nothing else", async () => {
    const { text, toolCalls, finishReason } = await answer({
      tools: [tool("forecast", true), tool("history", true)],
      toolChoice: "required",
      logitBias: { [id("<|im_end|>")]: 20 },
    });
    expect(finishReason).toBe("tool_calls");
    expect(text).toBe("");
    expect(toolCalls.length).toBeGreaterThan(0);
    for (const call of toolCalls) {
      expect(call).toMatchObject({ name: expect.stringMatching(/^(forecast|history)$/) });
      if ("error" in call) throw new Error(call.error);
      const { city, days = 1, ...others } = call.arguments as { city: string; days?: number };
      expect(Array.from(city).length).toBeLessThanOrEqual(5);
      expect(days).toBeGreaterThanOrEqual(1);
      expect(days).toBeLessThanOrEqual(7);
      expect(others).toEqual({});
    }
  });

  test("of a name: one call of it, even where more are wanted", async () => {
    const { toolCalls } = await answer({
      tools: [tool("forecast", true), tool("history", true)],
      toolChoice: { name: "history" },
      logitBias: { [id("<tool_call>")]: 50 },
    });
    expect(toolCalls).toHaveLength(1);
    expect(toolCalls[0]).toMatchObject({ name: "history" });
  });

  test("of some: only those, as often as wanted, and none where none is wanted", async () => {
    const tools = [tool("forecast"), tool("history", true), tool("news", true)];
    const called = await answer({
      tools,
      toolChoice: { allowed: ["history", "news"], mode: "required" },
      logitBias: { [id("<tool_call>")]: 1 },
      maxTokens: 900,
    });
    expect(called.finishReason).toBe("tool_calls");
    for (const call of called.toolCalls)
      expect(call).toMatchObject({ name: expect.stringMatching(/^(history|news)$/) });
    // A tool that is not strict, and is the only one that may be called: its name is enforced.
    const forecast = await answer({
      tools,
      toolChoice: { allowed: ["forecast"], mode: "auto" },
      logitBias: { [id("<tool_call>")]: 100, [id("<|im_end|>")]: 20 },
      parallelToolCalls: false,
      maxTokens: 60,
    });
    expect(mimo.tokenizer.decode(forecast.tokens)).toMatch(/^<tool_call>\n?<function=forecast>/);
    const silent = await answer({
      tools,
      toolChoice: { allowed: ["history"], mode: "auto" },
      maxTokens: 20,
      logitBias: { [id("<tool_call>")]: -100 },
    });
    expect(silent.toolCalls).toEqual([]);
  });

  test("none: no call, however much the model wants one", async () => {
    const { toolCalls, text } = await answer({
      tools: [tool("forecast")],
      toolChoice: "none",
      maxTokens: 30,
      logitBias: { [id("<tool_call>")]: 100 },
    });
    expect(toolCalls).toEqual([]);
    expect(text.length).toBeGreaterThan(20);
  });

  test("auto with a strict tool: free text until the token that begins a call, one call where only one may be", async () => {
    const free = await answer({
      tools: [tool("forecast", true)],
      maxTokens: 20,
      logitBias: { [id("<tool_call>")]: -100 },
    });
    const unasked = await answer({
      maxTokens: 20,
      tools: [tool("forecast")],
      logitBias: { [id("<tool_call>")]: -100 },
    });
    expect(free.tokens).toEqual(unasked.tokens);
    const called = await answer({
      tools: [tool("forecast", true)],
      parallelToolCalls: false,
      logitBias: { [id("<tool_call>")]: 100, [id("<|im_end|>")]: 20 },
    });
    expect(called.toolCalls).toMatchObject([{ name: "forecast" }]);
    expect(called.finishReason).toBe("tool_calls");
  });
});

describe("thinking", () => {
  const bias = () => ({ [id("<think>")]: 20, [id("</think>")]: 20, [id("<tool_call>")]: 100 });

  test("comes before what is enforced, holds no call, and the answer follows", async () => {
    const events: GenerationEvent[] = [];
    const options = { tools: [tool("forecast", true)], toolChoice: "required", parallelToolCalls: false } as const;
    const thinkOften = { ...bias(), [id("<think>")]: 100, [id("<tool_call>")]: 50 };
    for await (const event of mimo.chat({ ...ASK, ...options, thinking: true, logitBias: thinkOften }))
      events.push(event);
    const done = events.at(-1);
    if (done?.type !== "done") throw new Error("no end");
    expect(done.tokens[0]).toBe(id("<think>"));
    const thought = done.tokens.indexOf(id("</think>"));
    expect(done.tokens.indexOf(id("<tool_call>"))).toBe(thought + 1);
    expect(events.find((event) => event.type === "tool_call_end")).toMatchObject({ validation: { ok: true } });
  });

  test("may be left out", async () => {
    const { tokens } = await answer({
      tools: [tool("forecast", true)],
      toolChoice: "required",
      thinking: true,
      parallelToolCalls: false,
      logitBias: bias(),
    });
    expect(tokens[0]).toBe(id("<tool_call>"));
  });
});

describe("JSON", () => {
  test("of a schema, and of none", async () => {
    const schema = {
      type: "object",
      properties: {
        name: { type: "string", maxLength: 8 },
        tags: { type: "array", items: { enum: ["a", "b"] }, maxItems: 3 },
      },
      required: ["name", "tags"],
      additionalProperties: false,
    };
    const { text, finishReason } = await answer({ responseFormat: { type: "json_schema", schema } });
    expect(finishReason).toBe("stop");
    expect(JSON.parse(text)).toMatchObject({ name: expect.any(String), tags: expect.any(Array) });
    const any = await answer({ responseFormat: { type: "json_object" }, logitBias: quoteBias() });
    expect(JSON.parse(any.text)).toBeTypeOf("object");
  });

  test("ends by itself where the model has no token left to choose", async () => {
    const schema = { const: { ok: true } };
    const { text, tokens } = await answer({ responseFormat: { type: "json_schema", schema }, ignoreEos: true });
    expect(text).toBe('{"ok":true}');
    expect(mimo.tokenizer.eosIds).toContain(tokens.at(-1));
  });

  /** Strings of random weights would not end for long. */
  const quoteBias = () => ({ [mimo.tokenizer.encode('"')[0]!]: 8, [mimo.tokenizer.encode("}")[0]!]: 12 });
});

describe("what is not enforced is checked", () => {
  test("and told with the call", async () => {
    const seen: GenerationEvent[] = [];
    const letters = mimo.tokenizer.encode("x")[0]!;
    const options = { tools: [tool("forecast")], toolChoice: "required", parallelToolCalls: false } as const;
    const logitBias = { [letters]: 30, [id("<|im_end|>")]: 20 };
    for await (const event of mimo.chat({ ...ASK, ...options, logitBias, maxTokens: 200 })) seen.push(event);
    const end = seen.find((event) => event.type === "tool_call_end");
    if (end?.type !== "tool_call_end") throw new Error("no call");
    expect(end.validation).toMatchObject({ ok: false, errors: [expect.any(String)] });
  });
});

describe("refused before anything runs", () => {
  const strict = (schema: Record<string, unknown>): ToolDefinition => ({
    type: "function",
    function: { name: "f", parameters: schema, strict: true },
  });
  test.each<[string, object, string]>([
    ["a choice that is none", { toolChoice: "any", tools: [tool("f")] }, "toolChoice"],
    ["a call without tools", { toolChoice: "required" }, "toolChoice"],
    [
      "some tools that are not there",
      { toolChoice: { allowed: ["f", "g"], mode: "auto" }, tools: [tool("f")] },
      "toolChoice",
    ],
    ["no tools of some", { toolChoice: { allowed: [], mode: "auto" }, tools: [tool("f")] }, "toolChoice"],
    ["some tools in no mode", { toolChoice: { allowed: ["f"], mode: "any" }, tools: [tool("f")] }, "toolChoice"],
    ["a tool that is not there", { toolChoice: { name: "g" }, tools: [tool("f")] }, "toolChoice"],
    ["a format that is none", { responseFormat: { type: "yaml" } }, "responseFormat"],
    ["no format", { responseFormat: null }, "responseFormat"],
    ["a flag that is none", { parallelToolCalls: "yes" }, "parallelToolCalls"],
    [
      "strict that is no flag",
      { tools: [{ type: "function", function: { name: "f", strict: 1 } }] },
      "tools[0].function.strict",
    ],
    [
      "a keyword that cannot be enforced",
      { tools: [tool("g"), strict({ type: "object", properties: { a: { not: {} } } })] },
      "tools[1].function.parameters.properties.a.not",
    ],
    [
      "a schema that nothing satisfies",
      { responseFormat: { type: "json_schema", schema: { type: "integer", minimum: 2, maximum: 1 } } },
      "responseFormat.schema.minimum",
    ],
    [
      "a schema that takes too many states",
      { responseFormat: { type: "json_schema", schema: { type: "string", pattern: "^(a|b)*a(a|b){30}$" } } },
      "responseFormat.schema",
    ],
  ])("%s", async (_, options, param) => {
    const refusal = { code: "invalid_argument", param };
    await expect(mimo.generate({ ...ASK, ...options } as ChatOptions)).rejects.toMatchObject(refusal);
    const prepare = async (demands: AnswerDemands): Promise<void> =>
      mimo.prepare(mimo.encodeChat({ ...ASK, tools: demands.tools }), demands);
    await expect(prepare(options as AnswerDemands)).rejects.toMatchObject(refusal);
  });
});
