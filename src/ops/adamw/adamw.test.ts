// AdamW on every backend against a plain loop in float64 over many steps, and what it does with moments that fade away.

import { describe, expect, test } from "vitest";
import { Machine } from "../../../test/conformance/machine.ts";
import { randomFloats } from "../../../test/conformance/material.ts";
import { allBackends } from "../../../test/support.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { expectNear } from "../testing.ts";
import { adamW } from "./adamw.ts";

const OPTIONS = { learningRate: 1e-3, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, gradientScale: 0.5 };

describe.each(allBackends.filter(({ available }) => available))("on the $name backend", ({ create }) => {
  test("follows a loop in float64 for a thousand steps", () => {
    using backend = create();
    using machine = new Machine(backend);
    const n = 50;
    const parameter = Float64Array.from(randomFloats(1, n));
    const [m, v] = [new Float64Array(n), new Float64Array(n)];
    const tensors = {
      parameter: machine.floats([5, 10], Float32Array.from(parameter)),
      gradient: machine.floats([n]),
      m: machine.floats([n]),
      v: machine.floats([n]),
    };
    for (let step = 1; step <= 1000; step++) {
      // Gradients of very different sizes, some of them always zero.
      const gradient = randomFloats(100 + step, n).map((value, i) => value * (i % 7 === 0 ? 0 : 10 ** ((i % 11) - 8)));
      const before = machine.readFloats(tensors.gradient);
      expect(before.every((value) => value === 0)).toBe(true);
      backend.upload(tensors.gradient, new Uint8Array(gradient.buffer));
      adamW(backend, { ...tensors, ...OPTIONS, step });
      for (let i = 0; i < n; i++) {
        const g = gradient[i]! * OPTIONS.gradientScale;
        m[i] = OPTIONS.beta1 * m[i]! + (1 - OPTIONS.beta1) * g;
        v[i] = OPTIONS.beta2 * v[i]! + (1 - OPTIONS.beta2) * g ** 2;
        const mean = m[i]! / (1 - OPTIONS.beta1 ** step);
        const deviation = Math.sqrt(v[i]! / (1 - OPTIONS.beta2 ** step));
        parameter[i]! -=
          OPTIONS.learningRate * (mean / (deviation + OPTIONS.epsilon) + OPTIONS.weightDecay * parameter[i]!);
      }
    }
    // Parameters are about one, and every step rounds them once: a thousand errors of at most 6e-8, of either sign.
    expectNear(machine.readFloats(tensors.parameter), parameter, 5e-6);
    const scaled = (values: Float32Array | Float64Array, power: number): number[] =>
      Array.from(values, (value, i) => value / (v[i]! + 1e-30) ** power);
    expectNear(scaled(machine.readFloats(tensors.m), 0.5), scaled(m, 0.5), 1e-5);
    expectNear(scaled(machine.readFloats(tensors.v), 1), scaled(v, 1), 1e-5);
  });

  test("lets moments fade to zero, and no parameter becomes NaN without a gradient", () => {
    using backend = create();
    using machine = new Machine(backend);
    const tensors = {
      parameter: machine.floats([2], Float32Array.of(1, -1)),
      gradient: machine.floats([2]),
      m: machine.floats([2], Float32Array.of(2e-38, -2e-38)),
      v: machine.floats([2], Float32Array.of(1.2e-38, 1.2e-38)),
    };
    for (let step = 1; step <= 20; step++)
      adamW(backend, { ...tensors, ...OPTIONS, weightDecay: 0, step: step + 1000 });
    expect(machine.readFloats(tensors.m).every((value) => value === 0)).toBe(true);
    expect(machine.readFloats(tensors.v).every((value) => value === 0)).toBe(true);
    expect([...machine.readFloats(tensors.parameter)]).toEqual([1, -1]);
  });

  test("refuses step zero, whose moments have no correction", () => {
    using backend = create();
    using machine = new Machine(backend);
    const [parameter, gradient, m, v] = [0, 1, 2, 3].map(() => machine.floats([1])) as [Tensor, Tensor, Tensor, Tensor];
    expect(() => adamW(backend, { parameter, gradient, m, v, ...OPTIONS, step: 0 })).toThrow("step is 0");
  });
});
