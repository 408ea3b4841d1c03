// Every written program passes its own tests, every alternative body means the same, and wrong ones are found.

import { describe, expect, test } from "vitest";
import { drawProgram } from "./code.ts";
import { LIST_FAMILIES, TEXT_FAMILIES } from "./code-list-families.ts";
import { NUMBER_FAMILIES } from "./code-number-families.ts";
import type { Value } from "./code-task.ts";
import { Random } from "./random.ts";
import { codeOf, passesTests } from "./run-code.ts";

const FAMILIES = [...NUMBER_FAMILIES, ...LIST_FAMILIES, ...TEXT_FAMILIES];

describe("programs", () => {
  test("there are many families", () => {
    expect(FAMILIES.length).toBeGreaterThanOrEqual(40);
  });

  test.each(FAMILIES.map((family, i) => [i, family] as const))("all bodies of family %i pass", (i, family) => {
    for (let variant = 0; variant < 5; variant++) {
      const task = family(new Random([i, variant]));
      const tests = Array.from({ length: 8 }, () => {
        const input = task.drawInput();
        return { input, expected: (task.right as (...values: readonly Value[]) => Value)(...input) };
      });
      for (const body of task.bodies) {
        const statements = body.includes(";") ? body : `return ${body};`;
        const source = `function f(${task.parameters.join(", ")}) {\n${statements}\n}`;
        expect(passesTests(source, "f", tests), source).toBe(true);
      }
      expect(passesTests(`const f = () => "never";`, "f", tests)).toBe(false);
    }
  });

  test("pass their own tests as they are written", () => {
    for (let i = 0; i < 200; i++) {
      const { source, name, tests } = drawProgram(new Random([21, i]));
      expect(passesTests(source, name, tests), source).toBe(true);
      expect(source.split("\n").length).toBeLessThanOrEqual(9);
    }
  });
});

describe("running code", () => {
  const tests = [{ input: [2], expected: 4 }];

  test.each([
    ["const f = (n) => n * 2;", true],
    ["const f = (n) => n + 1;", false],
    ["const f = (n) => ", false],
    ["const g = (n) => n * 2;", false],
    ["function f(n) { while (true) {} }", false],
    ["function f(n) { return process.exit(); }", false],
    ['function f(n) { return new Function("return 4")(); }', false],
    ["function f(n) { throw new Error(); }", false],
    ["", false],
  ])("%s", (source, isRight) => {
    expect(passesTests(source, "f", tests)).toBe(isRight);
  });

  test("takes the code out of an answer", () => {
    expect(codeOf("Here:\n```js\nlet x;\n```\nDone.")).toBe("let x;\n");
    expect(codeOf("let x;")).toBe("let x;");
  });
});
