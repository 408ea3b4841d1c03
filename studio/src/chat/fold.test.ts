import { expect, test } from "vitest";
import { begunAnswer, endAnswer, foldFrame } from "./fold.ts";
import type { AnswerFrame, ChunkChoice } from "../api/answers.ts";
import type { Message } from "../store/database.ts";

const MESSAGE: Message = {
  id: "m",
  conversationId: "c",
  parentId: "q",
  role: "assistant",
  createdAt: 0,
  content: "",
};

function frame(number: number, delta: ChunkChoice["delta"], rest: Partial<ChunkChoice> = {}): AnswerFrame {
  const choice: ChunkChoice = { index: 0, delta, finish_reason: null, ...rest };
  return { frame: number, chunk: { id: "chatcmpl-1", model: "nano", choices: [choice] } };
}

const FRAMES: readonly AnswerFrame[] = [
  frame(0, {}),
  frame(1, { reasoning_content: "Hm" }),
  frame(2, { reasoning_content: "m." }),
  frame(3, { content: "It is " }),
  frame(4, { content: "4." }),
  frame(5, { tool_calls: [{ index: 0, id: "x", function: { name: "add", arguments: '{"a":' } }] }),
  frame(6, { tool_calls: [{ index: 1, id: "y", function: { name: "clock", arguments: "{}" } }] }),
  frame(7, { tool_calls: [{ index: 0, function: { arguments: "1}" } }] }),
  frame(8, {}, { finish_reason: "tool_calls" }),
];

test("frames add up to text, thinking with its times, and calls", () => {
  const whole = FRAMES.reduce((message, one) => foldFrame(message, one, 100 * one.frame!), begunAnswer(MESSAGE, 0));
  const { content, answer } = endAnswer(whole, 1000);
  expect(content).toBe("It is 4.");
  expect(answer).toMatchObject({ reasoning: "Hmm.", thinkingFrom: 100, thinkingTo: 300, firstTokenAt: 100 });
  expect(answer.calls).toEqual([
    { id: "x", name: "add", arguments: '{"a":1}' },
    { id: "y", name: "clock", arguments: "{}" },
  ]);
  expect(answer).toMatchObject({ status: "done", replyId: "chatcmpl-1", frame: 8, finishReason: "tool_calls" });
});

test("a stream that is read again from anywhere gives what it gave", () => {
  const fold = (frames: readonly AnswerFrame[], from = begunAnswer(MESSAGE, 0)) =>
    frames.reduce((message, one) => foldFrame(message, one, 100 * one.frame!), from);
  for (let cut = 0; cut <= FRAMES.length; cut++) {
    const first = fold(FRAMES.slice(0, cut));
    for (let again = 0; again <= cut; again++) expect(fold(FRAMES.slice(again), first)).toEqual(fold(FRAMES));
  }
});

test("an answer goes on behind what it has, and thinking that was not over goes on too", () => {
  const stopped = { ...MESSAGE, content: "It is", answer: endAnswer(begunAnswer(MESSAGE, 0), 5).answer };
  expect(foldFrame(begunAnswer(stopped, 10), frame(0, { content: " 4." }), 20).content).toBe("It is 4.");
  const thinking = FRAMES.slice(0, 2).reduce((message, one) => foldFrame(message, one, 7), begunAnswer(MESSAGE, 0));
  const again = begunAnswer(endAnswer(thinking, 8), 10);
  expect(again.answer).toMatchObject({ reasoning: "Hm", thinkingFrom: 7, thinkingTo: undefined });
});
