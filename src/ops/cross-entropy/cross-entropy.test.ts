// Cross-entropy: its gradient against central differences, rows without a target, and logits far from zero.

import { expect, test } from "vitest";
import { Machine } from "../../../test/conformance/machine.ts";
import { randomFloats } from "../../../test/conformance/material.ts";
import { createReferenceBackend } from "../../backends/reference/reference.ts";
import { expectNear, numericalGradient } from "../testing.ts";
import { crossEntropy } from "./cross-entropy.ts";

function run(V: number, logits: Float32Array, targets: readonly number[], coefficients: readonly number[]) {
  using backend = createReferenceBackend();
  using machine = new Machine(backend);
  const R = targets.length;
  const rows = machine.floats([R, V], logits);
  const losses = machine.floats([R]);
  crossEntropy(backend, {
    logits: rows,
    targets: machine.integers([R], targets),
    coefficients: machine.floats([R], Float32Array.from(coefficients)),
    losses,
  });
  return { losses: machine.readFloats(losses), dLogits: machine.readFloats(rows) };
}

test("has the derivative of the sum of losses by their coefficients", () => {
  const V = 7;
  const targets = [3, 0, -1, 6];
  const coefficients = [1, 0.25, 3, -2];
  const logits = randomFloats(1, targets.length * V, 4);
  const lossOf = (x: Float64Array, r: number): number => {
    const row = x.subarray(r * V, (r + 1) * V);
    return targets[r]! < 0 ? 0 : Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0)) - row[targets[r]!]!;
  };
  const { losses, dLogits } = run(V, logits, targets, coefficients);
  expectNear(
    losses,
    targets.map((_, r) => lossOf(Float64Array.from(logits), r)),
    1e-6,
  );
  const objective = (x: Float64Array): number =>
    coefficients.reduce((sum, coefficient, r) => sum + coefficient * lossOf(x, r), 0);
  expectNear(dLogits, numericalGradient(objective, logits), 1e-6);
});

test("is finite for logits beyond the range of exp", () => {
  const { losses, dLogits } = run(3, Float32Array.of(1000, 0, -1000), [1], [1]);
  expect(losses[0]).toBe(1000);
  expect([...dLogits]).toEqual([1, -1, 0]);
});
