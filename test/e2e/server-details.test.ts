// What a chat's stream shows of its making, where a client asks: the prompt, how far it is read, what was drafted, which
// experts were chosen, how long it took. The answer stays the same, and a stream that nobody asks has none of it.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { load } from "../../src/api/load.ts";
import type { Mimo } from "../../src/api/mimo.ts";
import { type TextCheckpoint, writeTextCheckpoint } from "../../src/api/testing.ts";
import { misfit, openai } from "./event-shapes.ts";
import { framesOf, scriptedModel, serveModel, type Serving } from "./serving.ts";

const CHAT = "/v1/chat/completions";
const ALL = ["prompt", "progress", "drafts", "routing", "timings"];
const messages = [{ role: "user" as const, content: "Tell me what there is to know. ".repeat(8) }];
const body = { messages, max_tokens: 30, temperature: 0, stream: true, stream_options: { include_usage: true } };

let checkpoint: TextCheckpoint;
let mimo: Mimo;
let serving: Serving;
beforeAll(async () => {
  checkpoint = await writeTextCheckpoint();
  mimo = await load(checkpoint.path, { contextLength: 1024, threads: 1, speculation: 3, chunkSize: 64 });
  serving = await serveModel(mimo);
});
afterAll(async () => {
  await serving[Symbol.asyncDispose]();
  await mimo.close();
  checkpoint.remove();
});

async function ask(fields: object = {}) {
  const { text, status } = await serving.post(CHAT, { ...body, ...fields });
  expect(status).toBe(200);
  const frames = framesOf(text);
  return {
    frames,
    content: frames.map(({ choices }) => choices[0]?.delta.content ?? "").join(""),
    usage: frames.at(-1).usage,
    /** Of one kind, in order. */
    details: (kind: string): any[] => frames.flatMap(({ choices }) => choices[0]?.mimo?.[kind] ?? []),
  };
}

describe("a stream with all details", () => {
  // The prompt is cached from then on, but for its end.
  let first: Awaited<ReturnType<typeof ask>>;
  let asked: Awaited<ReturnType<typeof ask>>;
  beforeAll(async () => {
    first = await ask({ include: ALL });
    asked = await ask({ include: ALL });
  });

  test("is the stream that it would be otherwise, with frames between", async () => {
    const plain = await ask();
    expect(asked.content).toBe(plain.content);
    expect(plain.frames.some(({ choices }) => choices[0]?.mimo !== undefined)).toBe(false);
    for (const frame of asked.frames)
      expect(misfit(openai("CreateChatCompletionStreamResponse"), frame)).toBeUndefined();
    for (const { choices } of asked.frames)
      if (choices[0]?.mimo !== undefined) expect(choices[0]).toMatchObject({ delta: {}, finish_reason: null });
  });

  test("begins with the prompt as the model gets it", async () => {
    const { prompt } = (await serving.post("/apply-template", { messages })).json;
    expect(asked.details("prompt")).toEqual([{ text: prompt, tokens: asked.usage.prompt_tokens }]);
    expect(asked.frames[1].choices[0].mimo.prompt).toBeDefined();
  });

  test("tells how far the prompt is read, and what of it was cached", () => {
    const total = first.usage.prompt_tokens;
    expect(total).toBeGreaterThan(128);
    const numSteps = Math.ceil(total / 64) - 1;
    expect(first.details("progress")).toEqual(
      Array.from({ length: numSteps }, (_, i) => ({ processed: 64 * (i + 1), total, cached: 0 })),
    );
    expect(asked.usage.prompt_tokens_details.cached_tokens).toBeGreaterThan(0);
    expect(asked.details("timings")[0].cache_n).toBe(asked.usage.prompt_tokens_details.cached_tokens);
  });

  test("tells the tokens of every step, and which drafts held", () => {
    const steps = asked.details("drafts");
    expect(steps.flatMap(({ tokens }) => tokens).join("")).toBe(asked.content);
    expect(steps.flatMap(({ tokens }) => tokens)).toHaveLength(30);
    for (const { tokens, drafted, accepted } of steps) {
      expect(tokens.slice(0, accepted)).toEqual(drafted.slice(0, accepted));
      expect(tokens.length).toBeLessThanOrEqual(accepted + 1);
      if (tokens.length > accepted) expect(tokens[accepted]).not.toBe(drafted[accepted]);
    }
    const sum = (of: (step: any) => number): number => steps.reduce((total, step) => total + of(step), 0);
    const details = asked.usage.completion_tokens_details;
    expect(sum(({ accepted }) => accepted)).toBe(details.accepted_prediction_tokens);
    expect(sum(({ drafted, accepted }) => drafted.length - accepted)).toBe(details.rejected_prediction_tokens);
    expect(details.rejected_prediction_tokens).toBeGreaterThan(0);
  });

  test("tells the experts of every token of the answer but the last, as the library does", async () => {
    const { routedExperts } = await mimo.generate({ messages, maxTokens: 30, temperature: 0, routedExperts: true });
    const { ids, numTokens, layers } = routedExperts!;
    const parts = asked.details("routing");
    const experts = parts.flatMap((part) => part.experts);
    expect(experts).toHaveLength(29);
    expect(parts.map(({ first: from }) => from)).toEqual(
      parts.map((_, i) => parts.slice(0, i).reduce((count, part) => count + part.experts.length, 0)),
    );
    expect(experts[0]).toHaveLength(layers.length);
    const ofAnswer = ids.subarray((ids.length / numTokens) * asked.usage.prompt_tokens);
    expect(experts.flat(2)).toEqual([...ofAnswer]);
  });

  test("ends with times and counts", () => {
    const { prompt_tokens: prompt, completion_tokens_details: details } = asked.usage;
    const [timings] = asked.details("timings");
    expect(timings).toMatchObject({
      prompt_n: prompt - timings.cache_n,
      predicted_n: 30,
      draft_n: details.accepted_prediction_tokens + details.rejected_prediction_tokens,
      draft_n_accepted: details.accepted_prediction_tokens,
    });
    expect(timings.accepted_per_position).toHaveLength(mimo.info.numMtpHeads);
    for (const name of [
      "first_token_ms",
      "queue_ms",
      "prompt_ms",
      "predicted_ms",
      "predicted_per_second",
      "accept_length",
    ])
      expect([name, timings[name]]).toEqual([name, expect.any(Number)]);
    expect(timings.first_token_ms).toBeGreaterThan(0);
  });
});

test("of several choices, each tells its own", async () => {
  const { frames } = await ask({ include: ALL, n: 2, temperature: 1 });
  const counts = [0, 1].map((index) =>
    frames
      .flatMap(({ choices }) => choices.filter((choice: any) => choice.index === index && choice.mimo?.drafts))
      .reduce((count: number, { mimo: { drafts } }: any) => count + drafts.tokens.length, 0),
  );
  expect(counts).toEqual([30, 30]);
});

test("nothing is asked of the engine for a stream that shows nothing, and what cannot be shown is refused", async () => {
  const model = scriptedModel("Hi");
  await using scripted = await serveModel(model);
  await scripted.post(CHAT, body);
  await scripted.post(CHAT, { ...body, include: ["drafts"] });
  expect(model.calls).toMatchObject([
    { steps: false, routedExperts: false },
    { steps: true, routedExperts: false },
  ]);
  for (const wrong of [{ include: ["everything"] }, { include: ["prompt"], stream: false }, { include: ["routing"] }]) {
    const { status, json } = await scripted.post(CHAT, { ...body, ...wrong });
    expect([status, json.error.param.slice(0, 7)]).toEqual([400, "include"]);
  }
});
