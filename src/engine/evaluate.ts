// Logits of a whole text, without sampling: one row per position, from the trunk or from an MTP head.
//
// Row t of the trunk predicts token t + 1. Row t of head k reads hidden state t and token t + k + 1 and predicts
// token t + k + 2, so a text of T tokens has T − k − 1 such rows. Chunks are independent of their size, bitwise.

import type { Tensor } from "../tensor/tensor.ts";
import { defined } from "../util/assert.ts";
import { MimoError } from "../util/errors.ts";
import type { ModelRunner } from "./model-runner.ts";
import type { PlannedRows } from "./scheduler.ts";
import { Sequence } from "./sequence.ts";
import { DEFAULT_SAMPLING } from "../ops/sample/sample.ts";
import type { MtpMode } from "./speculator.ts";

/** Rows of logits on the host at a time. */
const LOGIT_ROWS = 16;

export interface EvaluateRequest {
  readonly ids: readonly number[];
  /** MTP head whose logits are wanted; undefined for the trunk's. */
  readonly mtpHead?: number | undefined;
  readonly mtpMode: MtpMode;
  /** What to return of each position: logits [V], or the trunk's hidden state [D] before the final norm. */
  readonly output: "logits" | "hidden";
}

export interface EvaluatedRows {
  /** [rows, width], row-major. */
  readonly values: Float32Array;
  readonly width: number;
}

/** Rows in order, a chunk at a time. Throws `invalid_argument`, `context_length_exceeded`, `overloaded`. */
export function* evaluate(runner: ModelRunner, request: EvaluateRequest): Generator<EvaluatedRows> {
  checkRequest(runner, request);
  const { cache } = runner;
  const { ids } = request;
  const cacheId = cache.open();
  try {
    const sequence = new Sequence(
      { id: 0, prompt: ids, maxTokens: 1, stopTokens: [], sampling: DEFAULT_SAMPLING, speculation: 0 },
      0,
      0,
    );
    sequence.cacheId = cacheId;
    const chunk = runner.options.maxRows;
    for (let position = 0; position < ids.length; position += chunk) {
      const tokens = ids.slice(position, position + chunk);
      if (!cache.reserve(cacheId, tokens.length)) {
        throw new MimoError("overloaded", "The cache has no room for this text beside the running requests.", {
          remedy: "Wait for them to end, or load the model with a larger contextLength.",
        });
      }
      const rows: PlannedRows = { sequence, position, tokens, numLogits: 0 };
      const hidden = runner.forward([rows]);
      cache.commit(cacheId, tokens.length);
      if (request.mtpHead === undefined) yield* outputRows(runner, request, hidden, tokens.length, "trunk");
      else yield* mtpRows(runner, request, { hidden, cacheId, position, count: tokens.length, head: request.mtpHead });
    }
  } finally {
    cache.release(cacheId);
  }
}

function checkRequest(runner: ModelRunner, { ids, mtpHead }: EvaluateRequest): void {
  const { cache, model } = runner;
  const { vocabSize } = model.config;
  if (ids.length === 0)
    throw new MimoError("invalid_argument", "There are no token ids to evaluate.", { param: "ids" });
  const odd = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
  if (odd !== undefined) {
    throw new MimoError("invalid_argument", `Token ${odd} is outside the vocabulary of ${vocabSize}.`, {
      param: "ids",
    });
  }
  if (mtpHead !== undefined && (!Number.isInteger(mtpHead) || mtpHead < 0 || mtpHead >= model.numMtpHeads)) {
    throw new MimoError("invalid_argument", `MTP head ${mtpHead} does not exist; the model has ${model.numMtpHeads}.`, {
      param: "mtp",
    });
  }
  if (ids.length > cache.options.maxTokens) {
    throw new MimoError(
      "context_length_exceeded",
      `The text has ${ids.length} tokens; the context holds ${cache.options.maxTokens}.`,
      {
        param: "ids",
        remedy: "Load the model with a larger contextLength.",
      },
    );
  }
  if (cache.numFreeSequences === 0) {
    throw new MimoError("overloaded", "Every sequence slot is in use.", {
      remedy: "Wait for a running request to end.",
    });
  }
}

interface MtpChunk {
  readonly hidden: Tensor;
  readonly cacheId: number;
  readonly position: number;
  readonly count: number;
  readonly head: number;
}

function* mtpRows(runner: ModelRunner, request: EvaluateRequest, chunk: MtpChunk): Generator<EvaluatedRows> {
  const { cache, model } = runner;
  const { ids, mtpMode } = request;
  const { position, head } = chunk;
  let source = chunk.hidden;
  // Chained heads need every head before them; a parallel head stands alone.
  for (let k = mtpMode === "chained" ? 0 : head; k <= head; k++) {
    const count = Math.min(position + chunk.count, ids.length - k - 1) - position;
    if (count <= 0) return;
    const ring = cache.planRings([{ sequence: chunk.cacheId, position, count }]);
    const tokens = Int32Array.from(ids.slice(position + k + 1, position + k + 1 + count));
    source = model.mtpForward(k, { tokens, ring }, { tensor: source, rows: iota(count) }, cache);
    if (k === head) yield* outputRows(runner, request, source, count, head);
  }
}

function* outputRows(
  runner: ModelRunner,
  request: EvaluateRequest,
  hidden: Tensor,
  count: number,
  head: "trunk" | number,
): Generator<EvaluatedRows> {
  const width = defined(hidden.shape[1], "hidden width");
  if (request.output === "hidden") {
    const values = new Float32Array(count * width);
    runner.backend.download(hidden, new Uint8Array(values.buffer));
    yield { values, width };
    return;
  }
  for (let start = 0; start < count; start += LOGIT_ROWS) {
    const rows = Array.from(iota(Math.min(LOGIT_ROWS, count - start)), (row) => start + row);
    for (const values of runner.logits(hidden, rows, head)) yield { values, width: values.length };
  }
}

function iota(count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => i);
}
