// The tokenizer of freshly initialised models: one token per byte, so that a vocabulary of a few hundred entries
// can spell every text, and MiMo's special tokens.
//
// A few merges of common English pairs stand there because llama.cpp refuses a BPE vocabulary without any. Everything
// else about the files is `createMimoTokenizer`'s.

import { MimoError } from "../util/errors.ts";
import { BYTE_CHARS } from "./byte-level.ts";
import type { TokenizerFiles } from "./gguf-tokenizer.ts";
import { createMimoTokenizer, MIMO_ADDED_TOKENS } from "./mimo-tokenizer.ts";

const SPACE = BYTE_CHARS[0x20] as string;
const MERGES: readonly (readonly [string, string])[] = [
  [SPACE, "t"],
  ["h", "e"],
  ["i", "n"],
  [SPACE, "a"],
  ["r", "e"],
];

export const MIN_BYTE_VOCAB_SIZE = BYTE_CHARS.length + MERGES.length + MIMO_ADDED_TOKENS.length;

export interface ByteTokenizerOptions {
  /** Rows of the model's embedding: at least `MIN_BYTE_VOCAB_SIZE`. Ids beyond the tokens stay unused. */
  readonly vocabSize: number;
}

/** Throws `invalid_argument` where the vocabulary cannot hold the tokens. */
export function createByteTokenizer({ vocabSize }: ByteTokenizerOptions): TokenizerFiles {
  if (!Number.isInteger(vocabSize) || vocabSize < MIN_BYTE_VOCAB_SIZE) {
    throw new MimoError(
      "invalid_argument",
      `A byte tokenizer needs a vocabulary of at least ${MIN_BYTE_VOCAB_SIZE} tokens, not ${vocabSize}.`,
      { param: "vocabSize" },
    );
  }
  return createMimoTokenizer(MERGES);
}
