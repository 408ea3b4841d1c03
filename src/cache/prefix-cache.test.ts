// Prefixes over a cache without a model: which rows a pass writes, whose memory is whose, and what is free.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Backend } from "../backends/backend.ts";
import { createReferenceBackend } from "../backends/reference/reference.ts";
import { MimoError } from "../util/errors.ts";
import { BLOCK_TOKENS, type CacheGeometry, RING_SLACK } from "./geometry.ts";
import { HybridCache, type SequenceId } from "./hybrid-cache.ts";
import { PrefixCache, type PrefixCacheOptions, type PrefixMatch } from "./prefix-cache.ts";

const LAYER = { numKvHeads: 1, headDim: 1, valueDim: 1 };
const GEOMETRY: CacheGeometry = {
  layers: [false, true, true].map((sliding) => ({ ...LAYER, sliding })),
  numMtpHeads: 1,
  window: 5,
  hiddenSize: 1,
};
const MAX_REPLAY = 2 * 4;
const BLOCKS = 6;

let backend: Backend;
let cache: HybridCache;
let prefixes: PrefixCache;

function open(options: PrefixCacheOptions = {}): void {
  backend = createReferenceBackend();
  cache = new HybridCache(backend, GEOMETRY, {
    dtype: "f32",
    maxTokens: BLOCKS * BLOCK_TOKENS,
    maxSequences: 3,
    maxRows: 64,
  });
  prefixes = new PrefixCache(cache, options);
}

function close(): void {
  cache.checkIntegrity();
  prefixes.checkIntegrity();
  expect(cache.numFreeBlocks).toBe(BLOCKS);
  prefixes[Symbol.dispose]();
  cache[Symbol.dispose]();
  expect(backend.stats().memories).toBe(0);
  backend[Symbol.dispose]();
}
beforeEach(() => open());
afterEach(close);

const text = (name: number, count: number): number[] => Array.from({ length: count }, (_, i) => 1000 * name + i);

/** Slots of the global rows of a pass over the next `count` tokens, which are committed. */
function pass(id: SequenceId, count: number): number[] {
  expect(cache.reserve(id, count)).toBe(true);
  const { paged } = cache.plan([{ sequence: id, position: cache.length(id), count }]);
  cache.commit(id, count);
  return [...paged.slots];
}

function end(id: SequenceId, tokens: readonly number[], isKept = true): void {
  if (isKept) prefixes.keep(id, { namespace: "", tokens, isEnding: true });
  cache.release(id);
}

/** A sequence that has come and gone. */
function past(tokens: readonly number[]): void {
  const id = cache.open();
  pass(id, tokens.length);
  end(id, tokens);
}

const find = (tokens: readonly number[]): PrefixMatch => prefixes.find("", [...tokens, -1]);

describe("a sequence that begins with a match", () => {
  test("at a snapshot shares whole blocks, has its own copy of a part, and writes what follows", () => {
    past(text(1, 100));
    const match = find(text(1, 100));
    expect(match).toMatchObject({ length: 100, from: 100, miss: "last token" });
    const id = prefixes.open(match);
    expect(cache.length(id)).toBe(100);
    const [shared, own] = cache.blocks(id);
    expect([shared, own === match.nodes[1]?.block]).toEqual([match.nodes[0]?.block, false]);
    expect(pass(id, 3)).toEqual([36, 37, 38].map((place) => own! * BLOCK_TOKENS + place));
    end(id, text(1, 103));
    expect(find(text(1, 103)).length).toBe(103);
  });

  test("begins below the match where rings must be rebuilt, and writes no key that is known", () => {
    past(text(1, 100));
    const tokens = [...text(1, 70), ...text(2, 30)];
    const match = find(tokens);
    expect(match).toMatchObject({ length: 70, from: 70 - MAX_REPLAY, rings: undefined, miss: "no snapshot" });
    const id = prefixes.open(match);
    const slots = pass(id, 20);
    expect(slots.slice(0, MAX_REPLAY)).toEqual(Array.from({ length: MAX_REPLAY }, () => -1));
    expect(slots.slice(MAX_REPLAY).every((slot) => slot >= 0)).toBe(true);
    // What is taken back will be other tokens, so they are written.
    cache.rollback(id, 14);
    expect(pass(id, 2).every((slot) => slot >= 0)).toBe(true);
    end(id, tokens, false);
  });

  test("without a snapshot finds empty rings, not what another sequence left there", () => {
    past(text(1, 100));
    const { k } = cache.layers[1]!;
    const values = new Float32Array(k.memory.byteLength / 4).fill(NaN);
    backend.upload(k, new Uint8Array(values.buffer));
    const id = prefixes.open(find(text(1, 70)));
    const { tables } = cache.planRings([{ sequence: id, position: cache.length(id), count: 0 }]);
    backend.download(k, new Uint8Array(values.buffer));
    const places = values.length / 3;
    expect([...values.subarray(tables[0]! * places, (tables[0]! + 1) * places)].every((value) => value === 0)).toBe(
      true,
    );
    cache.release(id);
  });

  test("uses a snapshot from above, as far as the slack of rings reaches back", () => {
    past(text(1, 60));
    for (const below of [1, RING_SLACK + 1]) {
      const match = find(text(1, 60 - below));
      expect(match).toMatchObject({ length: 60 - below, from: 60 - below, miss: "last token" });
      expect(match.rings?.length).toBe(60);
    }
    expect(find(text(1, 60 - RING_SLACK - 2))).toMatchObject({ rings: undefined, miss: "no snapshot" });
  });
});

describe("memory", () => {
  test("that only prefixes hold is free, and goes before a sequence is refused", () => {
    for (const name of [1, 2, 3]) past(text(name, 128));
    expect(cache.blockPool.numFree).toBe(0);
    expect(cache.numFreeBlocks).toBe(BLOCKS);
    const id = cache.open();
    expect(cache.reserve(id, 3 * BLOCK_TOKENS)).toBe(true);
    expect([1, 2, 3].map((name) => find(text(name, 128)).length)).toEqual([0, 64, 128]);
    expect(cache.reserve(id, BLOCKS * BLOCK_TOKENS)).toBe(true);
    expect(cache.reserve(id, BLOCKS * BLOCK_TOKENS + 1)).toBe(false);
    cache.release(id);
  });

  test("that is full goes to the sequence that begins with it, its last part too", () => {
    past(text(1, BLOCKS * BLOCK_TOKENS - 10));
    const tokens = text(1, BLOCKS * BLOCK_TOKENS - 20);
    const match = find(tokens);
    expect(prefixes.demand(match, tokens.length + 1)).toEqual({ needed: 1, available: 1 });
    const id = prefixes.open(match);
    expect(cache.reserve(id, 20)).toBe(true);
    expect(cache.blockPool.numFree).toBe(0);
    expect(cache.numFreeBlocks).toBe(0);
    end(id, tokens);
  });

  test("of two sequences that computed the same is held once", () => {
    const [a, b] = [cache.open(), cache.open()];
    for (const id of [a, b]) pass(id, 128);
    expect(cache.blockPool.numFree).toBe(BLOCKS - 4);
    for (const id of [a, b]) prefixes.keep(id, { namespace: "", tokens: text(1, 128), isEnding: false });
    expect(cache.blocks(a)).toEqual(cache.blocks(b));
    expect(cache.blockPool.numFree).toBe(BLOCKS - 2);
    for (const id of [a, b]) cache.release(id);
  });

  test("for snapshots is limited, and may be lacking", () => {
    const { ringBytes } = cache;
    close();
    open({ snapshotBytes: 2 * ringBytes });
    for (const name of [1, 2, 3]) past(text(name, 20));
    expect(prefixes.stats()).toMatchObject({ snapshots: 2, snapshotBytes: 2 * ringBytes, evictedSnapshots: 1 });
    const alloc = vi.spyOn(backend, "alloc").mockImplementation(() => {
      throw new MimoError("out_of_memory", "None is left.");
    });
    past(text(4, 20));
    alloc.mockRestore();
    expect(prefixes.stats()).toMatchObject({ snapshots: 1, blocks: 4 });
    expect(find(text(4, 20))).toMatchObject({ length: 20, from: 20 - MAX_REPLAY });
  });
});
