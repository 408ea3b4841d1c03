// llama.cpp's C library (llama.h), called directly: the prebuilt CPU binary that node-llama-cpp publishes, loaded with koffi.
// Token ids go in and raw logits come out; no tokenizer, no sampler.
//
// Why not node-llama-cpp's own JavaScript: it attaches no thread pool, so that llama.cpp starts and ends its threads in every
// step. Where a new thread is slow to get a core, that costs more than the step itself; llama.cpp's own tools do not do it.
//
// The two parameter structs are passed by value and are internal to one version of the library. Only the fields named below
// are touched, and `checkLayout` refuses a library whose defaults are not where they should be.

import { join } from "node:path";
import koffi from "koffi";

const libraries = join(import.meta.dirname, "node_modules/@node-llama-cpp/linux-x64/bins/linux-x64");
export const version = "v0.5.0";

// Indices of 32-bit words in llama_context_params. BOOLEANS_2 holds swa_full (byte 0) and kv_unified (byte 1).
const N_CTX = 0;
const N_BATCH = 1;
const N_UBATCH = 2;
const N_SEQ_MAX = 3;
const N_THREADS = 7;
const N_THREADS_BATCH = 8;
const FLASH_ATTN_TYPE = 13;
const TYPE_K = 26;
const TYPE_V = 27;
const BOOLEANS_2 = 33;

/** Of a sequence's state, only what sliding-window layers hold. */
const PARTIAL_STATE = 1;

const cacheTypes = { F32: 0, F16: 1 };
const flashTypes = { auto: 0xffffffff, off: 0, on: 1 };

// Larger than the structs are: the library reads and writes only its own size.
koffi.struct("llama_context_params", { words: koffi.array("uint32_t", 64) });
koffi.struct("llama_model_params", { words: koffi.array("uint32_t", 64) });
koffi.struct("ggml_threadpool_params", { words: koffi.array("uint32_t", 160) });
koffi.struct("llama_batch", {
  n_tokens: "int32_t",
  token: "void *",
  embd: "void *",
  pos: "void *",
  n_seq_id: "void *",
  seq_id: "void *",
  logits: "void *",
});
koffi.proto("void log_callback(int level, const char *text, void *data)");
const newThreadpoolType = koffi.proto("void *new_threadpool(ggml_threadpool_params *params)");

const errors = [];
let instructionSet = "unknown";

// llama.cpp reports why a file does not open through its log only. Level 4 is an error.
const log = koffi.register((level, text) => {
  if (level === 4) errors.push(text.trim());
  instructionSet = /libggml-cpu-(\w+)\.so/.exec(text)?.[1] ?? instructionSet;
}, "log_callback *");

const library = loadLibrary();

function loadLibrary() {
  const base = koffi.load(join(libraries, "libggml-base.so"));
  const ggml = koffi.load(join(libraries, `libggml.${version}.so`));
  const llama = koffi.load(join(libraries, `libllama.${version}.so`));
  llama.func("void llama_log_set(log_callback *log, void *data)")(log, null);
  ggml.func("void ggml_backend_load_all_from_path(const char *path)")(libraries);
  llama.func("void llama_backend_init()")();
  return {
    findBackend: ggml.func("void *ggml_backend_reg_by_name(const char *name)"),
    findFunction: base.func("void *ggml_backend_reg_get_proc_address(void *backend, const char *name)"),
    threadpoolDefaults: base.func("ggml_threadpool_params ggml_threadpool_params_default(int threads)"),
    modelDefaults: llama.func("llama_model_params llama_model_default_params()"),
    contextDefaults: llama.func("llama_context_params llama_context_default_params()"),
    loadModel: llama.func("void *llama_model_load_from_file(const char *path, llama_model_params params)"),
    describeModel: llama.func("int llama_model_desc(void *model, _Out_ uint8_t *text, size_t size)"),
    modelWindow: llama.func("int llama_model_n_swa(void *model)"),
    modelSize: llama.func("uint64_t llama_model_size(void *model)"),
    getVocabulary: llama.func("void *llama_model_get_vocab(void *model)"),
    countTokens: llama.func("int llama_vocab_n_tokens(void *vocabulary)"),
    newContext: llama.func("void *llama_init_from_model(void *model, llama_context_params params)"),
    freeContext: llama.func("void llama_free(void *context)"),
    attachThreadpool: llama.func("void llama_attach_threadpool(void *context, void *decode, void *prefill)"),
    newBatch: llama.func("llama_batch llama_batch_init(int tokens, int embedding, int sequences)"),
    freeBatch: llama.func("void llama_batch_free(llama_batch batch)"),
    decode: llama.func("int llama_decode(void *context, llama_batch batch)"),
    getLogits: llama.func("void *llama_get_logits_ith(void *context, int index)"),
    getMemory: llama.func("void *llama_get_memory(void *context)"),
    clearMemory: llama.func("void llama_memory_clear(void *memory, bool data)"),
    removeTokens: llama.func("bool llama_memory_seq_rm(void *memory, int sequence, int from, int to)"),
    firstPosition: llama.func("int llama_memory_seq_pos_min(void *memory, int sequence)"),
    stateSize: llama.func("size_t llama_state_seq_get_size_ext(void *context, int sequence, uint32_t flags)"),
    readState: llama.func(
      "size_t llama_state_seq_get_data_ext(void *context, _Out_ uint8_t *data, size_t size, int sequence, uint32_t flags)",
    ),
    writeState: llama.func(
      "size_t llama_state_seq_set_data_ext(void *context, uint8_t *data, size_t size, int sequence, uint32_t flags)",
    ),
  };
}

function checkLayout(words) {
  const expected = {
    [N_CTX]: 512,
    [N_BATCH]: 2048,
    [N_UBATCH]: 512,
    [N_SEQ_MAX]: 1,
    [N_THREADS]: 4,
    [N_THREADS_BATCH]: 4,
  };
  Object.assign(expected, { [FLASH_ATTN_TYPE]: flashTypes.auto, [TYPE_K]: 1, [TYPE_V]: 1, [BOOLEANS_2]: 1 });
  for (const [index, value] of Object.entries(expected)) {
    if (words[index] === value) continue;
    throw new Error(`This is not llama.cpp ${version}: word ${index} of its context parameters is ${words[index]}.`);
  }
}

/**
 * Opens a GGUF file (memory-mapped) on the CPU, with one pool of `threads` threads for all its contexts; without
 * `attachPool` llama.cpp starts its threads anew in every step, as it does under node-llama-cpp's own JavaScript.
 */
export function openModel(path, threads, { attachPool = true } = {}) {
  const model = library.loadModel(path, library.modelDefaults());
  if (model === null) throw new Error(`llama.cpp does not open ${path}:\n${errors.join("\n")}`);
  const threadpool = attachPool ? newThreadpool(threads) : undefined;
  const description = new Uint8Array(256);
  const length = library.describeModel(model, description, description.length);
  return {
    vocabularySize: library.countTokens(library.getVocabulary(model)),
    description: new TextDecoder().decode(description.subarray(0, length)),
    bytes: Number(library.modelSize(model)),
    /** Tokens that sliding-window layers see; 0 where there are none. */
    window: library.modelWindow(model),
    instructionSet,
    createContext: (options) => createContext(model, threadpool, threads, options),
  };
}

function newThreadpool(threads) {
  const create = library.findFunction(library.findBackend("CPU"), "ggml_threadpool_new");
  return koffi.decode(create, newThreadpoolType)(library.threadpoolDefaults(threads));
}

/**
 * A KV cache for `sequences` sequences of up to `length` tokens, fed in batches of up to `batch` tokens.
 * `kv` is the cache's type (F16 is llama.cpp's default), `flash` whether attention runs as one fused kernel (auto is).
 */
function createContext(model, threadpool, threads, { sequences = 1, length, batch = 512, kv, flash }) {
  if (!(kv in cacheTypes)) throw new Error(`--kv must be F16 or F32, not "${kv}".`);
  if (!(flash in flashTypes)) throw new Error(`--flash must be auto, on or off, not "${flash}".`);
  const params = library.contextDefaults();
  checkLayout(params.words);
  params.words[N_CTX] = sequences * Math.ceil(length / 256) * 256;
  params.words[N_BATCH] = params.words[N_UBATCH] = batch;
  params.words[N_SEQ_MAX] = sequences;
  params.words[N_THREADS] = params.words[N_THREADS_BATCH] = threads;
  params.words[FLASH_ATTN_TYPE] = flashTypes[flash];
  params.words[TYPE_K] = params.words[TYPE_V] = cacheTypes[kv];
  // As llama.cpp's tools do: sliding-window layers keep only their window, and every sequence has a cache of its own.
  params.words[BOOLEANS_2] = 0;
  const context = library.newContext(model, params);
  if (context === null) throw new Error(`llama.cpp makes no context:\n${errors.join("\n")}`);
  if (threadpool !== undefined) library.attachThreadpool(context, threadpool, null);

  const native = library.newBatch(batch, 0, 1);
  const vocabularySize = library.countTokens(library.getVocabulary(model));
  const ids = new Int32Array(koffi.view(native.token, 4 * batch));
  const positions = new Int32Array(koffi.view(native.pos, 4 * batch));
  const wanted = new Int8Array(koffi.view(native.logits, batch));
  new Int32Array(koffi.view(native.n_seq_id, 4 * batch)).fill(1);
  const sequenceIds = [...new BigUint64Array(koffi.view(native.seq_id, 8 * batch))].map(
    (pointer) => new Int32Array(koffi.view(pointer, 4)),
  );

  return {
    batch,
    /**
     * One call of llama.cpp for tokens of any sequences: `{ id, position, sequence, logits }`, `logits` saying whether
     * that token's row is wanted. Gives the wanted rows, in order; they are the library's memory until the next call.
     */
    decode(tokens) {
      for (const [i, token] of tokens.entries()) {
        ids[i] = token.id;
        positions[i] = token.position;
        sequenceIds[i][0] = token.sequence;
        wanted[i] = token.logits ? 1 : 0;
      }
      const status = library.decode(context, { ...native, n_tokens: tokens.length });
      if (status !== 0) throw new Error(`llama_decode failed with status ${status}:\n${errors.join("\n")}`);
      return tokens.flatMap((token, i) =>
        token.logits ? [new Float32Array(koffi.view(library.getLogits(context, i), 4 * vocabularySize))] : [],
      );
    },
    /** Forgets the tokens of a sequence from `position` on. */
    cut(sequence, position) {
      if (!library.removeTokens(library.getMemory(context), sequence, position, -1))
        throw new Error(`llama.cpp does not cut sequence ${sequence} back to ${position}.`);
    },
    /** The earliest position of a sequence that every layer still holds; -1 where it is empty. */
    firstPosition: (sequence) => library.firstPosition(library.getMemory(context), sequence),
    /** A copy of a sequence's cache: of all layers, or of those that cannot be cut back. */
    saveState(sequence, isPartial = false) {
      const flags = isPartial ? PARTIAL_STATE : 0;
      const data = new Uint8Array(Number(library.stateSize(context, sequence, flags)));
      if (Number(library.readState(context, data, data.length, sequence, flags)) === 0)
        throw new Error("llama.cpp does not save the sequence.");
      return data;
    },
    restoreState(sequence, data, isPartial = false) {
      if (Number(library.writeState(context, data, data.length, sequence, isPartial ? PARTIAL_STATE : 0)) === 0)
        throw new Error("llama.cpp does not restore the sequence.");
    },
    /** Forgets all tokens of all sequences. */
    clear: () => library.clearMemory(library.getMemory(context), false),
    free() {
      library.freeBatch(native);
      library.freeContext(context);
    },
  };
}

/** Feeds a whole prompt to one empty sequence, in as few calls as fit. Gives the last row of logits. */
export function prefill(context, prompt, sequence = 0) {
  let rows = [];
  for (let start = 0; start < prompt.length; start += context.batch) {
    const chunk = prompt.slice(start, start + context.batch);
    rows = context.decode(
      chunk.map((id, i) => ({ id, position: start + i, sequence, logits: start + i === prompt.length - 1 })),
    );
  }
  return rows[0];
}

/** The id with the largest logit; the lowest such id on a tie. */
export function argmax(row) {
  let best = 0;
  for (let id = 1; id < row.length; id++) if (row[id] > row[best]) best = id;
  return best;
}
