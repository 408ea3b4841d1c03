// Gradients of linear layers and experts in several calls add up to the bits of one.

import { describe, expect, test } from "vitest";
import type { Backend } from "../../src/backends/backend.ts";
import { cpuBackendStatus } from "../../src/backends/cpu/addon.ts";
import { createCpuBackend } from "../../src/backends/cpu/native.ts";
import { expertsBackward } from "../../src/ops/experts/experts.backward.ts";
import { linearBackwardWeight } from "../../src/ops/linear/linear.backward.ts";
import { Machine } from "./machine.ts";
import { randomFloats, randomIntegers } from "./material.ts";

const status = cpuBackendStatus();

/** Float32 rows [from, to) of an array with so many columns. */
const rowsOf = (values: Float32Array, columns: number, from: number, to: number): Float32Array =>
  values.slice(from * columns, to * columns);

/** Batches end at these rows; every batch is one call. */
function weightGradient(backend: Backend, ends: readonly number[]): Uint8Array {
  const [T, N, K] = [ends.at(-1)!, 70, 130];
  const [x, dOut] = [randomFloats(1800, T * K), randomFloats(1801, T * N)];
  using machine = new Machine(backend);
  const dWeight = machine.floats([N, K], randomFloats(1802, N * K));
  let from = 0;
  for (const to of ends) {
    linearBackwardWeight(backend, {
      x: machine.floats([to - from, K], rowsOf(x, K, from, to)),
      dOut: machine.floats([to - from, N], rowsOf(dOut, N, from, to)),
      dWeight,
    });
    from = to;
  }
  return machine.read(dWeight);
}

/** The four gradients that accumulate; a call of `ROUNDS` rows needs two rounds of scratch, one of half as many does not. */
const ROUNDS = 1300;
function expertGradients(backend: Backend, ends: readonly number[]): Uint8Array[] {
  const [T, D, F, E, K] = [ROUNDS, 240, 520, 9, 8];
  const [x, dOut, weights] = [randomFloats(1810, T * D), randomFloats(1811, T * D), randomFloats(1812, T * K)];
  const ids = randomIntegers(1813, T, E).flatMap((first) => Array.from({ length: K }, (_, k) => (first + k) % E));
  using machine = new Machine(backend);
  const floats = (seed: number, ...shape: number[]) =>
    machine.floats(
      shape,
      randomFloats(
        seed,
        shape.reduce((a, b) => a * b),
        0.1,
      ),
    );
  const gate = floats(1814, E, F, D);
  const up = floats(1815, E, F, D);
  const down = floats(1816, E, D, F);
  const dGate = floats(1817, E, F, D);
  const dUp = floats(1818, E, F, D);
  const dDown = floats(1819, E, D, F);
  const inputs: Uint8Array[] = [];
  let from = 0;
  for (const to of ends) {
    const rows = to - from;
    const dX = machine.floats([rows, D]);
    const dWeights = machine.floats([rows, K]);
    expertsBackward(backend, {
      x: machine.floats([rows, D], rowsOf(x, D, from, to)),
      ids: machine.integers([rows, K], ids.slice(from * K, to * K)),
      weights: machine.floats([rows, K], rowsOf(weights, K, from, to)),
      gate,
      up,
      down,
      dOut: machine.floats([rows, D], rowsOf(dOut, D, from, to)),
      dX,
      dWeights,
      dGate,
      dUp,
      dDown,
    });
    inputs.push(machine.read(dX), machine.read(dWeights));
    from = to;
  }
  const ofRows = [0, 1].map((which) => Buffer.concat(inputs.filter((_, i) => i % 2 === which)));
  return [...ofRows, ...[dGate, dUp, dDown].map((tensor) => machine.read(tensor))];
}

describe.skipIf(!status.isAvailable)("gradients of products", () => {
  test("of a linear layer add up to the same bits in any number of calls", () => {
    using backend = createCpuBackend({ threads: 2 });
    const whole = weightGradient(backend, [700]);
    expect(Buffer.compare(weightGradient(backend, [1, 256, 300, 700]), whole)).toBe(0);
  });

  test("of experts add up to the same bits in any number of calls, and of rounds of scratch", () => {
    using backend = createCpuBackend({ threads: 2 });
    const whole = expertGradients(backend, [ROUNDS]);
    expertGradients(backend, [ROUNDS / 2 + 7, ROUNDS]).forEach((bytes, i) => {
      expect(Buffer.compare(bytes, whole[i]!), `gradient ${i}`).toBe(0);
    });
  });
});
