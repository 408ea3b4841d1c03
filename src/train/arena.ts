// Memory of one training step: every activation and, at the same place of a twin, its gradient.
//
// Activations are named within a scope (a layer); the same name in the same scope is the same memory. A step names the
// same activations in the same order with the same sizes, so memory is found in the first one and never grows after it.
// Contents are those of the last step until `clearGradients` and the next forward pass.

import type { Backend } from "../backends/backend.ts";
import type { ActivationMemory } from "../model/workspace.ts";
import type { DType } from "../tensor/dtype.ts";
import { type Memory, type Tensor, tensorBytes, view } from "../tensor/tensor.ts";
import { assert, defined } from "../util/assert.ts";

interface Twin {
  readonly values: Memory;
  readonly gradients: Memory;
}

interface Place {
  readonly memory: Memory;
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** Bytes of a block of memory, where no single activation is larger. */
const BLOCK_BYTES = 64 << 20;
const ALIGNMENT = 64;

export class Arena implements Disposable {
  readonly #backend: Backend;
  readonly #twins: Twin[] = [];
  readonly #gradients = new Map<Memory, Memory>();
  readonly #places = new Map<string, Place>();
  #used = 0;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Bytes of activations and gradients together. */
  get byteLength(): number {
    return this.#twins.reduce((sum, { values }) => sum + 2 * values.byteLength, 0);
  }

  scope(name: string): ActivationMemory {
    return { tensor: (activation, dtype, shape) => this.#tensor(`${name}.${activation}`, dtype, shape) };
  }

  owns(tensor: Tensor): boolean {
    return this.#gradients.has(tensor.memory);
  }

  /** The gradient of an activation, or of a part of one. */
  gradientOf(tensor: Tensor): Tensor {
    const memory = defined(this.#gradients.get(tensor.memory), "an activation of this arena");
    return { ...tensor, memory };
  }

  clearGradients(): void {
    for (const { gradients } of this.#twins) this.#backend.clear(view(gradients, "f32", [gradients.byteLength / 4]));
  }

  [Symbol.dispose](): void {
    for (const { values, gradients } of this.#twins.splice(0)) {
      this.#backend.free(values);
      this.#backend.free(gradients);
    }
    this.#gradients.clear();
    this.#places.clear();
  }

  #tensor(name: string, dtype: DType, shape: readonly number[]): Tensor {
    const bytes = defined(tensorBytes(dtype, shape), `bytes of ${name}`);
    let place = this.#places.get(name);
    if (place === undefined) {
      place = this.#reserve(bytes);
      this.#places.set(name, place);
    }
    assert(bytes <= place.byteLength, () => `${name}: ${bytes} bytes, at first it had ${place.byteLength}`);
    return view(place.memory, dtype, shape, place.byteOffset);
  }

  #reserve(byteLength: number): Place {
    const rounded = Math.ceil(byteLength / ALIGNMENT) * ALIGNMENT;
    let twin = this.#twins.at(-1);
    if (twin === undefined || this.#used + rounded > twin.values.byteLength) {
      const size = Math.max(BLOCK_BYTES, rounded);
      twin = { values: this.#backend.alloc(size), gradients: this.#backend.alloc(size) };
      this.#twins.push(twin);
      this.#gradients.set(twin.values, twin.gradients);
      this.#used = 0;
    }
    const byteOffset = this.#used;
    this.#used += rounded;
    return { memory: twin.values, byteOffset, byteLength };
  }
}
