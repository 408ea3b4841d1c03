// In FP8 a mixture of one expert is a dense feed-forward whose operands are rounded one by one, forward and backward.

import { expect, test } from "vitest";
import { bytesOf, Machine } from "../../../test/conformance/machine.ts";
import { randomFloats } from "../../../test/conformance/material.ts";
import { allBackends } from "../../../test/support.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { fp8Round, type Tile } from "../fp8-round/fp8-round.ts";
import { linear, linears } from "../linear/linear.ts";
import { linearBackwardInput, linearBackwardWeight } from "../linear/linear.backward.ts";
import { swiglu } from "../swiglu/swiglu.ts";
import { swigluBackward } from "../swiglu/swiglu.backward.ts";
import { expectNear } from "../testing.ts";
import { expertsBackward } from "./experts.backward.ts";
import { experts } from "./experts.ts";

const [T, D, F, fp8Block] = [40, 50, 35, 16];

test.each(allBackends.filter(({ available }) => available))("on the $name backend", ({ create }) => {
  using backend = create();
  using machine = new Machine(backend);
  const random = (seed: number, ...shape: [number, number]): Tensor =>
    machine.floats(shape, randomFloats(seed, shape[0] * shape[1]));
  const rounded = (x: Tensor, tile: Tile): Tensor => {
    const out = machine.floats(x.shape);
    fp8Round(backend, { x, out, tile });
    return out;
  };
  const byRow = (x: Tensor): Tensor => rounded(x, { rows: 1, columns: fp8Block });
  const byToken = (x: Tensor): Tensor => rounded(x, { rows: fp8Block, columns: 1 });
  const [x, dOut] = [random(1, T, D), random(2, T, D)];
  const matrices = { gate: random(3, F, D), up: random(4, F, D), down: random(5, D, F) };
  const weightOf = (matrix: Tensor) => {
    const [outFeatures, inFeatures] = matrix.shape as [number, number];
    return machine.weight({ dtype: "f32", outFeatures, inFeatures, matrices: [machine.read(matrix)] });
  };
  const weights = { gate: weightOf(matrices.gate), up: weightOf(matrices.up), down: weightOf(matrices.down) };

  const [g, u, inner, out] = [machine.floats([T, F]), machine.floats([T, F]), machine.floats([T, F]), random(6, T, D)];
  const products = [
    { weight: weights.gate, out: g },
    { weight: weights.up, out: u },
  ];
  linears(backend, { x: byRow(x), products });
  swiglu(backend, { gate: g, up: u, out: inner });
  linear(backend, { x: byRow(inner), weight: weights.down, out, accumulate: true });
  const [dInner, dG, dU, dX] = [
    machine.floats([T, F]),
    machine.floats([T, F]),
    machine.floats([T, F]),
    random(7, T, D),
  ];
  const dense = { dX, dGate: random(8, F, D), dUp: random(9, F, D), dDown: random(10, D, F) };
  linearBackwardInput(backend, { dOut: byRow(dOut), weight: matrices.down, dX: dInner });
  linearBackwardWeight(backend, { x: byToken(inner), dOut: byToken(dOut), dWeight: dense.dDown });
  swigluBackward(backend, { gate: g, up: u, dOut: dInner, dGate: dG, dUp: dU });
  linearBackwardInput(backend, { dOut: byRow(dG), weight: matrices.gate, dX });
  linearBackwardInput(backend, { dOut: byRow(dU), weight: matrices.up, dX });
  linearBackwardWeight(backend, { x: byToken(x), dOut: byToken(dG), dWeight: dense.dGate });
  linearBackwardWeight(backend, { x: byToken(x), dOut: byToken(dU), dWeight: dense.dUp });

  const ids = machine.integers(
    [T, 1],
    Array.from({ length: T }, () => 0),
  );
  const ones = machine.floats([T, 1], new Float32Array(T).fill(1));
  const mixed = random(6, T, D);
  experts(backend, { x, ids, weights: ones, experts: weights, out: mixed, fp8Block });
  const stacked = (matrix: Tensor): Tensor => ({ ...matrix, shape: [1, ...matrix.shape] });
  const mixture = { dX: random(7, T, D), dGate: random(8, F, D), dUp: random(9, F, D), dDown: random(10, D, F) };
  expertsBackward(backend, {
    x,
    ids,
    weights: ones,
    gate: stacked(matrices.gate),
    up: stacked(matrices.up),
    down: stacked(matrices.down),
    dOut,
    dX: mixture.dX,
    dWeights: machine.floats([T, 1]),
    dGate: stacked(mixture.dGate),
    dUp: stacked(mixture.dUp),
    dDown: stacked(mixture.dDown),
    fp8Block,
  });
  expectNear(machine.readFloats(mixed), machine.readFloats(out), 1e-4);
  for (const name of ["dX", "dGate", "dUp", "dDown"] as const) {
    expectNear(machine.readFloats(mixture[name]), machine.readFloats(dense[name]), 1e-3);
  }
  // Not because nothing was rounded.
  const plain = random(6, T, D);
  experts(backend, { x, ids, weights: ones, experts: weights, out: plain });
  expect(Buffer.compare(bytesOf(machine.readFloats(plain)), bytesOf(machine.readFloats(mixed)))).not.toBe(0);
});
