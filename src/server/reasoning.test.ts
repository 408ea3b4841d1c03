// Reasoning is put back where a client dropped it, and nowhere else; what comes back sealed is believed only unchanged.

import { describe, expect, test } from "vitest";
import type { ChatMessage } from "../tokenizer/chat-request.ts";
import { rememberReasoning, restoreReasoning } from "./reasoning.ts";
import { scriptedEvents } from "../../test/e2e/serving.ts";
import { Seal } from "./seal.ts";

const call = (id: string | undefined) => ({ id, type: "function" as const, function: { name: "f", arguments: "{}" } });
const turn = (rest: Partial<ChatMessage>): ChatMessage => ({ role: "assistant", tool_calls: [call("a")], ...rest });
const find = (id: string): string | undefined => (id === "a" ? "Because." : undefined);

describe("restoreReasoning", () => {
  test.each<Partial<ChatMessage>>([
    {},
    { content: null },
    { content: "Text" },
    { reasoning_content: null },
    { reasoning_content: "" },
    { tool_calls: [call("unknown"), call("a")] },
  ])("%j gets it back", (rest) => {
    const { messages, numRestored } = restoreReasoning([{ role: "user", content: "x" }, turn(rest)], find);
    expect(messages[1]).toEqual({ ...turn(rest), reasoning_content: "Because." });
    expect(numRestored).toBe(1);
  });

  test.each<[ChatMessage, number]>([
    [turn({ reasoning_content: "Own." }), 0],
    [turn({ content: "<think>Own.</think>x" }), 0],
    [turn({ tool_calls: [] }), 0],
    [{ role: "assistant", content: "x" }, 0],
    [{ role: "tool", content: "x", tool_call_id: "a" }, 0],
    [turn({ tool_calls: [call("b"), call(undefined)] }), 1],
    [turn({ tool_calls: [null, 5] as never }), 1],
    [turn({ tool_calls: "a" as never }), 0],
  ])("%j stays as it is", (message, numMissing) => {
    expect(restoreReasoning([message], find)).toEqual({ messages: [message], numRestored: 0, numMissing });
  });
});

test("rememberReasoning gives all of it for every call", async () => {
  const script = "<think>One.</think>So<tool_call><function=f></function></tool_call>";
  const remembered: [number, string][] = [];
  const events = scriptedEvents(script + script);
  let numEvents = 0;
  for await (const event of rememberReasoning(events, (index, text) => remembered.push([index, text])))
    numEvents += event.type === "done" ? 0 : 1;
  expect(numEvents).toBeGreaterThan(10);
  expect(remembered).toEqual([
    [0, "One.One."],
    [1, "One.One."],
  ]);
});

test("a seal opens for its owner, unchanged, and by its maker only", () => {
  const seal = new Seal();
  const text = "Grüße 😀.x";
  const closed = seal.close("key", text);
  expect(closed).toMatch(/^[\w-]+\.[\w-]+$/);
  expect(seal.open("key", closed)).toBe(text);
  expect(seal.open("other", closed)).toBeUndefined();
  expect(new Seal().open("key", closed)).toBeUndefined();
  for (const odd of ["", ".", "x", `${closed}A`, `A${closed.slice(1)}`, closed.replace(".", "")])
    expect(odd === closed ? undefined : seal.open("key", odd)).toBeUndefined();
});
