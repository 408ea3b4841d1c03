// Which matrices of a checkpoint are copied into the layout that kernels read fastest, and which are used in the file.
//
// A packed matrix takes memory of its own, about as much as in the file for most types; one in the file takes what the system leaves
// of its page cache. Results are the same bits either way.

import type { BackendName } from "../backends/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { DType } from "../tensor/dtype.ts";
import type { ModelConfig } from "./config.ts";
import { listParameters } from "./parameters.ts";
import { countMtpHeads, dialectOf } from "./weights.ts";

/** "dense" packs all but the experts, which are most of a large model and used a few at a time. */
export const PACKINGS = ["all", "dense", "none"] as const;
export type Packing = (typeof PACKINGS)[number];

/**
 * How much larger tiles are than a file's blocks (src/ops/linear/tile.h): scales that are no longer six bits, and code
 * books whose entries are spelled out.
 */
const GROWTH: Partial<Record<DType, number>> = {
  f8_e4m3: 1 + 64 / 2048,
  mxfp4: 18 / 17,
  q2_k: 100 / 84,
  q3_k: 114 / 110,
  q4_k: 148 / 144,
  q5_k: 180 / 176,
  iq4_xs: 138 / 136,
  iq3_s: 138 / 110,
  iq3_xxs: 138 / 98,
  iq2_xxs: 138 / 66,
  iq2_xs: 146 / 74,
  iq2_s: 146 / 82,
};

/** What matrices of so many bytes take when they are packed, as far as their rows are whole tiles. */
export function packedBytes(dtype: DType, bytes: number): number {
  return bytes * (GROWTH[dtype] ?? 1);
}

/** Bytes once packed. */
export interface WeightSizes {
  readonly experts: number;
  /** All other tensors. */
  readonly dense: number;
}

export function weightSizes(checkpoint: Checkpoint, config: ModelConfig): WeightSizes {
  const dialect = dialectOf(checkpoint);
  const names = new Set<string>();
  for (const { isExperts, count, names: namesOf } of listParameters(config, countMtpHeads(checkpoint, config))) {
    if (isExperts) for (let i = 0; i < count; i++) for (const name of namesOf(dialect, i)) names.add(name);
  }
  const sizes = { experts: 0, dense: 0 };
  for (const { name, dtype, byteLength } of checkpoint.tensors.values()) {
    sizes[names.has(name) ? "experts" : "dense"] += packedBytes(dtype, byteLength);
  }
  return sizes;
}

/**
 * What was asked for, or as much as fits into `available` bytes with a tenth to spare for everything else; no experts
 * where they are given memory of their own. The reference backend has no other layout.
 */
export function choosePacking(
  { experts, dense }: WeightSizes,
  available: number,
  asked: {
    readonly backend: BackendName;
    readonly packing?: Packing | undefined;
    readonly expertMemory?: number | undefined;
  },
): Packing {
  if (asked.backend === "reference") return "none";
  if (asked.packing !== undefined) return asked.packing;
  const usable = 0.9 * available;
  if (asked.expertMemory === undefined && experts + dense <= usable) return "all";
  return asked.expertMemory !== Infinity && dense <= usable ? "dense" : "none";
}
