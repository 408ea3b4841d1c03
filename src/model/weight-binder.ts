// Hands a checkpoint's tensors to the backend as vectors and matrices.
//
// It owns every memory and weight it made and releases them together. It knows shapes, not what a matrix is for.

import type { Backend, Weight } from "../backends/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { TensorInfo } from "../checkpoint/tensor-info.ts";
import { decodeBlocks, encodeBlocks } from "../tensor/codec/codec.ts";
import { type DType, inEightBits, rowBytes } from "../tensor/dtype.ts";
import type { Shape } from "../tensor/shape.ts";
import { type Memory, type Tensor, view } from "../tensor/tensor.ts";
import type { Packing } from "./packing.ts";
import { defined } from "../util/assert.ts";
import { MimoError } from "../util/errors.ts";
import { SCALE_ROWS, TensorLookup } from "./tensor-lookup.ts";
import type { Dialect } from "./weight-names.ts";

/** Scales of one FP8 matrix as the backend takes them; see `WeightSource`. */
export interface ScaleGrid {
  readonly scales: Tensor;
  readonly scaleRows: number;
}

export interface BindOptions {
  /** Which weights are copied to be read faster; see packing.ts. */
  readonly packing: Packing;
  readonly onPacked?: ((weight: Weight) => void) | undefined;
  /** Whether matrices of wider floats become q8_0, where their rows are whole blocks. Default: they stay what they are. */
  readonly eightBit?: boolean | undefined;
}

/** Values that are encoded at a time. */
const CHUNK_VALUES = 1 << 22;

export class WeightBinder extends TensorLookup implements Disposable {
  readonly backend: Backend;
  readonly #memories: Memory[] = [];
  readonly #files = new Map<string, Memory>();
  /** All weights so far. */
  readonly weights: Weight[] = [];
  readonly #options: BindOptions;

  constructor(backend: Backend, checkpoint: Checkpoint, dialect: Dialect, options: BindOptions) {
    super(checkpoint, dialect);
    this.backend = backend;
    this.#options = options;
  }

  /** A small vector, decoded to float32 in the backend's own memory. */
  vector(name: string, size: number): Tensor {
    const info = this.take(name, [size]);
    const values = new Float32Array(size);
    decodeBlocks(info.dtype, this.checkpoint.read(info), values);
    return this.upload(values, [size]);
  }

  upload(values: Float32Array, shape: Shape): Tensor {
    const memory = this.backend.alloc(values.byteLength);
    this.#memories.push(memory);
    const tensor = view(memory, "f32", shape);
    this.backend.upload(tensor, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    return tensor;
  }

  /** A matrix [rows, columns] of which single rows are read: used in the file. */
  table(name: string, rows: number, columns: number): Weight {
    const matrix = this.inFile(this.take(name, [rows, columns]), [rows, columns]);
    const scales = matrix.dtype === "f8_e4m3" ? [this.plainScales(name, rows, columns)] : undefined;
    return this.prepare([matrix], scales, false);
  }

  /** One matrix [rows, columns]. */
  matrix(name: string, rows: number, columns: number): Weight {
    return this.matrices(() => name, 1, rows, columns);
  }

  /** `count` matrices of one shape and dtype, each a tensor of its own. */
  matrices(nameOf: (index: number) => string, count: number, rows: number, columns: number): Weight {
    const names = Array.from({ length: Math.min(count, this.checkpoint.tensors.size + 1) }, (_, i) => nameOf(i));
    const infos = names.map((name) => this.take(name, [rows, columns]));
    const { dtype } = defined(infos[0], "at least one matrix");
    const odd = infos.find((info) => info.dtype !== dtype);
    if (odd !== undefined) this.fail(`${odd.name}: expected dtype ${dtype} like its siblings, found ${odd.dtype}`);
    const tensors = infos.map((info) => this.inFile(info, [rows, columns]));
    if (dtype !== "f8_e4m3") return this.prepare(tensors);
    return this.prepare(
      tensors,
      infos.map((info) => this.plainScales(info.name, rows, columns)),
    );
  }

  /** `count` matrices in one tensor [count, rows, columns]. */
  stack(name: string, count: number, rows: number, columns: number): Weight {
    const info = this.take(name, [count, rows, columns]);
    if (info.dtype === "f8_e4m3") this.fail(`${name}: stacked FP8 experts have no block scales in this format`);
    const bytes = this.bytesPerRow(info, columns) * rows;
    return this.prepare(Array.from({ length: count }, (_, i) => this.inFile(info, [rows, columns], i * bytes)));
  }

  /** A view of a tensor, or of a part of it, in the mapped file. */
  inFile(info: TensorInfo, shape: Shape, byteOffset = 0): Tensor {
    let memory = this.#files.get(info.file);
    if (memory === undefined) {
      memory = this.backend.mapFile(info.file);
      this.#files.set(info.file, memory);
    }
    return view(memory, info.dtype, shape, info.byteOffset + byteOffset);
  }

  bytesPerRow(info: TensorInfo, columns: number): number {
    return (
      rowBytes(info.dtype, columns) ??
      this.fail(`${info.name}: ${columns} columns are no whole blocks of ${info.dtype}`)
    );
  }

  /** The plain block scales of an FP8 matrix, used where they lie. */
  plainScales(matrix: string, rows: number, columns: number): ScaleGrid {
    const info = this.takePlainScales(matrix, rows, columns);
    return { scales: this.inFile(info, info.shape), scaleRows: SCALE_ROWS };
  }

  /** Hands matrices of one dtype and shape to the backend. */
  prepare(
    matrices: readonly Tensor[],
    grids?: readonly ScaleGrid[],
    packed = this.#options.packing === "all" || (this.#options.packing === "dense" && matrices.length === 1),
  ): Weight {
    const { dtype: stored, shape } = defined(matrices[0], "at least one matrix");
    const [outFeatures, inFeatures] = shape as [number, number];
    if (rowBytes(stored, inFeatures) === undefined) this.fail(`${inFeatures} columns are no whole blocks of ${stored}`);
    const wanted = this.#options.eightBit === true ? inEightBits(stored) : stored;
    const isWhole = rowBytes(wanted, inFeatures) !== undefined;
    const encoded = wanted !== stored && isWhole ? this.#encode(matrices, wanted) : undefined;
    const weight = this.backend.prepareWeight({
      dtype: encoded === undefined ? stored : wanted,
      outFeatures,
      inFeatures,
      matrices: encoded ?? matrices,
      packed,
      ...(grids === undefined
        ? {}
        : { scales: grids.map((grid) => grid.scales), scaleRows: defined(grids[0], "scales").scaleRows }),
    });
    this.weights.push(weight);
    for (const { memory } of encoded ?? []) {
      if (weight.isPacked) this.backend.free(memory);
      else this.#memories.push(memory);
    }
    if (packed) this.#options.onPacked?.(weight);
    return weight;
  }

  /** Copies of another dtype, each in memory of its own; undefined where it cannot hold a value, as for infinities. */
  #encode(matrices: readonly Tensor[], to: DType): Tensor[] | undefined {
    const copies: Tensor[] = [];
    try {
      for (const { memory, dtype, shape, byteOffset } of matrices) {
        const [rows, columns] = shape as [number, number];
        const [bytes, newBytes] = [dtype, to].map((type) => defined(rowBytes(type, columns), "whole blocks"));
        const copy = view(this.backend.alloc(rows * newBytes!), to, shape);
        copies.push(copy);
        const step = Math.max(1, Math.floor(CHUNK_VALUES / columns));
        for (let row = 0; row < rows; row += step) {
          const part = [Math.min(step, rows - row), columns] as const;
          const stored = new Uint8Array(part[0] * bytes!);
          this.backend.download(view(memory, dtype, part, byteOffset + row * bytes!), stored);
          const values = new Float32Array(part[0] * columns);
          decodeBlocks(dtype, stored, values);
          const encoded = new Uint8Array(part[0] * newBytes!);
          encodeBlocks(to, values, encoded);
          this.backend.upload(view(copy.memory, to, part, row * newBytes!), encoded);
        }
      }
      return copies;
    } catch (error) {
      for (const { memory } of copies) this.backend.free(memory);
      if (error instanceof MimoError && error.code === "invalid_argument") return undefined;
      throw error;
    }
  }

  /** Memory of this binder's own, released with it. */
  own(bytes: Uint8Array): Memory {
    const memory = this.backend.alloc(bytes.byteLength);
    this.#memories.push(memory);
    this.backend.upload(view(memory, "f8_e4m3", [bytes.byteLength]), bytes);
    return memory;
  }

  [Symbol.dispose](): void {
    for (const weight of this.weights.splice(0)) this.backend.freeWeight(weight);
    for (const memory of [...this.#memories.splice(0), ...this.#files.values()]) this.backend.free(memory);
    this.#files.clear();
  }
}
