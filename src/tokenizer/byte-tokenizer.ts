// The tokenizer of freshly initialised models: one token per byte, so that a vocabulary of a few hundred entries
// can spell every text, and MiMo's special tokens.
//
// Invariants: id = byte for the first 256; the same split pattern, normal form and chat template as the published
// model, so that everything above works unchanged. A few merges of common English pairs stand there because
// llama.cpp refuses a BPE vocabulary without any.

import { MimoError } from "../util/errors.ts";
import { BYTE_CHARS } from "./byte-level.ts";
import { createTokenizerJson, type TokenizerFiles } from "./gguf-tokenizer.ts";
import { MIMO_CHAT_TEMPLATE } from "./mimo-template.ts";

const SPACE = BYTE_CHARS[0x20] as string;
const MERGES: readonly (readonly [string, string])[] = [
  [SPACE, "t"],
  ["h", "e"],
  ["i", "n"],
  [SPACE, "a"],
  ["r", "e"],
];

/** MiMo's special tokens in the order of their ids; markers of text structure are added but not control tokens. */
const ADDED_TOKENS: readonly { readonly content: string; readonly special: boolean }[] = [
  { content: "<|endoftext|>", special: true },
  { content: "<|im_start|>", special: true },
  { content: "<|im_end|>", special: true },
  { content: "<think>", special: false },
  { content: "</think>", special: false },
  { content: "<tool_call>", special: false },
  { content: "</tool_call>", special: false },
  { content: "<tool_response>", special: false },
  { content: "</tool_response>", special: false },
];

export const MIN_BYTE_VOCAB_SIZE = BYTE_CHARS.length + MERGES.length + ADDED_TOKENS.length;

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
  const ordinary = [...BYTE_CHARS, ...MERGES.map((pair) => pair.join(""))];
  const vocab = Object.fromEntries(ordinary.map((token, id) => [token, id]));
  const addedTokens = ADDED_TOKENS.map((token, i) => ({ id: ordinary.length + i, ...token }));
  return {
    tokenizerJson: createTokenizerJson(vocab, MERGES, addedTokens),
    tokenizerConfig: {
      tokenizer_class: "Qwen2Tokenizer",
      add_bos_token: false,
      add_prefix_space: false,
      bos_token: null,
      eos_token: "<|im_end|>",
      pad_token: "<|endoftext|>",
      unk_token: null,
      clean_up_tokenization_spaces: false,
      chat_template: MIMO_CHAT_TEMPLATE,
    },
  };
}
