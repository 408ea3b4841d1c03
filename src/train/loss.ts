// The losses of one pass: next-token cross-entropy of the trunk and of every MTP head, through the shared LM head.
//
// Logits exist for some hundred rows at a time: products, softmax and gradients of such a chunk are done before the
// next begins, so a large vocabulary costs no memory that grows with the batch.

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

/** Negative log-probabilities of the targets [T] of each term; their gradients wait on the tape's tensors. */
export function addLosses(
  tape: Tape,
  arena: Arena,
  { config, bound }: TrainedParameters,
  terms: readonly LossTerm[],
): Float32Array[] {
  const { device } = tape;
  const memory = arena.scope("loss");
  const lmHead = tape.matrixOf(bound.lmHead);
  const losses = terms.map(({ normed, targets, coefficients }, term) => {
    const T = targets.length;
    const place = (name: string, values: Int32Array | Float32Array): Tensor => {
      const tensor = memory.tensor(`${name} ${term}`, values instanceof Int32Array ? "i32" : "f32", [T]);
      device.upload(tensor, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
      return tensor;
    };
    const all = { targets: place("targets", targets), coefficients: place("coefficients", coefficients) };
    const out = memory.tensor(`losses ${term}`, "f32", [T]);
    for (let row = 0; row < T; row += CHUNK_ROWS) {
      const count = Math.min(CHUNK_ROWS, T - row);
      const logits = memory.tensor("logits", "f32", [count, config.vocabSize]);
      const x = rowsOf(normed, row, count);
      linear(device, { x, weight: bound.lmHead, out: logits });
      crossEntropy(device, {
        logits,
        targets: rowsOf(all.targets, row, count),
        coefficients: rowsOf(all.coefficients, row, count),
        losses: rowsOf(out, row, count),
      });
      linearBackwardInput(device, { dOut: logits, weight: lmHead, dX: tape.gradientOf(x) });
      linearBackwardWeight(device, { x, dOut: logits, dWeight: tape.gradientOf(lmHead) });
    }
    return out;
  });
  return losses.map((tensor) => {
    const values = new Float32Array(tensor.shape[0]!);
    device.download(tensor, new Uint8Array(values.buffer));
    return values;
  });
}

function rowsOf(tensor: Tensor, row: number, count: number): Tensor {
  const [, ...rest] = tensor.shape;
  const rowBytes = defined(tensorBytes(tensor.dtype, [1, ...rest]), "bytes of a row");
  return { ...tensor, shape: [count, ...rest], byteOffset: tensor.byteOffset + row * rowBytes };
}
