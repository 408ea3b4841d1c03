// Reasoning that a client drops between tool turns: remembered in one API, put back in every other, for its own key.

import { expect, test } from "vitest";
import { promptsOf, scriptedModel, serveModel, twoKeys } from "./serving.ts";

const PARAMETERS = { type: "object", properties: { place: { type: "string" } }, required: ["place"] };
const CALL = "<tool_call>\n<function=get_weather>\n<parameter=place>Oslo</parameter>\n</function>\n</tool_call>";
const SCRIPT = `<think>They want Oslo.</think>Let me look.${CALL}`;

test("reasoning is remembered for its own key only, also across APIs", async () => {
  using keys = twoKeys();
  const [mine, other] = keys.secrets;
  const model = scriptedModel(SCRIPT);
  const prompts = promptsOf(model);
  await using serving = await serveModel(model, { keyFile: keys.path });
  const bearer = (secret = ""): RequestInit => ({ headers: { authorization: `Bearer ${secret}` } });
  const tools = [{ type: "function", function: { name: "get_weather", parameters: PARAMETERS } }];
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
});
