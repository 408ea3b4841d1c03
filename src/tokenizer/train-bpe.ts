// Trains a byte-level BPE tokenizer on texts, as the files that every reader of MiMo's tokenizer understands.
//
// Invariants: the same texts give the same files. The vocabulary is exactly as large as asked: 256 bytes, merges,
// added tokens, in this order. Texts may be rendered conversations: they are cut where they spell an added token, as
// those become ids of their own before encoding, so that no merge is spent on them or reaches across them.
// Split pattern and normal form are the encoder's, so digits stay single and no token crosses a piece.
// Refuses to know what texts are about and where they come from.

import { MimoError } from "../util/errors.ts";
import { MAX_IDS } from "./bpe.ts";
import { BYTE_CHARS } from "./byte-level.ts";
import { countPieces } from "./count-pieces.ts";
import type { TokenizerFiles } from "./gguf-tokenizer.ts";
import { type IdPair, learnMerges } from "./learn-merges.ts";
import { createMimoTokenizer, MIMO_ADDED_TOKENS } from "./mimo-tokenizer.ts";
import { createAlternation } from "./tokenizer.ts";

const CHARACTERS_PER_REPORT = 2 ** 20;
const MERGES_PER_REPORT = 256;

/** The one form of further special tokens: merges cannot spell it, since the split pattern parts brackets from words. */
const SPECIAL_TOKEN = /^<\|[a-z]\w*\|>$/;

export interface BpeTrainingOptions {
  /** Tokens in all, and so rows of the embedding. A multiple of 64 suits kernels. */
  readonly vocabSize: number;
  /** Control tokens besides MiMo's, in the order of their ids, each of the form `<|name|>`. None by default. */
  readonly specialTokens?: readonly string[];
  /** Told every few moments, and at the end of each phase. */
  readonly onProgress?: (progress: BpeTrainingProgress) => void;
}

export type BpeTrainingProgress =
  | { readonly phase: "counting"; readonly numCharacters: number }
  | { readonly phase: "merging"; readonly numMerges: number; readonly numWanted: number };

/**
 * The tokenizer files that texts teach. Each text is held in memory by itself, so a large corpus comes as many texts.
 * Throws `invalid_argument` for a vocabulary too small for bytes and special tokens, special tokens of another form,
 * a corpus without text, and one that has too few pairs for the vocabulary.
 */
export function trainBpe(texts: Iterable<string>, options: BpeTrainingOptions): TokenizerFiles {
  const { vocabSize, specialTokens = [], onProgress } = options;
  checkSpecialTokens(specialTokens);
  const numFixed = BYTE_CHARS.length + MIMO_ADDED_TOKENS.length + specialTokens.length;
  checkVocabSize(vocabSize, numFixed);

  const addedTexts = [...MIMO_ADDED_TOKENS.map(({ content }) => content), ...specialTokens];
  const pieces = countPieces(cutTexts(texts, addedTexts, onProgress));
  if (pieces.size === 0) {
    throw new MimoError("invalid_argument", "Expected texts to train a tokenizer on, found none with text in it.", {
      remedy: "Hand over a corpus.",
      param: "texts",
    });
  }
  const numWanted = vocabSize - numFixed;
  const merges = learnMerges(pieces, numWanted, (numMerges) => {
    if (numMerges % MERGES_PER_REPORT === 0 || numMerges === numWanted) {
      onProgress?.({ phase: "merging", numMerges, numWanted });
    }
  });
  if (merges.length < numWanted) throw corpusTooSmall(numFixed + merges.length, vocabSize);
  return createMimoTokenizer(spellMerges(merges), specialTokens);
}

function checkSpecialTokens(specialTokens: readonly string[]): void {
  const known = new Set(MIMO_ADDED_TOKENS.map(({ content }) => content));
  for (const token of specialTokens) {
    if (SPECIAL_TOKEN.test(token) && !known.has(token)) {
      known.add(token);
      continue;
    }
    throw new MimoError(
      "invalid_argument",
      `Expected special tokens that are new and of the form <|name|>, found ${JSON.stringify(token)}.`,
      { remedy: "Leave out MiMo's own tokens and repetitions, and respell the others.", param: "specialTokens" },
    );
  }
}

/** At least one merge must fit, because llama.cpp refuses a BPE vocabulary without any. */
function checkVocabSize(vocabSize: number, numFixed: number): void {
  if (Number.isInteger(vocabSize) && vocabSize > numFixed && vocabSize <= MAX_IDS) return;
  throw new MimoError(
    "invalid_argument",
    `Expected a vocabulary of ${numFixed + 1} to ${MAX_IDS} tokens, found ${vocabSize}: ` +
      `${BYTE_CHARS.length} are bytes and ${numFixed - BYTE_CHARS.length} special tokens.`,
    { remedy: "Ask for a few thousand tokens.", param: "vocabSize" },
  );
}

function corpusTooSmall(numTokens: number, vocabSize: number): MimoError {
  return new MimoError(
    "invalid_argument",
    `Expected a corpus that teaches ${vocabSize} tokens, found one that teaches ${numTokens}: ` +
      "no further pair of tokens stands in two places.",
    { remedy: `Hand over more text, or ask for at most ${numTokens} tokens.`, param: "vocabSize" },
  );
}

/** The texts between added tokens. */
function* cutTexts(
  texts: Iterable<string>,
  addedTexts: readonly string[],
  onProgress: BpeTrainingOptions["onProgress"],
): Iterable<string> {
  const cuts = createAlternation(addedTexts)!;
  let numCharacters = 0;
  let numReported = 0;
  for (const text of texts) {
    yield* text.split(cuts);
    numCharacters += text.length;
    if (numCharacters - numReported < CHARACTERS_PER_REPORT) continue;
    onProgress?.({ phase: "counting", numCharacters });
    numReported = numCharacters;
  }
  onProgress?.({ phase: "counting", numCharacters });
}

/** Merges of ids as merges of tokens spelled in byte characters. */
function spellMerges(merges: readonly IdPair[]): readonly (readonly [string, string])[] {
  const tokens = [...BYTE_CHARS];
  return merges.map(([left, right]) => {
    const pair = [tokens[left]!, tokens[right]!] as const;
    tokens.push(pair.join(""));
    return pair;
  });
}
