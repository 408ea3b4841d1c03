// The gradient of the router's weights against central differences, with the choice held fixed.

import { expect, test } from "vitest";
import { Machine } from "../../../test/conformance/machine.ts";
import { randomFloats } from "../../../test/conformance/material.ts";
import { createReferenceBackend } from "../../backends/reference/reference.ts";
import { expectNear, numericalGradient } from "../testing.ts";
import { routerBackward } from "./router.backward.ts";

const [T, E, K] = [2, 6, 3];
const ids = [4, 0, 2, 5, 1, 3];
const scale = 2.5;

function gradientOf(logits: Float32Array, dWeights: Float32Array, normalise: boolean): Float32Array {
  using backend = createReferenceBackend();
  using machine = new Machine(backend);
  const dLogits = machine.floats([T, E], new Float32Array(T * E).fill(7));
  routerBackward(backend, {
    logits: machine.floats([T, E], logits),
    ids: machine.integers([T, K], ids),
    dWeights: machine.floats([T, K], dWeights),
    scale,
    normalise,
    dLogits,
  });
  return machine.readFloats(dLogits);
}

function objective(logits: Float64Array, dWeights: Float32Array, normalise: boolean): number {
  let total = 0;
  for (let t = 0; t < T; t++) {
    const chosen = ids.slice(t * K, (t + 1) * K);
    const scores = chosen.map((e) => 1 / (1 + Math.exp(-logits[t * E + e]!)));
    const sum = normalise ? scores.reduce((a, b) => a + b, 1e-20) : 1;
    scores.forEach((score, k) => (total += (dWeights[t * K + k]! * scale * score) / sum));
  }
  return total;
}

test.each([true, false])("is the derivative with respect to the logits, normalised: %s", (normalise) => {
  const logits = randomFloats(1, T * E, 3);
  const dWeights = randomFloats(2, T * K);
  const expected = numericalGradient((x) => objective(x, dWeights, normalise), logits);
  expectNear(gradientOf(logits, dWeights, normalise), expected, 1e-6);
});

test("is zero for experts that were not chosen", () => {
  const gradient = gradientOf(randomFloats(1, T * E, 3), randomFloats(2, T * K), true);
  const others = [...gradient].filter(
    (_, i) =>
      !ids
        .slice(Math.floor(i / E) * K)
        .slice(0, K)
        .includes(i % E),
  );
  expect(others).toEqual(Array.from({ length: T * (E - K) }, () => 0));
});

test("is zero where all weights matter alike, for their sum is fixed, and finite where all scores vanish", () => {
  const equal = gradientOf(new Float32Array(T * E), new Float32Array(T * K).fill(1), true);
  expectNear(equal, new Float32Array(T * E), 1e-12);
  const vanished = gradientOf(new Float32Array(T * E).fill(-200), randomFloats(2, T * K), true);
  expectNear(vanished, new Float32Array(T * E), 1e-12);
});
