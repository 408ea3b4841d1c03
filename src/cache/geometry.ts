// How much KV memory a model needs: pure arithmetic, so that it can be told before anything is allocated.

import { kvRowWidth } from "../ops/kv-write/kv-write.ts";
import { type KvDType, rowBytes } from "../tensor/dtype.ts";
import { defined } from "../util/assert.ts";

/** Keys and values of one layer. */
export interface LayerGeometry {
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly valueDim: number;
}

export interface CacheGeometry {
  /** Trunk layers in order: each either global or sliding. */
  readonly layers: readonly (LayerGeometry & { readonly sliding: boolean })[];
  readonly numMtpHeads: number;
  /** Keys a sliding query sees, itself included. */
  readonly window: number;
  readonly hiddenSize: number;
}

/** Tokens in a block of a global layer. */
export const BLOCK_TOKENS = 64;
/** Blocks of so many tokens. */
export function numBlocks(numTokens: number): number {
  return Math.ceil(numTokens / BLOCK_TOKENS);
}

/** Places of a ring beyond its window: how many tokens can be written ahead and taken back. */
export const RING_SLACK = 16;

export function ringPlaces(geometry: CacheGeometry): number {
  return geometry.window + RING_SLACK;
}

/** The geometry of an MTP head: that of a sliding layer. */
export function mtpGeometry(geometry: CacheGeometry): LayerGeometry {
  return defined(geometry.layers.find((layer) => layer.sliding) ?? geometry.layers[0], "a layer");
}

/** Bytes of the key and the value of one token in one layer. */
export function layerTokenBytes(layer: LayerGeometry, dtype: KvDType): number {
  const row = (width: number): number => defined(rowBytes(dtype, kvRowWidth(dtype, width)), "row bytes");
  return layer.numKvHeads * (row(layer.headDim) + row(layer.valueDim));
}

export interface CacheSizes {
  /** Grows with every token: global layers. */
  readonly bytesPerToken: number;
  /** Held by every sequence whatever its length: rings of sliding layers and MTP heads. */
  readonly bytesPerSequence: number;
  /** Bytes per token if every layer were global. */
  readonly bytesPerTokenAllGlobal: number;
  /** Bytes per token if sliding layers were kept at full length. */
  readonly bytesPerTokenFullLength: number;
}

export function cacheSizes(geometry: CacheGeometry, dtype: KvDType): CacheSizes {
  const bytes = geometry.layers.map((layer) => layerTokenBytes(layer, dtype));
  const sum = (of: readonly number[]): number => of.reduce((a, b) => a + b, 0);
  const global = bytes.filter((_, i) => geometry.layers[i]?.sliding === false);
  const sliding = bytes.filter((_, i) => geometry.layers[i]?.sliding === true);
  const mtp = geometry.numMtpHeads * layerTokenBytes(mtpGeometry(geometry), dtype);
  return {
    bytesPerToken: sum(global),
    bytesPerSequence: (sum(sliding) + mtp) * ringPlaces(geometry),
    bytesPerTokenAllGlobal: (global[0] ?? 0) * geometry.layers.length,
    bytesPerTokenFullLength: sum(bytes),
  };
}

/** Bytes of KV memory of one sequence of `tokens` tokens: whole blocks, and one set of rings. */
export function sequenceBytes(sizes: CacheSizes, tokens: number): number {
  return Math.ceil(tokens / BLOCK_TOKENS) * BLOCK_TOKENS * sizes.bytesPerToken + sizes.bytesPerSequence;
}
