// Writes a whole model: weights, configuration, tokenizer. A Hugging Face folder or one GGUF file.
//
// Invariant: the output appears complete or not at all, at its final name, and nothing else stays behind: a folder is
// filled beside it and renamed, a GGUF file is written through `<path>.part`. Refuses to know where weights come from.

import { existsSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import type { TokenizerFiles } from "../tokenizer/gguf-tokenizer.ts";
import { toGgufTokenizer } from "../tokenizer/gguf-tokenizer.ts";
import type { GgufItem, GgufValue } from "../checkpoint/gguf-format.ts";
import { writeGguf } from "../checkpoint/gguf-writer.ts";
import { writeShardedSafetensors } from "../checkpoint/safetensors-writer.ts";
import { sourceBytes, type TensorSource } from "../checkpoint/tensor-info.ts";
import { fileSystemError } from "../checkpoint/errors.ts";
import { toGgufMetadata, toHuggingFaceConfig } from "../model/config-writers.ts";
import type { ModelConfig } from "../model/config.ts";
import { assert } from "../util/assert.ts";
import { MimoError } from "../util/errors.ts";
import type { GgufTargetType, Target } from "./target.ts";
import type { HuggingFaceType } from "../model/config-writers.ts";
import type { TargetTensor } from "./tensors.ts";

/** Bytes of tensors written and to be written. */
export interface Progress {
  readonly done: number;
  readonly total: number;
}

export interface OutputOptions {
  /** Replace what is at the output's place. Without it, an output that exists is refused. */
  readonly overwrite?: boolean | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ModelContent {
  readonly config: ModelConfig;
  readonly numMtpHeads: number;
  readonly tokenizer: TokenizerFiles | undefined;
  /** The object of `generation_config.json`; from the configuration where there is none. */
  readonly generationConfig?: unknown;
  readonly tensors: readonly TargetTensor[];
}

/** Throws `invalid_argument`, naming the option at fault, where something is at `out` already. */
export function refuseExisting(param: string, out: string, overwrite: boolean | undefined): void {
  if (overwrite === true || !existsSync(out)) return;
  throw new MimoError("invalid_argument", `${out} exists already.`, {
    param,
    remedy: "Choose another name, or allow it to be replaced (overwrite).",
  });
}

/** Writes the model and returns the bytes of its tensors. Replaces what is at `out`: callers have asked. */
export async function writeModel(
  out: string,
  target: Target,
  content: ModelContent,
  options: OutputOptions,
): Promise<number> {
  const total = content.tensors.reduce((sum, tensor) => sum + sourceBytes(tensor), 0);
  const counted = { ...content, tensors: withProgress(content.tensors, total, options.onProgress) };
  if (target.format === "gguf") await writeGgufModel(out, target.type, counted, options);
  else await writeFolder(out, target.type, counted, options);
  return total;
}

function withProgress(
  tensors: readonly TargetTensor[],
  total: number,
  onProgress: OutputOptions["onProgress"],
): readonly TargetTensor[] {
  if (onProgress === undefined) return tensors;
  let done = 0;
  return tensors.map((tensor) => ({
    ...tensor,
    async *chunks() {
      for await (const chunk of tensor.chunks()) {
        yield chunk;
        done += chunk.length;
        onProgress({ done, total });
      }
    },
  }));
}

async function writeGgufModel(
  out: string,
  type: GgufTargetType,
  content: ModelContent,
  options: OutputOptions,
): Promise<void> {
  const { config, numMtpHeads, tokenizer, tensors } = content;
  const metadata = new Map([
    ...toGgufMetadata(config, numMtpHeads, { name: basename(out, ".gguf"), type }),
    ...tokenizerMetadata(tokenizer, config),
  ]);
  await writeGguf(out, { metadata, tensors }, signalOf(options));
}

/** llama.cpp calls a model without a tokenizer `no_vocab`. */
function tokenizerMetadata(tokenizer: TokenizerFiles | undefined, config: ModelConfig): Map<string, GgufValue> {
  const eosKey = "tokenizer.ggml.eos_token_id";
  const values: [string, unknown][] =
    tokenizer === undefined
      ? [["tokenizer.ggml.model", "no_vocab"]]
      : [...toGgufTokenizer(tokenizer, { vocabSize: config.vocabSize })];
  const [eos] = config.eosTokenIds;
  if (eos !== undefined && !values.some(([key]) => key === eosKey)) values.push([eosKey, eos]);
  return new Map(values.map(([key, value]) => [key, ggufValue(value)]));
}

function ggufValue(value: unknown): GgufValue {
  if (typeof value === "string") return { type: "string", value };
  if (typeof value === "boolean") return { type: "bool", value };
  if (typeof value === "number") return { type: "u32", value };
  if (value instanceof Int32Array) return { type: "array", itemType: "i32", value: Array.from(value) };
  assert(Array.isArray(value), "a tokenizer's value is a scalar or a list");
  return { type: "array", itemType: "string", value: value as GgufItem[] };
}

async function writeFolder(
  out: string,
  type: HuggingFaceType,
  content: ModelContent,
  options: OutputOptions,
): Promise<void> {
  const trunk = content.tensors.filter(({ parameter }) => parameter.mtpHead === undefined);
  const mtp = content.tensors.filter(({ parameter }) => parameter.mtpHead !== undefined);
  const extraFiles = new Map<string, readonly TensorSource[]>(mtp.length === 0 ? [] : [["model_mtp.safetensors", mtp]]);
  const folder = resolve(out);
  const building = `${folder}.part`;
  try {
    await rm(building, { recursive: true, force: true });
    await mkdir(building, { recursive: true });
    for (const [name, value] of sideFiles(type, content)) {
      await writeFile(join(building, name), `${JSON.stringify(value, null, 2)}\n`);
    }
    await writeShardedSafetensors(building, trunk, { extraFiles, ...signalOf(options) });
    await replaceFolder(building, folder);
  } catch (thrown) {
    await rm(building, { recursive: true, force: true });
    throw fileSystemError(thrown, out);
  }
}

function sideFiles(type: HuggingFaceType, content: ModelContent): [string, unknown][] {
  const { config, tokenizer } = content;
  const eos = config.eosTokenIds;
  const files: [string, unknown][] = [
    ["config.json", toHuggingFaceConfig(config, { type })],
    ["generation_config.json", content.generationConfig ?? (eos.length === 0 ? {} : { eos_token_id: eos })],
  ];
  if (tokenizer !== undefined) {
    files.push(["tokenizer.json", tokenizer.tokenizerJson], ["tokenizer_config.json", tokenizer.tokenizerConfig ?? {}]);
  }
  return files;
}

/** Puts `from` in the place of `to`; what was there goes only after the new folder stands. */
async function replaceFolder(from: string, to: string): Promise<void> {
  if (!existsSync(to)) return rename(from, to);
  const old = `${to}.old`;
  await rm(old, { recursive: true, force: true });
  await rename(to, old);
  await rename(from, to);
  await rm(old, { recursive: true, force: true });
}

function signalOf({ signal }: OutputOptions): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
