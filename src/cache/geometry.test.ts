import { describe, expect, test } from "vitest";
import {
  BLOCK_TOKENS,
  type CacheGeometry,
  cacheSizes,
  type LayerGeometry,
  layerTokenBytes,
  mtpGeometry,
  RING_SLACK,
  ringPlaces,
  sequenceBytes,
} from "./geometry.ts";

// The published model: 48 layers, 9 of them global with 4 KV heads, 39 sliding with 8; keys of 192, values of 128.
const GLOBAL: LayerGeometry = { numKvHeads: 4, headDim: 192, valueDim: 128 };
const SLIDING: LayerGeometry = { numKvHeads: 8, headDim: 192, valueDim: 128 };
const FLASH: CacheGeometry = {
  layers: Array.from({ length: 48 }, (_, i) =>
    i % 6 === 0 || i === 47 ? { ...GLOBAL, sliding: false } : { ...SLIDING, sliding: true },
  ),
  numMtpHeads: 3,
  window: 128,
  hiddenSize: 4096,
};

describe("cache geometry", () => {
  test("bytes of a token in a layer: heads × (key + value) in the cache's dtype", () => {
    expect(layerTokenBytes(GLOBAL, "f16")).toBe(4 * (192 + 128) * 2);
    expect(layerTokenBytes(GLOBAL, "f32")).toBe(4 * (192 + 128) * 4);
    // 34 bytes hold 32 elements.
    expect(layerTokenBytes(GLOBAL, "q8_0")).toBe(4 * (6 * 34 + 4 * 34));
  });

  test("q8_0 pads keys and values to whole blocks, each for itself", () => {
    expect(layerTokenBytes({ numKvHeads: 2, headDim: 33, valueDim: 1 }, "q8_0")).toBe(2 * (2 * 34 + 34));
    expect(layerTokenBytes({ numKvHeads: 2, headDim: 33, valueDim: 1 }, "bf16")).toBe(2 * (33 + 1) * 2);
  });

  test("the published model in f16", () => {
    const sizes = cacheSizes(FLASH, "f16");
    expect(FLASH.layers.filter(({ sliding }) => !sliding)).toHaveLength(9);
    expect(sizes).toEqual({
      bytesPerToken: 9 * 2560,
      bytesPerSequence: (39 + 3) * 5120 * (128 + RING_SLACK),
      bytesPerTokenAllGlobal: 48 * 2560,
      bytesPerTokenFullLength: 9 * 2560 + 39 * 5120,
    });
  });

  test("a sequence takes whole blocks and one set of rings", () => {
    const sizes = cacheSizes(FLASH, "f16");
    const blocks = (tokens: number): number =>
      (sequenceBytes(sizes, tokens) - sizes.bytesPerSequence) / sizes.bytesPerToken;
    expect([0, 1, 64, 65, 1000].map(blocks)).toEqual([
      0,
      BLOCK_TOKENS,
      BLOCK_TOKENS,
      2 * BLOCK_TOKENS,
      16 * BLOCK_TOKENS,
    ]);
  });

  test("a ring holds the window and what can be taken back", () => {
    expect(ringPlaces(FLASH)).toBe(128 + RING_SLACK);
  });

  test("MTP heads are sliding layers; a model without any has the shape of its layers", () => {
    expect(mtpGeometry(FLASH)).toMatchObject(SLIDING);
    const layers = [{ ...GLOBAL, sliding: false }];
    expect(mtpGeometry({ ...FLASH, layers })).toMatchObject(GLOBAL);
    expect(cacheSizes({ ...FLASH, layers, numMtpHeads: 0 }, "f16").bytesPerSequence).toBe(0);
  });
});
