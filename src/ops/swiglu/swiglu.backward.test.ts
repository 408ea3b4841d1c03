// The gradients of SwiGLU against central differences, also where the outputs lie in the inputs' memory.

import { expect, test } from "vitest";
import { Machine } from "../../../test/conformance/machine.ts";
import { randomFloats } from "../../../test/conformance/material.ts";
import { createReferenceBackend } from "../../backends/reference/reference.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { expectNear, numericalGradient } from "../testing.ts";
import { swigluBackward } from "./swiglu.backward.ts";
import { silu } from "./swiglu.ts";

const [T, F] = [3, 5];
const gate = randomFloats(1, T * F, 6);
const up = randomFloats(2, T * F);
const dOut = randomFloats(3, T * F);

test("are the derivatives with respect to gate and up", () => {
  using backend = createReferenceBackend();
  using machine = new Machine(backend);
  const [dGate, dUp] = [machine.floats([T, F]), machine.floats([T, F])];
  const given = { gate: machine.floats([T, F], gate), up: machine.floats([T, F], up) };
  swigluBackward(backend, { ...given, dOut: machine.floats([T, F], dOut), dGate, dUp });

  const objective = (g: ArrayLike<number>, u: ArrayLike<number>): number =>
    dOut.reduce((sum, value, i) => sum + value * silu(g[i]!) * u[i]!, 0);
  expectNear(
    machine.readFloats(dGate),
    numericalGradient((x) => objective(x, up), gate),
    1e-6,
  );
  expectNear(
    machine.readFloats(dUp),
    numericalGradient((x) => objective(gate, x), up),
    1e-6,
  );
});

test("may overwrite the inputs", () => {
  using backend = createReferenceBackend();
  using machine = new Machine(backend);
  const tensors = (): Record<"gate" | "up" | "dOut", Tensor> => ({
    gate: machine.floats([T, F], gate),
    up: machine.floats([T, F], up),
    dOut: machine.floats([T, F], dOut),
  });
  const [apart, inPlace] = [tensors(), tensors()];
  const [dGate, dUp] = [machine.floats([T, F]), machine.floats([T, F])];
  swigluBackward(backend, { ...apart, dGate, dUp });
  swigluBackward(backend, { ...inPlace, dGate: inPlace.dOut, dUp: inPlace.up });
  expect(machine.readFloats(inPlace.dOut)).toEqual(machine.readFloats(dGate));
  expect(machine.readFloats(inPlace.up)).toEqual(machine.readFloats(dUp));
});
