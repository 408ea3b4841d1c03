// The gradient of copied rows against central differences; a row that was copied twice gets both, a skipped one nothing.

import { test } from "vitest";
import { Machine } from "../../../test/conformance/machine.ts";
import { randomFloats } from "../../../test/conformance/material.ts";
import { createReferenceBackend } from "../../backends/reference/reference.ts";
import { expectNear, numericalGradient } from "../testing.ts";
import { copyRowsBackward } from "./copy-rows.backward.ts";

test("is the derivative with respect to the source, added to what was there", () => {
  using backend = createReferenceBackend();
  using machine = new Machine(backend);
  const [A, B, D] = [4, 6, 3];
  const sourceRows = [3, 1, 3, 0];
  const targetRows = [5, -1, 0, 2];
  const dTarget = randomFloats(1, B * D);
  const before = randomFloats(2, A * D);
  const dSource = machine.floats([A, D], before);
  copyRowsBackward(backend, {
    dTarget: machine.floats([B, D], dTarget),
    targetRows: machine.integers([4], targetRows),
    dSource,
    sourceRows: machine.integers([4], sourceRows),
  });

  const objective = (source: Float64Array): number => {
    const target = new Float64Array(B * D);
    targetRows.forEach((row, r) => {
      const from = sourceRows[r]! * D;
      if (row >= 0) target.set(source.subarray(from, from + D), row * D);
    });
    return target.reduce((sum, value, i) => sum + value * dTarget[i]!, 0);
  };
  const gradient = numericalGradient(objective, randomFloats(3, A * D));
  expectNear(
    machine.readFloats(dSource),
    gradient.map((value, i) => value + before[i]!),
    1e-6,
  );
});
