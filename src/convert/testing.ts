// Helpers of this room's tests: logits of a checkpoint on the reference backend, and its tensors as bytes.

import { createHash } from "node:crypto";
import { createReferenceBackend } from "../backends/reference/reference.ts";
import { openCheckpoint } from "../checkpoint/checkpoint.ts";
import type { TensorInfo, TensorSource } from "../checkpoint/tensor-info.ts";
import { parseConfig } from "../model/parse-config.ts";
import type { DType } from "../tensor/dtype.ts";
import type { Shape } from "../tensor/shape.ts";
import { defined } from "../util/assert.ts";
import { evaluateAll, openEngine } from "../../test/support.ts";

export interface StoredTensor {
  readonly dtype: DType;
  readonly shape: Shape;
  /** SHA-256 of the bytes: comparing millions of them one by one takes minutes. */
  readonly digest: string;
}

export function storedTensors(path: string): Map<string, StoredTensor> {
  using checkpoint = openCheckpoint(path);
  return new Map(
    [...checkpoint.tensors].map(([name, info]) => {
      const digest = createHash("sha256").update(checkpoint.read(info)).digest("hex");
      return [name, { dtype: info.dtype, shape: info.shape, digest }];
    }),
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
  const share = (info: TensorInfo, rank: number): Uint8Array => {
    const length = info.byteLength / ranks;
    return checkpoint.read(info, rank * length, (rank + 1) * length);
  };
  return [...checkpoint.tensors.values()].flatMap((info): TensorSource[] => {
    const { name, dtype, shape } = info;
    if (/self_attn\.[kv]_proj/.test(name)) return [];
    if (!/self_attn\.q_proj/.test(name)) return [sourceOf(name, dtype, shape, checkpoint.read(info))];
    const parts = ["q", "k", "v"].map((which) =>
      defined(checkpoint.tensors.get(name.replace("q_proj", `${which}_proj`)), `${which} beside ${name}`),
    );
    const rows = parts.reduce((sum, part) => sum + (part.shape[0] ?? 0), 0);
    const bytes = Array.from({ length: ranks }, (_, rank) => parts.map((part) => share(part, rank))).flat();
    return [sourceOf(name.replace("q_proj", "qkv_proj"), dtype, [rows, ...shape.slice(1)], Buffer.concat(bytes))];
  });
}

function sourceOf(name: string, dtype: DType, shape: Shape, bytes: Uint8Array): TensorSource {
  return { name, dtype, shape, chunks: () => [bytes] };
}
