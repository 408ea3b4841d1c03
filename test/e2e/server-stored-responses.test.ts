// Responses by their id: while they run, and afterwards where they were stored; for their own key.

import OpenAI, { BadRequestError, NotFoundError } from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { promptsOf, scriptedModel, serveModel, type Serving, twoKeys, collect } from "./serving.ts";

const clientOf = ({ url }: Serving, apiKey = "none"): OpenAI =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
const WEATHER = {
  type: "function" as const,
  name: "get_weather",
  strict: false,
  parameters: { type: "object", properties: { place: { type: "string" } }, required: ["place"] },
};
const CALL = "<tool_call>\n<function=get_weather>\n<parameter=place>Oslo</parameter>\n</function>\n</tool_call>";
const SCRIPT = `<think>They want Oslo.</think>Let me look.${CALL}`;

describe("store", () => {
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

  test("nothing is kept unless the request says so", async () => {
    const { id } = await openai.responses.create(ask);
    await expect(openai.responses.retrieve(id)).rejects.toBeInstanceOf(NotFoundError);
    await expect(openai.responses.create({ ...ask, previous_response_id: id })).rejects.toBeInstanceOf(BadRequestError);
    expect((await serving.post("/v1/responses/compact", {})).status).toBe(501);
  });

  test("what is stored can be read, continued and forgotten", async () => {
    const first = await openai.responses.create({ ...ask, instructions: "Be kind.", store: true });
    expect(await openai.responses.retrieve(first.id)).toEqual(first);
    expect(await openai.responses.cancel(first.id)).toMatchObject({ id: first.id, status: "completed" });
    const call = first.output.find((item) => item.type === "function_call");
    const result = { type: "function_call_output" as const, call_id: call?.call_id ?? "", output: "Rain" };
    const stream = openai.responses.stream({ ...ask, previous_response_id: first.id, input: [result], store: true });
    const second = await stream.finalResponse();
    expect(prompts.at(-1)).toMatch(/Weather\?.*<think>They want Oslo\.<\/think>Let me look\..*Rain/s);
    expect(prompts.at(-1)).not.toContain("Be kind.");
    const third = await openai.responses.create({ ...ask, previous_response_id: second.id, input: "Thanks" });
    expect(third.previous_response_id).toBe(second.id);
    expect(prompts.at(-1)).toMatch(/Weather\?.*Rain.*Let me look\..*Thanks/s);
    const items = await collect(openai.responses.inputItems.list(second.id, { limit: 1, order: "asc" }));
    expect(items).toMatchObject([{ ...result, id: expect.stringContaining("item_") as string }]);
    expect((await serving.get(`/v1/responses/${second.id}/input_items?limit=0`)).status).toBe(400);
    expect((await serving.get(`/v1/responses/${second.id}?stream=true`)).status).toBe(400);
    await openai.responses.delete(first.id);
    await expect(openai.responses.retrieve(first.id)).rejects.toBeInstanceOf(NotFoundError);
    await expect(openai.responses.delete(first.id)).rejects.toBeInstanceOf(NotFoundError);
    // What came after it holds all of it.
    await openai.responses.create({ ...ask, previous_response_id: second.id });
    expect(prompts.at(-1)).toContain("Rain");
  });
});

test("a response that runs can be seen and cancelled, by its own key only", async () => {
  using keys = twoKeys();
  const [mine, other] = keys.secrets;
  await using serving = await serveModel(scriptedModel(undefined), { keyFile: keys.path });
  const openai = clientOf(serving, mine);
  const stranger = clientOf(serving, other);
  const stream = await openai.responses.create({ model: "tiny", input: "Hi", stream: true });
  const events: { type: string; response?: unknown }[] = [];
  let id = "";
  for await (const event of stream) {
    events.push(event);
    if (event.type === "response.created") id = event.response.id;
    if (event.type !== "response.output_text.delta") continue;
    await expect(stranger.responses.retrieve(id)).rejects.toBeInstanceOf(NotFoundError);
    await expect(stranger.responses.cancel(id)).rejects.toBeInstanceOf(NotFoundError);
    expect(await openai.responses.retrieve(id)).toMatchObject({ id, status: "in_progress", output: [{ id: /^msg_/ }] });
    expect(await openai.responses.cancel(id)).toMatchObject({ id, status: "cancelled" });
  }
  expect(events.at(-1)).toMatchObject({ type: "response.failed", response: { status: "cancelled", error: null } });
  await expect(openai.responses.retrieve(id)).rejects.toBeInstanceOf(NotFoundError);
});

test("a stored response belongs to its key", async () => {
  using keys = twoKeys();
  const [mine, other] = keys.secrets;
  await using serving = await serveModel(scriptedModel(SCRIPT), { keyFile: keys.path });
  const { id } = await clientOf(serving, mine).responses.create({ model: "tiny", input: "Hi", store: true });
  const stranger = clientOf(serving, other);
  await expect(stranger.responses.retrieve(id)).rejects.toBeInstanceOf(NotFoundError);
  await expect(stranger.responses.delete(id)).rejects.toBeInstanceOf(NotFoundError);
  await expect(
    stranger.responses.create({ model: "tiny", input: "Hi", previous_response_id: id }),
  ).rejects.toBeInstanceOf(BadRequestError);
  expect((await clientOf(serving, mine).responses.retrieve(id)).id).toBe(id);
});
