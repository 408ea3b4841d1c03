// The definition of the experts' gradients against central differences of a forward in float64.

import { expect, test } from "vitest";
import { createReferenceBackend } from "../../backends/reference/reference.ts";
import { view } from "../../tensor/tensor.ts";
import { randomKey, randomUnit } from "../../util/random.ts";
import { silu } from "../swiglu/swiglu.ts";
import { expertsBackward } from "./experts.backward.ts";

const [T, E, D, F, K] = [4, 3, 5, 6, 2];
/** Expert 1 for all but one token; no order among choices; one expert named twice by a token. */
const IDS = Int32Array.of(1, 0, 2, 1, 1, 2, 0, 0);

const SHAPES = { x: [T, D], weights: [T, K], gate: [E, F, D], up: [E, F, D], down: [E, D, F] } as const;
type Name = keyof typeof SHAPES;
const NAMES = Object.keys(SHAPES) as Name[];
type Operands = Record<Name, Float64Array>;

function numbers(stream: number, count: number): Float32Array {
  const key = randomKey(5, stream);
  return Float32Array.from({ length: count }, (_, i) => 2 * randomUnit(key, i) - 1);
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Σ out ⊙ dOut, with the experts' out. */
function objective({ x, weights, gate, up, down }: Operands, dOut: Float32Array): number {
  const rows = (matrix: Float64Array, e: number, f: number, t: number): number => {
    let sum = 0;
    for (let d = 0; d < D; d++) sum += matrix[(e * F + f) * D + d]! * x[t * D + d]!;
    return sum;
  };
  let sum = 0;
  for (let t = 0; t < T; t++) {
    for (let k = 0; k < K; k++) {
      const e = IDS[t * K + k]!;
      for (let f = 0; f < F; f++) {
        const inner = silu(rows(gate, e, f, t)) * rows(up, e, f, t);
        for (let d = 0; d < D; d++) {
          sum += weights[t * K + k]! * down[(e * D + d) * F + f]! * inner * dOut[t * D + d]!;
        }
      }
    }
  }
  return sum;
}

function slope(values: Float64Array, i: number, of: () => number): number {
  const [value, step] = [values[i]!, 1e-4];
  values[i] = value + step;
  const above = of();
  values[i] = value - step;
  const below = of();
  values[i] = value;
  return (above - below) / (2 * step);
}

test("gradients equal central differences, on top of what was there", () => {
  using backend = createReferenceBackend();
  const tensor = (shape: readonly number[], values: Float32Array | Int32Array) => {
    const created = view(backend.alloc(values.byteLength), values instanceof Int32Array ? "i32" : "f32", shape);
    backend.upload(created, new Uint8Array(values.buffer));
    return created;
  };
  const values = Object.fromEntries(NAMES.map((name, i) => [name, numbers(i, sizeOf(SHAPES[name]))])) as Record<
    Name,
    Float32Array
  >;
  const before = Object.fromEntries(NAMES.map((name, i) => [name, numbers(10 + i, sizeOf(SHAPES[name]))])) as Record<
    Name,
    Float32Array
  >;
  const dOut = numbers(20, T * D);
  const given = (name: Name) => tensor(SHAPES[name], values[name]);
  const gradients = {
    dX: tensor(SHAPES.x, before.x),
    dWeights: tensor(SHAPES.weights, before.weights),
    dGate: tensor(SHAPES.gate, before.gate),
    dUp: tensor(SHAPES.up, before.up),
    dDown: tensor(SHAPES.down, before.down),
  };
  expertsBackward(backend, {
    x: given("x"),
    ids: tensor([T, K], IDS),
    weights: given("weights"),
    gate: given("gate"),
    up: given("up"),
    down: given("down"),
    dOut: tensor([T, D], dOut),
    ...gradients,
  });
  const operands = Object.fromEntries(NAMES.map((name) => [name, Float64Array.from(values[name])])) as Operands;
  const results = [gradients.dX, gradients.dWeights, gradients.dGate, gradients.dUp, gradients.dDown];
  NAMES.forEach((name, which) => {
    const actual = new Float32Array(sizeOf(SHAPES[name]));
    backend.download(results[which]!, new Uint8Array(actual.buffer));
    actual.forEach((value, i) => {
      // Gradients of the choices' weights are overwritten.
      const start = name === "weights" ? 0 : before[name][i]!;
      expect(value, `${name} ${i}`).toBeCloseTo(start + slope(operands[name], i, () => objective(operands, dOut)), 5);
    });
  });
});
