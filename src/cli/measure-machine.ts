// How fast this machine runs the kernels that a model consists of, found in about two seconds without the model.
//
// The kernels are ours, at the model's own shapes and dtypes, over a memory too large for the caches: what they reach
// is what decides, not what the machine could. Weights are made up: bytes from 0x30 to 0x3f are ordinary numbers in
// every dtype, scales and exponents included, and kernels take the same time for all ordinary numbers.
//
// T rows, D hidden, N query heads, G KV heads, H key width, U value width, F expert width, E experts, K chosen.

import { type Backend, SCALE_COLUMNS, type Weight } from "../backends/backend.ts";
import { type AttentionKind, attentionScale, type ModelConfig } from "../model/config.ts";
import { attention } from "../ops/attention/attention.ts";
import { NOT_STAGED } from "../ops/attention/kv-batch.ts";
import { experts } from "../ops/experts/experts.ts";
import { type KvCache, kvRowWidth, kvWrite } from "../ops/kv-write/kv-write.ts";
import { linear } from "../ops/linear/linear.ts";
import type { Activations } from "../ops/linear/quantise-activations.ts";
import { rmsNorm } from "../ops/rms-norm/rms-norm.ts";
import { rope } from "../ops/rope/rope.ts";
import { router } from "../ops/router/router.ts";
import { argmax } from "../ops/sample/sample.ts";
import { type DType, type KvDType, rowBytes } from "../tensor/dtype.ts";
import type { Shape } from "../tensor/shape.ts";
import { type Memory, type Tensor, tensorBytes, view } from "../tensor/tensor.ts";
import { defined } from "../util/assert.ts";
import type { MeasuredMachine, MeasuredPoint, Product } from "./machine-speed.ts";
import { type Spread, spread } from "./measure.ts";

export interface MeasureMachineOptions {
  readonly config: ModelConfig;
  /** What to multiply with. */
  readonly products: readonly Product[];
  readonly activations: Activations;
  readonly kvDType: KvDType;
  readonly onProgress: (done: number, total: number) => void;
  readonly signal: AbortSignal;
}

/** Larger than caches, small enough to fill at once. */
const ARENA_BYTES = 1 << 28;
const PATTERN_BYTES = 1 << 20;
/** Where matrices begin: kernels take any address, files mostly give such ones. */
const ALIGNMENT = 64;
const PRODUCT_ROWS = [1, 2, 3, 4, 8, 32, 128];
const ATTENTION_ROWS = [1, 64];
const BLOCK_ROWS = [1, 8, 128];
/** Keys that a row of a global layer attends to. */
const KEYS = 1024;
const PLACES = 64;
/** Products of one call of experts with many rows: some ten milliseconds on a small machine. */
const CALL_PRODUCTS = 1e9;
/** Long beside the clock and what ends a queue; several samples of each point fit into two seconds all the same. */
const SAMPLE_MS = 6;
const MIN_SAMPLES = 3;
const MAX_SAMPLES = 7;
const POINT_MS = 40;

/** Throws `aborted`, and what the backend throws. */
export async function measureMachine(backend: Backend, options: MeasureMachineOptions): Promise<MeasuredMachine> {
  using bench = new KernelBench(backend, options);
  return await bench.run();
}

class KernelBench implements Disposable {
  readonly #backend: Backend;
  readonly #options: MeasureMachineOptions;
  readonly #buffers = new Map<string, Memory>();
  readonly #weights: Weight[] = [];
  readonly #arena: Memory;
  /** Where the next matrix of the arena begins. */
  #end = 0;
  #turn = 0;

  constructor(backend: Backend, options: MeasureMachineOptions) {
    this.#backend = backend;
    this.#options = options;
    const { hiddenSize: D, experts: shape } = options.config;
    // At least two experts: whoever met one of them last would find it in the cache.
    const least = options.products.map(({ dtype }) => 6 * matrixBytes(dtype, shape.intermediateSize, D));
    const size = Math.ceil(Math.max(ARENA_BYTES, ...least) / PATTERN_BYTES) * PATTERN_BYTES;
    this.#arena = backend.alloc(size);
    const pattern = Uint8Array.from({ length: PATTERN_BYTES }, (_, i) => 0x30 + (Math.imul(i, 2_654_435_761) >>> 28));
    for (let at = 0; at < size; at += PATTERN_BYTES) {
      backend.upload(view(this.#arena, "f8_e4m3", [PATTERN_BYTES], at), pattern);
    }
  }

  async run(): Promise<MeasuredMachine> {
    const { config, products, onProgress, signal } = this.#options;
    const started = performance.now();
    const total = products.length * PRODUCT_ROWS.length + 2 * ATTENTION_ROWS.length + BLOCK_ROWS.length;
    let done = 0;
    const curve = async (rows: readonly number[], sample: (rows: number) => Spread): Promise<MeasuredPoint[]> => {
      const points: MeasuredPoint[] = [];
      for (const count of rows) {
        // Kernels block this thread: Ctrl-C gets through here.
        await new Promise((resolve) => setImmediate(resolve));
        signal.throwIfAborted();
        points.push({ rows: count, seconds: sample(count) });
        onProgress(++done, total);
      }
      return points;
    };
    const measured: MeasuredMachine["products"][number][] = [];
    for (const product of products) {
      const sample = product.op === "linear" ? this.#linear(product.dtype) : this.#experts(product.dtype);
      measured.push({ ...product, points: await curve(PRODUCT_ROWS, sample) });
      for (const weight of this.#weights.splice(0)) this.#backend.freeWeight(weight);
    }
    const attentionOf = (kind: AttentionKind) => curve(ATTENTION_ROWS, (rows) => this.#attention(kind, rows));
    return {
      products: measured,
      attention: { global: await attentionOf("global"), sliding: await attentionOf("sliding") },
      block: await curve(BLOCK_ROWS, (rows) => this.#block(rows)),
      sample: this.#sample(config.vocabSize),
      bytesPerSecond: this.#bandwidth(),
      milliseconds: performance.now() - started,
    };
  }

  [Symbol.dispose](): void {
    for (const weight of this.#weights) this.#backend.freeWeight(weight);
    for (const memory of [this.#arena, ...this.#buffers.values()]) this.#backend.free(memory);
  }

  /** Seconds per element of the projections of a sliding layer, of as many layers as the arena holds. */
  #linear(dtype: DType): (T: number) => Spread {
    const { hiddenSize: D, attention: shapes } = this.#options.config;
    const { numHeads: N, numKvHeads: G, headDim: H, valueDim: U } = shapes.sliding;
    const all: readonly (readonly [number, number])[] = [
      [N * H, D],
      [G * H, D],
      [G * U, D],
      [D, N * U],
    ];
    const projections = all.filter(([, columns]) => rowBytes(dtype, columns) !== undefined);
    const bytes = sum(projections.map(([rows, columns]) => matrixBytes(dtype, rows, columns)));
    this.#end = 0;
    const layers = Array.from({ length: Math.max(1, Math.floor(this.#arena.byteLength / bytes)) }, () =>
      projections.map(([rows, columns]) => this.#weight(dtype, rows, columns, 1)),
    );
    const elements = sum(projections.map(([rows, columns]) => rows * columns));
    return (T) =>
      this.#time(elements, () => {
        for (const weight of defined(layers[this.#turn++ % layers.length], "a layer")) {
          const x = this.#floats("x", [T, weight.inFeatures]);
          const out = this.#floats("out", [T, weight.outFeatures]);
          linear(this.#backend, { x, weight, out, activations: this.#options.activations });
        }
      });
  }

  /** Seconds per element of the experts met, where each of them meets all T rows. */
  #experts(dtype: DType): (T: number) => Spread {
    const { hiddenSize: D, experts: shape } = this.#options.config;
    const F = shape.intermediateSize;
    const bytes = 2 * matrixBytes(dtype, F, D) + matrixBytes(dtype, D, F);
    const E = Math.max(2, Math.floor(this.#arena.byteLength / bytes));
    this.#end = 0;
    const [gate, up] = [this.#weight(dtype, F, D, E), this.#weight(dtype, F, D, E)];
    const weights = { gate, up, down: this.#weight(dtype, D, F, E) };
    return (T) => {
      const most = Math.min(shape.numExpertsPerToken, E - 1);
      const K = Math.max(1, Math.min(most, Math.round(CALL_PRODUCTS / (T * 3 * F * D))));
      const calls = Math.floor(E / K);
      const ids = this.#integers("ids", [calls * T, K], (i) => K * Math.floor(i / (T * K)) + (i % K));
      return this.#time(3 * K * F * D, () => {
        const at = (this.#turn++ % calls) * T * K * 4;
        experts(this.#backend, {
          x: this.#floats("x", [T, D]),
          ids: view(ids.memory, "i32", [T, K], at),
          weights: this.#floats("weights", [T, K]),
          experts: weights,
          out: this.#floats("out", [T, D]),
          activations: this.#options.activations,
        });
      });
    };
  }

  /** Seconds for T rows to meet a key each. They are of one sequence, in turn over as many sequences as the arena holds. */
  #attention(kind: AttentionKind, T: number): Spread {
    const shape = this.#options.config.attention[kind];
    const { numHeads: N, headDim: H, valueDim: U, window } = shape;
    const { k, v, blocks } = this.#cache(kind);
    const used = Math.ceil((KEYS + T) / PLACES);
    const sequences = Math.max(1, Math.floor(blocks / used));
    const rows = this.#integers("rows", [T, 2], (i) => (i % 2 === 0 ? 0 : KEYS + (i - 1) / 2));
    const segments = this.#integers("segments", [1, 4], (i) => [0, used, NOT_STAGED, 0][i] ?? 0);
    const tables = this.#integers("tables", [sequences * used], (i) => i % blocks);
    const keys = window === 0 ? KEYS + (T + 1) / 2 : Math.min(window, KEYS);
    return this.#time(keys, () =>
      attention(this.#backend, {
        q: this.#floats("x", [T, N, H]),
        cache: { k, v },
        stage: null,
        sinks: null,
        layout: { rows, segments, tables: view(tables.memory, "i32", [used], (this.#turn++ % sequences) * used * 4) },
        window,
        scale: attentionScale(shape),
        out: this.#floats("out", [T, N, U]),
      }),
    );
  }

  /** Seconds of a block beside its products and its attention. */
  #block(T: number): Spread {
    const { config } = this.#options;
    const { hiddenSize: D, experts: shape, rmsNormEpsilon: epsilon } = config;
    const { numHeads: N, numKvHeads: G, headDim: H, valueDim: U, rotaryDim } = config.attention.sliding;
    const { k, v } = this.#cache("sliding");
    const slots = this.#integers("slots", [T], (i) => i);
    const table = this.#floats("table", [T, rotaryDim]);
    const normWeight = this.#floats("norm", [D]);
    const ids = this.#integers("ids", [T, shape.numExpertsPerToken]);
    const norm = (): void =>
      rmsNorm(this.#backend, {
        x: this.#floats("x", [T, D]),
        weight: normWeight,
        out: this.#floats("out", [T, D]),
        epsilon,
      });
    return this.#time(1, () => {
      norm();
      rope(this.#backend, { x: this.#floats("q", [T, N, H]), table });
      rope(this.#backend, { x: this.#floats("k", [T, G, H]), table });
      kvWrite(this.#backend, {
        k: this.#floats("k", [T, G, H]),
        v: this.#floats("v", [T, G, U]),
        slots,
        cache: { k, v },
        valueScale: config.valueScale,
      });
      norm();
      router(this.#backend, {
        logits: this.#floats("logits", [T, shape.numExperts]),
        bias: this.#floats("bias", [shape.numExperts]),
        ids,
        weights: this.#floats("weights", [T, shape.numExpertsPerToken]),
        scale: 1,
        normalise: true,
      });
    });
  }

  /** Bytes per second of the product that does least with each byte, in long rows. */
  #bandwidth(): number {
    const [rows, columns] = [512, 4096];
    this.#end = 0;
    const weights = Array.from({ length: Math.floor(this.#arena.byteLength / (rows * columns * 4)) }, () =>
      this.#weight("f32", rows, columns, 1),
    );
    const x = this.#floats("x", [1, columns]);
    const out = this.#floats("out", [1, rows]);
    const perElement = this.#time(rows * columns, () =>
      linear(this.#backend, { x, weight: defined(weights[this.#turn++ % weights.length], "a weight"), out }),
    );
    return 4 / perElement.min;
  }

  /** Seconds to bring a row of logits over and take the largest. */
  #sample(V: number): Spread {
    const logits = new Float32Array(V);
    const run = (): void => {
      this.#backend.download(this.#floats("logits", [V]), new Uint8Array(logits.buffer));
      argmax(logits);
    };
    return this.#time(1, run, (calls) => calls);
  }

  /** Seconds per unit, of which one call of `run` does `units`. Calls are recorded before, as a model's passes are. */
  #time(units: number, run: () => void, prepare = (calls: () => void) => this.#backend.record(calls)): Spread {
    const repeat = (count: number): void => void Array.from({ length: count }, run);
    const milliseconds = (calls: () => void): number => {
      this.#backend.sync();
      const begin = performance.now();
      calls();
      this.#backend.sync();
      return performance.now() - begin;
    };
    const count = Math.ceil(SAMPLE_MS / Math.max(milliseconds(prepare(() => repeat(1))), 1e-3));
    const calls = prepare(() => repeat(count));
    const samples: number[] = [];
    let spent = 0;
    while (samples.length < MIN_SAMPLES || (samples.length < MAX_SAMPLES && spent < POINT_MS)) {
      const sample = milliseconds(calls);
      spent += sample;
      samples.push(sample / 1000 / count / units);
    }
    return spread(samples);
  }

  /** `count` matrices of the arena, after those before. */
  #weight(dtype: DType, outFeatures: number, inFeatures: number, count: number): Weight {
    const bytes = matrixBytes(dtype, outFeatures, inFeatures);
    const matrices = Array.from({ length: count }, (_, i) =>
      view(this.#arena, dtype, [outFeatures, inFeatures], this.#end + i * bytes),
    );
    this.#end += count * bytes;
    const grid = view(this.#arena, "f32", [Math.ceil(outFeatures / 128), Math.ceil(inFeatures / SCALE_COLUMNS)]);
    const scales = dtype === "f8_e4m3" ? { scales: matrices.map(() => grid), scaleRows: 128 } : {};
    const weight = this.#backend.prepareWeight({ dtype, outFeatures, inFeatures, matrices, packed: true, ...scales });
    this.#weights.push(weight);
    return weight;
  }

  /** The arena as keys and values: the first half keys, the second values. */
  #cache(kind: AttentionKind): KvCache & { readonly blocks: number } {
    const { config, kvDType } = this.#options;
    const { numKvHeads: G, headDim, valueDim } = config.attention[kind];
    const half = this.#arena.byteLength / 2;
    const shape = (width: number, blocks: number): Shape => [blocks, G, PLACES, kvRowWidth(kvDType, width)];
    const bytes = (width: number): number => defined(tensorBytes(kvDType, shape(width, 1)), "bytes of a block");
    const blocks = Math.floor(half / Math.max(bytes(headDim), bytes(valueDim)));
    const tensor = (width: number, at: number): Tensor => view(this.#arena, kvDType, shape(width, blocks), at);
    return { k: tensor(headDim, 0), v: tensor(valueDim, half), blocks };
  }

  #floats(name: string, shape: Shape): Tensor {
    return this.#buffer(name, "f32", shape);
  }

  #integers(name: string, shape: Shape, valueOf: (index: number) => number = () => 0): Tensor {
    const tensor = this.#buffer(name, "i32", shape);
    const values = Int32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => valueOf(i));
    this.#backend.upload(tensor, new Uint8Array(values.buffer));
    return tensor;
  }

  /** Memory under a name, zeroed, as large as it was ever asked for. */
  #buffer(name: string, dtype: DType, shape: Shape): Tensor {
    const bytes = defined(tensorBytes(dtype, shape), "bytes of a buffer");
    let memory = this.#buffers.get(name);
    if (memory === undefined || memory.byteLength < bytes) {
      if (memory !== undefined) this.#backend.free(memory);
      memory = this.#backend.alloc(bytes);
      this.#buffers.set(name, memory);
    }
    return view(memory, dtype, shape);
  }
}

function matrixBytes(dtype: DType, rows: number, columns: number): number {
  const bytes = defined(tensorBytes(dtype, [rows, columns]), "bytes of a matrix");
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}
