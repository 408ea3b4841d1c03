// The gradient of an embedding against central differences; an id that occurs twice gets both rows.

import { test } from "vitest";
import { Machine } from "../../../test/conformance/machine.ts";
import { randomFloats } from "../../../test/conformance/material.ts";
import { createReferenceBackend } from "../../backends/reference/reference.ts";
import { expectNear, numericalGradient } from "../testing.ts";
import { embeddingBackward } from "./embedding.backward.ts";

test("is the derivative with respect to the weight, added to what was there", () => {
  using backend = createReferenceBackend();
  using machine = new Machine(backend);
  const [V, D] = [5, 3];
  const ids = [4, 1, 4, 0];
  const dOut = randomFloats(1, ids.length * D);
  const before = randomFloats(2, V * D);
  const dWeight = machine.floats([V, D], before);
  const tokens = machine.integers([ids.length], ids);
  embeddingBackward(backend, { ids: tokens, dOut: machine.floats([ids.length, D], dOut), dWeight });

  const objective = (weight: Float64Array): number =>
    dOut.reduce((sum, value, i) => sum + value * weight[ids[Math.floor(i / D)]! * D + (i % D)]!, 0);
  const gradient = numericalGradient(objective, randomFloats(3, V * D));
  expectNear(
    machine.readFloats(dWeight),
    gradient.map((value, i) => value + before[i]!),
    1e-6,
  );
});
