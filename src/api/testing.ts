// A checkpoint for this room's tests: small random weights with the byte tokenizer, in a folder that the caller removes.
//
// Only tokens of printable ASCII have rows in the LM head that are not zero, so greedy output is readable text, the
// same on every machine, and never ends by itself. Some tokens are longer than a character ("he", " t"), so borders of
// tokens and of text differ.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { goldenCase } from "../../test/golden/golden.ts";
import { openCheckpoint } from "../checkpoint/checkpoint.ts";
import { writeShardedSafetensors } from "../checkpoint/safetensors-writer.ts";
import type { TensorSource } from "../checkpoint/tensor-info.ts";
import { encodeBlocks } from "../tensor/codec/codec.ts";
import { createByteTokenizer } from "../tokenizer/byte-tokenizer.ts";
import { defined } from "../util/assert.ts";
import { randomKey, randomUnit } from "../util/random.ts";

/** 256 bytes, five longer tokens, nine special ones, and padding that no tokenizer knows. */
export const VOCABULARY = 288;
const FIRST_SPECIAL = 261;

export interface TextCheckpoint {
  readonly path: string;
  readonly remove: () => void;
}

export async function writeTextCheckpoint(): Promise<TextCheckpoint> {
  const path = mkdtempSync(join(tmpdir(), "mimo-text-"));
  using template = openCheckpoint(goldenCase("hf-bf16").path);
  const tensors = [...template.tensors.values()].map((info): TensorSource => {
    const { name, dtype, shape } = info;
    const isHead = name === "lm_head.weight";
    if (!isHead && name !== "model.embed_tokens.weight")
      return { name, dtype, shape, chunks: () => [template.read(info)] };
    const width = defined(shape[1], "width");
    const bytes = new Uint8Array(2 * VOCABULARY * width);
    encodeBlocks("bf16", randomRows(isHead ? 1 : 2, width, isHead ? isReadable : () => true), bytes);
    return { name, dtype: "bf16", shape: [VOCABULARY, width], chunks: () => [bytes] };
  });
  await writeShardedSafetensors(path, tensors);
  const { tokenizerJson, tokenizerConfig } = createByteTokenizer({ vocabSize: VOCABULARY });
  const write = (name: string, value: unknown): void => writeFileSync(join(path, name), JSON.stringify(value));
  write("config.json", { ...template.config, vocab_size: VOCABULARY });
  write("tokenizer.json", tokenizerJson);
  write("tokenizer_config.json", tokenizerConfig);
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Printable ASCII and the longer tokens made of it; padding too, which sampling must leave out. */
function isReadable(token: number): boolean {
  return (token >= 0x20 && token < 0x7f) || (token >= 256 && token < FIRST_SPECIAL) || token >= VOCABULARY - 8;
}

function randomRows(seed: number, width: number, has: (token: number) => boolean): Float32Array {
  const values = new Float32Array(VOCABULARY * width);
  for (let token = 0; token < VOCABULARY; token++) {
    if (!has(token)) continue;
    const key = randomKey(seed, token);
    for (let i = 0; i < width; i++) values[token * width + i] = 2 * randomUnit(key, i) - 1;
  }
  return values;
}
