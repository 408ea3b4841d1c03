// Bits per byte: how well a model predicts text, whatever its tokenizer, as the negative log-probability of the text in
// bits over its bytes in UTF-8.
//
// The first token of a text is given, not predicted: its bytes do not count. A text longer than the context is read in
// pieces, each of which begins with the last token of the one before. A conversation is rendered as in training and
// counts as a whole, with the markers of its turns.
// Refuses to know tables, and where texts come from.

import type { TokenLogprobs } from "../api/events.ts";
import { encodeChat } from "../tokenizer/chat.ts";
import { UNHURRIED } from "../tokenizer/chat-template.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { type GeneratorName, GENERATOR_NAMES, mixtureSample } from "../train/data/mixture.ts";
import type { Sample } from "../train/data/sample.ts";
import { assert } from "../util/assert.ts";

/** What scores tokens: a loaded model, or a test's stand-in. */
export interface ScoringClient {
  readonly tokenizer: Tokenizer;
  readonly promptLogprobs: (
    ids: readonly number[],
    numTop: number,
    options: { readonly signal?: AbortSignal | undefined },
  ) => AsyncIterable<Pick<TokenLogprobs, "logprob">>;
}

/** Texts that are told as one. */
export interface TextSource {
  readonly name: string;
  readonly samples: () => Iterable<Sample>;
  readonly numSamples: number;
}

export interface BitsPerByte {
  readonly name: string;
  readonly numSamples: number;
  /** Of tokens that were predicted. */
  readonly numTokens: number;
  readonly numBytes: number;
  readonly bitsPerByte: number;
  /** In nats per token. */
  readonly crossEntropy: number;
}

export interface BitsPerByteOptions {
  /** Tokens of a piece. */
  readonly pieceTokens: number;
  readonly signal?: AbortSignal | undefined;
  /** Receives samples that are done and all of them. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Held-out samples of each generator, with its own options. */
export function generatorSources(numSamples: number, seed: number): TextSource[] {
  return GENERATOR_NAMES.map((name) => ({ name, numSamples, samples: () => heldOut(name, numSamples, seed) }));
}

function* heldOut(generator: GeneratorName, numSamples: number, seed: number): Iterable<Sample> {
  for (let index = 0; index < numSamples; index++) {
    yield mixtureSample([{ generator, weight: 1 }], { split: "heldout", seed, index });
  }
}

/** A text as a whole. */
export function textSource(name: string, text: string): TextSource {
  return { name, numSamples: 1, samples: () => [{ kind: "text", text }] };
}

/** One row for each source that has bytes to predict. Throws what scoring throws. */
export async function bitsPerByte(
  client: ScoringClient,
  sources: readonly TextSource[],
  { pieceTokens, signal, onProgress }: BitsPerByteOptions,
): Promise<BitsPerByte[]> {
  assert(pieceTokens > 1, `pieces of ${pieceTokens} tokens, where the first is only read`);
  const total = sources.reduce((sum, { numSamples }) => sum + numSamples, 0);
  const rows: BitsPerByte[] = [];
  let done = 0;
  for (const { name, samples, numSamples } of sources) {
    let [numTokens, numBytes, surprise] = [0, 0, 0];
    for (const sample of samples()) {
      const { ids, text } = encode(client.tokenizer, sample);
      for (let start = 0; start + 1 < ids.length; start += pieceTokens - 1) {
        const piece = ids.slice(start, start + pieceTokens);
        for await (const { logprob } of client.promptLogprobs(piece, 0, { signal })) {
          numTokens++;
          surprise -= logprob;
        }
      }
      if (ids.length > 0) numBytes += Buffer.byteLength(text) - client.tokenizer.tokenBytes(ids[0]!).length;
      onProgress?.(++done, total);
    }
    if (numBytes === 0) continue;
    rows.push({
      name,
      numSamples,
      numTokens,
      numBytes,
      bitsPerByte: surprise / Math.LN2 / numBytes,
      crossEntropy: surprise / numTokens,
    });
  }
  return rows;
}

function encode(tokenizer: Tokenizer, sample: Sample): { readonly ids: readonly number[]; readonly text: string } {
  if (sample.kind === "text") return { ids: tokenizer.encode(sample.text), text: sample.text };
  const { messages, tools, thinking } = sample;
  const request = { messages, tools, enableThinking: thinking, addGenerationPrompt: false };
  const { ids, prompt } = encodeChat(tokenizer, request, undefined, UNHURRIED);
  return { ids, text: prompt };
}
