// A batch as the trainer sees it: documents end to end in a fixed number of rows, none attending to another.
//
// Rows beyond the last document are padding: a document of its own without targets, so that every step has the same
// shapes. Target k of a row is the token k + 1 places on in the same document: the next one for the trunk, further ones
// for MTP heads.

import { type KvBatch, NOT_STAGED } from "../ops/attention/kv-batch.ts";
import { assert } from "../util/assert.ts";

export interface Document {
  readonly tokens: Int32Array;
  /** 1 where a token is to be learnt; default: everywhere. */
  readonly isLearnt?: Uint8Array | undefined;
}

export interface TrainingBatch {
  /** [T] */
  readonly tokens: Int32Array;
  /** First row and rows of each document and of the padding. */
  readonly spans: readonly { readonly row: number; readonly count: number }[];
  /** [T]: 1 where the row's token is a target of earlier rows. */
  readonly isLearnt: Uint8Array;
  /** Rows that hold documents. */
  readonly numTokens: number;
}

/** Places of a cache block: short enough that documents waste few. */
const BLOCK_PLACES = 64;

export function packBatch(documents: readonly Document[], numRows: number): TrainingBatch {
  const tokens = new Int32Array(numRows);
  const isLearnt = new Uint8Array(numRows);
  const spans: { row: number; count: number }[] = [];
  let row = 0;
  for (const document of documents) {
    const count = document.tokens.length;
    assert(count > 0 && row + count <= numRows, `documents of more than ${numRows} tokens`);
    tokens.set(document.tokens, row);
    isLearnt.set(document.isLearnt ?? new Uint8Array(count).fill(1), row);
    spans.push({ row, count });
    row += count;
  }
  if (row < numRows) spans.push({ row, count: numRows - row });
  return { tokens, spans, isLearnt, numTokens: row };
}

/** [T]: the token `distance` places on, −1 where the document ends before it or it is not to be learnt. */
export function targetsAt(batch: TrainingBatch, distance: number): Int32Array {
  const targets = new Int32Array(batch.tokens.length).fill(-1);
  for (const { row, count } of batch.spans) {
    for (let i = row; i + distance < row + count; i++) {
      if (batch.isLearnt[i + distance] === 1) targets[i] = batch.tokens[i + distance]!;
    }
  }
  return targets;
}

/** [T]: the token `distance` places on, 0 where there is none: what an MTP head reads; no target depends on the zeros. */
export function tokensAt(batch: TrainingBatch, distance: number): Int32Array {
  const tokens = new Int32Array(batch.tokens.length);
  for (const { row, count } of batch.spans) {
    tokens.set(batch.tokens.subarray(Math.min(row + distance, row + count), row + count), row);
  }
  return tokens;
}

/** Cache blocks that any batch of so many rows needs: `maxDocuments` may each leave one half empty. */
export function numBlocks(numRows: number, maxDocuments: number): number {
  return Math.ceil(numRows / BLOCK_PLACES) + maxDocuments;
}

/** Where keys and values of the batch lie: blocks of each document in order. */
export function placeKeys(batch: TrainingBatch): KvBatch & { readonly places: number } {
  const T = batch.tokens.length;
  const rows = new Int32Array(2 * T);
  const slots = new Int32Array(T);
  const segments = new Int32Array(4 * batch.spans.length);
  let block = 0;
  batch.spans.forEach(({ row, count }, segment) => {
    const blocks = Math.ceil(count / BLOCK_PLACES);
    segments.set([block, blocks, NOT_STAGED, 0], 4 * segment);
    for (let i = 0; i < count; i++) {
      rows.set([segment, i], 2 * (row + i));
      slots[row + i] = block * BLOCK_PLACES + i;
    }
    block += blocks;
  });
  return { rows, slots, segments, tables: Int32Array.from({ length: block }, (_, i) => i), places: BLOCK_PLACES };
}
