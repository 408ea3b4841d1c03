// Sampling where the logits are: one token for each row of a tensor, so that a vocabulary's worth of numbers need not
// come to the host. sample.ts is the definition, row by row.
//
// logits [R, V] are left as they were; tokens [R]. Exact: a kernel chooses the token that the definition chooses. It
// is free in one respect: the exponentials that top-p and min-p compare, and the order of their sums, are its own, in
// float64, so that such a border may be met a token earlier or later. Only tokens that penalties and bias name are
// uploaded. What else changes single logits belongs beside them: a mask of allowed tokens would be one more tensor.

import type { Backend, HostArgs, Kernel } from "../../backends/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { assert, defined } from "../../util/assert.ts";
import { hostF32, hostI32 } from "../host.ts";
import { bindShapes } from "../shapes.ts";
import { EMPTY_HISTORY, type TokenHistory } from "./penalties.ts";
import { type SamplingParams, sampleToken } from "./sample.ts";

/** How to sample from one row: what `sampleToken` takes beside the logits. */
export interface RowSampling {
  readonly params: SamplingParams;
  readonly history: TokenHistory;
  readonly position: number;
}

/**
 * tensors [logits, tokens] · scalars [R, V, numTokens, most changes of a row, then for each row: temperature, topK,
 * topP, minP, repetition, presence and frequency penalty, seed, position, numBiases, numSeen, numCounts,
 * (token, bias)…, seen token…, (token, count)…]
 */
export const SAMPLE_ROWS: Kernel = { name: "sample_rows", reference: sampleRowsReference };

export function sampleRows(
  backend: Backend,
  args: {
    readonly logits: Tensor;
    /** Tokens of the vocabulary; columns from here on are padding. */
    readonly numTokens: number;
    /** [R] */
    readonly rows: readonly RowSampling[];
    readonly tokens: Tensor;
  },
): void {
  const { logits, numTokens, rows, tokens } = args;
  const { R, V } = bindShapes<"R" | "V">("sample_rows", [
    ["logits", logits, "f32", "R", "V"],
    ["tokens", tokens, "i32", "R"],
  ]);
  assert(rows.length === R && numTokens > 0 && numTokens <= V, `sample_rows: ${rows.length} rows, ${numTokens} tokens`);
  const scalars = [R, V, numTokens, 0];
  for (const row of rows) scalars[3] = Math.max(scalars[3]!, appendRow(scalars, row));
  backend.run(SAMPLE_ROWS, { tensors: [logits, tokens], scalars });
}

/** Returns how many logits the row changes. */
function appendRow(scalars: number[], { params, history, position }: RowSampling): number {
  const { repetitionPenalty, presencePenalty, frequencyPenalty, logitBias: biases } = params;
  const seen = repetitionPenalty === 1 ? EMPTY_HISTORY.seen : history.seen;
  const counts = presencePenalty === 0 && frequencyPenalty === 0 ? EMPTY_HISTORY.counts : history.counts;
  const { temperature, topK, topP, minP, seed } = params;
  scalars.push(temperature, topK, topP, minP, repetitionPenalty, presencePenalty, frequencyPenalty, seed, position);
  scalars.push(biases.size, seen.size, counts.size);
  for (const [token, bias] of biases) scalars.push(token, bias);
  for (const token of seen) scalars.push(token);
  for (const [token, count] of counts) scalars.push(token, count);
  return biases.size + seen.size + counts.size;
}

function sampleRowsReference(args: HostArgs): void {
  const logits = hostF32(args, 0);
  const tokens = hostI32(args, 1);
  let at = 0;
  const next = (): number => defined(args.scalars[at++], "a scalar argument");
  const list = <Item>(count: number, item: () => Item): Item[] => Array.from({ length: count }, item);
  const pair = (): [number, number] => [next(), next()];
  const [R, V, numTokens] = [next(), next(), next(), next()] as const;
  for (let r = 0; r < R; r++) {
    const [temperature, topK, topP, minP] = [next(), next(), next(), next()] as const;
    const [repetitionPenalty, presencePenalty, frequencyPenalty] = [next(), next(), next()] as const;
    const [seed, position, numBiases, numSeen, numCounts] = [next(), next(), next(), next(), next()] as const;
    const logitBias = new Map(list(numBiases, pair));
    const history = { seen: new Set(list(numSeen, next)), counts: new Map(list(numCounts, pair)) };
    const penalties = { repetitionPenalty, presencePenalty, frequencyPenalty, logitBias };
    const params = { temperature, topK, topP, minP, seed, ...penalties };
    tokens[r] = sampleToken(logits.slice(r * V, (r + 1) * V), numTokens, params, history, position);
  }
}
