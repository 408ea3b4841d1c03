// The definition of RMS norm's gradients against central differences of a forward in float64.

import { expect, test } from "vitest";
import { createReferenceBackend } from "../../backends/reference/reference.ts";
import { type Tensor, tensorBytes, view } from "../../tensor/tensor.ts";
import { defined } from "../../util/assert.ts";
import { expectNear, numericalGradient } from "../testing.ts";
import { rmsNormBackward } from "./rms-norm.backward.ts";

const [T, D, S, OUT_COLUMN, EPSILON] = [3, 5, 9, 2, 1e-2];

function values(count: number, phase: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => Math.sin(phase + 1.7 * i + 0.05 * i * i));
}

function loss(x: ArrayLike<number>, weight: ArrayLike<number>, dOut: ArrayLike<number>): number {
  let sum = 0;
  for (let t = 0; t < T; t++) {
    let squares = 0;
    for (let d = 0; d < D; d++) squares += x[t * D + d]! ** 2;
    const scale = 1 / Math.sqrt(squares / D + EPSILON);
    for (let d = 0; d < D; d++) sum += x[t * D + d]! * scale * weight[d]! * dOut[t * S + OUT_COLUMN + d]!;
  }
  return sum;
}

test("gradients are slopes, and are added to what was there", () => {
  using backend = createReferenceBackend();
  const held: Tensor[] = [];
  const tensor = (shape: number[], content: Float32Array): Tensor => {
    const made = view(backend.alloc(defined(tensorBytes("f32", shape), "size")), "f32", shape);
    backend.upload(made, new Uint8Array(content.buffer));
    held.push(made);
    return made;
  };
  const [x, weight, dOut] = [values(T * D, 0), values(D, 1), values(T * S, 2)];
  const before = { dX: values(T * D, 3), dWeight: values(D, 4) };
  const [dX, dWeight] = [tensor([T, D], before.dX), tensor([D], before.dWeight)];
  rmsNormBackward(backend, {
    x: tensor([T, D], x),
    weight: tensor([D], weight),
    epsilon: EPSILON,
    dOut: tensor([T, S], dOut),
    outColumn: OUT_COLUMN,
    dX,
    dWeight,
  });
  const read = (from: Tensor): Float32Array => {
    const bytes = new Uint8Array(defined(tensorBytes("f32", from.shape), "size"));
    backend.download(from, bytes);
    return new Float32Array(bytes.buffer);
  };
  const slopeX = numericalGradient((at) => loss(at, weight, dOut), x);
  const slopeWeight = numericalGradient((at) => loss(x, at, dOut), weight);
  expectNear(
    read(dX),
    slopeX.map((one, i) => one + before.dX[i]!),
    1e-6,
  );
  expectNear(
    read(dWeight),
    slopeWeight.map((one, i) => one + before.dWeight[i]!),
    1e-6,
  );
  for (const { memory } of held) backend.free(memory);
  expect(backend.stats().memories).toBe(0);
});
