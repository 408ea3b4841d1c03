// Messages from lines, and a conversation's rules, without a terminal.

import { describe, expect, test } from "vitest";
import type { Answer } from "../answer.ts";
import { Conversation } from "./conversation.ts";
import { MessageAssembler } from "./message-assembler.ts";

/** The messages that lines make; what is left open at the end comes last. */
function assemble(lines: readonly string[], isPasted = false): string[] {
  const assembler = new MessageAssembler();
  const messages = lines.map((line) => assembler.push(line, isPasted)).filter((message) => message !== undefined);
  return assembler.isOpen ? [...messages, assembler.finish()] : messages;
}

describe("lines", () => {
  test.each([
    [
      ["one", "two"],
      ["one", "two"],
    ],
    [["one\\", "two\\", "three"], ["one\ntwo\nthree"]],
    [
      ['"""', "one", "", "two\\", '"""', "three"],
      ["one\n\ntwo\\", "three"],
    ],
    [['"""one', 'two"""'], ["one\ntwo"]],
    [['"""one"""'], ["one"]],
    [['"""', "never closed"], ["never closed"]],
    [["left open\\"], ["left open"]],
  ])("%j become %j", (lines, messages) => expect(assemble(lines)).toEqual(messages));

  test("a paste is one message, whatever it holds", () => {
    expect(assemble(["one", "two"], true)).toEqual(["one\ntwo"]);
  });
});

const answer = (text: string, rest: Partial<Answer> = {}): Answer => ({
  text,
  reasoning: "",
  toolCalls: [],
  logprobs: [],
  end: undefined,
  ...rest,
});

describe("a conversation", () => {
  const create = () => new Conversation({ system: undefined, thinking: undefined, generation: {} });

  test("keeps what a stopped answer wrote, and forgets one that wrote nothing", () => {
    const conversation = create();
    expect(conversation.add("lost", answer(""))).toBe(false);
    expect(conversation.messages).toEqual([]);
    expect(conversation.add("kept", answer("half an ans", { reasoning: "hm" }))).toBe(true);
    expect(conversation.messagesWith("next")).toEqual([
      { role: "user", content: "kept" },
      { role: "assistant", content: "half an ans", reasoning_content: "hm" },
      { role: "user", content: "next" },
    ]);
  });

  test("keeps calls as calls, and those that could not be parsed as text", () => {
    const conversation = create();
    const call = { name: "now", arguments: {} };
    const toolCalls = [
      { raw: "<tool_call>…", call },
      { raw: "<tool_call>cut", call: { error: "cut off" } },
    ];
    conversation.add("time?", answer("Well: ", { toolCalls }));
    expect(conversation.messages[1]).toEqual({
      role: "assistant",
      content: "Well: <tool_call>cut",
      tool_calls: [{ type: "function", function: call }],
    });
  });

  test("a setting out of its range leaves the old one", () => {
    const conversation = create();
    conversation.set("top-p", "0.5");
    expect(() => conversation.set("top-p", "2")).toThrow("topP");
    expect(() => conversation.set("constructor", "1")).toThrow("no setting");
    expect(conversation.generation).toEqual({ topP: 0.5 });
  });
});
