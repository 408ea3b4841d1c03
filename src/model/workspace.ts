// Activation memory of one model: allocated once for the largest batch, viewed anew for every pass.
//
// D hidden, N query heads, G KV heads, H key width, U value width, F feed-forward width, E experts, K experts per
// token, V vocabulary. Contents are undefined between passes.

import type { Backend } from "../backends/backend.ts";
import type { KvBatch } from "../ops/attention/kv-batch.ts";
import type { DType } from "../tensor/dtype.ts";
import { type Memory, type Tensor, tensorBytes, view } from "../tensor/tensor.ts";
import { assert, defined } from "../util/assert.ts";
import type { AttentionKind, ModelConfig } from "./config.ts";

/** Rows whose experts are guessed: more choose most experts anyway. */
export const MAX_GUESS_ROWS = 8;

export interface WorkspaceLimits {
  /** Rows of a trunk pass. */
  readonly maxRows: number;
  /** Rows of an MTP pass. */
  readonly maxMtpRows: number;
  /** Rows whose logits are asked for at once. */
  readonly maxLogitRows: number;
}

/** A KvBatch on the device. */
export interface DeviceKvBatch {
  readonly rows: Tensor;
  readonly segments: Tensor;
  readonly tables: Tensor;
  readonly slots: Tensor;
}

/** Named activations; the same name is the same memory. */
export interface ActivationMemory {
  /** The named buffer as a tensor of this shape. */
  tensor(name: string, dtype: DType, shape: readonly number[]): Tensor;
}

/** Each kind of attention has a batch of its own. */
const KV_NAMES = { global: kvNames("global"), sliding: kvNames("sliding") };

function kvNames(kind: AttentionKind): Readonly<Record<keyof DeviceKvBatch | "positions", string>> {
  const of = (what: string): string => `${kind}.${what}`;
  return {
    rows: of("rows"),
    positions: of("positions"),
    segments: of("segments"),
    tables: of("tables"),
    slots: of("slots"),
  };
}

export class Workspace implements ActivationMemory, Disposable {
  readonly limits: WorkspaceLimits;
  readonly #backend: Backend;
  readonly #memories = new Map<string, Memory>();
  /** What `put` uploaded last. */
  readonly #integers = new Map<string, { readonly values: Int32Array; readonly tensor: Tensor }>();
  /** Changes whenever a buffer moves: what was recorded before then reads memory that was released. */
  generation = 0;

  constructor(backend: Backend, config: ModelConfig, limits: WorkspaceLimits) {
    this.#backend = backend;
    this.limits = limits;
    const rows = Math.max(limits.maxRows, limits.maxMtpRows);
    const { hiddenSize: D, experts, intermediateSize } = config;
    const widest = (of: (kind: AttentionKind) => number): number => Math.max(of("global"), of("sliding"));
    const shapes = config.attention;
    this.#reserve("hidden", "f32", [limits.maxRows, D]);
    this.#reserve("mtpHidden", "f32", [limits.maxMtpRows, D]);
    this.#reserve("mtpOut", "f32", [limits.maxMtpRows, D]);
    this.#reserve("mtpInput", "f32", [limits.maxMtpRows, 2 * D]);
    this.#reserve("attentionInput", "f32", [rows, D]);
    this.#reserve("feedForwardInput", "f32", [rows, D]);
    this.#reserve("q", "f32", [rows, widest((kind) => shapes[kind].numHeads * shapes[kind].headDim)]);
    this.#reserve("k", "f32", [rows, widest((kind) => shapes[kind].numKvHeads * shapes[kind].headDim)]);
    this.#reserve("v", "f32", [rows, widest((kind) => shapes[kind].numKvHeads * shapes[kind].valueDim)]);
    this.#reserve("attended", "f32", [rows, widest((kind) => shapes[kind].numHeads * shapes[kind].valueDim)]);
    this.#reserve("gate", "f32", [rows, intermediateSize]);
    this.#reserve("up", "f32", [rows, intermediateSize]);
    this.#reserve("routerLogits", "f32", [rows, experts.numExperts]);
    this.#reserve("expertIds", "i32", [config.layers.length, limits.maxRows, experts.numExpertsPerToken]);
    this.#reserve("expertWeights", "f32", [rows, experts.numExpertsPerToken]);
    this.#reserve("guessNormed", "f32", [MAX_GUESS_ROWS, D]);
    this.#reserve("guessIds", "i32", [MAX_GUESS_ROWS, experts.numExpertsPerToken]);
    this.#reserve("guessWeights", "f32", [MAX_GUESS_ROWS, experts.numExpertsPerToken]);
    this.#reserve("ropeGlobal", "f32", [rows, shapes.global.rotaryDim]);
    this.#reserve("ropeSliding", "f32", [rows, shapes.sliding.rotaryDim]);
    this.#reserve("selected", "f32", [limits.maxLogitRows, D]);
    this.#reserve("logits", "f32", [limits.maxLogitRows, config.vocabSize]);
    this.put(
      "iota",
      Int32Array.from({ length: Math.max(rows, limits.maxLogitRows) }, (_, i) => i),
    );
  }

  /** 0, 1, 2, … as int32 [count]. */
  iota(count: number): Tensor {
    return this.tensor("iota", "i32", [count]);
  }

  /** The named buffer as [rows, ...dims]. */
  tensor(name: string, dtype: DType, shape: readonly number[], byteOffset = 0): Tensor {
    return view(defined(this.#memories.get(name), `workspace ${name}`), dtype, shape, byteOffset);
  }

  /**
   * Uploads int32 data under a name; its memory grows as needed and is reused. What is there already is not uploaded
   * again: an upload waits for all that was submitted before it.
   */
  put(name: string, values: Int32Array): void {
    const last = this.#integers.get(name);
    if (last !== undefined && isEqual(values, last.values)) return;
    let memory = this.#memories.get(name);
    if (memory === undefined || memory.byteLength < values.byteLength) {
      if (memory !== undefined) this.#backend.free(memory);
      memory = this.#backend.alloc(Math.max(4096, 2 * values.byteLength));
      this.generation++;
      this.#memories.set(name, memory);
    }
    const isAsLong = last?.tensor.memory === memory && last.values.length === values.length;
    const tensor = isAsLong ? last.tensor : view(memory, "i32", [values.length]);
    this.#integers.set(name, { values, tensor });
    if (values.length === 0) return;
    this.#backend.upload(tensor, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }

  /** What was put last under the name, as [rows, ...dims]; it stays the same memory until `generation` changes. */
  integers(name: string, ...dims: readonly number[]): Tensor {
    const { values } = defined(this.#integers.get(name), `integers ${name}`);
    return this.tensor(name, "i32", [values.length / dims.reduce((a, b) => a * b, 1), ...dims]);
  }

  putKvBatch(name: AttentionKind, { rows, segments, tables, slots }: KvBatch): void {
    const positions = new Int32Array(slots.length);
    for (let t = 0; t < positions.length; t++) positions[t] = rows[2 * t + 1]!;
    this.put(KV_NAMES[name].rows, rows);
    this.put(KV_NAMES[name].positions, positions);
    this.put(KV_NAMES[name].segments, segments);
    this.put(KV_NAMES[name].tables, tables);
    this.put(KV_NAMES[name].slots, slots);
  }

  kvBatch(name: AttentionKind): DeviceKvBatch & { readonly positions: Tensor } {
    const names = KV_NAMES[name];
    return {
      rows: this.integers(names.rows, 2),
      positions: this.integers(names.positions),
      segments: this.integers(names.segments, 4),
      tables: this.integers(names.tables),
      slots: this.integers(names.slots),
    };
  }

  [Symbol.dispose](): void {
    for (const memory of this.#memories.values()) this.#backend.free(memory);
    this.#memories.clear();
  }

  #reserve(name: string, dtype: DType, shape: readonly number[]): void {
    const bytes = tensorBytes(dtype, shape);
    assert(bytes !== undefined, `workspace ${name} is too large`);
    this.#memories.set(name, this.#backend.alloc(Math.max(bytes, 64)));
  }
}

function isEqual(a: Int32Array, b: Int32Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
