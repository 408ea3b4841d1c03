// The losses of one pass: next-token cross-entropy of the trunk and of every MTP head, through the shared LM head.
//
// Logits exist for some hundred rows at a time: products, softmax and gradients of such a chunk are done before the
// next begins, so a large vocabulary costs no memory that grows with the batch.

import type { ActivationMemory } from "../model/workspace.ts";
import { copyRows } from "../ops/copy-rows/copy-rows.ts";
import { copyRowsBackward } from "../ops/copy-rows/copy-rows.backward.ts";
import { crossEntropy } from "../ops/cross-entropy/cross-entropy.ts";
import { linear } from "../ops/linear/linear.ts";
import { linearBackwardInput, linearBackwardWeight } from "../ops/linear/linear.backward.ts";
import { type Tensor, tensorBytes } from "../tensor/tensor.ts";
import { defined } from "../util/assert.ts";
import type { Arena } from "./arena.ts";
import type { TrainedParameters } from "./parameters.ts";
import type { Tape } from "./tape.ts";

/** One head's share of the loss. */
export interface LossTerm {
  /** Hidden states after the head's final norm, [T, D]. */
  readonly normed: Tensor;
  /** [T], −1 for none. */
  readonly targets: Int32Array;
  /** What each row's cross-entropy counts in the total: [T]. */
  readonly coefficients: Float32Array;
}

const CHUNK_ROWS = 512;

/** Negative log-probabilities of the targets, [T] for each term, 0 where there is none; their gradients wait on the tape's tensors. */
export function addLosses(
  tape: Tape,
  arena: Arena,
  parameters: TrainedParameters,
  terms: readonly LossTerm[],
): Float32Array[] {
  const memory = arena.scope("loss");
  const pending = terms.map((term, index) => addLoss(tape, memory, parameters, term, index));
  return pending.map(({ rows, losses }, index) => {
    const values = new Float32Array(rows.length);
    tape.device.download(losses, new Uint8Array(values.buffer));
    const all = new Float32Array(terms[index]!.targets.length);
    rows.forEach((row, i) => (all[row] = values[i]!));
    return all;
  });
}

/** Rows without a target take no part: where only answers are learnt, those are most. */
function addLoss(
  tape: Tape,
  memory: ActivationMemory,
  { config, bound }: TrainedParameters,
  { normed, targets, coefficients }: LossTerm,
  index: number,
): { readonly rows: Int32Array; readonly losses: Tensor } {
  const { device } = tape;
  const [T, D] = [targets.length, config.hiddenSize];
  const rows = Int32Array.from(targets.keys()).filter((row) => targets[row]! >= 0);
  const R = rows.length;
  const place = (name: string, values: Int32Array | Float32Array): Tensor => {
    const tensor = memory.tensor(`${name} ${index}`, values instanceof Int32Array ? "i32" : "f32", [T]);
    const used = { ...tensor, shape: [R] };
    device.upload(used, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    return used;
  };
  const losses = { ...memory.tensor(`losses ${index}`, "f32", [T]), shape: [R] };
  if (R === 0) return { rows, losses };
  const lmHead = tape.matrixOf(bound.lmHead);
  const chosen = place("rows", rows);
  const inOrder = place("in order", Int32Array.from(rows.keys()));
  const of = {
    targets: place(
      "targets",
      Int32Array.from(rows, (row) => targets[row]!),
    ),
    coefficients: place(
      "coefficients",
      Float32Array.from(rows, (row) => coefficients[row]!),
    ),
  };
  const input = { ...memory.tensor(`input ${index}`, "f32", [T, D]), shape: [R, D] };
  copyRows(device, { source: normed, sourceRows: chosen, target: input, targetRows: inOrder });
  for (let row = 0; row < R; row += CHUNK_ROWS) {
    const count = Math.min(CHUNK_ROWS, R - row);
    const logits = {
      ...memory.tensor("logits", "f32", [CHUNK_ROWS, config.vocabSize]),
      shape: [count, config.vocabSize],
    };
    const x = rowsOf(input, row, count);
    linear(device, { x, weight: bound.lmHead, out: logits });
    crossEntropy(device, {
      logits,
      targets: rowsOf(of.targets, row, count),
      coefficients: rowsOf(of.coefficients, row, count),
      losses: rowsOf(losses, row, count),
    });
    linearBackwardInput(device, { dOut: logits, weight: lmHead, dX: tape.gradientOf(x) });
    linearBackwardWeight(device, { x, dOut: logits, dWeight: tape.gradientOf(lmHead) });
  }
  copyRowsBackward(device, {
    dTarget: tape.gradientOf(input),
    targetRows: inOrder,
    dSource: tape.gradientOf(normed),
    sourceRows: chosen,
  });
  return { rows, losses };
}

function rowsOf(tensor: Tensor, row: number, count: number): Tensor {
  const [, ...rest] = tensor.shape;
  const rowBytes = defined(tensorBytes(tensor.dtype, [1, ...rest]), "bytes of a row");
  return { ...tensor, shape: [count, ...rest], byteOffset: tensor.byteOffset + row * rowBytes };
}
