// The balance loss: its value at the two ends, its gradient against central differences, and what it leaves alone.

import { expect, test } from "vitest";
import { Machine } from "../../../test/conformance/machine.ts";
import { randomFloats } from "../../../test/conformance/material.ts";
import { createReferenceBackend } from "../../backends/reference/reference.ts";
import { expectNear, numericalGradient } from "../testing.ts";
import { balanceLoss } from "./balance-loss.ts";

const alpha = 0.01;

interface Routing {
  readonly E: number;
  readonly K: number;
  readonly logits: Float32Array;
  readonly ids: readonly number[];
  readonly sequences: readonly (readonly [first: number, rows: number])[];
  readonly before?: Float32Array;
}

function run({ E, K, logits, ids, sequences, before }: Routing): { loss: Float32Array; dLogits: Float32Array } {
  using backend = createReferenceBackend();
  using machine = new Machine(backend);
  const T = ids.length / K;
  const loss = machine.floats([sequences.length]);
  const dLogits = machine.floats([T, E], before ?? new Float32Array(T * E));
  balanceLoss(backend, {
    logits: machine.floats([T, E], logits),
    ids: machine.integers([T, K], ids),
    sequences: machine.integers([sequences.length, 2], sequences.flat()),
    alpha,
    loss,
    dLogits,
  });
  return { loss: machine.readFloats(loss), dLogits: machine.readFloats(dLogits) };
}

const [E, K, T] = [8, 2, 12];

test("is alpha where every expert is chosen equally often, whatever the scores", () => {
  const ids = Array.from({ length: T * K }, (_, i) => i % E);
  const { loss } = run({ E, K, logits: randomFloats(1, T * E, 3), ids, sequences: [[0, T]] });
  expect(loss[0]! / alpha).toBeCloseTo(1, 6);
});

test("is alpha E / K where all rows choose the same experts and score no other", () => {
  const logits = Float32Array.from({ length: T * E }, (_, i) => (i % E < K ? 5 : -100));
  const ids = Array.from({ length: T * K }, (_, i) => i % K);
  const { loss } = run({ E, K, logits, ids, sequences: [[0, T]] });
  expect(loss[0]! / alpha).toBeCloseTo(E / K, 5);
});

test("has the derivative of the mean over sequences, shares held fixed, and leaves other rows alone", () => {
  const sequences = [
    [1, 4],
    [0, 0],
    [5, 6],
  ] as const;
  const logits = randomFloats(2, T * E, 3);
  const ids = Array.from({ length: T }, (_, t) => [t % 3, 3 + (t % 5)]).flat();
  const before = randomFloats(3, T * E);

  const lossOf = (x: Float64Array, [first, rows]: readonly [number, number]): number => {
    let total = 0;
    for (let t = first; t < first + rows; t++) {
      const scores = Array.from({ length: E }, (_, e) => 1 / (1 + Math.exp(-x[t * E + e]!)));
      const sum = scores.reduce((a, b) => a + b);
      for (const id of ids.slice(first * K, (first + rows) * K)) total += (E / (K * rows)) * (scores[id]! / sum);
    }
    return rows === 0 ? 0 : (alpha * total) / rows;
  };
  const { loss, dLogits } = run({ E, K, logits, ids, sequences, before });
  expectNear(
    loss,
    sequences.map((one) => lossOf(Float64Array.from(logits), one)),
    1e-8,
  );
  const mean = (x: Float64Array): number => (lossOf(x, sequences[0]) + lossOf(x, sequences[2])) / 2;
  const gradient = numericalGradient(mean, logits);
  expectNear(
    dLogits,
    gradient.map((value, i) => value + before[i]!),
    1e-6,
  );
  expectNear(run({ E, K, logits, ids, sequences }).dLogits, gradient, 1e-9);
  expect(dLogits.slice(0, E)).toEqual(before.slice(0, E));
  expect(dLogits.slice(11 * E)).toEqual(before.slice(11 * E));
});
