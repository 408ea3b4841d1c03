// Random weights have the asked-for distribution, whatever the type, and do not depend on how they are cut into chunks.

import { describe, expect, test } from "vitest";
import { decodeBlocks } from "../tensor/codec/codec.ts";
import { type DType, DTYPES } from "../tensor/dtype.ts";
import { randomFp8Scale, type RandomJob, runJob } from "./chunk-job.ts";

const COUNT = 1 << 18;
const DEVIATION = 0.02;
const TYPES = Object.keys(DTYPES).filter((dtype) => dtype !== "i32") as Exclude<DType, "i32">[];

function jobOf(dtype: DType, begin = 0, count = COUNT): RandomJob {
  return { kind: "random", dtype, key: 42, mean: 0, deviation: DEVIATION, begin, count, drawsBlocks: true };
}

function weights(dtype: Exclude<DType, "i32">): Float32Array {
  const values = new Float32Array(COUNT);
  decodeBlocks(dtype, runJob(jobOf(dtype)).bytes, values);
  return dtype === "f8_e4m3" ? values.map((value) => value * randomFp8Scale(DEVIATION)) : values;
}

function momentsOf(values: Float32Array): { mean: number; deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, deviation: Math.sqrt(variance) };
}

describe.each(TYPES)("%s", (dtype) => {
  test("mean and deviation", () => {
    const { mean, deviation } = momentsOf(weights(dtype));
    expect(Math.abs(mean)).toBeLessThan(0.05 * DEVIATION);
    // The scale of mxfp4 is a power of two.
    const tolerance = dtype === "mxfp4" ? Math.SQRT2 : 1.03;
    expect(deviation).toBeGreaterThan(DEVIATION / tolerance);
    expect(deviation).toBeLessThan(DEVIATION * tolerance);
  });

  test("a chunk is a part of the whole", () => {
    const whole = runJob(jobOf(dtype)).bytes;
    const [begin, count] = [3 * 256, 5 * 256];
    const scale = whole.length / COUNT;
    expect(runJob(jobOf(dtype, begin, count)).bytes).toEqual(whole.slice(begin * scale, (begin + count) * scale));
  });
});

test("quantised floats are those that a float type holds", () => {
  const floats = weights("f32");
  const values = new Float32Array(COUNT);
  decodeBlocks("q8_0", runJob({ ...jobOf("q8_0"), drawsBlocks: false }).bytes, values);
  const { deviation } = momentsOf(values.map((value, i) => value - floats[i]!));
  expect(deviation).toBeLessThan(0.01 * DEVIATION);
});

test("the distribution is normal", () => {
  const share = (deviations: number): number =>
    weights("f32").filter((value) => Math.abs(value) < deviations * DEVIATION).length / COUNT;
  expect(share(1)).toBeCloseTo(0.6827, 2);
  expect(share(2)).toBeCloseTo(0.9545, 2);
  expect(share(3)).toBeCloseTo(0.9973, 3);
});
