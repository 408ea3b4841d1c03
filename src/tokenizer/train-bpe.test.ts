// Training agrees with its definition, written naively; its files are read by us, by the reference implementation and
// through GGUF; and it compresses text that it has not seen.

import { Tokenizer as ReferenceTokenizer } from "@huggingface/tokenizers";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { GENERATOR_NAMES, type GeneratorName, mixtureSample } from "../train/data/mixture.ts";
import type { Split } from "../train/data/random.ts";
import { splitPieces } from "./bpe.ts";
import { BYTE_CHARS } from "./byte-level.ts";
import { createByteTokenizer } from "./byte-tokenizer.ts";
import { encodeChat } from "./chat.ts";
import { countPieces } from "./count-pieces.ts";
import { fromGgufTokenizer, toGgufTokenizer } from "./gguf-tokenizer.ts";
import { MIMO_ADDED_TOKENS } from "./mimo-tokenizer.ts";
import { Tokenizer } from "./tokenizer.ts";
import { type BpeTrainingProgress, trainBpe } from "./train-bpe.ts";

type StringPair = readonly [string, string];

const NUM_FIXED = 256 + MIMO_ADDED_TOKENS.length;
const SPACE = BYTE_CHARS[0x20] as string;

const bytes = createByteTokenizer({ vocabSize: 320 });
const byteTokenizer = Tokenizer.fromJson(bytes.tokenizerJson, bytes.tokenizerConfig);

const unicode = fc.string({ unit: "grapheme", maxLength: 60 });
const messy = fc.string({
  unit: fc.constantFrom(..."aeht n\n\r\t'sLL12é한😀\u0301\u00a0\u0085\ufeff.,!<|im_end>".split("")),
});
/** Few letters and long runs: many equal counts, and pairs that overlap themselves. */
const dense = fc.stringMatching(/^[ab ]{0,120}$/);
const corpora = fc.array(fc.oneof(messy, unicode, dense), { minLength: 1, maxLength: 8 });

/** The definition: count every pair of neighbours anew, join the best everywhere, and so on. */
function trainNaively(texts: readonly string[], maxMerges: number): { merges: StringPair[]; tokens: string[][] } {
  const ids = new Map(BYTE_CHARS.map((char, id) => [char, id]));
  const merges: StringPair[] = [];
  let pieces = texts.flatMap((text) =>
    splitPieces(text.normalize("NFC")).map((piece) =>
      [...Buffer.from(piece)].map((byte) => BYTE_CHARS[byte] as string),
    ),
  );
  while (merges.length < maxMerges) {
    const best = bestPair(pieces, ids);
    if (best === undefined) break;
    merges.push(best);
    ids.set(best.join(""), ids.size);
    pieces = pieces.map((tokens) => joinPair(tokens, best));
  }
  return { merges, tokens: pieces };
}

function bestPair(pieces: readonly string[][], ids: ReadonlyMap<string, number>): StringPair | undefined {
  const counts = new Map<string, { pair: StringPair; count: number }>();
  for (const tokens of pieces) {
    for (let i = 1; i < tokens.length; i++) {
      const pair: StringPair = [tokens[i - 1]!, tokens[i]!];
      const count = counts.get(pair.join(" "))?.count ?? 0;
      counts.set(pair.join(" "), { pair, count: count + 1 });
    }
  }
  const idAt = (pair: StringPair, side: 0 | 1): number => ids.get(pair[side])!;
  return [...counts.values()]
    .filter(({ count }) => count >= 2)
    .toSorted((a, b) => b.count - a.count || idAt(a.pair, 0) - idAt(b.pair, 0) || idAt(a.pair, 1) - idAt(b.pair, 1))[0]
    ?.pair;
}

function joinPair(tokens: readonly string[], [left, right]: StringPair): string[] {
  const joined: string[] = [];
  for (let i = 0; i < tokens.length; i++) {
    if (tokens[i] === left && tokens[i + 1] === right) joined.push(left + tokens[++i]!);
    else joined.push(tokens[i]!);
  }
  return joined;
}

function mergesOf(tokenizerJson: unknown): StringPair[] {
  return (tokenizerJson as { model: { merges: StringPair[] } }).model.merges;
}

/** What training reads of a generator: texts, and conversations as the chat template writes them. */
function textsOf(generator: GeneratorName, split: Split, count: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    const sample = mixtureSample([{ generator, weight: 1 }], { split, seed: 3, index });
    if (sample.kind === "text") return sample.text;
    const { messages, tools, thinking } = sample;
    return encodeChat(byteTokenizer, { messages, tools, enableThinking: thinking, addGenerationPrompt: false }).prompt;
  });
}

const trainingTexts = GENERATOR_NAMES.flatMap((generator) => textsOf(generator, "train", 60));
const trained = trainBpe(trainingTexts, { vocabSize: 1024, specialTokens: ["<|fim|>"] });
const tokenizer = Tokenizer.fromJson(trained.tokenizerJson, trained.tokenizerConfig);

describe("trainBpe", () => {
  it("learns the merges of the definition, and all that there are", () => {
    fc.assert(
      fc.property(corpora, fc.nat({ max: 40 }), (texts, maxMerges) => {
        const { merges, tokens } = trainNaively(texts, maxMerges);
        fc.pre(merges.length > 0);
        const files = trainBpe(texts, { vocabSize: NUM_FIXED + merges.length });
        expect(mergesOf(files.tokenizerJson)).toEqual(merges);
        const ours = Tokenizer.fromJson(files.tokenizerJson, files.tokenizerConfig);
        const encoded = texts.flatMap((text) => ours.encode(text).map((id) => ours.idToToken(id)));
        expect(encoded).toEqual(tokens.flat());
        if (merges.length < maxMerges) {
          expect(() => trainBpe(texts, { vocabSize: NUM_FIXED + merges.length + 1 })).toThrow(
            `found one that teaches ${NUM_FIXED + merges.length}`,
          );
        }
      }),
      { numRuns: 300 },
    );
  });

  it("prefers bytes and older tokens among equals", () => {
    const { tokenizerJson } = trainBpe(["cd ab cd ab"], { vocabSize: NUM_FIXED + 3 });
    expect(mergesOf(tokenizerJson)).toEqual([
      [SPACE, "a"],
      ["c", "d"],
      [`${SPACE}a`, "b"],
    ]);
  });

  it("depends on the texts only, not on their order", () => {
    expect(trainBpe(trainingTexts, { vocabSize: 1024, specialTokens: ["<|fim|>"] })).toEqual(trained);
    expect(trainBpe(trainingTexts.toReversed(), { vocabSize: 1024, specialTokens: ["<|fim|>"] })).toEqual(trained);
  });

  it("is as large as asked, with MiMo's tokens and template", () => {
    expect(tokenizer.numTokens).toBe(1024);
    expect(tokenizer.addedTokens.map(({ text }) => text)).toEqual([
      ...MIMO_ADDED_TOKENS.map(({ content }) => content),
      "<|fim|>",
    ]);
    expect(tokenizer.isSpecial(1023)).toBe(true);
    expect(tokenizer.eosIds).toEqual([1014, 1016]);
    expect(trained.tokenizerConfig).toEqual(bytes.tokenizerConfig);
    const request = { messages: [{ role: "user", content: "hello" }] } as const;
    expect(tokenizer.decode(encodeChat(tokenizer, request).ids)).toBe(encodeChat(byteTokenizer, request).prompt);
  });

  it("survives the way into GGUF and out", () => {
    const back = fromGgufTokenizer(toGgufTokenizer(trained, { vocabSize: 1024 }));
    expect(back.tokenizerJson).toEqual(trained.tokenizerJson);
  });

  it("gives the ids of the reference implementation", () => {
    const reference = new ReferenceTokenizer(trained.tokenizerJson as object, {});
    fc.assert(
      fc.property(fc.oneof(messy, unicode, fc.constantFrom(...trainingTexts)), (text) => {
        expect(tokenizer.encodeWithSpecials(text)).toEqual(text === "" ? [] : reference.encode(text).ids);
      }),
      { numRuns: 300 },
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

  it("keeps digits single", () => {
    expect(() => trainBpe(["1234 ".repeat(50)], { vocabSize: NUM_FIXED + 1 })).toThrow("teaches 265");
    const digits = "0123456789".split("");
    expect(tokenizer.encode("0123456789")).toEqual(digits.map((digit) => tokenizer.tokenToId(digit)));
    const ordinary = Array.from({ length: 1014 }, (_, id) => tokenizer.idToToken(id)!);
    expect(ordinary.filter((token) => /\d/.test(token))).toEqual(digits);
  });

  it("never makes special tokens of plain text, nor spends merges on them", () => {
    for (const { id, text } of tokenizer.addedTokens) {
      expect(tokenizer.encode(`${text} ${text}`)).not.toContain(id);
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
      expect(tokenizer.encodeWithSpecials(text)).toEqual([id]);
    }
    const conversation = "<|im_start|><|fim|><think></think><tool_call><|im_end|>".repeat(9);
    const options = { vocabSize: NUM_FIXED + 2, specialTokens: ["<|fim|>"] };
    expect(mergesOf(trainBpe([conversation, "xy xy"], options).tokenizerJson)).toEqual([["x", "y"]]);
    expect(() => trainBpe([conversation], options)).toThrow("found none with text in it");
  });

  it("tells how far it is", () => {
    const seen: BpeTrainingProgress[] = [];
    trainBpe(["ab ".repeat(2 ** 19), "ab"], { vocabSize: NUM_FIXED + 2, onProgress: (one) => seen.push(one) });
    expect(seen).toEqual([
      { phase: "counting", numCharacters: 3 * 2 ** 19 },
      { phase: "counting", numCharacters: 3 * 2 ** 19 + 2 },
      { phase: "merging", numMerges: 2, numWanted: 2 },
    ]);
  });

  it.each<[string, readonly string[], number, readonly string[], string]>([
    ["no corpus", [], 300, [], "found none"],
    ["a corpus without text", ["", ""], 300, [], "found none"],
    ["a vocabulary without merges", ["abab"], NUM_FIXED, [], "266 to 4194304 tokens, found 265"],
    ["one without room for special tokens", ["abab"], NUM_FIXED + 1, ["<|fim|>"], "267 to"],
    ["a broken vocabulary", ["abab"], 300.5, [], "found 300.5"],
    ["a vocabulary beyond all ids", ["abab"], 2 ** 30, [], "found 1073741824"],
    ["a corpus too small", ["abab"], 300, [], "teaches 300 tokens, found one that teaches 266"],
    ["a special token of another form", ["abab"], 300, ["fim"], 'found "fim"'],
    ["a special token twice", ["abab"], 300, ["<|a|>", "<|a|>"], 'found "<|a|>"'],
    ["a special token of MiMo's", ["abab"], 300, ["<|im_end|>"], 'found "<|im_end|>"'],
  ])("refuses %s", (_, texts, vocabSize, specialTokens, message) => {
    expect(() => trainBpe(texts, { vocabSize, specialTokens })).toThrow(
      expect.objectContaining({ code: "invalid_argument", message: expect.stringContaining(message) }),
    );
  });
});

describe("countPieces", () => {
  it("counts in normal form", () => {
    expect(countPieces(["an an", " an e\u0301", "\u00e9 \ufeffb"])).toEqual(
      new Map([
        ["an", 1],
        [" an", 2],
        [" \u00e9", 1],
        ["\u00e9", 1],
        [" \ufeff", 1],
        ["b", 1],
      ]),
    );
    expect(countPieces(["\ud800", "\ufffd", "\udfff"])).toEqual(new Map([["\ufffd", 3]]));
  });

  it("forgets the rarest pieces where they become too many, and leaves out endless ones", () => {
    const common = Array.from({ length: 50 }, () => "the");
    const rare = Array.from({ length: 200 }, (_, i) => `x${String.fromCharCode(0x4e00 + i)}`);
    const counts = countPieces([...common, ...rare], 100);
    expect(counts.get("the")).toBe(50);
    expect([...counts.keys()].join("").length).toBeLessThanOrEqual(100);
    expect(counts.has(rare[0]!)).toBe(false);
    expect(counts.has(rare.at(-1)!)).toBe(true);
    expect([...countPieces(["a".repeat(513), "a".repeat(512)]).values()]).toEqual([1]);
  });
});

describe("a trained vocabulary", () => {
  const measured: string[] = [];
  afterAll(() => console.log(`bytes per token, held-out samples, 1024 tokens: ${measured.join(", ")}`));

  it.each(GENERATOR_NAMES)("compresses held-out samples of %s", (generator) => {
    const ids = textsOf(generator, "heldout", 30).flatMap((text) => tokenizer.encodeWithSpecials(text));
    const ordinary = ids.filter((id) => id < 1014);
    const numBytes = ordinary.reduce((sum, id) => sum + tokenizer.tokenBytes(id).length, 0);
    measured.push(`${generator} ${(numBytes / ordinary.length).toFixed(2)}`);
    expect(numBytes / ordinary.length).toBeGreaterThan(1.5);
  });
});
