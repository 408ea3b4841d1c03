// The tokenizer files of our own models, whatever their merges: bytes, merged tokens, MiMo's added tokens.
//
// Invariants: id = byte for the first 256, then one token per merge in order of rank, then added tokens; the same
// split pattern, normal form and chat template as the published model, so that everything above works unchanged.
// Refuses to know where merges come from.

import { BYTE_CHARS } from "./byte-level.ts";
import { createTokenizerJson, type TokenizerFiles } from "./gguf-tokenizer.ts";
import { MIMO_CHAT_TEMPLATE } from "./mimo-template.ts";

/** MiMo's special tokens in the order of their ids; markers of text structure are added but not control tokens. */
export const MIMO_ADDED_TOKENS: readonly { readonly content: string; readonly special: boolean }[] = [
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

/**
 * `merges` are pairs of tokens in order of rank, spelled in byte characters, each making a token that no other makes;
 * `specialTokens` are control tokens besides MiMo's.
 */
export function createMimoTokenizer(
  merges: readonly (readonly [string, string])[],
  specialTokens: readonly string[] = [],
): TokenizerFiles {
  const ordinary = [...BYTE_CHARS, ...merges.map((pair) => pair.join(""))];
  const vocab = Object.fromEntries(ordinary.map((token, id) => [token, id]));
  const added = [...MIMO_ADDED_TOKENS, ...specialTokens.map((content) => ({ content, special: true }))];
  const addedTokens = added.map((token, i) => ({ id: ordinary.length + i, ...token }));
  return {
    tokenizerJson: createTokenizerJson(vocab, merges, addedTokens),
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
