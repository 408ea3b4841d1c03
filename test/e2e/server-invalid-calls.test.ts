// Calls that no constraint kept: they are checked, and what their tool does not take is told, in every API, in streams and
// in metrics. And a server that cannot compile a demand just now says so before a reply begins.

import { afterAll, beforeAll, expect, test } from "vitest";
import { MimoError } from "../../src/util/errors.ts";
import { framesOf, scriptedModel, serveModel, type Serving } from "./serving.ts";

const call = (days: string): string =>
  `<tool_call>\n<function=forecast>\n<parameter=days>${days}</parameter>\n</function>\n</tool_call>`;
const SCRIPT = `Well.${call("3")}${call("many")}`;
const ERRORS = ["days must be integer, not string."];
const parameters = { type: "object", properties: { days: { type: "integer" } }, required: ["days"] };
const hello = { messages: [{ role: "user", content: "Hi" }] };

let serving: Serving;
beforeAll(async () => {
  serving = await serveModel(scriptedModel(SCRIPT));
});
afterAll(() => serving[Symbol.asyncDispose]());

const CHAT = { ...hello, tools: [{ type: "function", function: { name: "forecast", parameters } }] };
const APIS: readonly [string, object, (reply: any) => any, (reply: any) => string[]][] = [
  [
    "/v1/chat/completions",
    CHAT,
    ({ choices }) => choices[0],
    ({ choices }) => choices[0].message.tool_calls.map(({ id }: any) => id),
  ],
  [
    "/v1/responses",
    { input: "Hi", tools: [{ type: "function", name: "forecast", parameters }] },
    (reply) => reply.response ?? reply,
    ({ output }) => output.flatMap(({ call_id: id }: any) => id ?? []),
  ],
  [
    "/v1/messages",
    { ...hello, max_tokens: 500, tools: [{ name: "forecast", input_schema: parameters }] },
    (reply) => reply,
    ({ content }) => content.flatMap(({ id }: any) => id ?? []),
  ],
];

test.each(APIS)("%s tells of calls that their tool does not take", async (path, body, placeOf, idsOf) => {
  const counter = async (name: string): Promise<number> =>
    Number(new RegExp(`^mimo:${name}{.*} (\\d+)`, "m").exec((await serving.get("/metrics")).text)?.[1] ?? 0);
  const before = [await counter("tool_calls_total"), await counter("tool_calls_invalid_total")];
  const { json } = await serving.post(path, body);
  expect(placeOf(json).invalid_tool_calls).toEqual([{ id: idsOf(json)[1], errors: ERRORS }]);
  const { text } = await serving.post(path, { ...body, stream: true });
  const told = framesOf(text).filter((frame) => placeOf(frame).invalid_tool_calls !== undefined);
  expect(told).toHaveLength(1);
  expect(placeOf(told[0]).invalid_tool_calls).toEqual([{ id: expect.any(String) as string, errors: ERRORS }]);
  expect(await counter("tool_calls_total")).toBe(before[0]! + 4);
  expect(await counter("tool_calls_invalid_total")).toBe(before[1]! + 2);
});

test("without tools there are no calls, and none that are wrong", async () => {
  const { json } = await serving.post("/v1/chat/completions", hello);
  expect(json.choices[0].message.content).toBe(SCRIPT);
  expect(json.choices[0]).not.toHaveProperty("invalid_tool_calls");
});

test("too many schemas at once are a 429, before a stream begins", async () => {
  const model = scriptedModel("Hi");
  model.prepare = async () => {
    throw new MimoError("overloaded", "64 schemas are waiting to be compiled; try again later.");
  };
  await using busy = await serveModel(model);
  for (const stream of [false, true]) {
    const { status, json, headers } = await busy.post("/v1/chat/completions", { ...CHAT, stream });
    expect([status, json.error.code, headers.get("x-should-retry")]).toEqual([429, "overloaded", "true"]);
    expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
  }
});
