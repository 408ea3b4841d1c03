// From samples to batches: tokens, what of them is learnt, and which documents share a batch.
//
// A batch takes documents in the order of the mixture until the next one does not fit; that one begins the next batch.
// So a position in the data is one number, the index of the next sample, and resuming there is exact. No document is
// divided among batches. A sample that is longer than the longest document becomes several, of which a position's
// fraction counts those that are done, or loses its end where it is not divisible.

import { encodeChat } from "../tokenizer/chat.ts";
import { UNHURRIED } from "../tokenizer/chat-template.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { assert, defined } from "../util/assert.ts";
import { type Document, packBatch, type TrainingBatch } from "./batch.ts";
import { type Mixture, mixtureSample, type RowSources } from "./data/mixture.ts";
import type { Split } from "./data/random.ts";
import type { ChatSample, Sample } from "./data/sample.ts";

export interface DatasetOptions {
  readonly mixture: Mixture;
  /** Of the mixture's files. */
  readonly sources?: RowSources | undefined;
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

/** Documents that one sample may become. */
const MAX_PARTS = 2 ** 20;

export class Dataset {
  readonly #options: DatasetOptions;
  /** Index of the next sample, and in its fraction the next of the documents that it becomes, in units of 1 / MAX_PARTS. */
  position: number;
  #last: { readonly index: number; readonly parts: readonly Document[] } | undefined;

  constructor(options: DatasetOptions, position = 0) {
    this.#options = options;
    this.position = position;
  }

  next(): TrainingBatch {
    const { numRows, maxDocuments } = this.#options;
    const documents: Document[] = [];
    for (let left = numRows; documents.length < maxDocuments;) {
      const index = Math.floor(this.position);
      const parts = this.#partsOf(index);
      const part = (this.position - index) * MAX_PARTS;
      const document = defined(parts[part], "a part of the sample");
      left -= document.tokens.length;
      if (left < 0) break;
      documents.push(document);
      this.position = part + 1 < parts.length ? index + (part + 1) / MAX_PARTS : index + 1;
    }
    return packBatch(documents, numRows);
  }

  /** The documents of a sample; those of the last one are kept, as its parts are asked for one after the other. */
  #partsOf(index: number): readonly Document[] {
    if (this.#last?.index === index) return this.#last.parts;
    const { mixture, sources, tokenizer, split, seed, learn, numRows, maxLength } = this.#options;
    const sample = mixtureSample(mixture, { split, seed, index }, sources);
    const document = encodeSample(tokenizer, sample, learn);
    const length = Math.min(maxLength, numRows);
    const parts = sample.isDivisible === true ? divide(document, length) : [partOf(document, 0, length)];
    assert(parts.length <= MAX_PARTS, `a sample of more than ${MAX_PARTS} documents`);
    this.#last = { index, parts };
    return parts;
  }
}

/** A sample's tokens. Plain text ends with the token that ends texts. */
export function encodeSample(tokenizer: Tokenizer, sample: Sample, learn: DatasetOptions["learn"]): Document {
  if (sample.kind === "text") {
    const end = defined(tokenizer.addedTokenId("<|endoftext|>"), "the token that ends texts");
    const ids = tokenizer.encode(sample.text);
    return { tokens: Int32Array.from(sample.continues === true ? ids : [...ids, end]) };
  }
  const { messages, tools, thinking } = sample;
  const request = { messages, tools, enableThinking: thinking, addGenerationPrompt: false };
  const { ids } = encodeChat(tokenizer, request, undefined, UNHURRIED);
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

/**
 * Documents of at most `length` tokens that teach every token but the first: each begins with the last one of the
 * document before. Those that teach nothing are left out.
 */
function divide(document: Document, length: number): Document[] {
  const parts: Document[] = [];
  const stride = Math.max(1, length - 1);
  for (let start = 0; start === 0 || start + 1 < document.tokens.length; start += stride) {
    parts.push(partOf(document, start, start + length));
  }
  const teaching = parts.filter(({ isLearnt }) => isLearnt === undefined || isLearnt.includes(1, 1));
  return teaching.length === 0 ? parts.slice(0, 1) : teaching;
}

function partOf({ tokens, isLearnt }: Document, start: number, end: number): Document {
  return { tokens: tokens.subarray(start, end), isLearnt: isLearnt?.subarray(start, end) };
}
