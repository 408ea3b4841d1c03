// A model that exceeds memory: whatever part of its experts is held, results are the same, bit for bit, and the
// statistics of what was read add up.

import { closeSync, copyFileSync, cpSync, mkdtempSync, openSync, rmSync, truncateSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { FetchStats, Weight } from "../../src/backends/backend.ts";
import { cpuBackendStatus } from "../../src/backends/cpu/addon.ts";
import { createCpuBackend } from "../../src/backends/cpu/native.ts";
import { openCheckpoint } from "../../src/checkpoint/checkpoint.ts";
import { readsSince } from "../../src/engine/expert-reads.ts";
import { placeWeights } from "../../src/engine/place-weights.ts";
import { packedBytes } from "../../src/model/packing.ts";
import { DEFAULT_SAMPLING } from "../../src/ops/sample/sample.ts";
import { type Tensor, view } from "../../src/tensor/tensor.ts";
import { defined } from "../../src/util/assert.ts";
import { goldenCase } from "../golden/golden.ts";
import { bits, evaluateAll, generate, openEngine, request, type TestEngine } from "../support.ts";

const CASES = ["hf-bf16", "hf-fp8", "gguf-q4_k_m", "gguf-q3_k_m", "gguf-iq3_s", "gguf-mxfp4_moe"].map(goldenCase);
const SMALL = goldenCase("hf-bf16");

const folder = mkdtempSync(join(tmpdir(), "mimo-expert-memory-"));
afterAll(() => rmSync(folder, { recursive: true }));

function openLimited(path: string, expertMemory: number, threads = 2): TestEngine {
  const opened = openEngine(
    path,
    { activations: "int16", kvDType: "f16", packing: "dense" },
    createCpuBackend({ threads }),
  );
  placeWeights(opened.backend, opened.engine.runner.model.weights, { expertMemory, availableBytes: 1e12 });
  return opened;
}

function expertBytes(path: string): number {
  using opened = openEngine(path);
  const experts = opened.engine.runner.model.weights.filter(({ numMatrices }) => numMatrices > 1);
  return experts.reduce((sum, { dtype, byteLength }) => sum + packedBytes(dtype, byteLength), 0);
}

/** Writes a scale that tiles have no place for into every third matrix of the experts. */
function scaleExperts(path: string, scale: number): void {
  using checkpoint = openCheckpoint(path);
  const scales = [...checkpoint.tensors.values()].filter(({ name }) => /experts\.\d+\..*scale/.test(name));
  for (const { file, byteOffset } of scales.filter((_, i) => i % 3 === 0)) {
    const descriptor = openSync(file, "r+");
    writeSync(descriptor, new Uint8Array(Float32Array.of(scale).buffer), 0, 4, byteOffset);
    closeSync(descriptor);
  }
}

function statsOf({ backend }: TestEngine): FetchStats {
  return defined(backend.fetchStats(), "statistics of a limited backend");
}

describe.skipIf(!cpuBackendStatus().isAvailable)("with little memory for experts", () => {
  test.each(CASES)("$name: logits are those of the whole model in place", ({ path, expected }) => {
    using whole = openEngine(path, { activations: "int16", kvDType: "f16" });
    const wanted = bits(evaluateAll(whole.engine, expected.input_ids));
    const all = expertBytes(path);
    for (const threads of [1, 2]) {
      for (const share of [0, 0.1, 2]) {
        using limited = openLimited(path, Math.floor(share * all), threads);
        expect(bits(evaluateAll(limited.engine, expected.input_ids))).toEqual(wanted);
        expect(bits(evaluateAll(limited.engine, expected.input_ids))).toEqual(wanted);
        const { heldBytes, limitBytes } = statsOf(limited);
        expect(heldBytes).toBeLessThanOrEqual(limitBytes);
      }
    }
  });

  test.each(["packing all", "packing none"])(
    "logits are those of %s, also with FP8 experts that tiles refuse",
    (name) => {
      const { path: original, expected } = goldenCase("hf-fp8");
      const path = join(folder, name);
      cpSync(original, path, { recursive: true });
      scaleExperts(path, 1024);
      const packing = name === "packing all" ? "all" : "none";
      using whole = openEngine(path, { activations: "int16", kvDType: "f16", packing });
      const experts = whole.engine.runner.model.weights.filter(({ numMatrices }) => numMatrices > 1);
      expect(experts.some(({ isPacked }) => !isPacked)).toBe(true);
      const wanted = bits(evaluateAll(whole.engine, expected.input_ids));
      for (const share of [0.1, 2]) {
        using limited = openLimited(path, Math.floor(share * expertBytes(path)));
        for (let pass = 0; pass < 3; pass++) {
          expect(bits(evaluateAll(limited.engine, expected.input_ids))).toEqual(wanted);
        }
        // Kept as rows, they are found in memory like all others.
        const { uses, hits } = statsOf(limited);
        if (share > 1) expect(hits).toBeGreaterThanOrEqual(uses / 3);
      }
    },
  );

  test("tokens are the same, greedy, sampled and speculative", () => {
    const { prompt } = SMALL.expected.greedy;
    for (const temperature of [0, 1]) {
      for (const speculation of [0, 2] as const) {
        const options = { sampling: { ...DEFAULT_SAMPLING, temperature, seed: 5 }, speculation, maxTokens: 48 };
        using whole = openEngine(SMALL.path, { activations: "int16", kvDType: "f16" });
        using limited = openLimited(SMALL.path, Math.floor(0.2 * expertBytes(SMALL.path)));
        expect(generate(limited.engine, prompt, options)).toEqual(generate(whole.engine, prompt, options));
      }
    }
  });

  test("steps add up to the total, and the limit holds in each", () => {
    using limited = openLimited(SMALL.path, Math.floor(0.3 * expertBytes(SMALL.path)));
    const { engine } = limited;
    const layers = engine.runner.model.config.layers.filter(({ feedForward }) => feedForward === "experts").length;
    const { numExpertsPerToken } = engine.runner.model.config.experts;
    engine.submit(request(SMALL.expected.greedy.prompt, { maxTokens: 32 }));
    const sum = { uses: 0, hits: 0, bytesRead: 0 };
    for (let step = 0; !engine.isIdle; step++) {
      engine.step();
      const { lastStep, total } = defined(engine.expertReads, "reads of experts");
      // After the prompt, a step takes one row.
      if (step > 0) expect(lastStep.uses).toBe(layers * numExpertsPerToken);
      expect(lastStep.hits).toBeLessThanOrEqual(lastStep.uses);
      if (lastStep.hits < lastStep.uses) expect(lastStep.bytesRead).toBeGreaterThan(0);
      expect(total.heldBytes).toBeLessThanOrEqual(total.limitBytes);
      sum.uses += lastStep.uses;
      sum.hits += lastStep.hits;
      sum.bytesRead += lastStep.bytesRead;
    }
    const { total } = defined(engine.expertReads, "reads of experts");
    expect(total).toMatchObject(sum);
    expect(sum.hits).toBeGreaterThan(0);
    expect(sum.hits).toBeLessThan(sum.uses);
  });

  test("with room for all, every expert is read once", () => {
    using limited = openLimited(SMALL.path, 1e9);
    evaluateAll(limited.engine, SMALL.expected.input_ids);
    const first = statsOf(limited);
    // Whole pages are read, and what was read is held.
    expect(first.bytesRead).toBeLessThanOrEqual(first.heldBytes);
    evaluateAll(limited.engine, SMALL.expected.input_ids);
    const second = statsOf(limited);
    expect(second.bytesRead).toBe(first.bytesRead);
    expect(second.uses - first.uses).toBe(second.hits - first.hits);
  });

  describe("fetches", () => {
    const limited = openLimited(SMALL.path, 0);
    const { backend } = limited;
    const weight = defined(
      limited.engine.runner.model.weights.find(({ numMatrices }) => numMatrices > 1),
      "experts",
    );
    // A matrix may begin anywhere in a page.
    const matrixBytes = packedBytes(weight.dtype, weight.byteLength) / weight.numMatrices;
    const heldBytes = Math.ceil(matrixBytes / 4096) * 4096 + 4096;
    const memory = backend.alloc(4);
    const ids: Tensor = view(memory, "i32", [1, 1]);
    afterAll(() => {
      backend.free(memory);
      limited[Symbol.dispose]();
    });

    const fetch = (id: number, isGuess = false): { isHit: boolean; bytesRead: number } => {
      const before = statsOf(limited);
      backend.upload(ids, new Uint8Array(Int32Array.of(id).buffer));
      backend.fetch(ids, [weight], isGuess);
      backend.sync();
      const { hits, bytesRead } = readsSince(statsOf(limited), before);
      return { isHit: hits > 0, bytesRead };
    };

    test("keep the most used", () => {
      backend.limitFetched(2 * heldBytes);
      const hits = [0, 0, 0, 1, 1, 2, 0, 3, 0, 3].map((id) => fetch(id).isHit);
      expect(hits).toEqual([false, true, true, false, true, false, true, false, true, true]);
    });

    test("find what was guessed, and forget a wrong guess", () => {
      backend.limitFetched(3 * heldBytes);
      const { bytesRead } = fetch(4, true);
      expect(bytesRead).toBeGreaterThan(0);
      expect(fetch(4).bytesRead).toBe(0);
      fetch(5, true);
      expect(fetch(0)).toEqual({ isHit: true, bytesRead: expect.any(Number) as number });
      // Of its three matrices some were read by then; reading the others was stopped and begins anew.
      expect(fetch(5).bytesRead).toBeLessThanOrEqual(heldBytes);
      expect(statsOf(limited).heldBytes).toBeLessThanOrEqual(3 * heldBytes);
    });
  });

  test("a model that fits is left in its files", () => {
    using opened = openEngine(SMALL.path, {}, createCpuBackend());
    const { weights } = opened.engine.runner.model;
    expect(placeWeights(opened.backend, weights, { expertMemory: undefined, availableBytes: 64e9 })).toEqual([]);
    expect(placeWeights(opened.backend, weights, { expertMemory: Infinity, availableBytes: 0 })).toEqual([]);
    expect(opened.backend.fetchStats()).toBeUndefined();
    expect(opened.engine.expertReads).toBeUndefined();
  });

  test("a model that does not fit gets what is free beside the rest, and says so", () => {
    using opened = openEngine(SMALL.path, { packing: "dense" }, createCpuBackend());
    const { weights } = opened.engine.runner.model;
    const isRest = (weight: Weight): boolean => weight.numMatrices === 1 && !weight.isPacked;
    const rest = weights.filter(isRest).reduce((sum, { byteLength }) => sum + byteLength, 0);
    const half = Math.floor(expertBytes(SMALL.path) / 2);
    const availableBytes = (rest + opened.backend.stats().allocatedBytes + half + 256e6) / 0.97;
    const [warning] = placeWeights(opened.backend, weights, { expertMemory: undefined, availableBytes });
    expect(warning).toMatch(/exceed the free memory/);
    expect(Math.abs(statsOf(opened).limitBytes - half)).toBeLessThanOrEqual(1);
  });

  test("a file that becomes shorter is an error, not a wrong answer", () => {
    const golden = goldenCase("gguf-q4_0");
    const path = join(folder, "short.gguf");
    copyFileSync(golden.path, path);
    using limited = openLimited(path, Math.floor(0.2 * expertBytes(path)));
    const ids = golden.expected.input_ids;
    evaluateAll(limited.engine, ids);
    truncateSync(path, 4096);
    expect(() => evaluateAll(limited.engine, ids)).toThrow(expect.objectContaining({ code: "io_failed" }) as Error);
  });
});
