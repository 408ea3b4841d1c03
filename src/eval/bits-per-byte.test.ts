// Bits per byte with models whose probabilities are known, on texts and on conversations of the generators.

import { describe, expect, test } from "vitest";
import { createByteTokenizer } from "../tokenizer/byte-tokenizer.ts";
import { Tokenizer } from "../tokenizer/tokenizer.ts";
import { encodeSample } from "../train/dataset.ts";
import { GENERATOR_NAMES } from "../train/data/mixture.ts";
import { bitsPerByte, generatorSources, type ScoringClient, textSource } from "./bits-per-byte.ts";

const { tokenizerJson, tokenizerConfig } = createByteTokenizer({ vocabSize: 512 });
const tokenizer = Tokenizer.fromJson(tokenizerJson, tokenizerConfig);

/** Gives every token one probability, and remembers what it was asked. */
class UniformModel implements ScoringClient {
  readonly tokenizer = tokenizer;
  readonly pieces: (readonly number[])[] = [];

  async *promptLogprobs(ids: readonly number[]): AsyncGenerator<{ readonly logprob: number }> {
    this.pieces.push(ids);
    for (let i = 1; i < ids.length; i++) yield { logprob: -Math.log(256) };
  }
}

test("bytes are those of UTF-8, less those of the first token", async () => {
  const sources = [textSource("latin", "abcde"), textSource("chinese", "你好吗")];
  const rows = await bitsPerByte(new UniformModel(), sources, { pieceTokens: 100 });
  // This tokenizer has a token for each byte, so that each costs eight bits.
  expect(rows.map(({ name, numTokens, numBytes }) => [name, numTokens, numBytes])).toEqual([
    ["latin", 4, 4],
    ["chinese", 8, 8],
  ]);
  for (const { bitsPerByte: bits, crossEntropy } of rows) {
    expect(bits).toBeCloseTo(8, 10);
    expect(crossEntropy).toBeCloseTo(Math.log(256), 10);
  }
});

test.each([2, 3, 7, 10, 11])(
  "in pieces of %i tokens, every token but the first is predicted once",
  async (pieceTokens) => {
    const model = new UniformModel();
    const [row] = await bitsPerByte(model, [textSource("text", "0123456789")], { pieceTokens });
    expect(row).toMatchObject({ numTokens: 9, numBytes: 9 });
    expect(model.pieces.every((piece) => piece.length <= pieceTokens)).toBe(true);
    expect(tokenizer.decode(model.pieces.flatMap((piece) => piece.slice(1)))).toBe("123456789");
  },
);

describe("generators", () => {
  test("each gives held-out samples as training reads them", async () => {
    const model = new UniformModel();
    const progress: number[] = [];
    const sources = generatorSources(3, 1);
    const rows = await bitsPerByte(model, sources, { pieceTokens: 1e6, onProgress: (done) => progress.push(done) });
    expect(rows.map(({ name, numSamples }) => [name, numSamples])).toEqual(GENERATOR_NAMES.map((name) => [name, 3]));
    expect(progress.at(-1)).toBe(3 * GENERATOR_NAMES.length);
    const samples = sources.flatMap((source) => [...source.samples()]);
    for (const [i, sample] of samples.entries()) {
      const { tokens } = encodeSample(tokenizer, sample, "all");
      const ids = [...tokens];
      // The end of a plain text is not a part of it.
      expect(model.pieces[i]).toEqual(sample.kind === "text" ? ids.slice(0, -1) : ids);
    }
  });
});
