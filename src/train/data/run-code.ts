// Runs a model's JavaScript against tests, in a context of its own and with a time limit.
//
// The context has no globals of the host and may not make code from text. `node:vm` is no wall against a determined
// attacker, only against accidents: loops without end, and names that do not exist. Results cross as JSON.
// Refuses to know how code is written.

import { createContext, Script } from "node:vm";

export interface CodeTest {
  readonly input: readonly unknown[];
  readonly expected: unknown;
}

const DEFAULT_TIMEOUT_MS = 1000;

/** Whether the function of that name gives every expected result. */
export function passesTests(
  source: string,
  name: string,
  tests: readonly CodeTest[],
  timeoutMs = DEFAULT_TIMEOUT_MS,
): boolean {
  const inputs = JSON.stringify(tests.map(({ input }) => input));
  const program = `${source}\n;JSON.stringify(${inputs}.map((input) => ${name}(...input)))`;
  try {
    const context = createContext(Object.create(null) as object, { codeGeneration: { strings: false, wasm: false } });
    const results: unknown = new Script(program).runInContext(context, { timeout: timeoutMs });
    return results === JSON.stringify(tests.map(({ expected }) => expected));
  } catch {
    // Whatever the code throws, or a syntax error, is a failed test.
    return false;
  }
}

/** The first code block of an answer, or all of it where there is none. */
export function codeOf(content: string): string {
  return /```(?:\w*)\n([\s\S]*?)```/.exec(content)?.[1] ?? content;
}
