// The definition of the rotary embedding's gradient against central differences of a rotation in float64.

import { expect, test } from "vitest";
import { createReferenceBackend } from "../../backends/reference/reference.ts";
import { type Tensor, tensorBytes, view } from "../../tensor/tensor.ts";
import { defined } from "../../util/assert.ts";
import { expectNear, numericalGradient } from "../testing.ts";
import { ropeBackward } from "./rope.backward.ts";

const [T, HEADS, H, ROTARY] = [3, 2, 7, 4];

function values(count: number, phase: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => Math.sin(phase + 1.7 * i + 0.05 * i * i));
}

function loss(x: ArrayLike<number>, table: ArrayLike<number>, dOut: ArrayLike<number>): number {
  const half = ROTARY / 2;
  let sum = 0;
  for (let row = 0; row < T * HEADS; row++) {
    for (let i = 0; i < H; i++) {
      const at = row * H + i;
      const angle = Math.floor(row / HEADS) * ROTARY + (i % half);
      const [cos, sin] = [table[angle]!, table[angle + half]!];
      let rotated = x[at]!;
      if (i < half) rotated = x[at]! * cos - x[at + half]! * sin;
      else if (i < ROTARY) rotated = x[at]! * cos + x[at - half]! * sin;
      sum += rotated * dOut[at]!;
    }
  }
  return sum;
}

test("the gradient is the slope", () => {
  using backend = createReferenceBackend();
  const held: Tensor[] = [];
  const tensor = (shape: number[], content: Float32Array): Tensor => {
    const made = view(backend.alloc(defined(tensorBytes("f32", shape), "size")), "f32", shape);
    backend.upload(made, new Uint8Array(content.buffer));
    held.push(made);
    return made;
  };
  // Any table will do: the loss is linear in x, and its gradient the transpose of the forward.
  const [x, table, dOut] = [values(T * HEADS * H, 0), values(T * ROTARY, 1), values(T * HEADS * H, 2)];
  const dX = tensor([T, HEADS, H], dOut);
  ropeBackward(backend, { dX, table: tensor([T, ROTARY], table) });
  const bytes = new Uint8Array(4 * T * HEADS * H);
  backend.download(dX, bytes);
  expectNear(
    new Float32Array(bytes.buffer),
    numericalGradient((at) => loss(at, table, dOut), x),
    1e-6,
  );
  for (const { memory } of held) backend.free(memory);
  expect(backend.stats().memories).toBe(0);
});
