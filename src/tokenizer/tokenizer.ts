// Text to token ids and back.
//
// Two ways in, and the difference is the safety of every prompt: `encode` treats all text as text and never yields
// an added token, whatever the text says; `encodeWithSpecials` recognises added tokens and is meant for text that
// the program itself wrote. `numTokens` counts real tokens: a model's vocabulary is often padded beyond it.
// Refuses to know where the JSON came from, what a message is and what the engine does with ids.

import { MimoError } from "../util/errors.ts";
import { BytePairEncoder } from "./bpe.ts";
import { charsToBytes } from "./byte-level.ts";
import { readTokenizerConfig, readTokenizerJson, type AddedToken } from "./tokenizer-json.ts";

const END_TOKENS = ["<|im_end|>", "<|endoftext|>"];

export interface DecodeOptions {
  /** Leave control tokens out of the text. Off by default. */
  readonly skipSpecial?: boolean;
}

export class Tokenizer {
  /** Real tokens, added ones included: valid ids are 0 … numTokens − 1. */
  readonly numTokens: number;
  readonly addedTokens: readonly AddedToken[];
  /** Tokens that end an answer. */
  readonly eosIds: readonly number[];
  readonly chatTemplate: string | undefined;
  readonly #tokens: readonly string[];
  readonly #ids: ReadonlyMap<string, number>;
  readonly #addedById: ReadonlyMap<number, AddedToken>;
  readonly #addedPattern: RegExp | undefined;
  readonly #encoder: BytePairEncoder;
  readonly #utf8 = new TextEncoder();

  private constructor(tokenizerJson: unknown, tokenizerConfig: unknown) {
    const { tokens, addedTokens, byteIds, merges, normalize } = readTokenizerJson(tokenizerJson);
    const { eosToken, chatTemplate } = readTokenizerConfig(tokenizerConfig);
    this.numTokens = tokens.length;
    this.addedTokens = addedTokens;
    this.chatTemplate = chatTemplate;
    this.#tokens = tokens;
    this.#ids = new Map(tokens.map((token, id) => [token, id]));
    this.#addedById = new Map(addedTokens.map((token) => [token.id, token]));
    this.#addedPattern = createAlternation(addedTokens.map((token) => token.text));
    this.#encoder = new BytePairEncoder(byteIds, merges, { normalize });
    const endTokens = new Set(eosToken === undefined ? END_TOKENS : [eosToken, ...END_TOKENS]);
    this.eosIds = addedTokens.filter((token) => endTokens.has(token.text)).map((token) => token.id);
  }

  /**
   * From the parsed `tokenizer.json` and `tokenizer_config.json` of a checkpoint.
   * Throws `checkpoint_invalid` where a field is malformed and `checkpoint_unsupported` where the algorithm is not
   * byte-level BPE of the Qwen2 kind.
   */
  static fromJson(tokenizerJson: unknown, tokenizerConfig?: unknown): Tokenizer {
    return new Tokenizer(tokenizerJson, tokenizerConfig);
  }

  /** Ids of plain text. Text that spells a special token stays text. */
  encode(text: string): number[] {
    const ids: number[] = [];
    this.#encoder.encode(text, ids);
    return ids;
  }

  /** Ids of text in which added tokens are recognised, the longest first where several start at one place. */
  encodeWithSpecials(text: string): number[] {
    const ids: number[] = [];
    let start = 0;
    for (const match of this.#addedPattern === undefined ? [] : text.matchAll(this.#addedPattern)) {
      this.#encoder.encode(text.slice(start, match.index), ids);
      ids.push(this.#ids.get(match[0]) as number);
      start = match.index + match[0].length;
    }
    this.#encoder.encode(text.slice(start), ids);
    return ids;
  }

  /** Text of ids. Bytes that are not UTF-8 become U+FFFD. */
  decode(ids: readonly number[], options: DecodeOptions = {}): string {
    const parts = options.skipSpecial ? ids.filter((id) => !this.isSpecial(id)) : ids;
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    let text = "";
    for (const id of parts) text += decoder.decode(this.tokenBytes(id), { stream: true });
    return text + decoder.decode();
  }

  /** The bytes that a token stands for; a token may hold a part of a character. */
  tokenBytes(id: number): Uint8Array {
    const token = this.#tokens[id];
    if (token === undefined) {
      throw new MimoError("invalid_argument", `Token id ${id} is not in the vocabulary of ${this.numTokens} tokens.`);
    }
    const bytes = this.#addedById.has(id) ? undefined : charsToBytes(token);
    return bytes ?? this.#utf8.encode(token);
  }

  /** The id of a vocabulary entry, spelled as in the vocabulary (byte characters for ordinary tokens). */
  tokenToId(token: string): number | undefined {
    return this.#ids.get(token);
  }

  idToToken(id: number): string | undefined {
    return this.#tokens[id];
  }

  /** Whether the id is a control token. Added markers that are not control tokens, like `<think>`, are not. */
  isSpecial(id: number): boolean {
    return this.#addedById.get(id)?.special ?? false;
  }

  /** The id of an added token by its text; undefined where the text is an ordinary token or none. */
  addedTokenId(text: string): number | undefined {
    const id = this.#ids.get(text);
    return id !== undefined && this.#addedById.has(id) ? id : undefined;
  }
}

/** A pattern that finds any of the texts, longest first; undefined where there are none. */
export function createAlternation(texts: readonly string[]): RegExp | undefined {
  if (texts.length === 0) return undefined;
  const sorted = texts.toSorted((a, b) => b.length - a.length);
  return new RegExp(sorted.map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|"), "g");
}
