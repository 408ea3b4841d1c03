// Which matrices of a checkpoint are copied into the layout that kernels read fastest, and which are used in the file.
//
// A packed matrix takes memory of its own, about as much as in the file; one in the file takes what the system leaves
// of its page cache. Results are the same bits either way.

import type { BackendName } from "../backends/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { ModelConfig } from "./config.ts";
import { listParameters } from "./parameters.ts";
import { countMtpHeads, dialectOf } from "./weights.ts";

/** "dense" packs all but the experts, which are most of a large model and used a few at a time. */
export const PACKINGS = ["all", "dense", "none"] as const;
export type Packing = (typeof PACKINGS)[number];

export interface WeightSizes {
  /** Bytes of the experts' matrices in the file. */
  readonly experts: number;
  /** Bytes of all other tensors. */
  readonly dense: number;
}

export function weightSizes(checkpoint: Checkpoint, config: ModelConfig): WeightSizes {
  const dialect = dialectOf(checkpoint);
  const names = new Set<string>();
  for (const { isExperts, count, names: namesOf } of listParameters(config, countMtpHeads(checkpoint, config))) {
    if (isExperts) for (let i = 0; i < count; i++) for (const name of namesOf(dialect, i)) names.add(name);
  }
  const sizes = { experts: 0, dense: 0 };
  for (const { name, byteLength } of checkpoint.tensors.values()) {
    sizes[names.has(name) ? "experts" : "dense"] += byteLength;
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
