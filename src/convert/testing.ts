// Helpers of this room's tests: logits of a checkpoint on the reference backend, and its tensors as bytes.

import { createReferenceBackend } from "../backends/reference/reference.ts";
import { openCheckpoint } from "../checkpoint/checkpoint.ts";
import type { TensorSource } from "../checkpoint/tensor-info.ts";
import { parseConfig } from "../model/parse-config.ts";
import type { DType } from "../tensor/dtype.ts";
import type { Shape } from "../tensor/shape.ts";
import { defined } from "../util/assert.ts";
import { evaluateAll, openEngine } from "../../test/support.ts";

export interface StoredTensor {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly bytes: Uint8Array;
}

export function storedTensors(path: string): Map<string, StoredTensor> {
  using checkpoint = openCheckpoint(path);
  return new Map(
    [...checkpoint.tensors].map(([name, info]) => [
      name,
      { dtype: info.dtype, shape: info.shape, bytes: checkpoint.read(info) },
    ]),
  );
}

export const TEXT: readonly number[] = Array.from({ length: 12 }, (_, i) => (37 * i) % 256);

/** Rows of logits of the trunk, or of an MTP head. The reference backend is exact, so equal weights give equal bits. */
export function logitsOf(path: string, ids: readonly number[] = TEXT, mtpHead?: number): Float32Array {
  using opened = openEngine(path, {}, createReferenceBackend());
  return evaluateAll(opened.engine, ids, { mtpHead });
}

/**
 * The tensors of an FP8 folder with q, k and v of every block in one matrix, as later models keep them: in ranks, one
 * per global KV head, each [q | k | v] of its share of the heads. Scale rows move along with the rows they scale.
 */
export function fuseProjections(path: string): TensorSource[] {
  using checkpoint = openCheckpoint(path);
  const ranks = parseConfig(checkpoint).config.attention.global.numKvHeads;
  const tensors = storedTensors(path);
  return [...tensors].flatMap(([name, tensor]): TensorSource[] => {
    const suffix = /self_attn\.q_proj(\.weight.*)$/.exec(name)?.[1];
    if (suffix === undefined) return /self_attn\.[kv]_proj/.test(name) ? [] : [sourceOf(name, tensor)];
    const parts = ["q", "k", "v"].map((which) =>
      defined(tensors.get(name.replace("q_proj", `${which}_proj`)), `${which} beside ${name}`),
    );
    const rows = parts.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0);
    const bytes = Array.from({ length: ranks }, (_, rank) =>
      parts.map((part) => shareOf(part.bytes, rank, ranks)),
    ).flat();
    const fused = { dtype: tensor.dtype, shape: [rows, ...tensor.shape.slice(1)], bytes: Buffer.concat(bytes) };
    return [sourceOf(name.replace("q_proj", "qkv_proj"), fused)];
  });
}

function shareOf(bytes: Uint8Array, rank: number, ranks: number): Uint8Array {
  const length = bytes.length / ranks;
  return bytes.subarray(rank * length, (rank + 1) * length);
}

function sourceOf(name: string, { dtype, shape, bytes }: StoredTensor): TensorSource {
  return { name, dtype, shape, chunks: () => [bytes] };
}
