// Native attention: equal to its definition, and bit for bit the same however a key is stored and whoever computes
// beside it: threads, instruction sets, other rows of the batch, paging, staging, a sliding layer's ring.

import { afterAll, describe, expect, it } from "vitest";
import type { Backend } from "../../backends/backend.ts";
import { cpuBackendStatus } from "../../backends/cpu/addon.ts";
import { createCpuBackend } from "../../backends/cpu/native.ts";
import { createReferenceBackend } from "../../backends/reference/reference.ts";
import { type DType, KV_DTYPES, type KvDType } from "../../tensor/dtype.ts";
import type { Shape } from "../../tensor/shape.ts";
import { type Tensor, tensorBytes, view } from "../../tensor/tensor.ts";
import { defined } from "../../util/assert.ts";
import { randomKey, randomUnit } from "../../util/random.ts";
import { type KvCache, kvRowWidth, kvWrite } from "../kv-write/kv-write.ts";
import { attention } from "./attention.ts";
import { NOT_STAGED } from "./kv-batch.ts";

const status = cpuBackendStatus();

interface Sizes {
  readonly N: number;
  readonly G: number;
  readonly H: number;
  readonly U: number;
  readonly window: number;
  readonly hasSinks: boolean;
}

/** How the keys of one sequence of `context` tokens are stored, and which of its last positions are asked for. */
interface Storage {
  readonly context: number;
  readonly positions: readonly number[];
  readonly places: number;
  /** Blocks of the sequence in order; fewer than the context needs make a ring. */
  readonly table: readonly number[];
  /** Keys from here on lie in a stage. */
  readonly stagedFrom?: number;
  readonly stagedRow?: number;
}

const GLOBAL: Sizes = { N: 16, G: 1, H: 192, U: 128, window: 0, hasSinks: false };
const SLIDING: Sizes = { N: 16, G: 2, H: 192, U: 128, window: 128, hasSinks: true };
const SMALL: Sizes = { N: 6, G: 2, H: 20, U: 7, window: 5, hasSinks: true };
const WIDE: Sizes = { N: 40, G: 1, H: 33, U: 65, window: 0, hasSinks: true };

/** Values of token `position` alone, so that every storage holds the same sequence. */
function tokenValues(stream: number, positions: readonly number[], perToken: number): Float32Array {
  const key = randomKey(7, stream);
  const value = (i: number) =>
    3.4 * (randomUnit(key, defined(positions[Math.floor(i / perToken)], "position") * perToken + (i % perToken)) - 0.5);
  return Float32Array.from({ length: positions.length * perToken }, (_, i) => value(i));
}

class Bench {
  readonly backend: Backend;
  readonly #held: Tensor[] = [];

  constructor(backend: Backend) {
    this.backend = backend;
  }

  tensor(dtype: DType, shape: Shape, values?: Float32Array | Int32Array): Tensor {
    const memory = this.backend.alloc(defined(tensorBytes(dtype, shape), "size"));
    const tensor = view(memory, dtype, shape);
    if (values !== undefined) {
      this.backend.upload(tensor, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    }
    this.#held.push(tensor);
    return tensor;
  }

  release(): void {
    for (const { memory } of this.#held.splice(0)) this.backend.free(memory);
  }
}

function writeCache(bench: Bench, sizes: Sizes, dtype: KvDType, places: number, blocks: number): KvCache {
  const { G, H, U } = sizes;
  return {
    k: bench.tensor(dtype, [blocks, G, places, kvRowWidth(dtype, H)]),
    v: bench.tensor(dtype, [blocks, G, places, kvRowWidth(dtype, U)]),
  };
}

function storeKeys(
  bench: Bench,
  sizes: Sizes,
  cache: KvCache,
  keys: readonly number[],
  slots: readonly number[],
): void {
  const { G, H, U } = sizes;
  kvWrite(bench.backend, {
    k: bench.tensor("f32", [keys.length, G, H], tokenValues(1, keys, G * H)),
    v: bench.tensor("f32", [keys.length, G, U], tokenValues(2, keys, G * U)),
    slots: bench.tensor("i32", [keys.length], Int32Array.from(slots)),
    cache,
    valueScale: 0.707,
  });
}

/** out [T, N · U] as bytes, one entry per row. */
function attend(backend: Backend, sizes: Sizes, dtype: KvDType, storage: Storage): Float32Array[] {
  const bench = new Bench(backend);
  const { N, H, U, window, hasSinks } = sizes;
  const { context, positions, places, table, stagedFrom = NOT_STAGED, stagedRow = 0 } = storage;
  const cache = writeCache(bench, sizes, dtype, places, Math.max(...table) + 1);
  const cached = Array.from({ length: Math.min(context, stagedFrom) }, (_, key) => key);
  const slotOf = (key: number) =>
    defined(table[Math.floor(key / places) % table.length], "block") * places + (key % places);
  // A ring keeps the newest key of each slot; writing them all in one call would leave the order open.
  const kept = cached.filter((key) => key >= cached.length - table.length * places);
  storeKeys(bench, sizes, cache, kept, kept.map(slotOf));
  let stage: KvCache | null = null;
  if (stagedFrom < context) {
    const staged = Array.from({ length: context - stagedFrom }, (_, i) => stagedFrom + i);
    stage = writeCache(bench, sizes, dtype, stagedRow + staged.length, 1);
    storeKeys(
      bench,
      sizes,
      stage,
      staged,
      staged.map((key) => stagedRow + key - stagedFrom),
    );
  }
  const T = positions.length;
  const out = bench.tensor("f32", [T, N, U]);
  attention(backend, {
    q: bench.tensor("f32", [T, N, H], tokenValues(3, positions, N * H)),
    cache,
    stage,
    sinks: hasSinks ? bench.tensor("f32", [N], tokenValues(4, [0], N)) : null,
    layout: {
      rows: bench.tensor("i32", [T, 2], Int32Array.from(positions.flatMap((position) => [0, position]))),
      segments: bench.tensor("i32", [1, 4], Int32Array.of(0, table.length, stagedFrom, stagedRow)),
      tables: bench.tensor("i32", [table.length], Int32Array.from(table)),
    },
    window,
    scale: 1 / Math.sqrt(H),
    out,
  });
  const result = new Float32Array(T * N * U);
  backend.download(out, new Uint8Array(result.buffer));
  bench.release();
  return positions.map((_, t) => result.subarray(t * N * U, (t + 1) * N * U));
}

function paged(context: number, positions: readonly number[], places = 16): Storage {
  const blocks = Math.ceil(context / places);
  // An order in which no two neighbours are neighbours in memory: 7 divides no count used here.
  return {
    context,
    positions,
    places,
    table: Array.from({ length: blocks }, (_, i) => (i * 7 + 3) % blocks),
  };
}

function lastPositions(context: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => context - count + i);
}

function expectSame(rows: readonly Float32Array[], expected: readonly Float32Array[]): void {
  expect(rows.length).toBe(expected.length);
  rows.forEach((row, t) => expect(Buffer.compare(bytesOf(row), bytesOf(defined(expected[t], "row")))).toBe(0));
}

function bytesOf(row: Float32Array): Uint8Array {
  return new Uint8Array(row.buffer, row.byteOffset, row.byteLength);
}

describe.skipIf(!status.isAvailable)("native attention", () => {
  const variants = status.isAvailable ? status.variants : [];
  const reference = createReferenceBackend();
  const cpu = status.isAvailable ? createCpuBackend({ threads: 2 }) : reference;
  const others = variants.map((variant) => createCpuBackend({ variant, threads: 3 }));
  if (status.isAvailable) others.push(createCpuBackend({ threads: 1 }));
  afterAll(() => {
    for (const backend of [cpu, ...others]) {
      expect(backend.stats().memories).toBe(0);
      backend[Symbol.dispose]();
    }
  });

  const named = { GLOBAL, SLIDING, SMALL, WIDE };
  const cases = Object.entries(named).flatMap(([name, sizes]) => KV_DTYPES.map((dtype) => ({ name, sizes, dtype })));

  it.each(cases)("equals its definition: $name, $dtype", ({ sizes, dtype }) => {
    const storage = paged(700, [0, 1, 2, 63, 64, 511, 512, 513, 514, 640, ...lastPositions(700, 5)]);
    const rows = attend(cpu, sizes, dtype, storage);
    const expected = attend(reference, sizes, dtype, storage);
    rows.forEach((row, t) => {
      const worst = row.reduce(
        (max, value, i) => Math.max(max, Math.abs(value - defined(expected[t]?.[i], "value"))),
        0,
      );
      expect(worst).toBeLessThan(2e-6);
    });
  });

  it.each(cases)("is the same for all threads and instruction sets: $name, $dtype", ({ sizes, dtype }) => {
    const storage = paged(1700, [900, ...lastPositions(1700, 2)]);
    const rows = attend(cpu, sizes, dtype, storage);
    for (const backend of others) expectSame(attend(backend, sizes, dtype, storage), rows);
  });

  it.each(cases)("is the same for a row alone and in a batch: $name, $dtype", ({ sizes, dtype }) => {
    const positions = [3, ...lastPositions(1100, 90)];
    const rows = attend(cpu, sizes, dtype, paged(1100, positions));
    for (const t of [0, 1, 2, 40, 90]) {
      const alone = attend(cpu, sizes, dtype, paged(1100, [defined(positions[t], "position")]));
      expectSame(alone, [defined(rows[t], "row")]);
    }
  });

  it.each(cases)("is the same for any paging and staging: $name, $dtype", ({ sizes, dtype }) => {
    const positions = lastPositions(600, 9);
    const rows = attend(cpu, sizes, dtype, paged(600, positions));
    expectSame(attend(cpu, sizes, dtype, paged(600, positions, 600)), rows);
    expectSame(attend(cpu, sizes, dtype, paged(600, positions, 33)), rows);
    const staged = { ...paged(600, positions), stagedFrom: 591, stagedRow: 4 };
    expectSame(attend(cpu, sizes, dtype, staged), rows);
    if (sizes.window > 0) {
      const ring = { context: 600, positions, places: 141, table: [1], stagedFrom: 591 };
      expectSame(attend(cpu, sizes, dtype, ring), rows);
    }
  });
});
