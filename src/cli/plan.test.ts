// Plans on machines that are described by hand: what fits, what speed follows, how amounts are written.

import { describe, expect, test } from "vitest";
import { cpuBackendStatus } from "../backends/cpu/addon.ts";
import { createCpuBackend } from "../backends/cpu/native.ts";
import { packedBytes } from "../model/packing.ts";
import { PRESETS } from "../model/presets.ts";
import { describedSpeed, interpolate, MODEL_ERROR, measuredSpeed, REACHED } from "./machine-speed.ts";
import { measureMachine } from "./measure-machine.ts";
import { makePlan, type PlanOptions, plannedContexts } from "./plan.ts";
import { planModel } from "./planned-model.ts";
import { parseBandwidth, parseBytes, parseOperations } from "./quantities.ts";

const FLASH = planModel("flash", "q4_k");
const COMPUTATION = { config: FLASH.config, activations: "int16", kvDType: "f16" } as const;
const FAST_ARITHMETIC = { int8: 1e18, f32: 1e18 };
const BANDWIDTH = 400e9;

function options(changes: Partial<PlanOptions> = {}): PlanOptions {
  const machine = { bytesPerSecond: BANDWIDTH, operationsPerSecond: FAST_ARITHMETIC };
  return {
    contexts: [1024],
    batches: [1],
    kvDType: "f16",
    speed: describedSpeed(machine, COMPUTATION),
    knowsArithmetic: true,
    memoryBytes: 256e9,
    diskBytesPerSecond: 3e9,
    ...changes,
  };
}

const planOne = (changes: Partial<PlanOptions> = {}) => {
  const [context] = makePlan(FLASH, options(changes)).contexts;
  return { context: context!, decode: context!.decode[0]! };
};

describe("speed", () => {
  test("of decoding is the bandwidth's where arithmetic is plenty", () => {
    const { decode } = planOne();
    const { expected, low, high } = decode.tokensPerSecond!;
    // Routers, keys and all: what is read per step, at the share that kernels reach.
    expect(expected / ((BANDWIDTH * REACHED.expected.memory) / decode.bytesPerStep)).toBeCloseTo(1, 1);
    expect(low).toBeLessThan(expected);
    expect(high).toBeGreaterThan(expected);
  });

  test("grows with bandwidth and falls with context", () => {
    const speedAt = (bytesPerSecond: number, tokens: number): number => {
      const speed = describedSpeed({ bytesPerSecond, operationsPerSecond: FAST_ARITHMETIC }, COMPUTATION);
      return planOne({ speed, contexts: [tokens] }).decode.tokensPerSecond!.expected;
    };
    expect(speedAt(800e9, 1024)).toBeCloseTo(2 * speedAt(400e9, 1024), 6);
    expect(speedAt(400e9, 131_072)).toBeLessThan(speedAt(400e9, 1024));
  });

  test("of prefill is the arithmetic's, at four int8 operations a weight where activations are two digits", () => {
    const speed = describedSpeed(
      { bytesPerSecond: 1e18, operationsPerSecond: { int8: 10e12, f32: 1e18 } },
      COMPUTATION,
    );
    const { expected } = planOne({ speed }).context.prefill!;
    const { config } = FLASH;
    const active = FLASH.weights
      .filter(({ part, dtype }) => dtype === "q4_k" && (part === "attention" || part === "dense"))
      .reduce((sum, { parameters }) => sum + parameters, 0);
    const experts = FLASH.weights.find(({ part }) => part === "experts")!.parameters;
    const perToken = active + (experts * config.experts.numExpertsPerToken) / config.experts.numExperts;
    expect(expected / ((10e12 * REACHED.expected.arithmetic) / (4 * perToken))).toBeCloseTo(1, 1);
  });

  test("of prefill and of batches is not told where arithmetic is unknown", () => {
    const speed = describedSpeed({ bytesPerSecond: BANDWIDTH, operationsPerSecond: undefined }, COMPUTATION);
    const plan = makePlan(FLASH, options({ speed, knowsArithmetic: false, batches: [1, 8] }));
    expect(plan.speculation).toEqual([]);
    expect(plan.contexts[0]!.prefill).toBeNull();
    expect(plan.contexts[0]!.decode.map(({ tokensPerSecond }) => tokensPerSecond !== null)).toEqual([true, false]);
  });

  test("several sequences share what they read: more tokens together, fewer each", () => {
    const [alone, eight] = makePlan(FLASH, options({ batches: [1, 8] })).contexts[0]!.decode;
    const [one, together] = [alone!.tokensPerSecond!.expected, eight!.tokensPerSecond!.expected];
    expect(together).toBeGreaterThan(one);
    expect(together).toBeLessThan(8 * one);
  });

  test("drafts cost more than a plain step and less than as many steps", () => {
    const { speculation } = makePlan(FLASH, options());
    expect(speculation.map(({ drafts }) => drafts)).toEqual([1, 2, 3]);
    for (const { drafts, cost } of speculation) {
      expect(cost).toBeGreaterThan(1);
      expect(cost).toBeLessThan(1.5 * (1 + drafts));
    }
  });
});

describe("memory", () => {
  test("that holds everything", () => {
    const { decode } = planOne();
    expect(decode.memory).toMatchObject({ fit: "fits", hitShare: 1 });
    expect(decode.memory.bytes).toBeGreaterThan(179e9);
    expect(decode.memory.bytes).toBeLessThan(181e9);
  });

  test("that holds half of the experts waits for the disk for the other half", () => {
    const { decode: whole } = planOne();
    const experts = FLASH.weights.find(({ part }) => part === "experts")!.bytes;
    const { decode } = planOne({ memoryBytes: whole.memory.bytes - packedBytes("q4_k", experts) / 2 });
    expect(decode.memory.fit).toBe("experts from disk");
    expect(decode.memory.hitShare).toBeCloseTo(0.5, 6);
    const { numExperts, numExpertsPerToken } = FLASH.config.experts;
    const missed = (experts * numExpertsPerToken) / numExperts / 2;
    const slower = 1 / decode.tokensPerSecond!.expected - 1 / whole.tokensPerSecond!.expected;
    expect(slower).toBeCloseTo(missed / 3e9, 6);
  });

  test("that does not hold what every token reads runs nothing", () => {
    const { decode, context } = planOne({ memoryBytes: 2e9 });
    expect(decode.memory).toMatchObject({ fit: "too large", hitShare: 0 });
    expect([decode.tokensPerSecond, context.prefill]).toEqual([null, null]);
  });

  test("of eight sequences holds eight caches", () => {
    const plan = makePlan(FLASH, options({ batches: [1, 8], contexts: [262_144] }));
    const { kvBytes, decode } = plan.contexts[0]!;
    expect(decode[1]!.memory.bytes - decode[0]!.memory.bytes).toBe(7 * kvBytes.f16);
    expect(kvBytes.f16 / 1e9).toBeCloseTo(6.07, 2);
    expect(kvBytes.q8_0 / kvBytes.f16).toBeCloseTo(34 / 64, 6);
  });
});

test("contexts go as far as the model does", () => {
  expect(plannedContexts([1024, 8192, 32_768], 8192)).toEqual([1024, 8192]);
  expect(plannedContexts([1024, 8192], 512)).toEqual([512]);
});

describe("presets", () => {
  test("in FP8 are as large as the published files, scales included", () => {
    const { weights } = planModel("flash", undefined);
    const experts = weights.find(({ part }) => part === "experts")!;
    expect(experts.dtype).toBe("f8_e4m3");
    expect(experts.bytes / experts.parameters).toBeCloseTo(1 + 4 / 128 ** 2, 6);
  });

  test("a type is refused for a file, with the names of presets", () => {
    expect(() => planModel("nowhere.gguf", "q4_k")).toThrow("--type is for presets");
    expect(() => planModel("flash", "q9")).toThrow("type: expected");
  });
});

describe("amounts", () => {
  test.each([
    ["256", 256e9],
    ["256GB", 256e9],
    ["256 gb", 256e9],
    ["64GiB", 64 * 2 ** 30],
    ["0.5TB", 0.5e12],
    ["512M", 512e6],
  ])("memory of %s", (text, bytes) => expect(parseBytes(text)).toBe(bytes));

  test.each([
    ["400", 400e9],
    ["400GB/s", 400e9],
    ["1.2TB/s", 1.2e12],
    ["51.2GBps", 51.2e9],
  ])("bandwidth of %s", (text, rate) => expect(parseBandwidth(text)).toBe(rate));

  test.each([
    ["8", { int8: 8e12, f32: 2e12 }],
    ["900GFLOPS", { int8: 900e9, f32: 225e9 }],
    ["8T,3T", { int8: 8e12, f32: 3e12 }],
    ["20TOPS", { int8: 20e12, f32: 5e12 }],
  ])("arithmetic of %s", (text, rates) => expect(parseOperations(text)).toEqual(rates));

  test.each(["", "0", "-1", "many", "12XB", "1e30", "NaN", "GB", "256GB/s"])("%j is no memory", (text) => {
    expect(() => parseBytes(text)).toThrow("such as 256GB");
  });

  test("bits are no bytes", () => {
    for (const text of ["400Gb/s", "100Gbit/s", "400gbps"]) expect(() => parseBandwidth(text)).toThrow("bits");
    expect(() => parseOperations("1T,2T,3T")).toThrow("int8 and f32");
  });
});

test("time between two measured numbers of rows lies between, and grows evenly beyond the last", () => {
  const points = [1, 4, 8].map((rows) => ({ rows, seconds: rows === 1 ? 2 : rows }));
  const at = (rows: number): number => interpolate(points, rows, ({ seconds }) => seconds);
  expect([0.5, 1, 2.5, 4, 8, 80].map(at)).toEqual([2, 2, 3, 4, 8, 80]);
});

test("measured time per row and key stays what it is beyond the last number of rows", () => {
  const spread = (seconds: number) => ({ median: seconds, min: seconds, max: seconds });
  const points = [1, 64].map((rows) => ({ rows, seconds: spread(rows) }));
  const { expected } = measuredSpeed({
    products: [{ op: "linear", dtype: "bf16", points }],
    attention: { global: points, sliding: points },
    block: points,
    sample: spread(1),
    bytesPerSecond: 1,
    milliseconds: 1,
  });
  for (const rows of [1, 10, 64, 512]) {
    expect(expected.attention("global", rows)).toBeCloseTo(1, 9);
    expect(expected.product("linear", "bf16", rows)).toBeCloseTo(rows, 9);
    expect(expected.block(rows)).toBeCloseTo(rows, 9);
  }
});

describe.skipIf(!cpuBackendStatus().isAvailable)("measuring", () => {
  const { config } = PRESETS.tiny;
  const settings = { config, activations: "int16", kvDType: "f16", onProgress: () => {} } as const;
  const { signal } = new AbortController();

  test("dtypes of every kind can be measured, and everything is given back", async () => {
    using backend = createCpuBackend();
    const products = (["f8_e4m3", "q4_k", "mxfp4"] as const).flatMap((dtype) => [
      { op: "linear" as const, dtype },
      { op: "experts" as const, dtype },
    ]);
    const progress: number[] = [];
    const onProgress = (done: number, total: number): void => void progress.push(done / total);
    const machine = await measureMachine(backend, { ...settings, products, onProgress, signal });
    expect(backend.stats()).toMatchObject({ memories: 0, weights: 0 });
    expect(progress.at(-1)).toBe(1);
    const points = [
      ...machine.products.flatMap((product) => product.points),
      ...machine.attention.global,
      ...machine.attention.sliding,
      ...machine.block,
    ];
    for (const { seconds } of points) {
      expect(seconds.min).toBeGreaterThan(0);
      expect(seconds.median).toBeGreaterThanOrEqual(seconds.min);
      expect(seconds.max).toBeLessThan(1);
    }
    // Faster than any memory or slower than any disk would be a mistake of units.
    expect(machine.bytesPerSecond).toBeGreaterThan(1e8);
    expect(machine.bytesPerSecond).toBeLessThan(1e13);
    const speed = measuredSpeed(machine);
    for (const rows of [1, 3, 100, 1000]) {
      const [slow, expected, fast] = [speed.slow, speed.expected, speed.fast].map((one) =>
        one.product("experts", "q4_k", rows),
      );
      expect(slow).toBeGreaterThanOrEqual(expected! * (1 + MODEL_ERROR));
      expect(fast).toBeLessThanOrEqual(expected! * (1 - MODEL_ERROR));
      // A dtype that was not measured borrows from one that was.
      expect(speed.expected.product("linear", "q6_k", rows)).toBeGreaterThan(0);
    }
  });

  test("stops when it is asked to", async () => {
    using backend = createCpuBackend();
    const products = [{ op: "linear", dtype: "f32" }] as const;
    const aborted = measureMachine(backend, { ...settings, products, signal: AbortSignal.abort() });
    await expect(aborted).rejects.toThrow("abort");
    expect(backend.stats()).toMatchObject({ memories: 0, weights: 0 });
  });
});
