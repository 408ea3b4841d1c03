// Allocates cache tensors and releases them together.

import type { Backend } from "../backends/backend.ts";
import { type KvCache, kvRowWidth } from "../ops/kv-write/kv-write.ts";
import type { DType, KvDType } from "../tensor/dtype.ts";
import { formatShape, type Shape } from "../tensor/shape.ts";
import { type Memory, type Tensor, tensorBytes, view } from "../tensor/tensor.ts";
import { MimoError } from "../util/errors.ts";
import type { LayerGeometry } from "./geometry.ts";

export class KvMemory implements Disposable {
  readonly #backend: Backend;
  readonly #dtype: KvDType;
  readonly #memories: Memory[] = [];

  constructor(backend: Backend, dtype: KvDType) {
    this.#backend = backend;
    this.#dtype = dtype;
  }

  get byteLength(): number {
    return this.#memories.reduce((sum, memory) => sum + memory.byteLength, 0);
  }

  /** Keys and values [blocks, G, places, width], zeroed. */
  cache(layer: LayerGeometry, blocks: number, places: number): KvCache {
    const tensor = (width: number): Tensor =>
      this.#tensor(this.#dtype, [blocks, layer.numKvHeads, places, kvRowWidth(this.#dtype, width)]);
    return { k: tensor(layer.headDim), v: tensor(layer.valueDim) };
  }

  floats(shape: Shape): Tensor {
    return this.#tensor("f32", shape);
  }

  like(tensor: Tensor): Tensor {
    return this.#tensor(tensor.dtype, tensor.shape);
  }

  [Symbol.dispose](): void {
    for (const memory of this.#memories.splice(0)) this.#backend.free(memory);
  }

  #tensor(dtype: DType, shape: Shape): Tensor {
    const bytes = tensorBytes(dtype, shape);
    if (bytes === undefined) {
      throw new MimoError("out_of_memory", `A cache tensor ${dtype} ${formatShape(shape)} is too large to address.`, {
        remedy: "Ask for a shorter context or fewer sequences.",
      });
    }
    const memory = this.#backend.alloc(bytes);
    this.#memories.push(memory);
    return view(memory, dtype, shape);
  }
}
