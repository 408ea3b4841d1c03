// The definitions of a linear layer's gradients against central differences of the layer itself.

import { expect, test } from "vitest";
import { createReferenceBackend } from "../../backends/reference/reference.ts";
import type { Shape } from "../../tensor/shape.ts";
import { type Tensor, view } from "../../tensor/tensor.ts";
import { randomKey, randomUnit } from "../../util/random.ts";
import { linearBackwardInput, linearBackwardWeight } from "./linear.backward.ts";

const [T, N, K] = [5, 4, 7];

function numbers(stream: number, count: number): Float32Array {
  const key = randomKey(3, stream);
  return Float32Array.from({ length: count }, (_, i) => 2 * randomUnit(key, i) - 1);
}

/** Σ out ⊙ dOut: its gradients are those of the layer. */
function objective(x: Float64Array, weight: Float64Array, dOut: Float32Array): number {
  let sum = 0;
  for (let t = 0; t < T; t++) {
    for (let n = 0; n < N; n++) {
      for (let k = 0; k < K; k++) sum += dOut[t * N + n]! * x[t * K + k]! * weight[n * K + k]!;
    }
  }
  return sum;
}

function differences(values: Float64Array, of: () => number): Float64Array {
  return values.map((value, i) => {
    const step = 1e-4;
    const at = (moved: number): number => {
      values[i] = moved;
      return of();
    };
    const slope = (at(value + step) - at(value - step)) / (2 * step);
    values[i] = value;
    return slope;
  });
}

test("gradients equal central differences, on top of what was there", () => {
  using backend = createReferenceBackend();
  const tensor = (shape: Shape, values: Float32Array): Tensor => {
    const created = view(backend.alloc(values.byteLength), "f32", shape);
    backend.upload(created, new Uint8Array(values.buffer));
    return created;
  };
  const read = (source: Tensor, length: number): Float32Array => {
    const values = new Float32Array(length);
    backend.download(source, new Uint8Array(values.buffer));
    return values;
  };
  const [x, weight, dOut] = [numbers(1, T * K), numbers(2, N * K), numbers(3, T * N)];
  const [beforeX, beforeWeight] = [numbers(4, T * K), numbers(5, N * K)];
  const dX = tensor([T, K], beforeX);
  const dWeight = tensor([N, K], beforeWeight);
  linearBackwardInput(backend, { dOut: tensor([T, N], dOut), weight: tensor([N, K], weight), dX });
  linearBackwardWeight(backend, { x: tensor([T, K], x), dOut: tensor([T, N], dOut), dWeight });
  const [wideX, wideWeight] = [Float64Array.from(x), Float64Array.from(weight)];
  const of = (): number => objective(wideX, wideWeight, dOut);
  const slopesX = differences(wideX, of);
  const slopesWeight = differences(wideWeight, of);
  read(dX, T * K).forEach((value, i) => expect(value).toBeCloseTo(beforeX[i]! + slopesX[i]!, 5));
  read(dWeight, N * K).forEach((value, i) => expect(value).toBeCloseTo(beforeWeight[i]! + slopesWeight[i]!, 5));
});

test("shapes that disagree are refused", () => {
  using backend = createReferenceBackend();
  const tensor = (shape: Shape): Tensor => view(backend.alloc(shape.reduce((a, b) => a * b, 4)), "f32", shape);
  const [dOut, weight] = [tensor([T, N]), tensor([N, K])];
  expect(() => linearBackwardInput(backend, { dOut, weight, dX: tensor([T, N]) })).toThrow("dX has shape");
  expect(() => linearBackwardWeight(backend, { x: tensor([N, K]), dOut, dWeight: weight })).toThrow("dOut has shape");
});
