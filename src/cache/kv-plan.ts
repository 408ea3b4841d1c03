// Where the rows of a pass lie: the tables and slots of paged global layers, and those of rings.
//
// Pure functions of sequences' blocks, slots and lengths; memory and its holders are the cache's affair.

import { type KvBatch, NOT_STAGED } from "../ops/attention/kv-batch.ts";
import { assert } from "../util/assert.ts";
import { BLOCK_TOKENS } from "./geometry.ts";

export interface PagedSpan {
  readonly blocks: readonly number[];
  readonly position: number;
  readonly count: number;
  /** Positions below it have their keys already: they are read and not written. */
  readonly known: number;
}

/** Global layers: a table as long as the sequence. */
export function planPaged(spans: readonly PagedSpan[]): KvBatch {
  const tables: number[] = [];
  const segments: number[] = [];
  const rows: number[] = [];
  const slots: number[] = [];
  spans.forEach(({ blocks, position: first, count, known }, segment) => {
    const used = Math.ceil((first + count) / BLOCK_TOKENS);
    assert(used <= blocks.length, "a pass of rows that were not reserved");
    segments.push(tables.length, used, NOT_STAGED, 0);
    for (let i = 0; i < used; i++) tables.push(blocks[i]!);
    for (let position = first; position < first + count; position++) {
      rows.push(segment, position);
      const slot = blocks[Math.floor(position / BLOCK_TOKENS)]! * BLOCK_TOKENS + (position % BLOCK_TOKENS);
      slots.push(position < known ? -1 : slot);
    }
  });
  return kvBatch(rows, segments, tables, slots);
}

export interface RingSpan {
  readonly slot: number;
  readonly position: number;
  readonly count: number;
}

/** Rings: a table of one block, used cyclically; only a pass's last `places` rows are kept. */
export function planRings(spans: readonly RingSpan[], places: number): KvBatch {
  const tables: number[] = [];
  const segments: number[] = [];
  const rows: number[] = [];
  const slots: number[] = [];
  spans.forEach(({ slot, position: first, count }, segment) => {
    segments.push(segment, 1, first, slots.length);
    tables.push(slot);
    for (let position = first; position < first + count; position++) {
      rows.push(segment, position);
      slots.push(position >= first + count - places ? slot * places + (position % places) : -1);
    }
  });
  return kvBatch(rows, segments, tables, slots);
}

function kvBatch(
  rows: readonly number[],
  segments: readonly number[],
  tables: readonly number[],
  slots: readonly number[],
): KvBatch {
  return {
    rows: Int32Array.from(rows),
    segments: Int32Array.from(segments),
    tables: Int32Array.from(tables),
    slots: Int32Array.from(slots),
  };
}
