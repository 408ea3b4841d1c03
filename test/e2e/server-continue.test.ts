// An answer that was begun goes on where it ended: what a client sends back of it is part of the prompt, not of the answer.

import { afterAll, beforeAll, expect, test } from "vitest";
import { load } from "../../src/api/load.ts";
import type { Mimo } from "../../src/api/mimo.ts";
import { type TextCheckpoint, writeTextCheckpoint } from "../../src/api/testing.ts";
import { serveModel, type Serving } from "./serving.ts";

const CHAT = "/v1/chat/completions";
const asked = { role: "user", content: "Go." };
const greedy = { temperature: 0, max_tokens: 40 };

let checkpoint: TextCheckpoint;
let mimo: Mimo;
let serving: Serving;
beforeAll(async () => {
  checkpoint = await writeTextCheckpoint();
  mimo = await load(checkpoint.path, { contextLength: 512, threads: 1 });
  serving = await serveModel(mimo);
});
afterAll(async () => {
  await serving[Symbol.asyncDispose]();
  await mimo.close();
  checkpoint.remove();
});

/** Cuts a text where its tokens are those that it is read as. */
async function halves(): Promise<readonly [begun: string, rest: string, numRest: number]> {
  const { tokens } = await mimo.generate({ messages: [asked as never], temperature: 0, maxTokens: 40 });
  const { tokenizer } = mimo;
  for (let end = 30; end > 5; end--) {
    const begun = tokenizer.decode(tokens.slice(0, end));
    if (JSON.stringify(tokenizer.encode(begun)) === JSON.stringify(tokens.slice(0, end)))
      return [begun, tokenizer.decode(tokens.slice(end)), tokens.length - end];
  }
  throw new Error("No place to cut.");
}

test("the rest of an answer is what it would have been, as either dialect asks for it", async () => {
  const [begun, rest, numRest] = await halves();
  for (const [last, fields] of [
    [{ role: "assistant", content: begun, prefix: true }, {}],
    [
      { role: "assistant", content: begun },
      { continue_final_message: true, add_generation_prompt: false },
    ],
  ] as const) {
    const { json } = await serving.post(CHAT, { ...greedy, ...fields, max_tokens: numRest, messages: [asked, last] });
    expect(json.choices[0].message.content).toBe(rest);
    expect(json.usage).toMatchObject({ completion_tokens: numRest });
  }
});

test("thoughts that were cut off go on as thoughts", async () => {
  const messages = [asked, { role: "assistant", reasoning_content: "Hm", content: "", prefix: true }];
  const { json } = await serving.post(CHAT, { ...greedy, messages, enable_thinking: true });
  expect(json.choices[0].message).toMatchObject({ content: "", reasoning_content: expect.stringMatching(/.{20}/) });
  expect(json.usage.completion_tokens_details.reasoning_tokens).toBe(40);
});

test("a turn of the assistant that is not to be continued is followed by another", async () => {
  const { json } = await serving.post("/apply-template", { messages: [asked, { role: "assistant", content: "So" }] });
  expect(json.prompt).toMatch(/So<\|im_end\|><\|im_start\|>assistant\n<think><\/think>$/);
});

test.each([
  [{ continue_final_message: true }, "messages[0]"],
  [{ add_generation_prompt: false }, "add_generation_prompt"],
  [
    {
      messages: [asked, { role: "assistant", content: "{", prefix: true }],
      response_format: { type: "json_object" },
    },
    "response_format",
  ],
])("%j is refused", async (fields, param) => {
  const { status, json } = await serving.post(CHAT, { messages: [asked], ...fields });
  expect([status, json.error.param]).toEqual([400, param]);
});
