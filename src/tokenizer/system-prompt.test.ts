// The recommended prompts, word for word as the model's card has them.

import { expect, test } from "vitest";
import { systemPrompt } from "./system-prompt.ts";

// A Saturday.
const date = new Date(2026, 2, 14);

test("English and Chinese, with date and weekday", () => {
  expect(systemPrompt({ date })).toBe(
    "You are MiMo, an AI assistant developed by Xiaomi.\n\n" +
      "Today's date: 2026-03-14 Saturday. Your knowledge cutoff date is December 2024.",
  );
  expect(systemPrompt({ language: "zh", date })).toBe(
    "你是MiMo（中文名称也是MiMo），是小米公司研发的AI智能助手。\n\n" +
      "今天的日期：2026-03-14 星期六，你的知识截止日期是2024年12月。",
  );
});

test("own instructions come before the date: from one day to the next, only the end differs", () => {
  const instructions = "Answer briefly.";
  const prompts = [date, new Date(2026, 2, 15)].map((day) => systemPrompt({ date: day, instructions }));
  const lastBlock = "\n\nToday's date: ";
  const [today, tomorrow] = prompts.map((prompt) => prompt.slice(0, prompt.indexOf(lastBlock)));
  expect(today).toBe(tomorrow);
  expect(today).toContain(instructions);
  expect(prompts[0]).not.toBe(prompts[1]);
});
