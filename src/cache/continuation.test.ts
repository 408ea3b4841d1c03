// The cache under a real model: a sequence that was restored, taken back or copied continues with the very bits of one
// that was never disturbed. Window 16, rings of 32 places, blocks of 64 tokens.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { goldenCase } from "../../test/golden/golden.ts";
import { bits, concatenate, openEngine, type TestEngine } from "../../test/support.ts";
import type { ModelRunner } from "../engine/model-runner.ts";
import { Sequence } from "../engine/sequence.ts";
import { DEFAULT_SAMPLING } from "../ops/sample/sample.ts";
import { RING_SLACK } from "./geometry.ts";

const TOKENS = Array.from({ length: 200 }, (_, i) => (i * 37 + (i >> 3) * 11) % 256);
/** Around the window, the ring and the blocks, and twice around them. */
const LENGTHS = [1, 15, 16, 17, 32, 33, 63, 64, 65, 128];

let opened: TestEngine;
let runner: ModelRunner;
beforeAll(() => {
  opened = openEngine(goldenCase("hf-bf16").path, { maxTokens: 1024, maxSequences: 4, kvDType: "f16" });
  ({ runner } = opened.engine);
});
afterAll(() => {
  expect(runner.cache.numFreeTokens).toBe(1024);
  opened[Symbol.dispose]();
});

/** Runs the tokens after what is cached and keeps the first `kept` of them. Logits of every row, as bits. */
function feed(id: number, tokens: readonly number[], kept = tokens.length): Uint32Array {
  const { cache } = runner;
  const sequence = new Sequence(
    { id: 0, prompt: tokens, maxTokens: 1, stopTokens: [], sampling: DEFAULT_SAMPLING, speculation: 0 },
    0,
    0,
  );
  sequence.cacheId = id;
  expect(cache.reserve(id, tokens.length)).toBe(true);
  const hidden = runner.forward([{ sequence, position: cache.length(id), tokens, numLogits: tokens.length }]);
  cache.commit(id, kept);
  cache.checkIntegrity();
  return bits(concatenate(runner.logits(hidden, Array.from(tokens.keys()), "trunk")));
}

function open(tokens: readonly number[]): number {
  const id = runner.cache.open();
  feed(id, tokens);
  return id;
}

/** Bitwise; `toEqual` would take its time over so many elements. */
function expectSame(actual: Uint32Array, expected: Uint32Array): void {
  const bytes = (of: Uint32Array): Uint8Array => new Uint8Array(of.buffer, of.byteOffset, of.byteLength);
  expect(actual.length).toBeGreaterThan(0);
  expect(Buffer.compare(bytes(actual), bytes(expected))).toBe(0);
}

/** What an undisturbed sequence gives for `then` after `first`. */
function undisturbed(first: readonly number[], then: readonly number[]): Uint32Array {
  const id = open(first);
  const logits = feed(id, then);
  runner.cache.release(id);
  return logits;
}

const CONTINUATIONS = [TOKENS.slice(129, 199), TOKENS.slice(0, 50).toReversed(), [5]];

describe.each(LENGTHS)("a snapshot of %i tokens", (length) => {
  const start = TOKENS.slice(0, length);

  test("restored, continues with the bits of a sequence that was never saved", () => {
    const { cache } = runner;
    const original = open(start);
    using snapshot = cache.snapshot(original);
    // The original goes on first, and ends: the snapshot must not notice.
    expectSame(feed(original, CONTINUATIONS[0]!), undisturbed(start, CONTINUATIONS[0]!));
    cache.release(original);
    for (const continuation of CONTINUATIONS) {
      const copy = cache.restore(snapshot);
      expect(cache.length(copy)).toBe(length);
      expectSame(feed(copy, continuation), undisturbed(start, continuation));
      cache.release(copy);
    }
  });

  test("and its original continue differently, step by step beside each other", () => {
    const { cache } = runner;
    const original = open(start);
    using snapshot = cache.snapshot(original);
    const copy = cache.restore(snapshot);
    const [left, right] = [CONTINUATIONS[0]!, CONTINUATIONS[1]!];
    const [expectedLeft, expectedRight] = [undisturbed(start, left), undisturbed(start, right)];
    const width = expectedLeft.length / left.length;
    for (let at = 0; at < right.length; at += 10) {
      expectSame(feed(original, left.slice(at, at + 10)), expectedLeft.subarray(at * width, (at + 10) * width));
      expectSame(feed(copy, right.slice(at, at + 10)), expectedRight.subarray(at * width, (at + 10) * width));
    }
    for (const id of [original, copy]) cache.release(id);
  });

  test("survives a rollback of its original below its own length", () => {
    const { cache } = runner;
    const original = open(start);
    using snapshot = cache.snapshot(original);
    const back = Math.min(length - 1, RING_SLACK);
    cache.rollback(original, back);
    const other = CONTINUATIONS[1]!;
    expectSame(feed(original, other), undisturbed(start.slice(0, length - back), other));
    const copy = cache.restore(snapshot);
    expectSame(feed(copy, other), undisturbed(start, other));
    for (const id of [original, copy]) cache.release(id);
  });
});

describe.each(LENGTHS)("after %i tokens", (length) => {
  const start = TOKENS.slice(0, length);
  const then = CONTINUATIONS[0]!.slice(0, 40);

  test.each([1, 7, RING_SLACK])("%i tokens written and taken back are as if never written", (count) => {
    const { cache } = runner;
    const expected = undisturbed(start, then);
    const wrong = CONTINUATIONS[1]!.slice(0, count);

    const rolledBack = open(start);
    feed(rolledBack, wrong);
    cache.rollback(rolledBack, count);
    expectSame(feed(rolledBack, then), expected);
    cache.release(rolledBack);

    const neverCommitted = open(start);
    feed(neverCommitted, wrong, 0);
    expect(cache.length(neverCommitted)).toBe(length);
    expectSame(feed(neverCommitted, then), expected);
    cache.release(neverCommitted);
  });
});
