import { expect, test } from "vitest";
import { requestBody, withAttachments } from "./request.ts";
import { begunAnswer } from "./fold.ts";
import type { Message } from "../store/database.ts";

const base = { conversationId: "c", parentId: undefined, createdAt: 0 } as const;
const question = (id: string, content: string): Message => ({ ...base, id, role: "user", content });
const answer = (id: string, content: string, reasoning: string): Message => {
  const begun = begunAnswer({ ...base, id, role: "assistant", content }, 0);
  return { ...begun, answer: { ...begun.answer, reasoning } };
};

const PATH = [
  question("1", "Hi"),
  answer("2", "Hello", "They greet."),
  question("3", "And?"),
  answer("4", "Well", "Hm."),
];

test("earlier thinking is sent where its reader wants it; that of the turn at hand always is", () => {
  const messages = (keepThinking: boolean): unknown =>
    (requestBody({ path: PATH, settings: { keepThinking }, otherTools: new Map() }) as { messages: unknown }).messages;
  expect(messages(false)).toEqual([
    { role: "user", content: "Hi" },
    { role: "assistant", content: "Hello" },
    { role: "user", content: "And?" },
    { role: "assistant", content: "Well", reasoning_content: "Hm." },
  ]);
  expect(messages(true)).toContainEqual({ role: "assistant", content: "Hello", reasoning_content: "They greet." });
});

test("an answer that goes on is the last message, and open", () => {
  const body = requestBody({ path: PATH, settings: {}, otherTools: new Map(), isContinued: true });
  expect(body).toMatchObject({ messages: { 3: { content: "Well", prefix: true } } });
});

test("settings that are not set are the server's", () => {
  const body = requestBody({
    path: PATH.slice(0, 1),
    settings: { system: " ", thinkingBudget: 5 },
    otherTools: new Map(),
  });
  expect(JSON.parse(JSON.stringify(body))).toEqual({ messages: [{ role: "user", content: "Hi" }] });
});

test("no attached text can end its own fence", () => {
  expect(withAttachments("Q", [{ name: "a.md", text: "````\nx\n````" }])).toBe(
    "a.md:\n`````\n````\nx\n````\n`````\n\nQ",
  );
});
