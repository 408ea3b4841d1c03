// A copy of what one sequence holds at a fixed place: its rings and its last hidden states.
//
// Costs the same whatever the sequence's length. A copy taken at one length also serves a little below it, as far as
// the rings' slack reaches back. It knows memory and positions; which blocks belong to it is its owner's affair.

import type { Backend } from "../backends/backend.ts";
import type { KvCache } from "../ops/kv-write/kv-write.ts";
import type { KvDType } from "../tensor/dtype.ts";
import { type Tensor, view } from "../tensor/tensor.ts";
import { RING_SLACK } from "./geometry.ts";
import { KvMemory } from "./kv-memory.ts";

/** Memory that belongs to one slot, as a function of the slot. */
export type SlotPart = (slot: number) => Tensor;

/** Every piece of memory that belongs to one slot: its block of each ring, and its rows of the hidden states. */
export function slotParts(rings: readonly KvCache[], hidden: Tensor): SlotPart[] {
  const parts = rings.flatMap(({ k, v }) => [k, v]).map((tensor) => (slot: number) => blockOf(tensor, slot));
  const width = hidden.shape[1] ?? 0;
  const rows = (slot: number): Tensor => view(hidden.memory, "f32", [RING_SLACK, width], slot * RING_SLACK * width * 4);
  return [...parts, rows];
}

export interface RingState {
  /** Committed tokens. */
  readonly length: number;
  /** One past the highest position ever written. */
  readonly written: number;
}

export class SavedRings implements Disposable {
  readonly length: number;
  readonly written: number;
  readonly byteLength: number;
  readonly #backend: Backend;
  readonly #memory: KvMemory;
  readonly #copies: readonly { readonly source: Tensor; readonly part: SlotPart }[];

  /** Throws `out_of_memory`; then nothing is held. */
  constructor(backend: Backend, dtype: KvDType, parts: readonly SlotPart[], slot: number, state: RingState) {
    this.length = state.length;
    this.written = state.written;
    this.#backend = backend;
    this.#memory = new KvMemory(backend, dtype);
    try {
      this.#copies = parts.map((part) => {
        const source = this.#memory.like(part(slot));
        backend.copy(part(slot), source);
        return { source, part };
      });
    } catch (error) {
      this.#memory[Symbol.dispose]();
      throw error;
    }
    this.byteLength = this.#memory.byteLength;
  }

  copyTo(slot: number): void {
    for (const { source, part } of this.#copies) this.#backend.copy(source, part(slot));
  }

  [Symbol.dispose](): void {
    this.#memory[Symbol.dispose]();
  }
}

/** One block [1, G, places, width] of a cache tensor, which fills its memory. */
export function blockOf(cache: Tensor, block: number): Tensor {
  const [blocks, ...rest] = cache.shape as [number, number, number, number];
  return view(cache.memory, cache.dtype, [1, ...rest], (block * cache.memory.byteLength) / blocks);
}
