// One backend under test: tensors and weights from plain arrays, results as plain arrays, everything released at once.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Backend, Weight } from "../../src/backends/backend.ts";
import type { DType } from "../../src/tensor/dtype.ts";
import type { Shape } from "../../src/tensor/shape.ts";
import { type Memory, type Tensor, tensorBytes, view } from "../../src/tensor/tensor.ts";
import { defined } from "../../src/util/assert.ts";

/** Matrices of one weight as a file would hold them. */
export interface WeightData {
  readonly dtype: DType;
  readonly outFeatures: number;
  readonly inFeatures: number;
  readonly matrices: readonly Uint8Array[];
  /** FP8 only: one grid [⌈outFeatures / scaleRows⌉, ⌈inFeatures / 128⌉] per matrix. */
  readonly scales?: readonly Float32Array[];
  readonly scaleRows?: number;
}

export class Machine implements Disposable {
  readonly backend: Backend;
  readonly #memories: Memory[] = [];
  readonly #weights: Weight[] = [];
  readonly #packed: boolean;

  constructor(backend: Backend, { packed = false } = {}) {
    this.backend = backend;
    this.#packed = packed;
  }

  /** A tensor with the given content, or zeros. */
  tensor(dtype: DType, shape: Shape, content?: Float32Array | Int32Array | Uint8Array): Tensor {
    const memory = this.backend.alloc(defined(tensorBytes(dtype, shape), "size of a tensor"));
    this.#memories.push(memory);
    const tensor = view(memory, dtype, shape);
    if (content !== undefined) this.backend.upload(tensor, bytesOf(content));
    return tensor;
  }

  floats(shape: Shape, content?: Float32Array): Tensor {
    return this.tensor("f32", shape, content);
  }

  integers(shape: Shape, content: readonly number[]): Tensor {
    return this.tensor("i32", shape, Int32Array.from(content));
  }

  /** In memory, or its matrices in a mapped file. */
  weight(data: WeightData, place: "memory" | "file" = "memory"): Weight {
    const { dtype, outFeatures, inFeatures, scales, scaleRows } = data;
    const grid = (values: Float32Array): Tensor => {
      const columns = Math.ceil(inFeatures / 128);
      return this.floats([values.length / columns, columns], values);
    };
    const weight = this.backend.prepareWeight({
      dtype,
      outFeatures,
      inFeatures,
      packed: this.#packed,
      matrices:
        place === "file"
          ? this.#inFile(data)
          : data.matrices.map((bytes) => this.tensor(dtype, [outFeatures, inFeatures], bytes)),
      ...(scales === undefined || scaleRows === undefined ? {} : { scales: scales.map(grid), scaleRows }),
    });
    this.#weights.push(weight);
    return weight;
  }

  /** The file is nameless by the time it is used: the map is all that holds it. */
  #inFile({ dtype, outFeatures, inFeatures, matrices }: WeightData): Tensor[] {
    const folder = mkdtempSync(join(tmpdir(), "mimo-machine-"));
    const path = join(folder, "matrices");
    writeFileSync(path, Buffer.concat(matrices));
    const memory = this.backend.mapFile(path);
    rmSync(folder, { recursive: true });
    this.#memories.push(memory);
    const bytes = defined(matrices[0], "a matrix").length;
    return matrices.map((_, i) => view(memory, dtype, [outFeatures, inFeatures], i * bytes));
  }

  read(tensor: Tensor): Uint8Array {
    const bytes = new Uint8Array(defined(tensorBytes(tensor.dtype, tensor.shape), "size of a tensor"));
    this.backend.download(tensor, bytes);
    return bytes;
  }

  readFloats(tensor: Tensor): Float32Array {
    return new Float32Array(this.read(tensor).buffer);
  }

  readIntegers(tensor: Tensor): Int32Array {
    return new Int32Array(this.read(tensor).buffer);
  }

  [Symbol.dispose](): void {
    for (const weight of this.#weights.splice(0)) this.backend.freeWeight(weight);
    for (const memory of this.#memories.splice(0)) this.backend.free(memory);
  }
}

export function bytesOf(content: Float32Array | Int32Array | Uint8Array): Uint8Array {
  return new Uint8Array(content.buffer, content.byteOffset, content.byteLength);
}
