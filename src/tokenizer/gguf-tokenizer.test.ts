import { describe, expect, it } from "vitest";
import { createByteTokenizer, MIN_BYTE_VOCAB_SIZE } from "./byte-tokenizer.ts";
import { fromGgufTokenizer, toGgufTokenizer } from "./gguf-tokenizer.ts";
import { MIMO_CHAT_TEMPLATE } from "./mimo-template.ts";
import { Tokenizer } from "./tokenizer.ts";

const files = createByteTokenizer({ vocabSize: 300 });

describe("GGUF tokenizer", () => {
  it("survives the way out and in", () => {
    const values = toGgufTokenizer(files, { vocabSize: 300 });
    const back = fromGgufTokenizer(values);
    expect(back.tokenizerJson).toEqual(files.tokenizerJson);
    expect(back.tokenizerConfig).toEqual({
      eos_token: "<|im_end|>",
      pad_token: "<|endoftext|>",
      chat_template: MIMO_CHAT_TEMPLATE,
    });
  });

  it("writes one token per row, with types", () => {
    const values = toGgufTokenizer(files, { vocabSize: 300 });
    const tokens = values.get("tokenizer.ggml.tokens") as string[];
    const types = values.get("tokenizer.ggml.token_type") as Int32Array;
    expect([tokens.length, types.length]).toEqual([300, 300]);
    expect([tokens[0x20], types[0x20]]).toEqual(["\u0120", 1]);
    expect([tokens[262], types[262]]).toEqual(["<|im_start|>", 3]);
    expect([tokens[264], types[264]]).toEqual(["<think>", 4]);
    expect([tokens[299], types[299]]).toEqual(["[PAD299]", 5]);
    expect(values.get("tokenizer.ggml.merges")).toContain("h e");
    expect(values.get("tokenizer.ggml.eos_token_id")).toBe(263);
    expect(() => toGgufTokenizer(files, { vocabSize: 100 })).toThrow("do not fit");
  });

  it.each<[string, string, unknown, string]>([
    ["another algorithm", "tokenizer.ggml.model", "llama", "checkpoint_unsupported"],
    ["another pattern", "tokenizer.ggml.pre", "llama-bpe", "checkpoint_unsupported"],
    ["a BOS token", "tokenizer.ggml.add_bos_token", true, "checkpoint_unsupported"],
    ["no list of tokens", "tokenizer.ggml.tokens", 7, "checkpoint_invalid"],
    ["types of another length", "tokenizer.ggml.token_type", [1], "checkpoint_invalid"],
    ["unknown types", "tokenizer.ggml.token_type", new Int32Array(300), "checkpoint_invalid"],
    ["merges without a pair", "tokenizer.ggml.merges", ["he"], "checkpoint_invalid"],
    ["an end token out of range", "tokenizer.ggml.eos_token_id", 300, "checkpoint_invalid"],
    ["a template that is no text", "tokenizer.chat_template", 5, "checkpoint_invalid"],
  ])("refuses a file with %s", (_, key, value, code) => {
    const values = toGgufTokenizer(files, { vocabSize: 300 }).set(key, value);
    expect(() => fromGgufTokenizer(values)).toThrow(
      expect.objectContaining({
        code,
        message: expect.stringContaining(key === "tokenizer.ggml.add_bos_token" ? "BOS" : key),
      }),
    );
  });
});

describe("createByteTokenizer", () => {
  it("works from its smallest vocabulary on", () => {
    const smallest = createByteTokenizer({ vocabSize: MIN_BYTE_VOCAB_SIZE });
    expect(Tokenizer.fromJson(smallest.tokenizerJson, smallest.tokenizerConfig).numTokens).toBe(MIN_BYTE_VOCAB_SIZE);
    expect(() => createByteTokenizer({ vocabSize: MIN_BYTE_VOCAB_SIZE - 1 })).toThrow("at least 270");
  });
});
