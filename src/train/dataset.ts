// From samples to batches: tokens, what of them is learnt, and which documents share a batch.
//
// A batch takes documents in the order of the mixture until the next one does not fit; that one begins the next batch.
// So a position in the data is one number, the index of the next sample, and resuming there is exact. No document is
// divided among batches; one that is longer than the longest allowed loses its end.

import { encodeChat } from "../tokenizer/chat.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { defined } from "../util/assert.ts";
import { type Document, packBatch, type TrainingBatch } from "./batch.ts";
import { type Mixture, mixtureSample } from "./data/mixture.ts";
import type { Split } from "./data/random.ts";
import type { ChatSample, Sample } from "./data/sample.ts";

export interface DatasetOptions {
  readonly mixture: Mixture;
  readonly tokenizer: Tokenizer;
  readonly split: Split;
  readonly seed: number;
  /** What of a conversation is learnt: the assistant's part, or everything. */
  readonly learn: "answers" | "all";
  /** Rows of a batch. */
  readonly numRows: number;
  readonly maxDocuments: number;
  /** Tokens of the longest document. */
  readonly maxLength: number;
}

export class Dataset {
  readonly #options: DatasetOptions;
  /** Index of the next sample. */
  position: number;

  constructor(options: DatasetOptions, position = 0) {
    this.#options = options;
    this.position = position;
  }

  next(): TrainingBatch {
    const { mixture, tokenizer, split, seed, learn, numRows, maxDocuments, maxLength } = this.#options;
    const documents: Document[] = [];
    for (let left = numRows; documents.length < maxDocuments; this.position++) {
      const sample = mixtureSample(mixture, { split, seed, index: this.position });
      const document = shorten(encodeSample(tokenizer, sample, learn), Math.min(maxLength, numRows));
      left -= document.tokens.length;
      if (left < 0) break;
      documents.push(document);
    }
    return packBatch(documents, numRows);
  }
}

/** A sample's tokens. Plain text ends with the token that ends texts. */
export function encodeSample(tokenizer: Tokenizer, sample: Sample, learn: DatasetOptions["learn"]): Document {
  if (sample.kind === "text") {
    const end = defined(tokenizer.addedTokenId("<|endoftext|>"), "the token that ends texts");
    return { tokens: Int32Array.from([...tokenizer.encode(sample.text), end]) };
  }
  const { messages, tools, thinking } = sample;
  const { ids } = encodeChat(tokenizer, { messages, tools, enableThinking: thinking, addGenerationPrompt: false });
  const tokens = Int32Array.from(ids);
  return learn === "all" ? { tokens } : { tokens, isLearnt: answersOf(tokenizer, tokens, sample) };
}

/** 1 from the opening of each assistant's turn, exclusive, to its end, inclusive: what sampling would have to produce. */
function answersOf(tokenizer: Tokenizer, tokens: Int32Array, { thinking }: ChatSample): Uint8Array {
  const idOf = (text: string): number => defined(tokenizer.addedTokenId(text), text);
  const [begin, end, open, close] = ["<|im_start|>", "<|im_end|>", "<think>", "</think>"].map(idOf);
  const opening = [begin!, ...tokenizer.encode("assistant\n")];
  const isLearnt = new Uint8Array(tokens.length);
  for (let i = 0; i < tokens.length; i++) {
    if (!opening.every((id, j) => tokens[i + j] === id)) continue;
    i += opening.length;
    // Without thinking the prompt itself ends with an empty block.
    if (!thinking && tokens[i] === open && tokens[i + 1] === close) i += 2;
    for (; i < tokens.length; i++) {
      isLearnt[i] = 1;
      if (tokens[i] === end) break;
    }
  }
  return isLearnt;
}

function shorten({ tokens, isLearnt }: Document, length: number): Document {
  return { tokens: tokens.subarray(0, length), isLearnt: isLearnt?.subarray(0, length) };
}
