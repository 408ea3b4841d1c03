// Anthropic's Messages as its own SDK meets it, over a tiny model, and over one that follows a script.

import Anthropic, {
  APIError,
  APIUserAbortError,
  AuthenticationError,
  BadRequestError,
  NotFoundError,
} from "@anthropic-ai/sdk";
import type { MessageParam, Tool } from "@anthropic-ai/sdk/resources/messages";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { load, type Mimo } from "../../src/index.ts";
import { createKey } from "../../src/server/keys.ts";
import { MESSAGE, MESSAGE_EVENT, misfit } from "./event-shapes.ts";
import {
  eventually,
  framesOf,
  promptsOf,
  scriptedModel,
  serveModel,
  type Serving,
  tinyModel,
  type TinyModel,
} from "./serving.ts";

const clientOf = ({ url }: Serving, apiKey = "none"): Anthropic =>
  new Anthropic({ baseURL: url, apiKey, maxRetries: 0 });
const user = (content: MessageParam["content"]): MessageParam => ({ role: "user", content });

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of stream) all.push(one);
  return all;
}

/** What a call that must fail throws. */
async function failureOf(call: PromiseLike<unknown>): Promise<APIError> {
  try {
    await call;
  } catch (error) {
    return error as APIError;
  }
  return expect.fail("accepted");
}

describe("a tiny model", () => {
  let tiny: TinyModel;
  let mimo: Mimo;
  let serving: Serving;
  let anthropic: Anthropic;
  const extensions = { seed: 7, ignore_eos: true };
  const hello = { model: "tiny", messages: [user("Hello")], max_tokens: 24, ...extensions };

  beforeAll(async () => {
    tiny = await tinyModel();
    mimo = await load(tiny.path, { contextLength: 1024, maxSequences: 4, threads: 1 });
    serving = await serveModel(mimo, { maxRunning: 4 });
    anthropic = clientOf(serving);
  });
  afterAll(async () => {
    await serving[Symbol.asyncDispose]();
    await mimo.close();
    tiny[Symbol.dispose]();
  });

  test("plain and streamed say the same", async () => {
    const plain = await anthropic.messages.create(hello);
    expect(misfit(MESSAGE, plain)).toBeUndefined();
    expect(plain).toMatchObject({ stop_reason: "max_tokens", stop_sequence: null, usage: { output_tokens: 24 } });
    expect(plain._request_id).toMatch(/^[\w-]{36}$/);
    const events = await collect(await anthropic.messages.create({ ...hello, stream: true }));
    for (const event of events) expect(misfit(MESSAGE_EVENT, event)).toBeUndefined();
    const assembled = await anthropic.messages.stream(hello).finalMessage();
    expect(assembled.content).toEqual(plain.content);
    expect(assembled.usage).toMatchObject(plain.usage);
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
    expect(headers.get("x-mimo-warning")).toMatch(/tools\[1\].*budget_tokens.*redacted_thinking/);
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

  test.each<[object, RegExp]>([
    [{ max_tokens: undefined }, /^max_tokens/],
    [{ max_tokens: 0 }, /^max_tokens/],
    [{ messages: [] }, /^messages/],
    [{ messages: [{ role: "tool", content: "x" }] }, /^messages\[0\]\.role/],
    [{ messages: [{ role: "user", content: 5 }] }, /^messages\[0\]\.content/],
    [{ messages: [{ role: "user", content: [{ type: "image" }] }] }, /^messages\[0\]\.content\[0\].*image/],
    [
      {
        messages: [
          { role: "user", content: [{ type: "tool_result", tool_use_id: "a", content: [{ type: "image" }] }] },
        ],
      },
      /^messages\[0\]\.content\[0\]\.content\[0\]\.type/,
    ],
    [{ messages: [{ role: "user", content: [{ type: "tool_result" }] }] }, /tool_use_id/],
    [{ messages: [user("a"), { role: "assistant", content: "b" }] }, /cannot be continued/],
    [
      { messages: [{ role: "assistant", content: [{ type: "tool_use", id: "a", name: "f", input: [] }] }, user("x")] },
      /^messages\[0\]\.content\[0\]\.input/,
    ],
    [{ system: [{ type: "image" }] }, /^system\[0\]/],
    [{ tools: [{ ...WEATHER, strict: true }] }, /^tools\[0\]\.strict/],
    [{ tools: [{ name: "f", input_schema: 5 }] }, /^tools\[0\]\.input_schema/],
    [{ tools: [{ name: "a b", input_schema: {} }] }, /^tools\[0\]\.name/],
    [{ tool_choice: { type: "any" } }, /^tool_choice/],
    [{ tool_choice: { type: "tool", name: "get_weather" } }, /^tool_choice/],
    [{ tool_choice: { type: "required" } }, /^tool_choice\.type/],
    [{ thinking: { type: "enabled", budget_tokens: -1 } }, /^thinking\.budget_tokens/],
    [{ output_config: { format: { type: "json_schema" } } }, /^output_config\.format/],
    [{ stop_sequences: [""] }, /^stop_sequences\[0\]/],
    [{ temperature: -1 }, /^temperature/],
    [{ mcp_servers: [{}] }, /^mcp_servers/],
    [{ n: 2 }, /^n:/],
  ])("%j is refused", async (fields, message) => {
    const { status, json, headers } = await serving.post("/v1/messages", { ...ask, ...fields });
    expect({ status, json }).toMatchObject({
      status: 400,
      json: { type: "error", error: { type: "invalid_request_error" }, request_id: headers.get("request-id") },
    });
    expect(json.error.message).toMatch(message);
  });

  test("other mistakes", async () => {
    const unknown = await failureOf(anthropic.messages.create({ ...ask, model: "claude" }));
    expect(unknown).toBeInstanceOf(NotFoundError);
    expect([unknown.type, unknown.requestID]).toEqual(["not_found_error", expect.any(String)]);
    const get = await serving.get("/v1/messages");
    expect([get.status, get.json.type, get.headers.get("allow")]).toEqual([405, "error", "POST, OPTIONS"]);
    expect((await serving.post("/v1/messages", "{")).json.error.type).toBe("invalid_request_error");
  });
});

test("strangers, crowds and large bodies get errors of this API, too", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mimo-keys-"));
  const keyFile = join(folder, "keys.json");
  const { secret } = createKey(keyFile, "a", ["inference"]);
  const model = scriptedModel(undefined);
  await using serving = await serveModel(model, { keyFile, maxRunning: 1, maxQueue: 0, maxBodyBytes: 5000 });
  const body = { model: "tiny", messages: [user("Hi")], max_tokens: 5 };
  const stranger = await failureOf(clientOf(serving, "wrong").messages.create(body));
  expect(stranger).toBeInstanceOf(AuthenticationError);
  expect(stranger.type).toBe("authentication_error");
  const anthropic = clientOf(serving, secret);
  const running = anthropic.messages.stream(body);
  await new Promise((resolve) => running.once("text", resolve));
  const crowded = await failureOf(anthropic.messages.create(body));
  expect([crowded.status, crowded.type]).toEqual([429, "rate_limit_error"]);
  expect(Number(crowded.headers?.get("retry-after"))).toBeGreaterThan(0);
  const large = await failureOf(anthropic.messages.create({ ...body, messages: [user("x".repeat(6000))] }));
  expect([large.status, large.type]).toEqual([413, "request_too_large"]);
  running.abort();
  await failureOf(running.finalMessage());
  // Claude Code sends the other header.
  const bearer = new Anthropic({ baseURL: serving.url, authToken: secret, apiKey: null, maxRetries: 0 });
  expect(await bearer.messages.countTokens({ model: "tiny", messages: [user("Hi")] })).toHaveProperty("input_tokens");
  await using loading = await serveModel(undefined);
  const early = await failureOf(clientOf(loading).messages.create(body));
  expect([early.status, early.type]).toEqual([529, "overloaded_error"]);
  rmSync(folder, { recursive: true });
});

test("reasoning is remembered for its own key only, also across APIs", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mimo-keys-"));
  const keyFile = join(folder, "keys.json");
  const [mine, other] = ["a", "b"].map((name) => createKey(keyFile, name, ["inference"]).secret);
  const model = scriptedModel(SCRIPT);
  const prompts = promptsOf(model);
  await using serving = await serveModel(model, { keyFile });
  const bearer = (secret = ""): RequestInit => ({ headers: { authorization: `Bearer ${secret}` } });
  const tools = [{ type: "function", function: { name: "get_weather", parameters: WEATHER.input_schema } }];
  const question = { role: "user", content: "Weather?" };
  const { json } = await serving.post("/v1/chat/completions", { messages: [question], tools }, bearer(mine));
  const [{ message }] = json.choices;
  const result = { role: "tool", tool_call_id: message.tool_calls[0].id, content: "Rain" };
  const next = async (secret: string | undefined, reasoning: string | undefined): Promise<string> => {
    const messages = [question, { ...message, reasoning_content: reasoning }, result];
    await serving.post("/v1/chat/completions", { messages, tools, enable_thinking: true }, bearer(secret));
    return prompts.at(-1) ?? "";
  };
  const whole = await next(mine, "They want Oslo.");
  expect(whole).toContain("<think>They want Oslo.</think>");
  expect(await next(mine, undefined)).toBe(whole);
  expect(await next(mine, "Own.")).toContain("<think>Own.</think>");
  expect(await next(other, undefined)).not.toContain("They want Oslo.");
  const items = [
    question,
    { type: "message", role: "assistant", content: "Let me look." },
    { type: "function_call", call_id: message.tool_calls[0].id, name: "get_weather", arguments: '{"place":"Oslo"}' },
    { type: "function_call_output", call_id: message.tool_calls[0].id, output: "Rain" },
  ];
  await serving.post(
    "/v1/responses",
    { input: items, tools: [{ type: "function", ...tools[0]?.function }] },
    bearer(mine),
  );
  expect(prompts.at(-1)).toContain("<think>They want Oslo.</think>Let me look.");
  rmSync(folder, { recursive: true });
});

test("a failure inside a stream is an error event", async () => {
  const failing = scriptedModel("x");
  failing.answer = async function* () {
    yield { type: "text", text: "begin" };
    throw new Error("secret /path");
  };
  await using serving = await serveModel(failing);
  const error = await failureOf(
    clientOf(serving)
      .messages.stream({ model: "tiny", messages: [user("Hi")], max_tokens: 5 })
      .finalMessage(),
  );
  expect(error).toBeInstanceOf(APIError);
  expect(error.message).toContain("api_error");
  expect(error.message).not.toContain("secret");
});
