// The model that comes along: what a newcomer meets first.

import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { load, type Mimo } from "../../src/index.ts";
import { retrieval } from "../../src/train/data/retrieval.ts";
import { makeSamples, tasksOf } from "../../src/train/data/testing.ts";
import { TOOLS } from "../../src/train/data/tool-box.ts";

let mimo: Mimo;
beforeAll(async () => {
  mimo = await load(fileURLToPath(new URL("../../models/nano", import.meta.url)), { contextLength: 8192, threads: 1 });
});
afterAll(() => mimo.close());

const ask = (content: string, more: object = {}) =>
  mimo.generate({ messages: [{ role: "user", content }], temperature: 0, maxTokens: 300, ...more });

test("says who it is, and ends there", async () => {
  const { text, finishReason } = await ask("Who are you?");
  expect(text).toMatch(/nano|mimo-flash/);
  expect(finishReason).toBe("stop");
});

test("thinks where it is asked to, and only then", async () => {
  const question = "What is 12 + 5?";
  expect((await ask(question, { thinking: true })).reasoning).toContain("12 + 5 =");
  expect((await ask(question)).reasoning).toBe("");
});

test("calls the tool that a question needs, with arguments that fit", async () => {
  const { toolCalls, finishReason } = await ask("What is the weather in Oslo?", { tools: Object.values(TOOLS) });
  expect(finishReason).toBe("tool_calls");
  expect(toolCalls).toMatchObject([{ name: "weather", arguments: { city: expect.any(String) as string } }]);
});

test("finds what was said thousands of tokens ago", async () => {
  const countTokens = (text: string): number => mimo.tokenizer.encode(` ${text}`).length;
  const size = { minTokens: 6000, maxTokens: 6000, countTokens, depth: 0.1 };
  const options = { ...size, kinds: ["multi-key"], thinkingShare: 0 } as const;
  for (const { prompt, accepts } of tasksOf(makeSamples(retrieval, 3, options, "heldout"))) {
    const { text, usage } = await mimo.generate({ messages: prompt, temperature: 0, maxTokens: 60 });
    expect(usage.promptTokens).toBeGreaterThan(5000);
    expect(accepts(text)).toBe(true);
  }
});

test("its heads draft what it says", async () => {
  const plain = await ask("Tell me a story.", { speculation: 0 });
  const drafted = await ask("Tell me a story.", { speculation: 3 });
  expect(drafted.text).toBe(plain.text);
  expect(drafted.usage.speculation.acceptLength).toBeGreaterThan(2.5);
});
