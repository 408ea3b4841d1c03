// A checkpoint for this room's tests whose every token follows from the one before, for the trunk and for its heads.
//
// Attention and feed-forward blocks add nothing (their output matrices are zero), and an MTP head passes the embedding
// of its token through. So all of them compute lmHead · norm(embedding(token)), and lmHead is made such that the
// largest logit is that of `nextToken(token)`: 64 below it is the next one, for rows of ±1 that are far from parallel.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { goldenCase } from "../../test/golden/golden.ts";
import { openCheckpoint } from "../checkpoint/checkpoint.ts";
import { writeShardedSafetensors } from "../checkpoint/safetensors-writer.ts";
import type { TensorInfo, TensorSource } from "../checkpoint/tensor-info.ts";
import { encodeBlocks } from "../tensor/codec/codec.ts";
import { numElements } from "../tensor/shape.ts";
import { defined } from "../util/assert.ts";
import { randomKey, randomUnit } from "../util/random.ts";

const VOCABULARY = 256;

/** A permutation of one cycle, so that a text of 256 tokens repeats none. */
export function nextToken(token: number): number {
  return (5 * token + 3) % VOCABULARY;
}

/** The `count` tokens that follow `token`. */
export function tokensAfter(token: number, count: number): number[] {
  const tokens: number[] = [];
  for (let last = token; tokens.length < count;) tokens.push((last = nextToken(last)));
  return tokens;
}

/** Writes the checkpoint to a new folder. Heads listed in `wrongHeads` predict another token than the trunk, always. */
export async function writePredictableCheckpoint(
  wrongHeads: readonly number[] = [],
): Promise<{ readonly path: string; readonly remove: () => void }> {
  const path = mkdtempSync(join(tmpdir(), "mimo-predictable-"));
  using template = openCheckpoint(goldenCase("hf-bf16").path);
  const tensors = [...template.tensors.values()].map((info): TensorSource => {
    const { name, dtype, shape } = info;
    const made = contentOf(info, wrongHeads);
    if (made === undefined) return { name, dtype, shape, chunks: () => [template.read(info)] };
    const bytes = new Uint8Array(info.byteLength);
    encodeBlocks(dtype, made, bytes);
    return { name, dtype, shape, chunks: () => [bytes] };
  });
  await writeShardedSafetensors(path, tensors);
  writeFileSync(join(path, "config.json"), JSON.stringify(template.config));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** The values of a tensor, or undefined where the template's own will do. */
function contentOf({ name, shape }: TensorInfo, wrongHeads: readonly number[]): Float32Array | undefined {
  const [rows = 1, columns = 1] = shape;
  const values = new Float32Array(defined(numElements(shape), "elements"));
  if (/\.(o_proj|down_proj)\.weight$/.test(name)) return values;
  if (name.endsWith("norm.weight")) return values.fill(1);
  const head = /mtp\.layers\.(\d+)\.eh_proj/.exec(name)?.[1];
  if (head !== undefined) {
    // [D, 2D]: the embedding half as it is, or turned around; nothing of the hidden state.
    const sign = wrongHeads.includes(Number(head)) ? -1 : 1;
    for (let i = 0; i < rows; i++) values[i * columns + i] = sign;
    return values;
  }
  if (name === "model.embed_tokens.weight") {
    for (let token = 0; token < rows; token++) values.set(signs(token, columns), token * columns);
    return values;
  }
  if (name === "lm_head.weight") {
    for (let token = 0; token < rows; token++) values.set(signs(token, columns), nextToken(token) * columns);
    return values;
  }
  return undefined;
}

/** The embedding of a token: entries of ±1, so that RMS norm leaves it as it is. */
function signs(token: number, width: number): Float32Array {
  const key = randomKey(99, token);
  return Float32Array.from({ length: width }, (_, i) => (randomUnit(key, i) < 0.5 ? -1 : 1));
}
