// Keys and values of all sequences: paged blocks for global layers, rings for sliding layers and MTP heads.
//
// A sequence grows by reserve(n) → a forward pass writes n rows → commit(m ≤ n); rows beyond m are forgotten. Rings
// keep window + slack places whatever the length, so a sequence can be taken back by the slack and no further.
// Snapshots hold a sequence at one length: blocks are shared by reference count and copied before a shared one is
// written; rings are copied whole. A sequence may begin where more of its global keys are known than its rings hold:
// passes up to there rebuild the rings and write no global key. The cache does not know what tokens mean.

import type { Backend } from "../backends/backend.ts";
import type { KvBatch } from "../ops/attention/kv-batch.ts";
import type { KvCache } from "../ops/kv-write/kv-write.ts";
import type { KvDType } from "../tensor/dtype.ts";
import { type Tensor, tensorBytes } from "../tensor/tensor.ts";
import { assert, defined } from "../util/assert.ts";
import { BlockPool, type BlockReclaimer } from "./block-pool.ts";
import { BLOCK_TOKENS, type CacheGeometry, mtpGeometry, ringPlaces, RING_SLACK } from "./geometry.ts";
import { KvMemory } from "./kv-memory.ts";
import { planPaged, planRings } from "./kv-plan.ts";
import { blockOf, SavedRings, type SlotPart, slotParts } from "./saved-rings.ts";

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
  /** Positions below it have their global keys, even where passes have yet to rebuild the rings. */
  known: number;
  /** One past the highest position ever written to the rings: older places are overwritten. */
  written: number;
}

/** How a sequence begins that is not empty. */
export interface SequenceStart {
  /** Blocks of `known` tokens; the sequence becomes a holder of each. */
  readonly blocks: readonly number[];
  readonly known: number;
  /** Where passes begin, at most `known`. */
  readonly from: number;
  /** Undefined: empty ones, so that passes before `known` see too little and must begin early enough. */
  readonly rings: SavedRings | undefined;
}

export interface Snapshot extends Disposable {
  readonly length: number;
  readonly byteLength: number;
}

interface HeldSnapshot extends Snapshot {
  readonly blocks: readonly number[];
  readonly rings: SavedRings;
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
  /** Asked for blocks before any are refused. */
  reclaimer: BlockReclaimer | undefined;
  readonly #parts: readonly SlotPart[];
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
    const ring = mtpGeometry(geometry);
    try {
      this.layers = geometry.layers.map((layer) =>
        layer.sliding
          ? this.#memory.cache(layer, options.maxSequences, places)
          : this.#memory.cache(layer, this.#blocks.numBlocks, BLOCK_TOKENS),
      );
      this.mtp = Array.from({ length: geometry.numMtpHeads }, () =>
        this.#memory.cache(ring, options.maxSequences, places),
      );
      this.stage = this.#memory.cache(ring, 1, options.maxRows);
      this.hidden = this.#memory.floats([options.maxSequences * RING_SLACK, geometry.hiddenSize]);
      const sliding = this.layers.filter((_, i) => geometry.layers[i]?.sliding === true);
      this.#parts = slotParts([...sliding, ...this.mtp], this.hidden);
    } catch (error) {
      this.#memory[Symbol.dispose]();
      throw error;
    }
  }

  /** Those that can be reclaimed included. */
  get numFreeTokens(): number {
    return this.numFreeBlocks * BLOCK_TOKENS;
  }

  get numFreeBlocks(): number {
    return this.#blocks.numFree + (this.reclaimer?.numReclaimable ?? 0);
  }

  /** For holders of blocks beside sequences. */
  get blockPool(): BlockPool {
    return this.#blocks;
  }

  get numFreeSequences(): number {
    return this.#slots.numFree;
  }

  /** A new, empty sequence. The caller has checked `numFreeSequences`. */
  open(): SequenceId {
    const id = this.#nextId++;
    this.#sequences.set(id, { slot: this.#slots.take(), blocks: [], length: 0, known: 0, written: 0 });
    return id;
  }

  /** A new sequence that begins with what others have computed. The caller has checked `numFreeSequences`. */
  openAt({ blocks, known, from, rings }: SequenceStart): SequenceId {
    assert(from <= known && known <= blocks.length * BLOCK_TOKENS, `${known} known tokens, passes from ${from}`);
    assert(rings === undefined || (from <= rings.length && from >= this.firstServed(rings)), "rings of another length");
    const id = this.open();
    const sequence = this.#sequence(id);
    for (const block of blocks) this.#blocks.retain(block);
    sequence.blocks.push(...blocks);
    if (rings !== undefined) rings.copyTo(sequence.slot);
    // What another sequence left there could be no number at all.
    else if (from > 0) for (const part of this.#parts) this.#backend.clear(part(sequence.slot));
    return (Object.assign(sequence, { length: from, known, written: rings?.written ?? from }), id);
  }

  length(id: SequenceId): number {
    return this.#sequence(id).length;
  }

  /** The blocks of a sequence's tokens. */
  blocks(id: SequenceId): readonly number[] {
    return this.#sequence(id).blocks;
  }

  /** Makes room for `count` more tokens; false, and nothing changed, where blocks are lacking. */
  reserve(id: SequenceId, count: number): boolean {
    const { blocks, length, known } = this.#sequence(id);
    const needed = Math.max(0, Math.ceil((length + count) / BLOCK_TOKENS) - blocks.length);
    const first = Math.floor(Math.max(length, known) / BLOCK_TOKENS);
    const shared = blocks.slice(first).filter((block) => this.#blocks.isShared(block)).length;
    if (!this.#makeFree(needed + shared)) return false;
    for (let i = first; i < blocks.length; i++) this.#ownBlock(blocks, i);
    for (let i = 0; i < needed; i++) blocks.push(this.#blocks.take());
    return true;
  }

  /** Holds another block of the very same keys in place of its own. */
  replaceBlock(id: SequenceId, index: number, block: number): void {
    const { blocks } = this.#sequence(id);
    this.#blocks.retain(block);
    this.#blocks.release(defined(blocks[index], "a block of the sequence"));
    blocks[index] = block;
  }

  /** A copy of a block, held by the caller; undefined where none is free. */
  copyBlock(block: number): number | undefined {
    if (!this.#makeFree(1)) return undefined;
    const copy = this.#blocks.take();
    this.layers.forEach((cache, layer) => {
      if (this.geometry.layers[layer]?.sliding === true) return;
      for (const tensor of [cache.k, cache.v]) this.#backend.copy(blockOf(tensor, block), blockOf(tensor, copy));
    });
    return copy;
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
    const sequence = this.#sequence(id);
    return Math.max(0, sequence.length - this.firstServed(sequence));
  }

  /** The shortest length at which rings still hold every key that a query there sees. */
  firstServed({ written }: { readonly written: number }): number {
    const oldest = Math.max(0, written - ringPlaces(this.geometry));
    return oldest === 0 ? 0 : oldest + this.geometry.window - 1;
  }

  release(id: SequenceId): void {
    const sequence = this.#sequence(id);
    for (const block of sequence.blocks) this.#blocks.release(block);
    this.#slots.release(sequence.slot);
    this.#sequences.delete(id);
  }

  /** Where the rows of a trunk pass lie. Spans start at their sequence's length and are reserved. */
  plan(spans: readonly RowSpan[]): { readonly paged: KvBatch; readonly ring: KvBatch } {
    const paged = spans.map(({ sequence: id, position, count }) => {
      const { blocks, length, known } = this.#sequence(id);
      assert(position === length, `a pass starts at ${position}, the sequence ends at ${length}`);
      return { blocks, position, count, known };
    });
    return { paged: planPaged(paged), ring: this.planRings(spans) };
  }

  /** Where rows lie in the rings of sliding layers or of one MTP head. */
  planRings(spans: readonly RowSpan[]): KvBatch {
    const rings = spans.map(({ sequence: id, position, count }) => {
      const sequence = this.#sequence(id);
      sequence.written = Math.max(sequence.written, position + count);
      return { slot: sequence.slot, position, count };
    });
    return planRings(rings, ringPlaces(this.geometry));
  }

  /** Row of `hidden` that keeps the hidden state of a position; the last RING_SLACK positions are kept. */
  hiddenRow(id: SequenceId, position: number): number {
    return this.#sequence(id).slot * RING_SLACK + (position % RING_SLACK);
  }

  /** Bytes of one copy of a sequence's rings. */
  get ringBytes(): number {
    return this.#parts.reduce((sum, part) => sum + defined(tensorBytes(part(0).dtype, part(0).shape), "bytes"), 0);
  }

  /** A copy of a sequence's rings as they are now; the caller disposes it. Throws `out_of_memory`. */
  saveRings(id: SequenceId): SavedRings {
    const sequence = this.#sequence(id);
    return new SavedRings(this.#backend, this.options.dtype, this.#parts, sequence.slot, sequence);
  }

  /** The sequence as it is now. Costs one set of rings and shares the blocks. */
  snapshot(id: SequenceId): Snapshot {
    const { blocks, length } = this.#sequence(id);
    const rings = this.saveRings(id);
    const kept = blocks.slice(0, Math.ceil(length / BLOCK_TOKENS));
    for (const block of kept) this.#blocks.retain(block);
    const held: HeldSnapshot = {
      length,
      blocks: kept,
      rings,
      byteLength: rings.byteLength,
      [Symbol.dispose]: () => {
        if (!this.#snapshots.delete(held)) return;
        for (const block of kept) this.#blocks.release(block);
        rings[Symbol.dispose]();
      },
    };
    this.#snapshots.add(held);
    return held;
  }

  /** A new sequence that continues where the snapshot was taken. The caller has checked `numFreeSequences`. */
  restore(snapshot: Snapshot): SequenceId {
    const held = [...this.#snapshots].find((other) => other === snapshot);
    assert(held !== undefined, "the snapshot was disposed or belongs to another cache");
    const { blocks, length, rings } = held;
    return this.openAt({ blocks, known: length, from: length, rings });
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
    for (const block of this.reclaimer?.holds() ?? []) hold(holders, block);
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
    // Tokens that are taken back are replaced by others; those ahead of the rings stay as they are.
    if (length < sequence.length) sequence.known = Math.min(sequence.known, length);
    sequence.length = length;
    sequence.known = Math.max(sequence.known, length);
    const keep = Math.ceil(sequence.known / BLOCK_TOKENS);
    for (const block of sequence.blocks.splice(keep)) this.#blocks.release(block);
  }

  /** Replaces a shared block by a copy, so that it can be written. */
  #ownBlock(blocks: number[], index: number): void {
    const block = blocks[index]!;
    if (!this.#blocks.isShared(block)) return;
    blocks[index] = defined(this.copyBlock(block), "a block that was counted");
    this.#blocks.release(block);
  }

  #makeFree(count: number): boolean {
    const lacking = count - this.#blocks.numFree;
    if (lacking > 0) this.reclaimer?.reclaim(lacking);
    return count <= this.#blocks.numFree;
  }
}
