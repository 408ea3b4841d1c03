// The working is recomputed line by line, by other means than it was written.

import { describe, expect, test } from "vitest";
import { arithmetic, problemSplit, solve, workOut, type Problem } from "./arithmetic.ts";
import { sampleAt } from "./sample.ts";
import { chatsOf, exchangesOf, makeSamples, tasksOf } from "./testing.ts";

/** Checks every equation of a working, and that its digits build up to the last. */
function checkWorking(working: string): void {
  for (const line of working.split("\n")) {
    const column =
      /^(\d) ([-+*]) (\d) ([-+]) (\d) = (-?\d+)(, add 10)?, write (\d), (?:carry|borrow) (\d): (\d+)$/.exec(line);
    if (column === null) continue;
    const [, a, operator, b, sign, moved, result, add, digit, next, found] = column;
    const first =
      operator === "*" ? Number(a) * Number(b) : operator === "+" ? Number(a) + Number(b) : Number(a) - Number(b);
    const value = sign === "+" ? first + Number(moved) : first - Number(moved);
    expect(Number(result), line).toBe(value);
    const isBorrow = operator === "-";
    expect(Number(digit)).toBe(isBorrow ? value + (add === undefined ? 0 : 10) : value % 10);
    expect(Number(next)).toBe(isBorrow ? Number(value < 0) : Math.floor(value / 10));
    expect(found!.startsWith(digit!)).toBe(true);
  }
}

describe("arithmetic", () => {
  test.each([
    [{ a: 4827, operator: "+", b: 395 }, "5222"],
    [{ a: 9999, operator: "+", b: 1 }, "10000"],
    [{ a: 5000, operator: "-", b: 123 }, "4877"],
    [{ a: 5000, operator: "-", b: 4999 }, "0001"],
    [{ a: 125, operator: "*", b: 8 }, "1000"],
    [{ a: 0, operator: "+", b: 0 }, "0"],
  ] as const)("%o is worked out to %s", (problem, digits) => {
    expect(workOut(problem).split(/\s/).at(-1)).toBe(digits);
  });

  test("a conversation has as many problems as options say", () => {
    const options = { textShare: 0, minQuestions: 5, maxQuestions: 7 };
    const counts = chatsOf(makeSamples(arithmetic, 60, options)).map((chat) => exchangesOf(chat).length);
    expect(new Set(counts)).toEqual(new Set([5, 6, 7]));
  });

  test("every working is right", () => {
    for (let i = 0; i < 3000; i++) {
      const a = (i * 7919) % 10_000;
      const b = (i * 104_729) % 10_000;
      const problems: Problem[] = [
        { a, operator: "+", b },
        { a: Math.max(a, b), operator: "-", b: Math.min(a, b) },
        { a: a % 1000, operator: "*", b: b % 10 },
      ];
      for (const problem of problems) {
        const working = workOut(problem);
        checkWorking(working);
        expect(Number(/(\d+)$/.exec(working)![1])).toBe(solve(problem));
      }
    }
  });

  test("every line that claims an equation is true, and the answer is the last one's result", () => {
    for (const chat of chatsOf(makeSamples(arithmetic, 2000))) {
      for (const { answer, reasoning } of exchangesOf(chat)) {
        checkWorking(reasoning);
        for (const [, a, operator, b, result] of reasoning.matchAll(/^(\d+) ([-+*]) (\d+) = (-?\d+)$/gm)) {
          expect(Number(result)).toBe(solve({ a: Number(a), operator, b: Number(b) } as Problem));
        }
        if (chat.thinking) expect(/-?\d+/.exec(answer)![0]).toBe(/(-?\d+)$/.exec(reasoning)![1]);
      }
    }
  });

  test("answers without thinking are right where the question is an expression", () => {
    let numChecked = 0;
    for (const chat of chatsOf(makeSamples(arithmetic, 1000, { thinkingShare: 0 }))) {
      for (const { question, answer } of exchangesOf(chat)) {
        const [, a, operator, b] = /^(\d+) ([-+*]) (\d+)(?: = \?| =)?$/.exec(question) ?? [];
        if (a === undefined) continue;
        numChecked += 1;
        expect(Number(answer)).toBe(solve({ a: Number(a), operator, b: Number(b) } as Problem));
      }
    }
    expect(numChecked).toBeGreaterThan(200);
  });

  test("a problem is asked in one split only, whichever way round", () => {
    const keysOf = (split: "train" | "heldout"): Set<string> =>
      new Set(
        makeSamples(arithmetic, 1000, { textShare: 1 }, split).flatMap((sample) =>
          sample.kind === "text"
            ? sample.text.split("\n").map((line) => {
                const [, a, operator, b] = /^(\d+) ([-+*]) (\d+)/.exec(line)!;
                const numbers = operator === "-" || Number(a) > Number(b) ? [a, b] : [b, a];
                return numbers.join(operator);
              })
            : [],
        ),
      );
    const train = keysOf("train");
    const heldout = [...keysOf("heldout")];
    expect(heldout.length).toBeGreaterThan(5000);
    expect(heldout.filter((key) => train.has(key))).toEqual([]);
    expect(problemSplit({ a: 2, operator: "+", b: 2 })).toBe("train");
  });

  test("a result that is off by one is wrong", () => {
    for (const { answer, accepts } of tasksOf(makeSamples(arithmetic, 300))) {
      const result = Number(/-?\d+/.exec(answer)![0]);
      expect(accepts(`The answer is ${result + 1}.`)).toBe(false);
      expect(accepts(`It is ${result}`)).toBe(true);
    }
  });
});

test("options that leave no problem for evaluation are refused", () => {
  const place = { split: "heldout", seed: 1, index: 0 } as const;
  expect(() => sampleAt(arithmetic, { maxDigits: 1, productShare: 0, chainShare: 0 }, place)).toThrow(
    /heldout samples/,
  );
});
