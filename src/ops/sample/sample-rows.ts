// Sampling where the logits are: one token for each row of a tensor, so that a vocabulary's worth of numbers need not
// come to the host. sample.ts is the definition, row by row.
//
// logits [R, V] are left as they were; tokens [R]. Exact: a kernel chooses the token that the definition chooses. It
// is free in one respect: the exponentials that top-p and min-p compare, and the order of their sums, are its own, in
// float64, so that such a border may be met a token earlier or later. Only tokens that penalties and bias name are
// uploaded. Rows may have masks [M, W]: 32 tokens in a word, the lowest first; a row without one is sampled as if there
// were none. No token outside a mask is chosen, whatever the logits.

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
  /** Bit t of the words is whether token t may be chosen; undefined allows all. */
  readonly mask?: Uint32Array | undefined;
}

/**
 * tensors [logits, tokens, masks where a row has one] · scalars [R, V, numTokens, most changes of a row, M, then for
 * each row: temperature, topK, topP, minP, repetition, presence and frequency penalty, seed, position, row of its mask or −1,
 * numBiases, numSeen, numCounts, (token, bias)…, seen token…, (token, count)…]
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
    /** [M, W]: the masks of the rows that have one, in their order; W words hold `numTokens` bits. */
    readonly masks?: Tensor | undefined;
  },
): void {
  const { logits, numTokens, rows, tokens, masks } = args;
  const { R, V } = bindShapes<"R" | "V">("sample_rows", [
    ["logits", logits, "f32", "R", "V"],
    ["tokens", tokens, "i32", "R"],
  ]);
  assert(rows.length === R && numTokens > 0 && numTokens <= V, `sample_rows: ${rows.length} rows, ${numTokens} tokens`);
  const numMasks = rows.filter(({ mask }) => mask !== undefined).length;
  const isMasked = masks !== undefined && masks.shape[0] === numMasks && masks.shape[1] === maskWords(numTokens);
  assert(numMasks === 0 || isMasked, `sample_rows: masks of ${numMasks} rows`);
  const scalars = [R, V, numTokens, 0, numMasks];
  let nextMask = 0;
  for (const row of rows) {
    scalars[3] = Math.max(scalars[3]!, appendRow(scalars, row, row.mask === undefined ? -1 : nextMask++));
  }
  backend.run(SAMPLE_ROWS, { tensors: numMasks === 0 ? [logits, tokens] : [logits, tokens, masks!], scalars });
}

/** Words of a mask of so many tokens. */
export function maskWords(numTokens: number): number {
  return Math.ceil(numTokens / 32);
}

/** Returns how many logits the row changes. */
function appendRow(scalars: number[], { params, history, position }: RowSampling, mask: number): number {
  const { repetitionPenalty, presencePenalty, frequencyPenalty, logitBias: biases } = params;
  const seen = repetitionPenalty === 1 ? EMPTY_HISTORY.seen : history.seen;
  const counts = presencePenalty === 0 && frequencyPenalty === 0 ? EMPTY_HISTORY.counts : history.counts;
  const { temperature, topK, topP, minP, seed } = params;
  scalars.push(temperature, topK, topP, minP, repetitionPenalty, presencePenalty, frequencyPenalty, seed, position);
  scalars.push(mask, biases.size, seen.size, counts.size);
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
  const [R, V, numTokens] = [next(), next(), next(), next(), next()] as const;
  for (let r = 0; r < R; r++) {
    const [temperature, topK, topP, minP] = [next(), next(), next(), next()] as const;
    const [repetitionPenalty, presencePenalty, frequencyPenalty] = [next(), next(), next()] as const;
    const [seed, position, maskRow] = [next(), next(), next()] as const;
    const [numBiases, numSeen, numCounts] = [next(), next(), next()] as const;
    const logitBias = new Map(list(numBiases, pair));
    const history = { seen: new Set(list(numSeen, next)), counts: new Map(list(numCounts, pair)) };
    const penalties = { repetitionPenalty, presencePenalty, frequencyPenalty, logitBias };
    const params = { temperature, topK, topP, minP, seed, ...penalties };
    const words = maskWords(numTokens);
    const mask = maskRow < 0 ? undefined : hostWords(args, 2).subarray(maskRow * words, (maskRow + 1) * words);
    tokens[r] = sampleToken(logits.slice(r * V, (r + 1) * V), numTokens, params, history, position, mask);
  }
}

function hostWords(args: HostArgs, index: number): Uint32Array {
  const words = hostI32(args, index);
  return new Uint32Array(words.buffer, words.byteOffset, words.length);
}
