// Reads a `tokenizer.json` and `tokenizer_config.json` that were already parsed, and checks everything that
// encoding and decoding rely on. The input is hostile: what comes out has contiguous ids, a token for every
// byte, merges that only make existing ordinary tokens, and added tokens apart from the ordinary ones.
//
// Accepts byte-level BPE of the Qwen2 kind, which is what MiMo checkpoints carry; any other algorithm is refused
// here rather than approximated later. Refuses to know files.

import { MimoError } from "../util/errors.ts";
import { MAX_IDS, QWEN2_PATTERN, type Merge } from "./bpe.ts";
import { BYTE_CHARS, charsToBytes } from "./byte-level.ts";

export interface AddedToken {
  readonly id: number;
  readonly text: string;
  /** Control tokens are special; markers such as `<think>` may be added without being special. */
  readonly special: boolean;
}

export interface TokenizerParts {
  /** Text of every id: byte characters for ordinary tokens, plain text for added ones. */
  readonly tokens: readonly string[];
  readonly addedTokens: readonly AddedToken[];
  readonly byteIds: readonly number[];
  readonly merges: readonly Merge[];
  readonly normalize: boolean;
}

export interface TokenizerConfig {
  readonly eosToken: string | undefined;
  readonly chatTemplate: string | undefined;
}

export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(field: string, problem: string): MimoError {
  return new MimoError("checkpoint_invalid", `The tokenizer's ${field} ${problem}.`, {
    remedy: "Fetch the checkpoint's tokenizer.json again.",
  });
}

function unsupported(field: string, problem: string): MimoError {
  return new MimoError("checkpoint_unsupported", `The tokenizer's ${field} ${problem}.`, {
    remedy: "Only byte-level BPE tokenizers of the Qwen2 kind, as MiMo uses, can be read.",
  });
}

export function readTokenizerJson(json: unknown): TokenizerParts {
  if (!isJsonObject(json)) throw invalid("JSON", "must be an object");
  const model = json["model"];
  if (!isJsonObject(model)) throw invalid("model", "must be an object");
  checkModel(model);
  checkPipeline(json);
  const addedTokens = readAddedTokens(json["added_tokens"]);
  const ids = readVocabulary(model["vocab"], addedTokens);
  const tokens = listTokens(ids, addedTokens);
  return {
    tokens,
    addedTokens,
    byteIds: BYTE_CHARS.map((char, byte) => {
      const id = ids.get(char);
      if (id === undefined) throw invalid("model.vocab", `has no token for byte ${byte}`);
      return id;
    }),
    merges: readMerges(model["merges"], ids),
    normalize: readNormalizer(json["normalizer"]),
  };
}

export function readTokenizerConfig(config: unknown): TokenizerConfig {
  if (config === undefined) return { eosToken: undefined, chatTemplate: undefined };
  if (!isJsonObject(config)) throw invalid("config", "must be an object");
  const eos = config["eos_token"];
  const eosToken = isJsonObject(eos) ? eos["content"] : eos;
  if (eosToken !== undefined && eosToken !== null && typeof eosToken !== "string") {
    throw invalid("config eos_token", "must be a string");
  }
  return {
    eosToken: eosToken ?? undefined,
    chatTemplate: readChatTemplate(config["chat_template"]),
  };
}

/** A config holds one template, or a list of named ones of which `default` is meant for chat. */
function readChatTemplate(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string") return value;
  if (Array.isArray(value)) {
    const chosen: unknown = value.find((entry) => isJsonObject(entry) && entry["name"] === "default");
    if (isJsonObject(chosen) && typeof chosen["template"] === "string") return chosen["template"];
  }
  throw invalid("config chat_template", "must be a string, or a list with a template named default");
}

function checkModel(model: JsonObject): void {
  if (model["type"] !== undefined && model["type"] !== "BPE") {
    throw unsupported("model.type", "is not BPE");
  }
  for (const field of ["unk_token", "continuing_subword_prefix", "end_of_word_suffix", "dropout"]) {
    if (model[field]) throw unsupported(`model.${field}`, "is set");
  }
  for (const field of ["byte_fallback", "ignore_merges"]) {
    if (model[field]) throw unsupported(`model.${field}`, "is on");
  }
}

function checkPipeline(json: JsonObject): void {
  const steps = isJsonObject(json["pre_tokenizer"]) ? json["pre_tokenizer"]["pretokenizers"] : undefined;
  if (!Array.isArray(steps) || steps.length !== 2) {
    throw unsupported("pre_tokenizer", "is not a sequence of Split and ByteLevel");
  }
  const [split, byteLevel] = steps as readonly unknown[];
  const pattern = isJsonObject(split) && isJsonObject(split["pattern"]) ? split["pattern"]["Regex"] : undefined;
  // An arbitrary pattern could backtrack for ever on ordinary text: only the known one is run.
  if (pattern !== QWEN2_PATTERN) {
    throw unsupported("pre_tokenizer pattern", "is not the one of Qwen2");
  }
  if (!isJsonObject(byteLevel) || byteLevel["type"] !== "ByteLevel" || byteLevel["use_regex"] !== false) {
    throw unsupported("pre_tokenizer", "does not end in ByteLevel without its own pattern");
  }
  if (byteLevel["add_prefix_space"]) throw unsupported("pre_tokenizer add_prefix_space", "is on");
  const post = json["post_processor"];
  if (post !== undefined && post !== null && !(isJsonObject(post) && post["type"] === "ByteLevel")) {
    throw unsupported("post_processor", "adds tokens of its own");
  }
}

function readNormalizer(value: unknown): boolean {
  if (value === undefined || value === null) return false;
  if (isJsonObject(value) && value["type"] === "NFC") return true;
  throw unsupported("normalizer", "is neither NFC nor absent");
}

function readAddedTokens(value: unknown): readonly AddedToken[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalid("added_tokens", "must be a list");
  const texts = new Set<string>();
  return value.map((entry: unknown, i) => {
    const field = `added_tokens[${i}]`;
    if (!isJsonObject(entry)) throw invalid(field, "must be an object");
    const { id, content, special } = entry;
    if (!isTokenId(id)) throw invalid(`${field}.id`, "is not a token id");
    if (typeof content !== "string" || content === "") {
      throw invalid(`${field}.content`, "must be a non-empty string");
    }
    if (texts.has(content)) throw invalid(`${field}.content`, `repeats ${JSON.stringify(content)}`);
    texts.add(content);
    for (const flag of ["lstrip", "rstrip", "single_word"]) {
      if (entry[flag]) throw unsupported(`${field}.${flag}`, "is on");
    }
    return { id, text: content, special: special === true };
  });
}

function isTokenId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < MAX_IDS;
}

/** Ids of the ordinary tokens. Added tokens that the file lists a second time here are left out. */
function readVocabulary(value: unknown, addedTokens: readonly AddedToken[]): ReadonlyMap<string, number> {
  if (!isJsonObject(value)) throw invalid("model.vocab", "must be an object");
  const added = new Map(addedTokens.map((token) => [token.text, token.id]));
  const ids = new Map<string, number>();
  for (const [token, id] of Object.entries(value)) {
    if (!isTokenId(id)) throw invalid("model.vocab", `gives ${JSON.stringify(token)} no valid id`);
    if (added.has(token)) {
      if (added.get(token) !== id) {
        throw invalid("model.vocab", `and added_tokens differ on ${JSON.stringify(token)}`);
      }
      continue;
    }
    if (token === "" || charsToBytes(token) === undefined) {
      throw invalid("model.vocab", `has the entry ${JSON.stringify(token)}, which is not made of byte characters`);
    }
    ids.set(token, id);
  }
  return ids;
}

function listTokens(ids: ReadonlyMap<string, number>, addedTokens: readonly AddedToken[]): readonly string[] {
  const numTokens = ids.size + addedTokens.length;
  const tokens: (string | undefined)[] = Array.from({ length: numTokens });
  const place = (id: number, text: string): void => {
    if (id >= numTokens) {
      throw invalid("vocabulary", `has ${numTokens} tokens but uses id ${id}: some id is missing`);
    }
    if (tokens[id] !== undefined) throw invalid("vocabulary", `uses id ${id} twice`);
    tokens[id] = text;
  };
  for (const [token, id] of ids) place(id, token);
  for (const token of addedTokens) place(token.id, token.text);
  // As many tokens as places and none placed twice: every place is filled.
  return tokens as string[];
}

function readMerges(value: unknown, ids: ReadonlyMap<string, number>): readonly Merge[] {
  if (!Array.isArray(value)) throw invalid("model.merges", "must be a list");
  return value.map((entry: unknown, rank) => {
    const parts: unknown = typeof entry === "string" ? entry.split(" ") : entry;
    const [leftText, rightText, rest] = Array.isArray(parts) ? (parts as readonly unknown[]) : [];
    if (typeof leftText !== "string" || typeof rightText !== "string" || rest !== undefined) {
      throw invalid(`model.merges[${rank}]`, "must be a pair of tokens");
    }
    const left = ids.get(leftText);
    const right = ids.get(rightText);
    const merged = ids.get(leftText + rightText);
    if (left === undefined || right === undefined || merged === undefined) {
      throw invalid(`model.merges[${rank}]`, "names or makes a token that is not in the vocabulary");
    }
    return { left, right, merged };
  });
}
