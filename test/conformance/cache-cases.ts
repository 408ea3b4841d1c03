// Conformance of the ops on key-value memory: writing, copying, and attending over every way keys are stored.
//
// T tokens, N query heads, G KV heads, H key width, U value width.

import { attention } from "../../src/ops/attention/attention.ts";
import { NOT_STAGED } from "../../src/ops/attention/kv-batch.ts";
import { type KvCache, kvCopy, kvRowWidth, kvWrite } from "../../src/ops/kv-write/kv-write.ts";
import type { KvDType } from "../../src/tensor/dtype.ts";
import type { Case } from "./cases.ts";
import type { Machine } from "./machine.ts";
import { randomFloats } from "./material.ts";
import { ABSOLUTE, EXACT } from "./report.ts";

interface KvSizes {
  readonly G: number;
  readonly H: number;
  readonly U: number;
}

function cacheOf(machine: Machine, dtype: KvDType, { G, H, U }: KvSizes, blocks: number, places: number): KvCache {
  return {
    k: machine.tensor(dtype, [blocks, G, places, kvRowWidth(dtype, H)]),
    v: machine.tensor(dtype, [blocks, G, places, kvRowWidth(dtype, U)]),
  };
}

/** Random keys and values of `count` tokens, from token `first` of stream `seed` on, into slots of a cache. */
function fill(
  machine: Machine,
  sizes: KvSizes,
  cache: KvCache,
  { seed, first, slots }: { seed: number; first: number; slots: readonly number[] },
): void {
  const { G, H, U } = sizes;
  const T = slots.length;
  if (T === 0) return;
  const rows = (stream: number, width: number): Float32Array =>
    randomFloats(stream, (first + T) * G * width, 2).slice(first * G * width);
  kvWrite(machine.backend, {
    k: machine.floats([T, G, H], rows(seed, H)),
    v: machine.floats([T, G, U], rows(seed + 1, U)),
    slots: machine.integers([T], slots),
    cache,
    valueScale: 0.707,
  });
}

function readCache(machine: Machine, { k, v }: KvCache): Uint8Array {
  return Uint8Array.from([...machine.read(k), ...machine.read(v)]);
}

const WRITE_SIZES: readonly KvSizes[] = [
  { G: 1, H: 1, U: 1 },
  { G: 2, H: 20, U: 7 },
  { G: 4, H: 192, U: 128 },
];
/** Slots out of order, across blocks, with rows that are not kept. */
const SLOTS = [17, 3, -1, 0, 64, -1, 65, 39, 16];

export function kvWriteCases(dtype: KvDType): Case[] {
  return WRITE_SIZES.map((sizes): Case => ({
    op: "kv_write",
    dtype,
    shape: `G ${sizes.G}, H ${sizes.H}, U ${sizes.U}`,
    tolerance: 0,
    measure: EXACT,
    rows: [SLOTS.length],
    run: (machine) => {
      const cache = cacheOf(machine, dtype, sizes, 5, 16);
      fill(machine, sizes, cache, { seed: 2000, first: 0, slots: SLOTS });
      return readCache(machine, cache);
    },
  }));
}

export function kvCopyCases(dtype: KvDType): Case[] {
  return WRITE_SIZES.map((sizes): Case => ({
    op: "kv_copy",
    dtype,
    shape: `G ${sizes.G}, H ${sizes.H}, U ${sizes.U}, 16 places to 11`,
    tolerance: 0,
    measure: EXACT,
    rows: [SLOTS.length],
    run: (machine) => {
      const source = cacheOf(machine, dtype, sizes, 5, 16);
      const target = cacheOf(machine, dtype, sizes, 4, 11);
      fill(machine, sizes, source, { seed: 2100, first: 0, slots: Array.from({ length: 80 }, (_, slot) => slot) });
      fill(machine, sizes, target, { seed: 2200, first: 0, slots: Array.from({ length: 44 }, (_, slot) => slot) });
      kvCopy(machine.backend, {
        source,
        target,
        sourceSlots: machine.integers([5], [79, 0, 33, 16, 15]),
        targetSlots: machine.integers([5], [0, 43, -1, 10, 11]),
      });
      return readCache(machine, target);
    },
  }));
}

interface AttentionSizes extends KvSizes {
  readonly N: number;
  readonly window: number;
  readonly sinks: boolean;
}

interface Storage {
  readonly cache: KvCache;
  readonly stage: KvCache | null;
  readonly tables: readonly number[];
  /** [tableStart, tableLength, stagedFrom, stagedRow] of each sequence. */
  readonly segments: readonly (readonly number[])[];
}

/** Tokens of each sequence in the batch, and how many of its last ones are asked for. */
const SEQUENCES = [
  { context: 1, queries: 1 },
  { context: 70, queries: 3 },
  { context: 333, queries: 5 },
  { context: 16, queries: 1 },
];

/** Blocks of 16 in an order in which no neighbours are neighbours in memory. */
function storePaged(machine: Machine, dtype: KvDType, sizes: AttentionSizes): Storage {
  const places = 16;
  const counts = SEQUENCES.map(({ context }) => Math.ceil(context / places));
  const numBlocks = counts.reduce((a, b) => a + b);
  const shuffled = Array.from({ length: numBlocks }, (_, i) => (i * 5 + 2) % numBlocks);
  const cache = cacheOf(machine, dtype, sizes, numBlocks, places);
  let start = 0;
  const segments = SEQUENCES.map(({ context }, i) => {
    const tableStart = start;
    start += counts[i]!;
    const slots = Array.from(
      { length: context },
      (_, j) => shuffled[tableStart + Math.floor(j / places)]! * places + (j % places),
    );
    fill(machine, sizes, cache, { seed: 2300 + 10 * i, first: 0, slots });
    return [tableStart, counts[i]!, NOT_STAGED, 0];
  });
  return { cache, stage: null, tables: shuffled, segments };
}

/** A ring for each sequence that still holds the window before its queries, whose own keys are staged. */
function storeStaged(machine: Machine, dtype: KvDType, sizes: AttentionSizes): Storage {
  const places = sizes.window + 3;
  const cache = cacheOf(machine, dtype, sizes, SEQUENCES.length, places);
  const stage = cacheOf(machine, dtype, sizes, 1, 10);
  let stagedRow = 0;
  const segments = SEQUENCES.map(({ context, queries }, i) => {
    const stagedFrom = context - queries;
    const first = Math.max(0, stagedFrom - places);
    const ring = Array.from({ length: stagedFrom - first }, (_, j) => i * places + ((first + j) % places));
    fill(machine, sizes, cache, { seed: 2300 + 10 * i, first, slots: ring });
    const staged = Array.from({ length: queries }, (_, j) => stagedRow + j);
    fill(machine, sizes, stage, { seed: 2300 + 10 * i, first: stagedFrom, slots: staged });
    stagedRow += queries;
    return [i, 1, stagedFrom, stagedRow - queries];
  });
  return { cache, stage, tables: SEQUENCES.map((_, i) => i), segments };
}

export function attentionCases(dtype: KvDType): Case[] {
  const all: readonly AttentionSizes[] = [
    { N: 4, G: 1, H: 24, U: 16, window: 0, sinks: false },
    { N: 6, G: 2, H: 33, U: 7, window: 16, sinks: true },
    { N: 16, G: 2, H: 192, U: 128, window: 128, sinks: true },
    { N: 16, G: 1, H: 192, U: 128, window: 0, sinks: true },
  ];
  return all.flatMap((sizes) => {
    const stores = sizes.window === 0 ? { paged: storePaged } : { paged: storePaged, staged: storeStaged };
    return Object.entries(stores).map(([name, store]): Case => attentionCase(dtype, sizes, name, store));
  });
}

function attentionCase(dtype: KvDType, sizes: AttentionSizes, name: string, store: typeof storePaged): Case {
  const { N, G, H, U, window, sinks } = sizes;
  const rows = SEQUENCES.flatMap(({ context, queries }, i) =>
    Array.from({ length: queries }, (_, j) => [i, context - queries + j]),
  );
  return {
    op: "attention",
    dtype,
    shape: `N ${N}, G ${G}, H ${H}, U ${U}, ${window === 0 ? "all keys" : `window ${window}`}${sinks ? ", sinks" : ""}, ${name}`,
    tolerance: 1e-5,
    measure: ABSOLUTE,
    rows: [1, 3, rows.length],
    run: (machine, T) => {
      const { cache, stage, tables, segments } = store(machine, dtype, sizes);
      const out = machine.floats([T, N, U]);
      attention(machine.backend, {
        q: machine.floats([T, N, H], randomFloats(2400, rows.length * N * H, 2).slice(0, T * N * H)),
        cache,
        stage,
        sinks: sinks ? machine.floats([N], randomFloats(2500, N, 3)) : null,
        layout: {
          rows: machine.integers([T, 2], rows.slice(0, T).flat()),
          segments: machine.integers([segments.length, 4], segments.flat()),
          tables: machine.integers([tables.length], tables),
        },
        window,
        scale: 1 / Math.sqrt(H),
        out,
      });
      return machine.readFloats(out);
    },
  };
}
