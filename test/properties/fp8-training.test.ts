// Promises of training in FP8: what products take is what an FP8 checkpoint holds, and gradients are those of float32 but
// for the rounding.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { Backend } from "../../src/backends/backend.ts";
import { openCheckpoint } from "../../src/checkpoint/checkpoint.ts";
import { FP8_ROLES } from "../../src/convert/target.ts";
import { hybridConfig } from "../../src/model/presets.ts";
import { parseConfig } from "../../src/model/parse-config.ts";
import { roundTiles } from "../../src/ops/fp8-round/fp8-round.ts";
import { linear } from "../../src/ops/linear/linear.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { createByteTokenizer } from "../../src/tokenizer/byte-tokenizer.ts";
import { Arena } from "../../src/train/arena.ts";
import { packBatch } from "../../src/train/batch.ts";
import { initialise } from "../../src/train/initial-weights.ts";
import { Learner } from "../../src/train/learner.ts";
import { exportModel, loadParameters } from "../../src/train/model-files.ts";
import { TrainedParameters } from "../../src/train/parameters.ts";
import { rulesOf } from "../../src/train/rules.ts";
import { Tape } from "../../src/train/tape.ts";
import { bf16ToF32, f32ToBf16 } from "../../src/util/half.ts";
import { randomFloats } from "../conformance/material.ts";
import { maxDifference } from "../golden/golden.ts";
import { createBackend, evaluateAll, openEngine } from "../support.ts";

/** Matrices of more than one block, and of blocks that are not full. */
const CONFIG = hybridConfig({
  hiddenSize: 160,
  intermediateSize: 192,
  contextLength: 256,
  numLayers: 3,
  attention: { numHeads: 4, numKvHeads: { global: 1, sliding: 2 }, headDim: 48, window: 16 },
  experts: { numExperts: 4, numExpertsPerToken: 2, intermediateSize: 144 },
  vocabSize: 320,
});
const OPTIONS = {
  mtpMode: "parallel",
  maxDocuments: 2,
  matrices: "adamw",
  momentum: 0.95,
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  weightDecay: 0.1,
  clipNorm: 1,
} as const;
const TEXT = Array.from({ length: 150 }, (_, i) => (i * i * 7 + 3 * i) % 256);
const BATCH = packBatch([{ tokens: Int32Array.from(TEXT) }, { tokens: Int32Array.from(TEXT.slice(90)) }], 256);
const SETTINGS = { learningRate: 1e-3, mtpWeight: 0.3, biasRate: 1e-3, balanceWeight: 1e-3 };
const FOLDER = mkdtempSync(join(tmpdir(), "mimo-fp8-"));
afterAll(() => rmSync(FOLDER, { recursive: true }));

function valuesOf(device: Backend, tensor: Tensor): Float32Array {
  const values = new Float32Array(tensor.shape.reduce((a, b) => a * b, 1));
  device.download(tensor, new Uint8Array(values.buffer));
  return values;
}

/** Bit by bit. */
function isSame(actual: Float32Array, expected: Float32Array): boolean {
  return Buffer.from(actual.buffer).equals(Buffer.from(expected.buffer));
}

test("the three products of a layer take operands on the grid, in blocks along their sums", () => {
  const [block, T] = [16, 40];
  using device = createBackend();
  using parameters = new TrainedParameters(device, CONFIG, 0, block);
  initialise(device, parameters, 5);
  parameters.round();
  using arena = new Arena(device);
  const tape = new Tape(
    device,
    arena,
    parameters,
    rulesOf(() => null, block),
  );
  const weight = parameters.bound.layers[0]!.attention.k;
  const [N, K] = [weight.outFeatures, weight.inFeatures];
  const master = parameters.all.find(({ name }) => name === "model.layers.0.self_attn.k_proj.weight")!.values;
  const [x, dOut] = [randomFloats(1, T * K), randomFloats(2, T * N)];
  const tensors = {
    x: arena.scope("test").tensor("x", "f32", [T, K]),
    out: arena.scope("test").tensor("out", "f32", [T, N]),
  };
  device.upload(tensors.x, new Uint8Array(x.buffer));
  linear(tape.backend, { x: tensors.x, weight, out: tensors.out });
  device.upload(tape.gradientOf(tensors.out), new Uint8Array(dOut.buffer));
  tape.backward();

  const [byColumns, byTokens, squares] = [
    { rows: 1, columns: block },
    { rows: block, columns: 1 },
    { rows: block, columns: block },
  ] as const;
  const w = roundTiles(valuesOf(device, master), K, squares);
  const sum = (count: number, term: (i: number) => number): number =>
    Array.from({ length: count }, (_, i) => term(i)).reduce((a, b) => a + b, 0);
  const expectNear = (actual: Float32Array, expected: (i: number) => number): void =>
    actual.forEach((value, i) => expect(Math.abs(value - expected(i))).toBeLessThan(2e-5));
  const [xOfColumns, dOutOfColumns] = [roundTiles(x, K, byColumns), roundTiles(dOut, N, byColumns)];
  expectNear(valuesOf(device, tensors.out), (i) =>
    sum(K, (k) => xOfColumns[Math.floor(i / N) * K + k]! * w[(i % N) * K + k]!),
  );
  expectNear(valuesOf(device, tape.gradientOf(tensors.x)), (i) =>
    sum(N, (n) => dOutOfColumns[Math.floor(i / K) * N + n]! * w[n * K + (i % K)]!),
  );
  const [xOfTokens, dOutOfTokens] = [roundTiles(x, K, byTokens), roundTiles(dOut, N, byTokens)];
  expectNear(valuesOf(device, parameters.gradientOf(master)), (i) =>
    sum(T, (t) => dOutOfTokens[t * N + Math.floor(i / K)]! * xOfTokens[t * K + (i % K)]!),
  );
});

/** Gradients of the first step, by name. */
function gradients(fp8Block: number): Map<string, Float32Array> {
  using device = createBackend();
  using parameters = new TrainedParameters(device, CONFIG, 1, fp8Block);
  initialise(device, parameters, 3);
  using learner = new Learner(device, parameters, OPTIONS);
  learner.accumulate([BATCH], SETTINGS);
  return new Map(parameters.all.map(({ name, gradient }) => [name, valuesOf(device, gradient)]));
}

test.each([16, 128])("gradients in blocks of %i point where those of float32 point", (fp8Block) => {
  const exact = gradients(0);
  let [dots, squares, exactSquares] = [0, 0, 0];
  for (const [name, values] of gradients(fp8Block)) {
    const expected = exact.get(name)!;
    const dot = values.reduce((sum, value, i) => sum + value * expected[i]!, 0);
    const [norm, exactNorm] = [Math.hypot(...values), Math.hypot(...expected)];
    // A router whose choice has flipped may differ by more, but not one of the others.
    if (exactNorm > 1e-3 && !name.includes("experts") && !name.includes("mlp.gate")) {
      expect(dot / (norm * exactNorm), name).toBeGreaterThan(0.95);
    }
    [dots, squares, exactSquares] = [dots + dot, squares + norm ** 2, exactSquares + exactNorm ** 2];
  }
  expect(dots / Math.sqrt(squares * exactSquares)).toBeGreaterThan(0.99);
  expect(dots / Math.sqrt(squares * exactSquares)).toBeLessThan(0.99999);
  expect(Math.abs(Math.sqrt(squares / exactSquares) - 1)).toBeLessThan(0.05);
});

describe("a model that was trained in blocks of 128, exported as FP8", () => {
  /** What the file should hold: matrices on the grid, the rest as bf16, and routers as they are. */
  const expected = new Map<string, Float32Array>();
  const [fp8, f32] = [join(FOLDER, "fp8"), join(FOLDER, "f32")];

  test("keeps the weights that products took", async () => {
    using device = createBackend();
    using parameters = new TrainedParameters(device, CONFIG, 1, 128);
    initialise(device, parameters, 4);
    using learner = new Learner(device, parameters, OPTIONS);
    for (let step = 1; step <= 3; step++) learner.step([BATCH], { ...SETTINGS, step });
    for (const { name, parameter, values } of parameters.all) {
      const masters = valuesOf(device, values);
      if (FP8_ROLES.has(parameter.role)) {
        const [rows, columns] = parameter.shape as [number, number];
        for (let i = 0; i < parameter.count; i++) {
          const matrix = masters.subarray(i * rows * columns, (i + 1) * rows * columns);
          matrix.set(roundTiles(matrix, columns, { rows: 128, columns: 128 }));
        }
      } else if (!name.includes("mlp.gate")) masters.set(masters.map((value) => bf16ToF32(f32ToBf16(value))));
      expected.set(name, masters);
    }
    const { attention, feedForward } = parameters.bound.layers[1]!;
    const taken = feedForward.kind === "experts" ? feedForward.experts.down : feedForward.down;
    const down = expected.get("model.layers.1.mlp.experts.0.down_proj.weight")!;
    expect(isSame(valuesOf(device, parameters.matrixOf(taken)), down)).toBe(true);
    expect(parameters.isFp8(taken)).toBe(true);
    expect(parameters.isFp8(attention.o)).toBe(false);
    const tokenizer = createByteTokenizer({ vocabSize: 320 });
    await exportModel(device, parameters, { out: fp8, type: "fp8", tokenizer });

    using checkpoint = openCheckpoint(fp8);
    expect(checkpoint.tensors.get("model.layers.1.self_attn.q_proj.weight_scale_inv")?.shape).toEqual([2, 2]);
    expect(parseConfig(checkpoint).config.hiddenSize).toBe(160);
    using read = loadParameters(device, checkpoint, 1);
    for (const { name, values } of read.all) {
      expect(isSame(valuesOf(device, values), expected.get(name)!), name).toBe(true);
    }
  });

  test("gives the logits of its rounded masters", async () => {
    using device = createBackend();
    using parameters = new TrainedParameters(device, CONFIG, 1);
    for (const { name, values } of parameters.all) {
      device.upload(values, new Uint8Array(expected.get(name)!.buffer));
    }
    const tokenizer = createByteTokenizer({ vocabSize: 320 });
    await exportModel(device, parameters, { out: f32, type: "f32", tokenizer });
    for (const mtpHead of [undefined, 0]) {
      const [rounded, stored] = [f32, fp8].map((path) => {
        using opened = openEngine(path);
        return evaluateAll(opened.engine, TEXT, { mtpHead });
      }) as [Float32Array, Float32Array];
      expect(maxDifference(stored, rounded)).toBeLessThan(1e-5);
    }
  });
});
