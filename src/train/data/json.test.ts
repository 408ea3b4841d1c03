// Answers are JSON of what the request says, and other JSON is refused.

import { expect, test } from "vitest";
import { isRecord, json } from "./json.ts";
import { codeOf } from "./run-code.ts";
import { makeSamples, tasksOf } from "./testing.ts";

const tasks = tasksOf(makeSamples(json, 500));

test("every value of an answer stands in its request", () => {
  for (const { prompt, answer } of tasks) {
    const request = prompt.at(-1)!.content;
    const record = JSON.parse(codeOf(answer)) as Record<string, unknown>;
    for (const [key, value] of Object.entries(record)) {
      expect(request).toContain(key);
      if (typeof value === "string" || typeof value === "number") expect(request).toContain(`${value}`);
    }
  }
});

test("an answer with a changed, missing or added key is refused", () => {
  for (const { answer, accepts } of tasks) {
    const record = JSON.parse(codeOf(answer)) as Record<string, unknown>;
    const [first, ...rest] = Object.entries(record);
    expect(accepts(JSON.stringify({ ...record, [first![0]]: "changed" }))).toBe(false);
    expect(accepts(JSON.stringify(Object.fromEntries(rest)))).toBe(false);
    expect(accepts(JSON.stringify({ ...record, more: 1 }))).toBe(false);
    expect(accepts(JSON.stringify(Object.fromEntries([...rest, first!])))).toBe(true);
  }
});

test.each(["", "{", "[]", "null", '{"a": 1,}', '{"a": "1"}'])("%j is not the record", (text) => {
  expect(isRecord(text, { a: 1 })).toBe(false);
});
