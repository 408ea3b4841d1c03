// What one forward pass is given: rows of several sequences end to end, and where their keys and values lie.
//
// A batch knows positions, blocks and slots; it does not know which request a row belongs to or why it is there.

import type { KvBatch } from "../ops/attention/kv-batch.ts";
import type { KvCache } from "../ops/kv-write/kv-write.ts";

export interface Batch {
  /** [T] */
  readonly tokens: Int32Array;
  /** Global layers: keys go straight into the paged cache. */
  readonly paged: KvBatch;
  /** Sliding layers: keys go through the stage, so that a long chunk can attend to itself. */
  readonly ring: KvBatch;
}

/** Rows of MTP head k: row (position i) reads hidden state i and token i + 1 + k. */
export interface MtpBatch {
  readonly tokens: Int32Array;
  readonly ring: KvBatch;
}

/** Key-value memory of all layers, as the model sees it. */
export interface ModelCaches {
  /** One per trunk layer. */
  readonly layers: readonly KvCache[];
  /** One per MTP head. */
  readonly mtp: readonly KvCache[];
  /** One block with a place per row of a batch, shared by all sliding layers. */
  readonly stage: KvCache;
}
