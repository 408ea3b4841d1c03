// Compiling in a thread: shared results, limits, and what is remembered.

import { expect, test } from "vitest";
import type { GrammarSource } from "./compile.ts";
import { GrammarCompiler } from "./compiler.ts";

const source = (maximum: number): GrammarSource => ({
  kind: "json_schema",
  schema: { type: "integer", minimum: 0, maximum },
  path: "schema",
});

test("a grammar is compiled once, for all who ask, and programs come on shared memory", async () => {
  using compiler = new GrammarCompiler();
  const [first, second] = await Promise.all([compiler.compile(source(1)), compiler.compile(source(1))]);
  expect(second).toBe(first);
  expect(first.next.buffer).toBeInstanceOf(SharedArrayBuffer);
  expect(compiler.cached.entries).toBe(1);
});

test("what was used longest ago is forgotten first, by bytes; refusals are remembered", async () => {
  using probe = new GrammarCompiler();
  const { byteLength } = await probe.compile(source(1));
  using compiler = new GrammarCompiler({ cacheBytes: 2.5 * (byteLength + 1024) });
  const first = await compiler.compile(source(1));
  const second = await compiler.compile(source(2));
  expect(await compiler.compile(source(1))).toBe(first);
  await compiler.compile(source(3));
  expect(compiler.cached.entries).toBe(2);
  expect(compiler.cached.bytes).toBeLessThan(2.5 * (byteLength + 1024));
  expect(await compiler.compile(source(1))).toBe(first);
  expect(await compiler.compile(source(2))).not.toBe(second);
  const impossible = compiler.compile(source(-1));
  await expect(impossible).rejects.toMatchObject({ code: "invalid_argument", param: "schema.minimum" });
  expect(compiler.cached.entries).toBeLessThanOrEqual(2);
});

test("thousands of schemas in a row take a bounded number of bytes", async () => {
  const cacheBytes = 2 ** 20;
  using compiler = new GrammarCompiler({ cacheBytes });
  for (let i = 0; i < 2000; i += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, k) => compiler.compile(source(i + k))));
    expect(compiler.cached.bytes).toBeLessThanOrEqual(cacheBytes);
    expect(compiler.cached.entries).toBeGreaterThan(0);
  }
});

test("a schema that takes too long is refused, and the next one is not", async () => {
  using compiler = new GrammarCompiler({ limits: { maxStates: 1e9, maxMs: 300 } });
  const schema = { type: "string", pattern: "^(a|b)*a(a|b){30}$" };
  const started = performance.now();
  await expect(compiler.compile({ kind: "json_schema", schema, path: "schema" })).rejects.toMatchObject({
    code: "invalid_argument",
    param: "schema",
  });
  expect(performance.now() - started).toBeLessThan(10_000);
  expect((await compiler.compile(source(4))).byteLength).toBeGreaterThan(0);
});

test("only so many wait, and closing fails those", async () => {
  const compiler = new GrammarCompiler({ maxWaiting: 2 });
  const waiting = [compiler.compile(source(1)), compiler.compile(source(2))];
  await expect(compiler.compile(source(3))).rejects.toMatchObject({ code: "overloaded" });
  compiler[Symbol.dispose]();
  for (const each of waiting) await expect(each).rejects.toMatchObject({ code: "disposed" });
});
