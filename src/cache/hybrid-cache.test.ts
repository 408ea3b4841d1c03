// The cache on its own, with tokens written by hand where a model would write keys: what a sequence reads back must be
// what it wrote, whatever else shares its blocks.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createReferenceBackend } from "../backends/reference/reference.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { view } from "../tensor/tensor.ts";
import { BLOCK_TOKENS, type CacheGeometry, RING_SLACK, ringPlaces } from "./geometry.ts";
import { HybridCache, type SequenceId, type Snapshot } from "./hybrid-cache.ts";

const LAYER = { numKvHeads: 1, headDim: 1, valueDim: 1 };
const GEOMETRY: CacheGeometry = {
  layers: [
    { ...LAYER, sliding: false },
    { ...LAYER, sliding: true },
  ],
  numMtpHeads: 1,
  window: 5,
  hiddenSize: 1,
};
const PLACES = ringPlaces(GEOMETRY);
const BLOCKS = 8;
const SEQUENCES = 3;

/** A cache whose key, value and hidden state at a position are the token that stands there. */
class TokenCache implements Disposable {
  readonly backend = createReferenceBackend();
  readonly cache = new HybridCache(this.backend, GEOMETRY, {
    dtype: "f32",
    maxTokens: BLOCKS * BLOCK_TOKENS,
    maxSequences: SEQUENCES,
    maxRows: 64,
  });

  /** What a forward pass does: every row is written before it is known which ones are kept. */
  write(id: SequenceId, tokens: readonly number[]): void {
    const position = this.cache.length(id);
    const { paged, ring } = this.cache.plan([{ sequence: id, position, count: tokens.length }]);
    const [global, sliding] = this.cache.layers;
    tokens.forEach((token, i) => {
      for (const tensor of [global!.k, global!.v]) this.#set(tensor, paged.slots[i]!, token);
      for (const tensor of [sliding!.k, sliding!.v, this.cache.mtp[0]!.k, this.cache.mtp[0]!.v]) {
        if (ring.slots[i]! >= 0) this.#set(tensor, ring.slots[i]!, token);
      }
      this.#set(this.cache.hidden, this.cache.hiddenRow(id, position + i), token);
    });
  }

  append(id: SequenceId, tokens: readonly number[], kept = tokens.length): void {
    expect(this.cache.reserve(id, tokens.length)).toBe(true);
    this.write(id, tokens);
    this.cache.commit(id, kept);
  }

  /** All tokens of a sequence as its global layers hold them. */
  tokens(id: SequenceId): number[] {
    const length = this.cache.length(id);
    const { paged } = this.cache.plan([{ sequence: id, position: length, count: 0 }]);
    const slot = (position: number): number =>
      paged.tables[Math.floor(position / BLOCK_TOKENS)]! * BLOCK_TOKENS + (position % BLOCK_TOKENS);
    const cached = this.#agreed(this.cache.layers[0]!);
    return Array.from({ length }, (_, position) => cached[slot(position)]!);
  }

  /** The tokens that the next query of a sliding layer sees, as the rings hold them. */
  windowTokens(id: SequenceId): number[] {
    const length = this.cache.length(id);
    const first = Math.max(0, length - GEOMETRY.window + 1);
    const { tables } = this.cache.planRings([{ sequence: id, position: length, count: 0 }]);
    const inWindow = (ring: Float32Array): number[] =>
      Array.from({ length: length - first }, (_, i) => ring[tables[0]! * PLACES + ((first + i) % PLACES)]!);
    const tokens = inWindow(this.#agreed(this.cache.layers[1]!));
    expect(inWindow(this.#agreed(this.cache.mtp[0]!))).toEqual(tokens);
    return tokens;
  }

  hiddenToken(id: SequenceId, position: number): number {
    return this.#read(this.cache.hidden)[this.cache.hiddenRow(id, position)]!;
  }

  [Symbol.dispose](): void {
    this.cache.checkIntegrity();
    this.cache[Symbol.dispose]();
    expect(this.backend.stats()).toMatchObject({ memories: 0, allocatedBytes: 0 });
  }

  #set(tensor: Tensor, index: number, token: number): void {
    this.backend.upload(view(tensor.memory, "f32", [1], 4 * index), new Uint8Array(Float32Array.of(token).buffer));
  }

  #read(tensor: Tensor): Float32Array {
    const values = new Float32Array(tensor.memory.byteLength / 4);
    this.backend.download(tensor, new Uint8Array(values.buffer));
    return values;
  }

  /** The content of a cache tensor; keys and values were written alike. */
  #agreed({ k, v }: { k: Tensor; v: Tensor }): Float32Array {
    const keys = this.#read(k);
    expect(Buffer.compare(Buffer.from(keys.buffer), Buffer.from(this.#read(v).buffer))).toBe(0);
    return keys;
  }
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

function lastOf(tokens: readonly number[]): number[] {
  return tokens.slice(Math.max(0, tokens.length - GEOMETRY.window + 1));
}

describe("reserve, commit, rollback", () => {
  test("blocks are taken when a sequence grows into them, and given back when it shrinks", () => {
    using held = new TokenCache();
    const { cache } = held;
    const id = cache.open();
    const free = (): number => BLOCKS - cache.numFreeTokens / BLOCK_TOKENS;
    expect(free()).toBe(0);
    held.append(id, range(0, 63));
    expect(free()).toBe(1);
    held.append(id, [63]);
    expect(free()).toBe(1);
    held.append(id, [64, 65]);
    expect(free()).toBe(2);
    cache.rollback(id, 2);
    expect(free()).toBe(1);
    cache.release(id);
    expect(free()).toBe(0);
  });

  test("a reservation that does not fit changes nothing", () => {
    using held = new TokenCache();
    const { cache } = held;
    const [a, b] = [cache.open(), cache.open()];
    for (let i = 0; i < 5; i++) held.append(a, range(64 * i, 64 * i + 64));
    held.append(b, range(0, 10));
    expect(cache.reserve(b, 3 * BLOCK_TOKENS)).toBe(false);
    expect(cache.numFreeTokens).toBe(2 * BLOCK_TOKENS);
    cache.checkIntegrity();
    expect(cache.reserve(b, 3 * BLOCK_TOKENS - 10)).toBe(true);
    expect(cache.numFreeTokens).toBe(0);
    expect(cache.reserve(a, 1)).toBe(false);
  });

  test("rows that were not committed are forgotten, and so are their blocks", () => {
    using held = new TokenCache();
    const { cache } = held;
    const id = cache.open();
    held.append(id, range(0, 60));
    held.append(id, range(100, 110), 2);
    expect(cache.length(id)).toBe(62);
    expect(cache.numFreeTokens).toBe((BLOCKS - 1) * BLOCK_TOKENS);
    held.append(id, [7, 8]);
    expect(held.tokens(id)).toEqual([...range(0, 60), 100, 101, 7, 8]);
    expect(held.windowTokens(id)).toEqual([100, 101, 7, 8]);
  });

  test("rollback goes as far as the rings reach, and not a token further", () => {
    for (const length of [1, 5, PLACES - 1, PLACES, PLACES + 1, 60, 64, 65, 130]) {
      for (const beyond of [false, true]) {
        using held = new TokenCache();
        const { cache } = held;
        const id = cache.open();
        for (const token of range(0, length)) held.append(id, [token]);
        const most = cache.maxRollback(id);
        expect(most).toBeGreaterThanOrEqual(Math.min(length, RING_SLACK));
        if (beyond) {
          expect(() => cache.rollback(id, most + 1)).toThrow(/Assertion failed/);
          expect(cache.length(id)).toBe(length);
        } else {
          cache.rollback(id, most);
          expect(held.tokens(id)).toEqual(range(0, length - most));
          expect(held.windowTokens(id)).toEqual(lastOf(range(0, length - most)));
          // What was taken back was written all the same: the next rollback reaches no further than this one.
          expect(cache.maxRollback(id)).toBe(0);
        }
      }
    }
  });

  test("misuse is a failed assertion: committing what was not written, writing what was not reserved", () => {
    using held = new TokenCache();
    const { cache } = held;
    const id = cache.open();
    held.append(id, [1, 2]);
    expect(() => cache.commit(id, 1)).toThrow(/Assertion failed/);
    expect(() => cache.plan([{ sequence: id, position: 2, count: 70 }])).toThrow(/not reserved/);
    expect(() => cache.plan([{ sequence: id, position: 1, count: 1 }])).toThrow(/the sequence ends at 2/);
    cache.release(id);
    expect(() => cache.release(id)).toThrow(/is missing/);
    expect(() => cache.length(id)).toThrow(/is missing/);
  });
});

describe("a pass", () => {
  test("of several sequences lists segments, rows and slots in order", () => {
    using held = new TokenCache();
    const { cache } = held;
    const [a, b] = [cache.open(), cache.open()];
    held.append(a, range(0, 63));
    cache.reserve(a, 2);
    cache.reserve(b, 1);
    const { paged, ring } = cache.plan([
      { sequence: a, position: 63, count: 2 },
      { sequence: b, position: 0, count: 1 },
    ]);
    expect([...paged.rows]).toEqual([0, 63, 0, 64, 1, 0]);
    expect([...ring.rows]).toEqual([...paged.rows]);
    // Table start and length; the rings' rows are staged from their first new position on.
    expect(paged.segments.filter((_, i) => i % 4 < 2)).toEqual(Int32Array.of(0, 2, 2, 1));
    expect([...ring.segments]).toEqual([0, 1, 63, 0, 1, 1, 0, 2]);
    expect(new Set(paged.slots).size).toBe(3);
    expect(paged.slots[0]! % BLOCK_TOKENS).toBe(63);
    expect([...ring.slots].map((slot) => slot % PLACES)).toEqual([0, 1, 0]);
  });

  test("longer than a ring keeps the last rows only", () => {
    using held = new TokenCache();
    const id = held.cache.open();
    held.cache.reserve(id, 64);
    const { ring } = held.cache.plan([{ sequence: id, position: 0, count: 64 }]);
    expect([...ring.slots].filter((slot) => slot < 0)).toHaveLength(64 - PLACES);
    expect(new Set(ring.slots.slice(64 - PLACES)).size).toBe(PLACES);
  });
});

describe("snapshots", () => {
  test.each([1, 4, 5, 6, PLACES, 63, 64, 65, 130])("at length %i: original and copies go their own ways", (length) => {
    using held = new TokenCache();
    const { cache } = held;
    const original = cache.open();
    for (const token of range(0, length)) held.append(original, [token]);
    const snapshot = cache.snapshot(original);
    expect(snapshot.length).toBe(length);
    const copy = cache.restore(snapshot);
    held.append(original, range(1000, 1070).slice(0, 60));
    held.append(copy, range(2000, 2030));
    const late = cache.restore(snapshot);
    cache.checkIntegrity();
    const start = range(0, length);
    expect(held.tokens(original)).toEqual([...start, ...range(1000, 1060)]);
    expect(held.tokens(copy)).toEqual([...start, ...range(2000, 2030)]);
    expect(held.tokens(late)).toEqual(start);
    expect(held.windowTokens(late)).toEqual(lastOf(start));
    for (let back = 1; back <= Math.min(length, RING_SLACK); back++) {
      expect(held.hiddenToken(late, length - back)).toBe(length - back);
    }
    for (const id of [original, copy, late]) cache.release(id);
    expect(cache.numFreeTokens).toBe((BLOCKS - Math.ceil(length / BLOCK_TOKENS)) * BLOCK_TOKENS);
    snapshot[Symbol.dispose]();
    snapshot[Symbol.dispose]();
    expect(cache.numFreeTokens).toBe(BLOCKS * BLOCK_TOKENS);
  });

  test("share blocks until one is written, and cost one set of rings", () => {
    using held = new TokenCache();
    const { cache, backend } = held;
    const id = cache.open();
    held.append(id, range(0, 64));
    held.append(id, range(64, 100));
    const before = backend.stats().allocatedBytes;
    using snapshot = cache.snapshot(id);
    const ringBytes = 2 * 2 * PLACES * 4 + RING_SLACK * 4;
    expect(snapshot.byteLength).toBe(ringBytes);
    expect(backend.stats().allocatedBytes - before).toBe(ringBytes);
    expect(cache.numFreeTokens).toBe((BLOCKS - 2) * BLOCK_TOKENS);
    const copy = cache.restore(snapshot);
    expect(cache.numFreeTokens).toBe((BLOCKS - 2) * BLOCK_TOKENS);
    // Only the block that is written is copied.
    held.append(copy, [1]);
    expect(cache.numFreeTokens).toBe((BLOCKS - 3) * BLOCK_TOKENS);
  });

  test("a shared block that cannot be copied fails the reservation", () => {
    using held = new TokenCache();
    const { cache } = held;
    const [a, b] = [cache.open(), cache.open()];
    held.append(a, [1]);
    using _snapshot = cache.snapshot(a);
    for (let i = 0; i < BLOCKS - 1; i++) held.append(b, range(0, 64));
    expect(cache.numFreeTokens).toBe(0);
    expect(cache.reserve(a, 1)).toBe(false);
    expect(held.tokens(a)).toEqual([1]);
  });

  test("of another cache, or disposed, are refused", () => {
    using held = new TokenCache();
    using other = new TokenCache();
    const snapshot = held.cache.snapshot(held.cache.open());
    expect(() => other.cache.restore(snapshot)).toThrow(/belongs to another cache/);
    snapshot[Symbol.dispose]();
    expect(() => held.cache.restore(snapshot)).toThrow(/disposed/);
    expect(held.cache.numFreeSequences).toBe(SEQUENCES - 1);
  });

  test("that are still held are released with the cache", () => {
    const held = new TokenCache();
    const snapshot = held.cache.snapshot(held.cache.open());
    held[Symbol.dispose]();
    snapshot[Symbol.dispose]();
    expect(held.backend.stats().memories).toBe(0);
  });
});

test("a cache that cannot be allocated leaves nothing behind", () => {
  const backend = createReferenceBackend();
  const create = (): HybridCache =>
    new HybridCache(
      backend,
      { ...GEOMETRY, hiddenSize: 2 ** 50 },
      { dtype: "f32", maxTokens: 64, maxSequences: 1, maxRows: 1 },
    );
  expect(create).toThrow(expect.objectContaining({ code: "out_of_memory" }));
  expect(backend.stats()).toMatchObject({ memories: 0, allocatedBytes: 0 });
});

/** What a sequence or a snapshot should hold: its tokens, and names of its blocks, equal names for shared blocks. */
interface Expected {
  readonly tokens: number[];
  readonly blocks: symbol[];
  written: number;
}

type Verb = "rollback" | "release" | "snapshot" | "restore" | "drop";
type Action =
  | { readonly kind: "open" }
  | { readonly kind: "append"; readonly which: number; readonly count: number; readonly kept: number }
  | { [V in Verb]: { readonly kind: V; readonly which: number; readonly count: number } }[Verb];

/** The simplest cache there is: whole lists of tokens, and blocks that are names. */
class NaiveCache {
  readonly sequences = new Map<SequenceId, Expected>();
  readonly snapshots = new Map<Snapshot, Expected>();

  get numBlocks(): number {
    return new Set(this.#holders().flatMap(({ blocks }) => blocks)).size;
  }

  /** Holders of the block that most share. */
  get mostHolders(): number {
    const blocks = this.#holders().flatMap((holder) => holder.blocks);
    return Math.max(0, ...new Set(blocks.map((block) => blocks.filter((other) => other === block).length)));
  }

  reserve(sequence: Expected, count: number): boolean {
    const first = Math.floor(sequence.tokens.length / BLOCK_TOKENS);
    const total = Math.ceil((sequence.tokens.length + count) / BLOCK_TOKENS);
    const shared = sequence.blocks.slice(first).filter((block) => this.#isShared(block)).length;
    if (Math.max(0, total - sequence.blocks.length) + shared > BLOCKS - this.numBlocks) return false;
    for (let i = first; i < sequence.blocks.length; i++)
      if (this.#isShared(sequence.blocks[i]!)) sequence.blocks[i] = Symbol();
    while (sequence.blocks.length < total) sequence.blocks.push(Symbol());
    return true;
  }

  setTokens(sequence: Expected, tokens: readonly number[]): void {
    sequence.tokens.splice(0, Infinity, ...tokens);
    sequence.blocks.length = Math.ceil(tokens.length / BLOCK_TOKENS);
  }

  #isShared(block: symbol): boolean {
    return this.#holders().filter(({ blocks }) => blocks.includes(block)).length > 1;
  }

  #holders(): Expected[] {
    return [...this.sequences.values(), ...this.snapshots.values()];
  }
}

function copyOf({ tokens, written, blocks }: Expected): Expected {
  return { tokens: [...tokens], written, blocks: blocks.slice(0, Math.ceil(tokens.length / BLOCK_TOKENS)) };
}

let nextToken = 1;

/** Runs an action on both; nothing where it is not possible. */
function perform(held: TokenCache, naive: NaiveCache, action: Action): void {
  const { cache } = held;
  const pick = <K, V>(map: ReadonlyMap<K, V>, which: number): [K, V] | undefined =>
    [...map][which % Math.max(1, map.size)];
  if (action.kind === "open") {
    if (cache.numFreeSequences > 0) naive.sequences.set(cache.open(), { tokens: [], blocks: [], written: 0 });
    return;
  }
  if (action.kind === "restore" || action.kind === "drop") {
    const [snapshot, expected] = pick(naive.snapshots, action.which) ?? [];
    if (snapshot === undefined || expected === undefined) return;
    if (action.kind === "drop") {
      snapshot[Symbol.dispose]();
      naive.snapshots.delete(snapshot);
    } else if (cache.numFreeSequences > 0) naive.sequences.set(cache.restore(snapshot), copyOf(expected));
    return;
  }
  const [id, sequence] = pick(naive.sequences, action.which) ?? [];
  if (id === undefined || sequence === undefined) return;
  switch (action.kind) {
    case "append": {
      const fits = cache.reserve(id, action.count);
      expect(fits).toBe(naive.reserve(sequence, action.count));
      if (!fits) return;
      const tokens = Array.from({ length: action.count }, () => nextToken++);
      // More rows than the slack are a prompt's, and a prompt's rows are all kept.
      const kept = action.count > RING_SLACK ? action.count : Math.min(action.count, action.kept);
      held.write(id, tokens);
      sequence.written = Math.max(sequence.written, sequence.tokens.length + action.count);
      cache.commit(id, kept);
      naive.setTokens(sequence, [...sequence.tokens, ...tokens.slice(0, kept)]);
      return;
    }
    case "rollback": {
      const count = Math.min(action.count, cache.maxRollback(id));
      cache.rollback(id, count);
      naive.setTokens(sequence, sequence.tokens.slice(0, sequence.tokens.length - count));
      return;
    }
    case "release":
      cache.release(id);
      naive.sequences.delete(id);
      return;
    case "snapshot":
      naive.snapshots.set(cache.snapshot(id), copyOf(sequence));
      return;
    default:
      action satisfies never;
  }
}

function compare(held: TokenCache, naive: NaiveCache): void {
  const { cache } = held;
  cache.checkIntegrity();
  expect(cache.numFreeTokens).toBe((BLOCKS - naive.numBlocks) * BLOCK_TOKENS);
  expect(cache.numFreeSequences).toBe(SEQUENCES - naive.sequences.size);
  for (const [id, { tokens, written }] of naive.sequences) {
    expect(held.tokens(id)).toEqual(tokens);
    expect(held.windowTokens(id)).toEqual(lastOf(tokens));
    const saved = Array.from(tokens.keys()).slice(Math.max(0, written - RING_SLACK));
    expect(saved.map((position) => held.hiddenToken(id, position))).toEqual(saved.map((position) => tokens[position]));
  }
}

const OFTEN = ["rollback", "snapshot", "restore"] as const;

test("any program of its verbs gives what a naive cache gives", () => {
  const which = fc.nat(5);
  const append = fc.record({
    kind: fc.constant("append" as const),
    which,
    count: fc.oneof(fc.integer({ min: 1, max: RING_SLACK }), fc.constantFrom(30, 63, 64)),
    kept: fc.integer({ min: 0, max: RING_SLACK }),
  });
  const other = fc.record({
    // Rarer where it ends something, so that programs get somewhere.
    kind: fc.constantFrom(...OFTEN, ...OFTEN, "release" as const, "drop" as const),
    which,
    count: fc.nat(RING_SLACK + 2),
  });
  const action: fc.Arbitrary<Action> = fc.oneof(
    { arbitrary: fc.constant({ kind: "open" as const }), weight: 2 },
    { arbitrary: append, weight: 6 },
    { arbitrary: other, weight: 5 },
  );
  let mostShared = 0;
  fc.assert(
    fc.property(fc.array(action, { minLength: 1, maxLength: 50, size: "max" }), (program) => {
      using held = new TokenCache();
      const naive = new NaiveCache();
      for (const step of program) {
        perform(held, naive, step);
        compare(held, naive);
        mostShared = Math.max(mostShared, naive.mostHolders);
      }
      for (const id of naive.sequences.keys()) held.cache.release(id);
      for (const snapshot of naive.snapshots.keys()) snapshot[Symbol.dispose]();
      expect(held.cache.numFreeTokens).toBe(BLOCKS * BLOCK_TOKENS);
      expect(held.cache.numFreeSequences).toBe(SEQUENCES);
    }),
    { numRuns: 80 },
  );
  // A test of sharing that shares nothing tests nothing.
  expect(mostShared).toBeGreaterThan(3);
});
