// Decides what of the weights that are used in their files stays in memory: all that every token reads, and the most
// used experts.
//
// Weights of several matrices are experts. Files that fit into memory are left to the system.

import type { Backend, Weight } from "../backends/backend.ts";

export interface PlacementOptions {
  /**
   * Bytes of memory for experts. Infinity leaves all weights where they lie, and what is in memory to the system.
   * Undefined: what is free where the model does not fit, otherwise Infinity.
   */
  readonly expertMemory: number | undefined;
  /** Bytes read of those that are read at once; called where that takes long. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** What this process could take before the model was loaded. */
  readonly availableBytes: number;
}

/** Progress of less is nobody's concern. */
const QUIET_MS = 2000;
/** For what grows while the model runs: results, messages, the system's own tables. */
const RESERVED_BYTES = 256e6;
const RESERVED_SHARE = 0.03;

/** Returns what the user should know, as sentences. Called once, after all other memory was allocated. */
export function placeWeights(backend: Backend, weights: readonly Weight[], options: PlacementOptions): string[] {
  const inFile = weights.filter(({ isPacked }) => !isPacked);
  const experts = inFile.filter(({ numMatrices }) => numMatrices > 1);
  const others = inFile.filter(({ numMatrices }) => numMatrices === 1);
  const available = options.availableBytes;
  const free = available * (1 - RESERVED_SHARE) - RESERVED_BYTES - backend.stats().allocatedBytes - totalBytes(others);
  const limit = options.expertMemory ?? (totalBytes(experts) <= free ? Infinity : Math.max(0, Math.floor(free)));
  if (limit === Infinity || experts.length === 0) return [];
  const areLocked = lockAll(backend, others, options.onProgress);
  backend.limitFetched(limit);
  // A backend that keeps whatever it has read has nothing to tell.
  if (backend.fetchStats() === undefined) return [];
  const warnings: string[] = [];
  if (options.expertMemory === undefined) {
    warnings.push(
      `The weights, ${gigabytes(totalBytes(weights))}, exceed the free memory, ${gigabytes(available)}: ${gigabytes(limit)} hold the most used experts, the others are read when they are chosen.`,
    );
  }
  if (!areLocked) {
    warnings.push(
      "The system does not allow to lock weights in memory, and may drop what every token reads. Raise the limit, for example with `ulimit -l unlimited`.",
    );
  }
  return warnings;
}

function lockAll(backend: Backend, weights: readonly Weight[], onProgress: PlacementOptions["onProgress"]): boolean {
  const started = performance.now();
  const total = totalBytes(weights);
  let done = 0;
  let areLocked = true;
  for (const weight of weights) {
    areLocked = backend.lockWeight(weight) && areLocked;
    done += weight.byteLength;
    if (performance.now() - started > QUIET_MS) onProgress?.(done, total);
  }
  return areLocked;
}

function totalBytes(weights: readonly Weight[]): number {
  return weights.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
