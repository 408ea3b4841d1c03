// What a machine must offer to run the model: memory, weights ready for its kernels, and a queue of kernels.
//
// A backend knows where bytes live and how work is submitted; it never knows what an op means. `run` only
// enqueues: results are there after `sync` or `download`. Kernels of one backend run in the order of submission.
// Everything allocated is released by its owner; `stats` counts what is still held, and tests assert zero.

import type { DType } from "../tensor/dtype.ts";
import type { Memory, Tensor } from "../tensor/tensor.ts";
import { MimoError } from "../util/errors.ts";

export type BackendName = "reference" | "cpu";

export interface Backend extends Disposable {
  readonly name: BackendName;
  /** One line for people: instruction set, threads. */
  readonly description: string;

  /** Zeroed memory. Throws `out_of_memory`. */
  alloc(byteLength: number): Memory;
  /** A file as read-only memory, paged in when it is touched. Mapping the same file twice shares the map. */
  mapFile(path: string): Memory;
  /** Releases what `alloc` or `mapFile` gave. */
  free(memory: Memory): void;

  /** Makes matrices ready for this backend's kernels; see `WeightSource`. */
  prepareWeight(source: WeightSource): Weight;
  freeWeight(weight: Weight): void;
  /**
   * Reads a weight into memory to stay there. False where the system does not promise that it stays: it may have to be
   * read again.
   */
  lockWeight(weight: Weight): boolean;
  /**
   * From now on `fetch` brings matrices of weights that have several into memory, of which it takes at most `bytes`.
   * Before, it does nothing: all are used where they lie.
   */
  limitFetched(bytes: number): void;

  upload(target: Tensor, bytes: Uint8Array): void;
  /** Waits for the queue, then copies the tensor's bytes into `bytes`. */
  download(source: Tensor, bytes: Uint8Array): void;
  /** Enqueues a copy between two tensors of the same byte length. */
  copy(source: Tensor, target: Tensor): void;
  /** Enqueues zeros for every byte of a tensor. */
  clear(target: Tensor): void;

  /** Throws `kernel_missing` where this backend lacks one of the kernels: called once, when a model is built. */
  require(kernels: readonly Kernel[]): void;
  /** Enqueues a kernel. The op's contract has checked the arguments. */
  run(kernel: Kernel, args: KernelArgs): void;
  /**
   * Enqueues what `build` enqueues, and returns a function that enqueues the same commands again at little cost.
   * `build` only runs kernels; what they read may change in between, what they are given may not be released.
   */
  record(build: () => void): () => void;
  /**
   * Enqueues the reading of what the next kernel uses of weights with several matrices: `ids` [T, K] of each. It changes
   * how long the kernel takes, never its result. The first weights come first where memory is short. A guess at what
   * the next `fetch` will ask for starts to be read and is not waited for.
   */
  fetch(ids: Tensor, weights: readonly Weight[], isGuess?: boolean): void;
  /** Waits for the queue. */
  sync(): void;

  stats(): { readonly memories: number; readonly weights: number; readonly allocatedBytes: number };
  /** Undefined before `limitFetched`. */
  fetchStats(): FetchStats | undefined;
}

/** What `fetch` has done so far. */
export interface FetchStats {
  /** Numbers asked for, counted once in each fetch, and how many of them had all their matrices in memory. */
  readonly uses: number;
  readonly hits: number;
  /** Read from files. */
  readonly bytesRead: number;
  /** Time in which nothing but reading happened. */
  readonly waitMs: number;
  readonly heldBytes: number;
  readonly limitBytes: number;
}

/**
 * `matrices` [numMatrices] × [outFeatures, inFeatures], one for a plain linear layer, one per expert for a
 * mixture. They may lie anywhere; they share dtype and shape. FP8 matrices carry `scales`: float32
 * [⌈outFeatures / scaleRows⌉, ⌈inFeatures / 128⌉] each, value = code × scale.
 */
export interface WeightSource {
  readonly dtype: DType;
  readonly outFeatures: number;
  readonly inFeatures: number;
  readonly matrices: readonly Tensor[];
  readonly scales?: readonly Tensor[];
  /** Rows of the matrix that share a row of scales. */
  readonly scaleRows?: number;
  /** Copy the matrices into the layout that kernels read fastest, instead of using them where they lie. */
  readonly packed?: boolean;
}

/** Columns of an FP8 matrix that share a scale. */
export const SCALE_COLUMNS = 128;

export interface Weight {
  readonly id: number;
  readonly dtype: DType;
  readonly numMatrices: number;
  readonly outFeatures: number;
  readonly inFeatures: number;
  /** Bytes of all matrices as they were given. */
  readonly byteLength: number;
  /** Whether the matrices were copied into the backend's own layout. */
  readonly isPacked: boolean;
}

/** Arguments in the order that the op's contract states. */
export interface KernelArgs {
  readonly tensors: readonly (Tensor | null)[];
  readonly weights?: readonly Weight[];
  readonly scalars?: readonly number[];
}

/** A kernel's name and its exact, slow definition. Native implementations are found by name. */
export interface Kernel {
  readonly name: string;
  readonly reference: (args: HostArgs) => void;
}

/** What a reference implementation sees: typed arrays over host memory, aliasing the tensors' bytes. */
export interface HostArgs {
  readonly tensors: readonly (HostTensor | null)[];
  readonly weights: readonly HostWeight[];
  readonly scalars: readonly number[];
}

export interface HostTensor {
  readonly dtype: DType;
  readonly bytes: Uint8Array;
}

export interface HostWeight extends Weight {
  /** Decodes row `row` of matrix `matrix` into `out` [inFeatures]. */
  readonly decodeRow: (matrix: number, row: number, out: Float32Array) => void;
}

export function kernelMissing(kernel: string, backend: BackendName, detail = ""): MimoError {
  return new MimoError("kernel_missing", `The ${backend} backend has no kernel "${kernel}"${detail}.`, {
    remedy: "Rebuild the addon with `mimo doctor --build-addon`, or use the reference backend.",
  });
}
