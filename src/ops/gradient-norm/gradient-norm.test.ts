// The gradient norm on every backend: zeros of both signs, numbers below the normal range, and NaN.

import { describe, expect, test } from "vitest";
import { Machine } from "../../../test/conformance/machine.ts";
import { allBackends } from "../../../test/support.ts";
import { gradientNorm } from "./gradient-norm.ts";

describe.each(allBackends.filter(({ available }) => available))("on the $name backend", ({ create }) => {
  const normOf = (values: readonly number[]): number[] => {
    using backend = create();
    using machine = new Machine(backend);
    const out = machine.floats([2]);
    gradientNorm(backend, { gradient: machine.floats([1, values.length], Float32Array.from(values)), out });
    return [...machine.readFloats(out)];
  };

  test("adds squares and counts zeros of both signs", () => {
    expect(normOf([3, 0, -4, -0, 0])).toEqual([25, 3]);
    expect(normOf([])).toEqual([0, 0]);
  });

  test("takes no small number for zero", () => {
    expect(normOf([1e-45, -1e-45, 1e-30, 0])[1]).toBe(1);
  });

  test("shows what is not finite", () => {
    expect(normOf([NaN, 0, 1])).toEqual([NaN, 1]);
    expect(normOf([Infinity, 0])).toEqual([Infinity, 1]);
  });
});
