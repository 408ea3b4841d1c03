// The tokenizer inside a GGUF file ⇄ the shape of `tokenizer.json` and `tokenizer_config.json`.
//
// A GGUF file lists every token of the model's vocabulary by id, with a type: ordinary, control, user-defined
// (a marker that is not a control token) or unused (padding up to the rows of the embedding). Padding is dropped
// on the way in and written on the way out, because llama.cpp wants one token per row.
// Source: the `tokenizer.ggml.*` keys of the GGUF specification. Refuses to know the file format itself: it is
// handed key-value pairs, and hands some back.

import { MimoError } from "../util/errors.ts";
import { QWEN2_PATTERN } from "./bpe.ts";
import { readTokenizerConfig, readTokenizerJson } from "./tokenizer-json.ts";

const TOKEN_TYPE = {
  normal: 1,
  unknown: 2,
  control: 3,
  userDefined: 4,
  unused: 5,
  byte: 6,
} as const;

export interface TokenizerFiles {
  readonly tokenizerJson: unknown;
  readonly tokenizerConfig: unknown;
}

export interface GgufTokenizerOptions {
  /** Rows of the model's embedding; ids beyond the tokenizer's tokens are written as padding. */
  readonly vocabSize: number;
}

function invalid(key: string, problem: string): MimoError {
  return new MimoError("checkpoint_invalid", `The GGUF key ${key} ${problem}.`, {
    remedy: "Fetch the GGUF file again, or convert the checkpoint anew.",
  });
}

/** The parts of `tokenizer.json` that do not differ between tokenizers of the Qwen2 kind. */
export const QWEN2_PIPELINE = {
  normalizer: { type: "NFC" },
  pre_tokenizer: {
    type: "Sequence",
    pretokenizers: [
      { type: "Split", pattern: { Regex: QWEN2_PATTERN }, behavior: "Isolated", invert: false },
      { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
    ],
  },
  post_processor: {
    type: "ByteLevel",
    add_prefix_space: false,
    trim_offsets: false,
    use_regex: false,
  },
  decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
} as const;

export interface AddedTokenEntry {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
}

/** A whole `tokenizer.json` from its variable parts. */
export function createTokenizerJson(
  vocab: Readonly<Record<string, number>>,
  merges: readonly (readonly [string, string])[],
  addedTokens: readonly AddedTokenEntry[],
): unknown {
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens.map(({ id, content, special }) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special,
    })),
    ...QWEN2_PIPELINE,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: "",
      end_of_word_suffix: "",
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab,
      merges,
    },
  };
}

/** The key-values of a GGUF file as tokenizer files. Throws `checkpoint_unsupported` for other tokenizer kinds. */
export function fromGgufTokenizer(values: ReadonlyMap<string, unknown>): TokenizerFiles {
  requireValue(values, "tokenizer.ggml.model", "gpt2");
  requireValue(values, "tokenizer.ggml.pre", "qwen2");
  if (values.get("tokenizer.ggml.add_bos_token") === true) {
    throw new MimoError("checkpoint_unsupported", "The GGUF file asks for a BOS token; MiMo's tokenizer has none.");
  }
  const tokens = readStrings(values, "tokenizer.ggml.tokens");
  const types = readTypes(values, tokens.length);
  let numTokens = tokens.length;
  while (numTokens > 0 && types[numTokens - 1] === TOKEN_TYPE.unused) numTokens--;

  const vocab: [string, number][] = [];
  const addedTokens: AddedTokenEntry[] = [];
  for (const [id, content] of tokens.slice(0, numTokens).entries()) {
    const type = types[id] as number;
    if (type === TOKEN_TYPE.byte) {
      throw invalid("tokenizer.ggml.token_type", `calls token ${id} a byte token`);
    }
    if (type === TOKEN_TYPE.normal) vocab.push([content, id]);
    else addedTokens.push({ id, content, special: type !== TOKEN_TYPE.userDefined });
  }
  const merges = readStrings(values, "tokenizer.ggml.merges").map((merge, rank): [string, string] => {
    const [left, right, rest] = merge.split(" ");
    if (!left || !right || rest !== undefined) {
      throw invalid("tokenizer.ggml.merges", `has no pair at ${rank}`);
    }
    return [left, right];
  });
  return {
    tokenizerJson: createTokenizerJson(Object.fromEntries(vocab), merges, addedTokens),
    tokenizerConfig: readConfig(values, tokens),
  };
}

/**
 * The key-values that make a GGUF file carry this tokenizer, in the types llama.cpp expects: strings, booleans,
 * `number` for u32, `string[]`, and `Int32Array` for the token types.
 */
export function toGgufTokenizer(files: TokenizerFiles, options: GgufTokenizerOptions): Map<string, unknown> {
  const { tokens, addedTokens, merges } = readTokenizerJson(files.tokenizerJson);
  const { eosToken, chatTemplate } = readTokenizerConfig(files.tokenizerConfig);
  const { vocabSize } = options;
  if (vocabSize < tokens.length) {
    throw new MimoError("invalid_argument", `${tokens.length} tokens do not fit a vocabulary of ${vocabSize}.`);
  }
  const types = new Int32Array(vocabSize).fill(TOKEN_TYPE.unused);
  types.fill(TOKEN_TYPE.normal, 0, tokens.length);
  for (const { id, special } of addedTokens) {
    types[id] = special ? TOKEN_TYPE.control : TOKEN_TYPE.userDefined;
  }

  const values = new Map<string, unknown>([
    ["tokenizer.ggml.model", "gpt2"],
    ["tokenizer.ggml.pre", "qwen2"],
    ["tokenizer.ggml.tokens", Array.from({ length: vocabSize }, (_, id) => tokens[id] ?? `[PAD${id}]`)],
    ["tokenizer.ggml.token_type", types],
    ["tokenizer.ggml.merges", merges.map(({ left, right }) => `${tokens[left]} ${tokens[right]}`)],
    ["tokenizer.ggml.add_bos_token", false],
  ]);
  const idOf = (text: string | undefined): number | undefined => addedTokens.find((token) => token.text === text)?.id;
  const eosId = idOf(eosToken);
  const paddingId = idOf("<|endoftext|>");
  if (eosId !== undefined) values.set("tokenizer.ggml.eos_token_id", eosId);
  if (paddingId !== undefined) values.set("tokenizer.ggml.padding_token_id", paddingId);
  if (chatTemplate !== undefined) values.set("tokenizer.chat_template", chatTemplate);
  return values;
}

function requireValue(values: ReadonlyMap<string, unknown>, key: string, expected: string): void {
  const found = values.get(key);
  if (found === expected) return;
  if (found === undefined) throw invalid(key, "is missing");
  throw new MimoError(
    "checkpoint_unsupported",
    `The GGUF key ${key} is ${JSON.stringify(found)}; only ${JSON.stringify(expected)} can be read.`,
  );
}

function readStrings(values: ReadonlyMap<string, unknown>, key: string): readonly string[] {
  const value = values.get(key);
  if (!Array.isArray(value) || !value.every((entry) => typeof entry === "string")) {
    throw invalid(key, "must be an array of strings");
  }
  return value as readonly string[];
}

function readTypes(values: ReadonlyMap<string, unknown>, numTokens: number): ArrayLike<number> {
  const key = "tokenizer.ggml.token_type";
  const value = values.get(key);
  if (!Array.isArray(value) && !ArrayBuffer.isView(value)) {
    throw invalid(key, "must be an array of integers");
  }
  const types = value as unknown as ArrayLike<number>;
  if (types.length !== numTokens) {
    throw invalid(key, `has ${types.length} entries for ${numTokens} tokens`);
  }
  for (let id = 0; id < numTokens; id++) {
    const type: unknown = types[id];
    if (!Number.isInteger(type) || (type as number) < TOKEN_TYPE.normal || (type as number) > TOKEN_TYPE.byte) {
      throw invalid(key, `gives token ${id} the unknown type ${String(type)}`);
    }
  }
  return types;
}

function readConfig(values: ReadonlyMap<string, unknown>, tokens: readonly string[]): unknown {
  const config: Record<string, string> = {};
  for (const [key, field] of [
    ["tokenizer.ggml.eos_token_id", "eos_token"],
    ["tokenizer.ggml.padding_token_id", "pad_token"],
  ] as const) {
    const id = values.get(key);
    if (id === undefined) continue;
    const token = typeof id === "number" ? tokens[id] : undefined;
    if (token === undefined) throw invalid(key, `is ${JSON.stringify(id)}, which is no token's id`);
    config[field] = token;
  }
  const template = values.get("tokenizer.chat_template");
  if (template !== undefined) {
    if (typeof template !== "string") throw invalid("tokenizer.chat_template", "must be a string");
    config["chat_template"] = template;
  }
  return config;
}
