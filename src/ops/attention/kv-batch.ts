// The host form of KvLayout, with the slots that new keys and values go to: what a cache plans and a model uploads.

export interface KvBatch {
  /** [T, 2]: segment, position. */
  readonly rows: Int32Array;
  /** [S, 4]: tableStart, tableLength, stagedFrom, stagedRow. */
  readonly segments: Int32Array;
  /** Block ids of all segments, end to end. */
  readonly tables: Int32Array;
  /** [T]: the slot in which a row's key and value are kept; −1 for a row that a ring need not keep. */
  readonly slots: Int32Array;
}

/** `stagedFrom` of a segment whose keys are all in the cache. */
export const NOT_STAGED = 0x7fffffff;
