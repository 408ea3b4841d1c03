// The tokenizer of a checkpoint: side files of a Hugging Face folder, or the key-values of a GGUF file.

import { join } from "node:path";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { fromGgufTokenizer, type TokenizerFiles } from "../tokenizer/gguf-tokenizer.ts";
import { Tokenizer } from "../tokenizer/tokenizer.ts";
import { MimoError, toMimoError } from "../util/errors.ts";

export interface LoadedTokenizer {
  /** Undefined where there is none that can be used: such a model still runs on token ids. */
  readonly tokenizer: Tokenizer | undefined;
  /** Why there is none, as a sentence. */
  readonly problem: string | undefined;
}

export function loadTokenizer(checkpoint: Checkpoint): LoadedTokenizer {
  try {
    const files = tokenizerFiles(checkpoint);
    if (files === undefined)
      return { tokenizer: undefined, problem: "There is no tokenizer: the model takes and gives token ids only." };
    return { tokenizer: Tokenizer.fromJson(files.tokenizerJson, files.tokenizerConfig), problem: undefined };
  } catch (thrown) {
    const { message } = toMimoError(thrown);
    return {
      tokenizer: undefined,
      problem: `The tokenizer cannot be used, so the model takes and gives token ids only: ${message}`,
    };
  }
}

/** tokenizer.json and tokenizer_config.json, read or made from GGUF key-values. */
export function tokenizerFiles(checkpoint: Checkpoint): TokenizerFiles | undefined {
  if (checkpoint.format === "gguf") {
    if (!checkpoint.metadata.has("tokenizer.ggml.tokens")) return undefined;
    return fromGgufTokenizer(new Map([...checkpoint.metadata].map(([key, { value }]) => [key, value])));
  }
  const tokenizerJson = readSideFile(checkpoint, "tokenizer.json");
  if (tokenizerJson === undefined) return undefined;
  const config = readSideFile(checkpoint, "tokenizer_config.json") as Readonly<Record<string, unknown>> | undefined;
  // Newer exports keep the template in a file of its own, which then counts.
  const template = checkpoint.readText("chat_template.jinja");
  const tokenizerConfig = template === undefined ? config : { ...config, chat_template: template };
  return { tokenizerJson, tokenizerConfig };
}

/** A JSON file of a Hugging Face folder; undefined where there is none. Throws `checkpoint_invalid`. */
export function readSideFile(checkpoint: Checkpoint, name: string): unknown {
  const text = checkpoint.readText(name);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new MimoError(
      "checkpoint_invalid",
      `${join(checkpoint.path, name)}: expected JSON, found ${(cause as Error).message}.`,
      { cause },
    );
  }
}
