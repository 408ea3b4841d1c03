// Writes a whole model: weights, configuration, tokenizer. A Hugging Face folder or one GGUF file.
//
// Invariant: the output appears complete or not at all, at its final name, and nothing else stays behind: a folder is
// filled beside it and renamed, a GGUF file is written through `<path>.part`. Refuses to know where weights come from.

import { existsSync, readdirSync, statSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fileSystemError } from "../checkpoint/errors.ts";
import type { GgufItem, GgufValue } from "../checkpoint/gguf-format.ts";
import { writeGguf } from "../checkpoint/gguf-writer.ts";
import { writeShardedSafetensors } from "../checkpoint/safetensors-writer.ts";
import { sourceBytes, type TensorSource } from "../checkpoint/tensor-info.ts";
import { type HuggingFaceType, toGgufMetadata, toHuggingFaceConfig } from "../model/config-writers.ts";
import type { ModelConfig } from "../model/config.ts";
import { type TokenizerFiles, toGgufTokenizer } from "../tokenizer/gguf-tokenizer.ts";
import { assert } from "../util/assert.ts";
import { MimoError } from "../util/errors.ts";
import type { GgufTargetType, Target } from "./target.ts";
import type { TargetTensor } from "./tensors.ts";

const NAME_KEY = "general.name";

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
  /** Key-values of a GGUF input that a GGUF output keeps as they are: its tokenizer and what it says of the model. */
  readonly ggufMetadata?: ReadonlyMap<string, GgufValue> | undefined;
  /** The object of `generation_config.json`; from the configuration where there is none. */
  readonly generationConfig?: unknown;
  readonly tensors: readonly TargetTensor[];
}

/** What a model folder consists of; a folder with anything else in it is never replaced. */
const MODEL_FILE = /\.(safetensors|json|jinja|txt|md)$|^\.gitattributes$/;

/** Throws `invalid_argument`, naming the option at fault, where `out` must not be written to. */
export function refuseExisting(param: string, out: string, overwrite: boolean | undefined): void {
  const found = statSync(out, { throwIfNoEntry: false });
  if (found === undefined || (overwrite === true && !found.isDirectory())) return;
  if (overwrite !== true) {
    throw new MimoError("invalid_argument", `${out} exists already.`, {
      param,
      remedy: "Choose another name, or allow it to be replaced (overwrite).",
    });
  }
  const entries = readdirSync(out, { withFileTypes: true });
  const strange = entries.find((entry) => entry.isDirectory() || !MODEL_FILE.test(entry.name));
  if (strange === undefined && (entries.length === 0 || entries.some(({ name }) => name === "config.json"))) return;
  const reason = strange === undefined ? "it has no config.json" : `it holds ${strange.name}`;
  throw new MimoError("invalid_argument", `${out} is not replaced, because it does not look like a model: ${reason}.`, {
    param,
    remedy: "Choose another name, or remove the folder yourself.",
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
  const { config, numMtpHeads, tensors } = content;
  const further = content.ggufMetadata ?? tokenizerMetadata(content.tokenizer, config);
  const name = String(further.get(NAME_KEY)?.value ?? basename(out, ".gguf"));
  const own = toGgufMetadata(config, numMtpHeads, { name, type });
  const metadata = new Map([...own, ...[...further].filter(([key]) => !own.has(key))]);
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
  let workplace: string | undefined;
  try {
    await mkdir(dirname(folder), { recursive: true });
    workplace = await mkdtemp(`${folder}.part-`);
    const building = join(workplace, "new");
    await mkdir(building);
    for (const [name, value] of sideFiles(type, content)) {
      await writeFile(join(building, name), `${JSON.stringify(value, null, 2)}\n`);
    }
    await writeShardedSafetensors(building, trunk, { extraFiles, ...signalOf(options) });
    await replaceFolder(building, folder, join(workplace, "old"));
  } catch (thrown) {
    throw fileSystemError(thrown, out);
  } finally {
    if (workplace !== undefined) await rm(workplace, { recursive: true, force: true });
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

/** Puts `from` in the place of `to`; what was there moves to `aside`, and back where that fails. */
async function replaceFolder(from: string, to: string, aside: string): Promise<void> {
  const isReplacing = existsSync(to);
  if (isReplacing) await rename(to, aside);
  try {
    await rename(from, to);
  } catch (thrown) {
    if (isReplacing) await rename(aside, to);
    throw thrown;
  }
}

function signalOf({ signal }: OutputOptions): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
