import { Tokenizer as ReferenceTokenizer } from "@huggingface/tokenizers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createByteTokenizer } from "./byte-tokenizer.ts";
import { BYTE_CHARS } from "./byte-level.ts";
import { createTokenizerJson } from "./gguf-tokenizer.ts";
import { StreamDecoder } from "./stream-decoder.ts";
import { Tokenizer } from "./tokenizer.ts";

const files = createByteTokenizer({ vocabSize: 320 });
const tokenizer = Tokenizer.fromJson(files.tokenizerJson, files.tokenizerConfig);
const unicode = fc.string({ unit: "grapheme", maxLength: 60 });
const messy = fc.string({
  unit: fc.constantFrom(..."aeht n\n\r\t'sLL12é한😀\u0301\u00a0\u0085\ufeff.,!<|im_end>".split("")),
});

/** A tokenizer whose merges build many words, some through several paths. */
function createMergingJson(): unknown {
  const vocab = new Map(BYTE_CHARS.map((char, id) => [char, id]));
  const merges: [string, string][] = [];
  const space = BYTE_CHARS[0x20] as string;
  for (const word of ["the", "then", "he", "hen", `${space}the`, "een", "een", "nee", "aaaa", "\u00c3\u00a9", "ee"]) {
    for (let split = 1; split < word.length; split++) {
      for (const part of [word.slice(0, split + 1), word.slice(split - 1)]) {
        for (let cut = 1; cut < part.length; cut++) {
          const [left, right] = [part.slice(0, cut), part.slice(cut)];
          if (vocab.has(part) || !vocab.has(left) || !vocab.has(right)) continue;
          vocab.set(part, vocab.size);
          merges.push([left, right]);
        }
      }
    }
  }
  return createTokenizerJson(Object.fromEntries(vocab), merges, [
    { id: vocab.size, content: "<|im_end|>", special: true },
    { id: vocab.size + 1, content: "<think>", special: false },
  ]);
}

describe("Tokenizer", () => {
  it("gives the ids of the reference implementation", () => {
    const json = createMergingJson();
    const reference = new ReferenceTokenizer(json as object, {});
    const ours = Tokenizer.fromJson(json);
    fc.assert(
      fc.property(fc.oneof(messy, unicode, fc.stringMatching(/^[ then]{0,80}$/)), (text) => {
        expect(ours.encodeWithSpecials(text)).toEqual(text === "" ? [] : reference.encode(text).ids);
      }),
      { numRuns: 500 },
    );
  });

  it("decodes what it encoded, in normal form C", () => {
    fc.assert(
      fc.property(fc.oneof(messy, unicode), (text) => {
        const wellFormed = text.replace(/\p{Cs}/gu, "\ufffd");
        expect(tokenizer.decode(tokenizer.encode(wellFormed))).toBe(wellFormed.normalize("NFC"));
      }),
    );
  });

  it("keeps special-token text as text unless asked", () => {
    for (const { id, text } of tokenizer.addedTokens) {
      expect(tokenizer.encode(text)).not.toContain(id);
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
      expect(tokenizer.encodeWithSpecials(text)).toEqual([id]);
    }
  });

  it("names its tokens", () => {
    expect(tokenizer.numTokens).toBe(270);
    expect(tokenizer.eosIds.map((id) => tokenizer.idToToken(id))).toEqual(["<|endoftext|>", "<|im_end|>"]);
    const [end] = tokenizer.eosIds as [number];
    expect(tokenizer.isSpecial(end)).toBe(true);
    expect(tokenizer.isSpecial(tokenizer.addedTokenId("<think>") as number)).toBe(false);
    expect(tokenizer.decode([0x61, end, 0x62], { skipSpecial: true })).toBe("ab");
    expect(tokenizer.tokenBytes(0xff)).toEqual(Uint8Array.of(0xff));
    expect(tokenizer.tokenToId("he")).toBe(257);
    expect(() => tokenizer.decode([319])).toThrow("Token id 319 is not in the vocabulary of 270 tokens");
  });

  it("takes a megabyte of one word in its stride", () => {
    const ids = Tokenizer.fromJson(createMergingJson()).encode("a".repeat(1_000_000));
    expect(ids.length).toBeLessThanOrEqual(500_000);
  });

  it("splits long white space without exhausting the pattern's stack", () => {
    expect(tokenizer.encode(" ".repeat(1_000_000)).length).toBe(1_000_000);
  });

  it.each<[string, (json: any) => void, string, string]>([
    ["no model", (json) => delete json.model, "checkpoint_invalid", "model must be"],
    ["another model", (json) => (json.model.type = "Unigram"), "checkpoint_unsupported", "model.type"],
    [
      "another pattern",
      (json) => (json.pre_tokenizer.pretokenizers[0].pattern.Regex = "(a+)+$"),
      "checkpoint_unsupported",
      "pattern",
    ],
    ["another normal form", (json) => (json.normalizer = { type: "NFKC" }), "checkpoint_unsupported", "normalizer"],
    ["a missing byte", (json) => delete json.model.vocab["!"], "checkpoint_invalid", "some id is missing"],
    ["an id twice", (json) => (json.model.vocab["!"] = 5), "checkpoint_invalid", "uses id 5 twice"],
    ["an id of 2^53", (json) => (json.model.vocab["!"] = 2 ** 53), "checkpoint_invalid", "no valid id"],
    ["a negative id", (json) => (json.added_tokens[0].id = -1), "checkpoint_invalid", "added_tokens[0].id"],
    [
      "an empty special token",
      (json) => (json.added_tokens[0].content = ""),
      "checkpoint_invalid",
      "added_tokens[0].content",
    ],
    ["a merge of unknowns", (json) => json.model.merges.push(["zz", "z"]), "checkpoint_invalid", "model.merges[5]"],
    ["a merge of one", (json) => json.model.merges.push("ab"), "checkpoint_invalid", "model.merges[5]"],
    [
      "stripping specials",
      (json) => (json.added_tokens[0].lstrip = true),
      "checkpoint_unsupported",
      "added_tokens[0].lstrip",
    ],
  ])("refuses a file with %s", (_, spoil, code, message) => {
    const json = structuredClone(files.tokenizerJson);
    spoil(json);
    expect(() => Tokenizer.fromJson(json)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });

  it("reads eos and template from the configuration", () => {
    const config = {
      eos_token: { content: "<think>" },
      chat_template: [{ name: "default", template: "x" }],
    };
    const configured = Tokenizer.fromJson(files.tokenizerJson, config);
    expect(configured.eosIds).toContain(configured.addedTokenId("<think>"));
    expect(configured.chatTemplate).toBe("x");
    expect(() => Tokenizer.fromJson(files.tokenizerJson, { chat_template: 5 })).toThrow("chat_template");
  });
});

describe("StreamDecoder", () => {
  it("yields the text of all ids at once, whatever the ids", () => {
    const idLists = fc.oneof(
      fc.array(fc.nat({ max: 269 })),
      unicode.map((text) => [...new TextEncoder().encode(text)]),
    );
    fc.assert(
      fc.property(idLists, (ids) => {
        const decoder = new StreamDecoder(tokenizer);
        const text = ids.map((id) => decoder.push(id)).join("") + decoder.flush();
        expect(text).toBe(tokenizer.decode(ids));
      }),
    );
  });

  it("never yields a part of a character", () => {
    const decoder = new StreamDecoder(tokenizer);
    expect([0xf0, 0x9f, 0x98, 0x80].map((byte) => decoder.push(byte))).toEqual(["", "", "", "😀"]);
    expect(decoder.push(0xe2) + decoder.flush()).toBe("\ufffd");
  });
});
