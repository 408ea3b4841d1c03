// Uses and reads of experts, for a model that exceeds memory: totals, and what a part of them was.

import type { FetchStats } from "../backends/backend.ts";

export interface ExpertReads {
  readonly total: FetchStats;
  readonly lastStep: FetchStats;
}

/** What was counted since an earlier state; what is held is as it is now. */
export function readsSince(now: FetchStats, before: FetchStats): FetchStats {
  return {
    ...now,
    uses: now.uses - before.uses,
    hits: now.hits - before.hits,
    bytesRead: now.bytesRead - before.bytesRead,
    waitMs: now.waitMs - before.waitMs,
  };
}
