// Dialogues are replayed through the simulators, and the simulators are compared with plain JavaScript.

import { describe, expect, test } from "vitest";
import { formatToolCall, parseToolCall } from "../../tokenizer/tool-calls.ts";
import type { SampleMessage } from "./sample.ts";
import { chatsOf, makeSamples } from "./testing.ts";
import { callProblem, openToolBox, TOOLS, type ToolBox, UNITS } from "./tool-box.ts";
import { tools } from "./tools.ts";

const dialogues = chatsOf(makeSamples(tools, 1500));
const WORLD = { time: "08:05", weather: { Oslo: { sky: "snowy", degrees: 0 } }, notes: { code: "4821" } };

function argumentsOf(call: NonNullable<SampleMessage["tool_calls"]>[number]): Readonly<Record<string, unknown>> {
  return call.function.arguments as Readonly<Record<string, unknown>>;
}

/** Plays the calls of the last question in its world. */
function replay(box: ToolBox, messages: readonly SampleMessage[]): void {
  for (const [i, { tool_calls: calls }] of messages.entries()) {
    for (const [j, call] of (calls ?? []).entries()) {
      expect(box.call(call.function.name, argumentsOf(call))).toBe(messages[i + 1 + j]!.content);
    }
  }
}

describe("dialogues", () => {
  test("replay to the results they record", () => {
    for (const { messages, task } of dialogues) replay(openToolBox(task!.world!), messages.slice(task!.prompt.length));
  });

  test("call only tools that are offered, as their schemas say", () => {
    let numCalls = 0;
    for (const { messages, tools: offered } of dialogues) {
      for (const call of messages.flatMap(({ tool_calls: calls }) => calls ?? [])) {
        numCalls += 1;
        expect(callProblem(offered, call.function.name, argumentsOf(call))).toBeUndefined();
      }
    }
    expect(numCalls).toBeGreaterThan(2000);
  });

  test("survive the model's format", () => {
    for (const { messages, tools: offered } of dialogues.slice(0, 300)) {
      for (const call of messages.flatMap(({ tool_calls: calls }) => calls ?? [])) {
        const written = formatToolCall({ name: call.function.name, arguments: argumentsOf(call) }, offered);
        const inner = written.replace(/^<tool_call>\n?/, "").replace(/\n?<\/tool_call>$/, "");
        expect(parseToolCall(inner, offered)).toMatchObject({
          name: call.function.name,
          arguments: call.function.arguments,
        });
      }
    }
  });

  test("show parallel calls, chains, errors, thinking, and questions that need no tool", () => {
    const counts = { parallel: 0, chained: 0, errors: 0, thinking: 0, silent: 0 };
    for (const { messages, thinking } of dialogues) {
      counts.parallel += Number(messages.some(({ tool_calls: calls }) => (calls ?? []).length > 1));
      counts.chained += Number(
        messages.some(({ role }, i) => role === "tool" && (messages[i + 1]?.tool_calls ?? []).length > 0),
      );
      counts.errors += Number(messages.some(({ role, content }) => role === "tool" && content.startsWith("Error:")));
      counts.thinking += Number(thinking);
      counts.silent += Number(messages.every(({ role }) => role !== "tool"));
    }
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(30);
  });

  test("are graded by their result", () => {
    const right = dialogues.find(({ task }) => /^The answer is \d+\.$/.test(task!.answer))!.task!;
    const result = Number(/\d+/.exec(right.answer)![0]);
    expect(right.accepts(`That makes ${result}.`)).toBe(true);
    expect(right.accepts(`That makes ${result + 1}.`)).toBe(false);
  });
});

describe("the tool box", () => {
  const box = openToolBox(WORLD);

  test.each([
    ["1 + 2 * 3", "7"],
    ["(1 + 2) * 3", "9"],
    ["-4 + 10 / 4", "-1.5"],
    ["0.1 + 0.2", "0.3"],
    ["2 - -2", "4"],
    ["7 / 0", "Error: division by zero."],
    ["7 +", "Error: the expression cannot be read."],
    ["", "Error: the expression cannot be read."],
    ["process.exit()", "Error: the expression cannot be read."],
    ["((1)", "Error: the expression cannot be read."],
  ])("calculates %s", (expression, result) => {
    expect(box.call("calculator", { expression })).toBe(result);
  });

  test("calculates as JavaScript does", () => {
    for (let i = 1; i < 300; i++) {
      const [a, b, c] = [(i * 37) % 1000, (i * 91) % 97, 1 + ((i * 13) % 12)];
      expect(Number(box.call("calculator", { expression: `${a} * ${b} - (${b} + ${a}) / ${c}` }))).toBeCloseTo(
        a * b - (b + a) / c,
        5,
      );
    }
  });

  test("converts there and back", () => {
    for (const units of UNITS) {
      for (const from of Object.keys(units)) {
        const there = box.call("convert", { value: 1, from: Object.keys(units)[0]!, to: from });
        expect(Number(there)).toBeCloseTo(Object.values(units)[0]! / units[from]!, 5);
      }
    }
    expect(box.call("convert", { value: 1, from: "meters", to: "grams" })).toMatch(/^Error:/);
  });

  test("keeps notes, and leaves the world as it was", () => {
    expect(box.call("read_note", { name: "color" })).toBe("Error: no note called color.");
    expect(box.call("save_note", { name: "color", text: " red " })).toBe("Saved.");
    expect(box.call("read_note", { name: "color" })).toBe(" red ");
    expect(box.call("list_notes", {})).toBe("code, color");
    expect(WORLD.notes).toEqual({ code: "4821" });
  });

  test.each([
    ["unknown", {}],
    ["clock", { zone: "UTC" }],
    ["weather", {}],
    ["weather", { city: 7 }],
    ["weather", { city: "__proto__" }],
    ["convert", { value: "5", from: "meters", to: "kilometers" }],
    ["constructor", {}],
    ["calculator", null],
    ["calculator", ["1"]],
  ])("answers a bad call of %s with an error", (name, args) => {
    expect(box.call(name, args)).toMatch(/^Error: /);
  });

  test("tells time and weather", () => {
    expect(box.call("clock", {})).toBe("08:05");
    expect(box.call("weather", { city: "Oslo" })).toBe("snowy, 0 degrees");
    expect(Object.entries(TOOLS).every(([name, tool]) => tool.function.name === name)).toBe(true);
  });
});
