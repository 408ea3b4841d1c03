// The reader and the codecs on files made by other programs: test/golden/data.

import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { describe, expect, test } from "vitest";

import { decodeBlocks, encodeBlocks, isEncodable } from "../tensor/codec/codec.ts";
import { type DType } from "../tensor/dtype.ts";
import { numElements, type Shape } from "../tensor/shape.ts";
import { openCheckpoint, type Checkpoint } from "./checkpoint.ts";
import type { TensorInfo } from "./tensor-info.ts";

const GOLDEN = fileURLToPath(new URL("../../test/golden/data/", import.meta.url));
const CASES = existsSync(GOLDEN) ? readdirSync(GOLDEN) : [];
const GGUF_CASES = CASES.filter((name) => name.startsWith("gguf-"));
const HF_CASES = CASES.filter((name) => name.startsWith("hf-"));

/** Root mean square error of each type on weights of a bell shape, relative to the weights; twice what is typical. */
const ERROR_BOUNDS: Partial<Record<DType, number>> = {
  f32: 0.005,
  bf16: 0,
  q8_0: 0.012,
  q6_k: 0.04,
  q5_k: 0.07,
  q4_k: 0.15,
  q4_0: 0.2,
  iq4_nl: 0.17,
  iq4_xs: 0.17,
  mxfp4: 0.25,
  q3_k: 0.3,
  iq3_s: 0.3,
  q2_k: 0.6,
};

function elementsOf(shape: Shape): number {
  return numElements(shape) ?? Number.NaN;
}

function decode(checkpoint: Checkpoint, info: TensorInfo): Float32Array {
  const values = new Float32Array(elementsOf(info.shape));
  decodeBlocks(info.dtype, checkpoint.read(info), values);
  return values;
}

/** ‖a − b‖ / ‖b‖ */
function relativeError(a: Float32Array, b: Float32Array): number {
  let error = 0;
  let size = 0;
  for (let i = 0; i < a.length; i++) {
    error += (a[i]! - b[i]!) ** 2;
    size += b[i]! ** 2;
  }
  return Math.sqrt(error / size);
}

test("golden data is present", () => {
  expect(GGUF_CASES.length).toBeGreaterThanOrEqual(12);
  expect(HF_CASES.length).toBeGreaterThanOrEqual(4);
});

describe.each(GGUF_CASES)("%s", (name) => {
  test("every tensor decodes to the weights it was made from", () => {
    using original = openCheckpoint(`${GOLDEN}gguf-bf16`);
    using checkpoint = openCheckpoint(`${GOLDEN}${name}/model.gguf`);
    expect([...checkpoint.tensors.keys()].toSorted()).toEqual([...original.tensors.keys()].toSorted());
    expect(checkpoint.metadata.get("general.architecture")).toEqual({
      type: "string",
      value: "mimo2",
    });
    for (const info of checkpoint.tensors.values()) {
      const source = original.tensors.get(info.name)!;
      expect(info.shape).toEqual(source.shape);
      const error = relativeError(decode(checkpoint, info), decode(original, source));
      expect(error, `${info.name} (${info.dtype})`).toBeLessThanOrEqual(ERROR_BOUNDS[info.dtype] ?? 0);
    }
  });
});

describe("encoders against llama-quantize, on the same weights", () => {
  test.each(["q8_0", "q4_0", "q4_k_m", "q5_k_m", "q6_k"])("%s", (name) => {
    using original = openCheckpoint(`${GOLDEN}gguf-bf16`);
    using checkpoint = openCheckpoint(`${GOLDEN}gguf-${name}`);
    for (const info of checkpoint.tensors.values()) {
      if (!info.dtype.startsWith("q") || !isEncodable(info.dtype)) continue;
      const weights = decode(original, original.tensors.get(info.name)!);
      const theirs = relativeError(decode(checkpoint, info), weights);
      const encoded = new Uint8Array(info.byteLength);
      const decoded = new Float32Array(weights.length);
      encodeBlocks(info.dtype, weights, encoded);
      decodeBlocks(info.dtype, encoded, decoded);
      expect(relativeError(decoded, weights), `${info.name} (${info.dtype})`).toBeLessThan(1.02 * theirs);
    }
  });
});

describe.each(HF_CASES)("%s", (name) => {
  test("opens, with its configuration and all tensors readable", () => {
    using checkpoint = openCheckpoint(GOLDEN + name);
    expect(checkpoint.config).toHaveProperty("hybrid_layer_pattern");
    expect([...checkpoint.tensors.keys()].some((tensor) => tensor.startsWith("model.mtp."))).toBe(true);
    for (const info of checkpoint.tensors.values()) {
      expect(decode(checkpoint, info).every(Number.isFinite)).toBe(true);
    }
    expect(JSON.parse(checkpoint.readText("expected.json") ?? "null")).toHaveProperty("arrays");
  });
});
