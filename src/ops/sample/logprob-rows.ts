// Log-probabilities where the logits are; logprobs.ts is the definition, row by row.
//
// For each of W rows of logits [R, V]: the token that was chosen for it, tokens[row], and the K most probable ones, in
// ids [W, 1 + K] and logprobs [W, 1 + K]; −1 where there are fewer. Tolerance: logprobs 1e-6, or one float32 step
// where that is more; ids exact.

import type { Backend, HostArgs, Kernel } from "../../backends/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { assert, defined } from "../../util/assert.ts";
import { hostF32, hostI32, hostScalars } from "../host.ts";
import { bindShapes } from "../shapes.ts";
import { logprobReader, type Logprobs, type TokenLogprob } from "./logprobs.ts";

/** tensors [logits, tokens, ids, logprobs] · scalars [W, K, V, numTokens, row…] */
export const LOGPROB_ROWS: Kernel = { name: "logprob_rows", reference: logprobRowsReference };

export function logprobRows(
  backend: Backend,
  args: {
    readonly logits: Tensor;
    readonly numTokens: number;
    readonly tokens: Tensor;
    /** [W]: the rows of `logits` to report on. */
    readonly rows: readonly number[];
    readonly ids: Tensor;
    readonly logprobs: Tensor;
  },
): void {
  const { logits, numTokens, tokens, rows, ids, logprobs } = args;
  const { R, V, W, columns } = bindShapes<"R" | "V" | "W" | "columns">("logprob_rows", [
    ["logits", logits, "f32", "R", "V"],
    ["tokens", tokens, "i32", "R"],
    ["ids", ids, "i32", "W", "columns"],
    ["logprobs", logprobs, "f32", "W", "columns"],
  ]);
  const areRows = rows.length === W && rows.every((row) => row >= 0 && row < R);
  assert(areRows && numTokens > 0 && numTokens <= V, `logprob_rows: rows ${rows.join()} of ${R}, ${numTokens} tokens`);
  const scalars = [W, columns - 1, V, numTokens, ...rows];
  backend.run(LOGPROB_ROWS, { tensors: [logits, tokens, ids, logprobs], scalars });
}

/** One row of `ids` and `logprobs` as an object, with at most `numTop` alternatives. */
export function readLogprobs(ids: Int32Array, logprobs: Float32Array, numTop: number): Logprobs {
  const read = (token: number, k: number): TokenLogprob => ({ token, logprob: logprobs[k]! });
  const [chosen, ...top] = Array.from(ids, read);
  return { ...defined(chosen, "a chosen token"), top: top.slice(0, numTop).filter(({ token }) => token >= 0) };
}

function logprobRowsReference(args: HostArgs): void {
  const logits = hostF32(args, 0);
  const tokens = hostI32(args, 1);
  const ids = hostI32(args, 2);
  const logprobs = hostF32(args, 3);
  const [W, K, V, numTokens] = hostScalars(args, 4) as [number, number, number, number];
  args.scalars.slice(4).forEach((row, w) => {
    const reader = logprobReader(logits.subarray(row * V, (row + 1) * V), numTokens, K);
    const { top, ...chosen } = reader.of(tokens[row]!);
    const all = [chosen, ...top];
    for (let k = 0; k <= K; k++) {
      ids[w * (1 + K) + k] = all[k]?.token ?? -1;
      logprobs[w * (1 + K) + k] = all[k]?.logprob ?? -Infinity;
    }
  });
  assert(args.scalars.length === 4 + W, `logprob_rows: ${args.scalars.length} scalars for ${W} rows`);
}
