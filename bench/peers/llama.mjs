// Opens a GGUF file in llama.cpp, through the prebuilt binary of node-llama-cpp, and reads the arguments that the three
// programs share. Token ids go in and out as they are: no BOS, no chat template, no tokenizer, no stop at an end token.
// Nothing is built or downloaded: where the binary is missing, `getLlama` throws.

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { getLlama } from "node-llama-cpp";

/** `MODEL.gguf` and `--name value` options. Unknown options are errors; `defaults` names the known ones. */
export function readArguments(usage, defaults) {
  const options = Object.fromEntries(
    Object.entries(defaults).map(([name, value]) => [name, { type: typeof value === "boolean" ? "boolean" : "string" }]),
  );
  try {
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    if (positionals.length !== 1) throw new Error(`Expected one model file, found ${positionals.length}.`);
    const chosen = { ...defaults, ...values };
    for (const [name, value] of Object.entries(chosen)) if (value === null) throw new Error(`--${name} is missing.`);
    return { model: positionals[0], ...chosen };
  } catch (error) {
    console.error(`${error.message}\nUsage: ${usage}`);
    process.exit(2);
  }
}

/** A whole number of at least 1, from the text of an option. */
export function readCount(name, text) {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name} must be a whole number above 0, not "${text}".`);
  return value;
}

/** Token ids from a JSON file: an array, or an object with `ids` or `input_ids`. */
export function readIds(path, vocabularySize) {
  const json = JSON.parse(readFileSync(path, "utf8"));
  const ids = Array.isArray(json) ? json : (json.ids ?? json.input_ids);
  if (!Array.isArray(ids) || ids.length === 0) throw new Error(`${path}: expected token ids: [...], "ids" or "input_ids".`);
  const wrong = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabularySize);
  if (wrong !== undefined) throw new Error(`${path}: ${wrong} is no token id of this model (0 to ${vocabularySize - 1}).`);
  return ids;
}

/**
 * Loads the model on the CPU. `createContext` gives `sequences` sequences with room for `length` tokens each.
 * `kv` is the type of the KV cache, `flash` whether attention is computed by llama.cpp's fused kernel.
 * llama.cpp's own defaults are F16 and auto; F32 and off round least.
 */
export async function openModel(modelPath, { threads, kv, flash }) {
  if (kv !== "F16" && kv !== "F32") throw new Error(`--kv must be F16 or F32, not "${kv}".`);
  const flashAttention = { auto: "auto", on: true, off: false }[flash];
  if (flashAttention === undefined) throw new Error(`--flash must be auto, on or off, not "${flash}".`);
  // maxThreads 0: every context gets exactly the threads it asks for, instead of a share of the binding's own estimate.
  const llama = await getLlama({ build: "never", skipDownload: true, gpu: false, maxThreads: 0, logLevel: "error" });
  // The file is memory-mapped, so its size may exceed what the binding's estimate would allow.
  const model = await llama.loadModel({ modelPath, ignoreMemorySafetyChecks: true });
  return {
    llama,
    model,
    vocabularySize: model.fileInfo.metadata.tokenizer.ggml.tokens.length,
    async createContext({ sequences = 1, length, ...options }) {
      const context = await model.createContext({
        sequences,
        // One slot stays free: the binding starts to drop tokens when the last one fills.
        contextSize: length + 1,
        threads,
        experimentalKvCacheKeyType: kv,
        experimentalKvCacheValueType: kv,
        // Said explicitly: by default the binding turns it off for models whose keys and values differ in width.
        flashAttention,
        ignoreMemorySafetyChecks: true,
        ...options,
      });
      return { context, sequences: Array.from({ length: sequences }, () => context.getSequence()) };
    },
  };
}
