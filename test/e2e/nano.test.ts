// The model that comes along: what a newcomer meets first.

import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { load, type Mimo } from "../../src/index.ts";
import { TOOLS } from "../../src/train/data/tool-box.ts";

let mimo: Mimo;
beforeAll(async () => {
  mimo = await load(fileURLToPath(new URL("../../models/nano", import.meta.url)), { contextLength: 2048, threads: 1 });
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

test("its heads draft what it says", async () => {
  const plain = await ask("Tell me a story.", { speculation: 0 });
  const drafted = await ask("Tell me a story.", { speculation: 1 });
  expect(drafted.text).toBe(plain.text);
  expect(drafted.usage.speculation.acceptLength).toBeGreaterThan(1.5);
});
