// Errors of Anthropic's Messages: its own form, its own names, whatever goes wrong.

import Anthropic, { APIError, AuthenticationError, NotFoundError } from "@anthropic-ai/sdk";
import type { MessageParam } from "@anthropic-ai/sdk/resources/messages";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { failureOf, scriptedModel, serveModel, type Serving, twoKeys } from "./serving.ts";

const clientOf = ({ url }: Serving, apiKey = "none"): Anthropic =>
  new Anthropic({ baseURL: url, apiKey, maxRetries: 0 });
const user = (content: MessageParam["content"]): MessageParam => ({ role: "user", content });
const WEATHER = { name: "get_weather", input_schema: { type: "object" as const } };
const ask = { model: "tiny", messages: [user("Weather?")], max_tokens: 200, tools: [WEATHER] };

describe("mistakes", () => {
  let serving: Serving;

  beforeAll(async () => {
    serving = await serveModel(scriptedModel("Hi"));
  });
  afterAll(() => serving[Symbol.asyncDispose]());

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
    [
      { tools: [{ type: "bash_20250124" }, { ...WEATHER, strict: true, input_schema: { minProperties: 1 } }] },
      /^tools\[1\]\.input_schema\.minProperties/,
    ],
    [{ tools: [{ name: "f", input_schema: 5 }] }, /^tools\[0\]\.input_schema/],
    [{ tools: [{ name: "a b", input_schema: {} }] }, /^tools\[0\]\.name/],
    [{ tool_choice: { type: "any" }, tools: undefined }, /^tool_choice/],
    [{ tool_choice: { type: "tool", name: "f" } }, /^tool_choice/],
    [{ tool_choice: { type: "tool" } }, /^tool_choice\.name/],
    [{ tool_choice: { type: "required" } }, /^tool_choice\.type/],
    [{ thinking: { type: "enabled", budget_tokens: -1 } }, /^thinking\.budget_tokens/],
    [{ output_config: { format: { type: "json_schema" } } }, /^output_config\.format\.schema/],
    [{ output_config: { format: { type: "text" } } }, /^output_config\.format\.type/],
    [
      { output_config: { format: { type: "json_schema", schema: { not: {} } } } },
      /^output_config\.format\.schema\.not/,
    ],
    [{ output_format: { type: "json_schema", schema: { not: {} } } }, /^output_format\.schema\.not/],
    [
      {
        output_format: { type: "json_schema", schema: {} },
        output_config: { format: { type: "json_schema", schema: {} } },
      },
      /^output_format/,
    ],
    [{ response_format: { type: "json_object" } }, /^response_format/],
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
    const unknown = await failureOf(clientOf(serving).messages.create({ ...ask, model: "claude" }));
    expect(unknown).toBeInstanceOf(NotFoundError);
    expect([unknown.type, unknown.requestID]).toEqual(["not_found_error", expect.any(String)]);
    const get = await serving.get("/v1/messages");
    expect([get.status, get.json.type, get.headers.get("allow")]).toEqual([405, "error", "POST, OPTIONS"]);
    expect((await serving.post("/v1/messages", "{")).json.error.type).toBe("invalid_request_error");
  });
});

test("strangers, crowds and large bodies get errors of this API, too", async () => {
  using keys = twoKeys();
  const [secret] = keys.secrets;
  const model = scriptedModel(undefined);
  await using serving = await serveModel(model, { keyFile: keys.path, maxRunning: 1, maxQueue: 0, maxBodyBytes: 5000 });
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
