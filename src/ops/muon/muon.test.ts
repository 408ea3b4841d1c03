// What Muon is for: whatever a gradient's singular values were, the step's are near one.

import { describe, expect, test } from "vitest";
import { Machine } from "../../../test/conformance/machine.ts";
import { allBackends } from "../../../test/support.ts";
import { muon } from "./muon.ts";

const OPTIONS = { learningRate: 1, momentum: 0.9, weightDecay: 0, gradientScale: 1 };

describe.each(allBackends.filter(({ available }) => available))("on the $name backend", ({ create }) => {
  test.each([
    [4, 7],
    [7, 4],
  ])("evens out a gradient [%i, %i] with one direction a hundred times as steep as another", (M, N) => {
    using backend = create();
    using machine = new Machine(backend);
    const steepness = [1, 10, 30, 100];
    // Down the diagonal, which begins again below a square.
    const gradient = Float32Array.from({ length: M * N }, (_, i) => steepness[i / (N + 1)] ?? 0);
    const tensors = {
      parameter: machine.floats([1, M, N]),
      gradient: machine.floats([1, M, N], gradient),
      m: machine.floats([1, M, N]),
    };
    muon(backend, { ...tensors, ...OPTIONS });
    const moved = machine.readFloats(tensors.parameter).map((value) => -value / (0.2 * Math.sqrt(7)));
    moved.forEach((value, i) => {
      if (gradient[i] === 0) return expect(Math.abs(value)).toBe(0);
      expect(value).toBeGreaterThan(0.5);
      expect(value).toBeLessThan(1.3);
    });
    expect(machine.readFloats(tensors.gradient).every((value) => value === 0)).toBe(true);
    expect([...machine.readFloats(tensors.m)]).toEqual([...gradient]);
  });

  test("leaves a parameter without a gradient alone, but for its decay", () => {
    using backend = create();
    using machine = new Machine(backend);
    const parameter = machine.floats([2, 2, 3], new Float32Array(12).fill(2));
    const [gradient, m] = [machine.floats([2, 2, 3]), machine.floats([2, 2, 3])];
    muon(backend, { parameter, gradient, m, ...OPTIONS, weightDecay: 0.25 });
    expect([...machine.readFloats(parameter)]).toEqual(Array.from({ length: 12 }, () => 1.5));
  });
});
