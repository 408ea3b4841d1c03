// The definition of kv-write's gradients against central differences of a forward in float64.

import { expect, test } from "vitest";
import { createReferenceBackend } from "../../backends/reference/reference.ts";
import { type Tensor, tensorBytes, view } from "../../tensor/tensor.ts";
import { defined } from "../../util/assert.ts";
import { expectNear, numericalGradient } from "../testing.ts";
import { kvWriteBackward } from "./kv-write.backward.ts";

const [BLOCKS, G, PLACES, H, U, VALUE_SCALE] = [2, 2, 3, 4, 3, 0.707];
const SLOTS = [4, -1, 0, 2];
const T = SLOTS.length;

function values(count: number, phase: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => Math.sin(phase + 1.7 * i + 0.05 * i * i));
}

/** Σ dCache · what the rows put into the cache. */
function loss(rows: ArrayLike<number>, width: number, scale: number, dCache: ArrayLike<number>): number {
  let sum = 0;
  SLOTS.forEach((slot, t) => {
    if (slot < 0) return;
    for (let g = 0; g < G; g++) {
      const row = (Math.floor(slot / PLACES) * G + g) * PLACES + (slot % PLACES);
      for (let i = 0; i < width; i++) sum += scale * rows[(t * G + g) * width + i]! * dCache[row * width + i]!;
    }
  });
  return sum;
}

test("gradients are slopes, and 0 for a row that was not kept", () => {
  using backend = createReferenceBackend();
  const held: Tensor[] = [];
  const tensor = (shape: number[], content: Float32Array | Int32Array): Tensor => {
    const dtype = content instanceof Int32Array ? "i32" : "f32";
    const made = view(backend.alloc(defined(tensorBytes(dtype, shape), "size")), dtype, shape);
    backend.upload(made, new Uint8Array(content.buffer));
    held.push(made);
    return made;
  };
  const [dKCache, dVCache] = [values(BLOCKS * G * PLACES * H, 0), values(BLOCKS * G * PLACES * U, 1)];
  // Overwritten, whatever they held.
  const [dK, dV] = [tensor([T, G, H], values(T * G * H, 2)), tensor([T, G, U], values(T * G * U, 3))];
  kvWriteBackward(backend, {
    dCache: { k: tensor([BLOCKS, G, PLACES, H], dKCache), v: tensor([BLOCKS, G, PLACES, U], dVCache) },
    slots: tensor([T], Int32Array.from(SLOTS)),
    valueScale: VALUE_SCALE,
    dK,
    dV,
  });
  const read = (from: Tensor): Float32Array => {
    const bytes = new Uint8Array(defined(tensorBytes("f32", from.shape), "size"));
    backend.download(from, bytes);
    return new Float32Array(bytes.buffer);
  };
  expectNear(
    read(dK),
    numericalGradient((at) => loss(at, H, 1, dKCache), new Float32Array(T * G * H)),
    1e-6,
  );
  expectNear(
    read(dV),
    numericalGradient((at) => loss(at, U, VALUE_SCALE, dVCache), new Float32Array(T * G * U)),
    1e-6,
  );
  for (const { memory } of held) backend.free(memory);
  expect(backend.stats().memories).toBe(0);
});
