// Keys and values of all sequences: paged blocks for global layers, rings for sliding layers and MTP heads.
//
// A sequence grows by reserve(n) → a forward pass writes n rows → commit(m ≤ n); rows beyond m are forgotten. Rings
// keep window + slack places whatever the length, so a sequence can be taken back by the slack and no further.
// Snapshots hold a sequence at one length: blocks are shared by reference count and copied before a shared one is
// written; rings are copied whole. The cache knows positions and bytes; it does not know what tokens mean.

import type { Backend } from "../backends/backend.ts";
import { type KvBatch, NOT_STAGED } from "../ops/attention/kv-batch.ts";
import type { KvCache } from "../ops/kv-write/kv-write.ts";
import type { KvDType } from "../tensor/dtype.ts";
import { view } from "../tensor/tensor.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { assert, defined } from "../util/assert.ts";
import { BlockPool } from "./block-pool.ts";
import { BLOCK_TOKENS, type CacheGeometry, mtpGeometry, ringPlaces, RING_SLACK } from "./geometry.ts";
import { KvMemory } from "./kv-memory.ts";

export interface HybridCacheOptions {
  readonly dtype: KvDType;
  /** Tokens that all sequences together can hold in global layers; rounded up to whole blocks. */
  readonly maxTokens: number;
  readonly maxSequences: number;
  /** Rows of the largest forward pass. */
  readonly maxRows: number;
}

export type SequenceId = number;

/** Rows of one sequence in a pass, from `position` on. */
export interface RowSpan {
  readonly sequence: SequenceId;
  readonly position: number;
  readonly count: number;
}

interface CachedSequence {
  /** Its place in every ring. */
  readonly slot: number;
  readonly blocks: number[];
  /** Committed tokens. */
  length: number;
  /** One past the highest position ever written to the rings: older places are overwritten. */
  written: number;
}

export interface Snapshot extends Disposable {
  readonly length: number;
  readonly byteLength: number;
}

interface HeldSnapshot extends Snapshot {
  readonly blocks: readonly number[];
  readonly written: number;
  readonly rings: readonly { readonly source: Tensor; readonly copyTo: (slot: number) => Tensor }[];
}

export class HybridCache implements Disposable {
  /** One per trunk layer, in order. */
  readonly layers: readonly KvCache[];
  readonly mtp: readonly KvCache[];
  readonly stage: KvCache;
  /** The last hidden states of every sequence, [maxSequences · RING_SLACK, D]: what MTP heads draft from. */
  readonly hidden: Tensor;
  readonly options: HybridCacheOptions;
  readonly geometry: CacheGeometry;
  readonly #backend: Backend;
  readonly #memory: KvMemory;
  readonly #blocks: BlockPool;
  readonly #slots: BlockPool;
  readonly #sequences = new Map<SequenceId, CachedSequence>();
  readonly #snapshots = new Set<HeldSnapshot>();
  #nextId = 1;

  constructor(backend: Backend, geometry: CacheGeometry, options: HybridCacheOptions) {
    this.#backend = backend;
    this.geometry = geometry;
    this.options = options;
    this.#blocks = new BlockPool(Math.ceil(options.maxTokens / BLOCK_TOKENS));
    this.#slots = new BlockPool(options.maxSequences);
    this.#memory = new KvMemory(backend, options.dtype);
    const places = ringPlaces(geometry);
    const sliding = mtpGeometry(geometry);
    try {
      this.layers = geometry.layers.map((layer) =>
        layer.sliding
          ? this.#memory.cache(layer, options.maxSequences, places)
          : this.#memory.cache(layer, this.#blocks.numBlocks, BLOCK_TOKENS),
      );
      this.mtp = Array.from({ length: geometry.numMtpHeads }, () =>
        this.#memory.cache(sliding, options.maxSequences, places),
      );
      this.stage = this.#memory.cache(sliding, 1, options.maxRows);
      this.hidden = this.#memory.floats([options.maxSequences * RING_SLACK, geometry.hiddenSize]);
    } catch (error) {
      this.#memory[Symbol.dispose]();
      throw error;
    }
  }

  get numFreeTokens(): number {
    return this.#blocks.numFree * BLOCK_TOKENS;
  }

  get numFreeSequences(): number {
    return this.#slots.numFree;
  }

  /** A new, empty sequence. The caller has checked `numFreeSequences`. */
  open(): SequenceId {
    const id = this.#nextId++;
    this.#sequences.set(id, { slot: this.#slots.take(), blocks: [], length: 0, written: 0 });
    return id;
  }

  length(id: SequenceId): number {
    return this.#sequence(id).length;
  }

  /** Makes room for `count` more tokens; false, and nothing changed, where blocks are lacking. */
  reserve(id: SequenceId, count: number): boolean {
    const sequence = this.#sequence(id);
    const { blocks, length } = sequence;
    const needed = Math.ceil((length + count) / BLOCK_TOKENS) - blocks.length;
    const first = Math.floor(length / BLOCK_TOKENS);
    const shared = blocks.slice(first).filter((block) => this.#blocks.isShared(block)).length;
    if (Math.max(0, needed) + shared > this.#blocks.numFree) return false;
    for (let i = first; i < blocks.length; i++) this.#ownBlock(blocks, i);
    for (let i = 0; i < needed; i++) blocks.push(this.#blocks.take());
    return true;
  }

  /** The first `count` rows written since the last commit become part of the sequence. */
  commit(id: SequenceId, count: number): void {
    const sequence = this.#sequence(id);
    this.#setLength(sequence, sequence.length + count);
  }

  /** Takes back the last `count` committed tokens; at most what the rings' slack still holds. */
  rollback(id: SequenceId, count: number): void {
    const sequence = this.#sequence(id);
    this.#setLength(sequence, sequence.length - count);
  }

  /** How many committed tokens `rollback` can take back now. */
  maxRollback(id: SequenceId): number {
    const { length, written } = this.#sequence(id);
    // Every key that a query at the new end still sees must not have been overwritten.
    const oldest = Math.max(0, written - ringPlaces(this.geometry));
    return oldest === 0 ? length : Math.max(0, length - (oldest + this.geometry.window - 1));
  }

  release(id: SequenceId): void {
    const sequence = this.#sequence(id);
    for (const block of sequence.blocks) this.#blocks.release(block);
    this.#slots.release(sequence.slot);
    this.#sequences.delete(id);
  }

  /** Where the rows of a trunk pass lie. Spans start at their sequence's length and are reserved. */
  plan(spans: readonly RowSpan[]): { readonly paged: KvBatch; readonly ring: KvBatch } {
    const tables: number[] = [];
    const segments: number[] = [];
    const rows: number[] = [];
    const slots: number[] = [];
    spans.forEach((span, segment) => {
      const { blocks, length } = this.#sequence(span.sequence);
      assert(span.position === length, `a pass starts at ${span.position}, the sequence ends at ${length}`);
      const used = Math.ceil((length + span.count) / BLOCK_TOKENS);
      assert(used <= blocks.length, "a pass of rows that were not reserved");
      segments.push(tables.length, used, NOT_STAGED, 0);
      for (let i = 0; i < used; i++) tables.push(blocks[i]!);
      for (let position = span.position; position < span.position + span.count; position++) {
        rows.push(segment, position);
        slots.push(blocks[Math.floor(position / BLOCK_TOKENS)]! * BLOCK_TOKENS + (position % BLOCK_TOKENS));
      }
    });
    return { paged: kvBatch(rows, segments, tables, slots), ring: this.planRings(spans) };
  }

  /** Where rows lie in the rings of sliding layers or of one MTP head. */
  planRings(spans: readonly RowSpan[]): KvBatch {
    const places = ringPlaces(this.geometry);
    const tables: number[] = [];
    const segments: number[] = [];
    const rows: number[] = [];
    const slots: number[] = [];
    spans.forEach(({ sequence: id, position: first, count }, segment) => {
      const sequence = this.#sequence(id);
      segments.push(segment, 1, first, slots.length);
      tables.push(sequence.slot);
      for (let position = first; position < first + count; position++) {
        rows.push(segment, position);
        slots.push(position >= first + count - places ? sequence.slot * places + (position % places) : -1);
      }
      sequence.written = Math.max(sequence.written, first + count);
    });
    return kvBatch(rows, segments, tables, slots);
  }

  /** Row of `hidden` that keeps the hidden state of a position; the last RING_SLACK positions are kept. */
  hiddenRow(id: SequenceId, position: number): number {
    return this.#sequence(id).slot * RING_SLACK + (position % RING_SLACK);
  }

  /** The sequence as it is now. Costs one set of rings and shares the blocks. */
  snapshot(id: SequenceId): Snapshot {
    const { blocks, length, written, slot } = this.#sequence(id);
    const memory = new KvMemory(this.#backend, this.options.dtype);
    const rings = this.#ringParts().map((part) => {
      const source = part(slot);
      const target = memory.like(source);
      this.#backend.copy(source, target);
      return { source: target, copyTo: part };
    });
    const kept = blocks.slice(0, Math.ceil(length / BLOCK_TOKENS));
    for (const block of kept) this.#blocks.retain(block);
    const held: HeldSnapshot = {
      length,
      written,
      blocks: kept,
      rings,
      byteLength: memory.byteLength,
      [Symbol.dispose]: () => {
        if (!this.#snapshots.delete(held)) return;
        for (const block of kept) this.#blocks.release(block);
        memory[Symbol.dispose]();
      },
    };
    this.#snapshots.add(held);
    return held;
  }

  /** A new sequence that continues where the snapshot was taken. The caller has checked `numFreeSequences`. */
  restore(snapshot: Snapshot): SequenceId {
    const held = [...this.#snapshots].find((other) => other === snapshot);
    assert(held !== undefined, "the snapshot was disposed or belongs to another cache");
    const id = this.open();
    const sequence = this.#sequence(id);
    for (const block of held.blocks) {
      this.#blocks.retain(block);
      sequence.blocks.push(block);
    }
    for (const ring of held.rings) this.#backend.copy(ring.source, ring.copyTo(sequence.slot));
    sequence.length = held.length;
    sequence.written = held.written;
    return id;
  }

  /** Throws on any disagreement between block counts and their holders. */
  checkIntegrity(): void {
    const holders = new Map<number, number>();
    const slots = new Map<number, number>();
    const hold = (map: Map<number, number>, key: number): unknown => map.set(key, (map.get(key) ?? 0) + 1);
    for (const [id, sequence] of this.#sequences) {
      for (const block of sequence.blocks) hold(holders, block);
      hold(slots, sequence.slot);
      assert(sequence.length <= sequence.blocks.length * BLOCK_TOKENS, `sequence ${id} is longer than its blocks`);
      assert(sequence.length <= sequence.written, `sequence ${id} has rows that were never written`);
    }
    for (const snapshot of this.#snapshots) for (const block of snapshot.blocks) hold(holders, block);
    this.#blocks.checkIntegrity(holders);
    this.#slots.checkIntegrity(slots);
  }

  [Symbol.dispose](): void {
    for (const snapshot of this.#snapshots) snapshot[Symbol.dispose]();
    this.#sequences.clear();
    this.#memory[Symbol.dispose]();
  }

  #sequence(id: SequenceId): CachedSequence {
    return defined(this.#sequences.get(id), `cached sequence ${id}`);
  }

  #setLength(sequence: CachedSequence, length: number): void {
    assert(length >= 0 && length <= sequence.written, `a length of ${length} with ${sequence.written} rows written`);
    const oldest = Math.max(0, sequence.written - ringPlaces(this.geometry));
    assert(
      Math.max(0, length - this.geometry.window + 1) >= oldest,
      `the rings no longer hold the window before ${length}`,
    );
    sequence.length = length;
    const keep = Math.ceil(length / BLOCK_TOKENS);
    for (const block of sequence.blocks.splice(keep)) this.#blocks.release(block);
  }

  /** Replaces a shared block by a copy, so that it can be written. */
  #ownBlock(blocks: number[], index: number): void {
    const block = blocks[index]!;
    if (!this.#blocks.isShared(block)) return;
    const copy = this.#blocks.take();
    this.layers.forEach((cache, layer) => {
      if (this.geometry.layers[layer]?.sliding === true) return;
      for (const tensor of [cache.k, cache.v]) this.#backend.copy(blockOf(tensor, block), blockOf(tensor, copy));
    });
    this.#blocks.release(block);
    blocks[index] = copy;
  }

  /** Every piece of memory that belongs to one slot, as a function of the slot. */
  #ringParts(): ((slot: number) => Tensor)[] {
    const rings = [...this.layers.filter((_, i) => this.geometry.layers[i]?.sliding === true), ...this.mtp];
    const parts = rings.flatMap(({ k, v }) => [k, v]).map((tensor) => (slot: number) => blockOf(tensor, slot));
    const { hiddenSize } = this.geometry;
    const hidden = (slot: number): Tensor =>
      view(this.hidden.memory, "f32", [RING_SLACK, hiddenSize], slot * RING_SLACK * hiddenSize * 4);
    return [...parts, hidden];
  }
}

/** One block [1, G, places, width] of a cache tensor, which fills its memory. */
function blockOf(cache: Tensor, block: number): Tensor {
  const [blocks, ...rest] = cache.shape as [number, number, number, number];
  return view(cache.memory, cache.dtype, [1, ...rest], (block * cache.memory.byteLength) / blocks);
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
