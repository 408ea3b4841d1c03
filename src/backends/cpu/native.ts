// The CPU backend: native memory, native weights, and kernels run by a pool of threads inside the addon.
//
// `run` only appends to a list of numbers; `sync` hands the whole list to the addon in one call, which blocks this
// thread (it is the pool's first worker) until the last command is done. Whatever reads, writes or releases memory
// from JavaScript empties the list first. Addresses never reach JavaScript.

import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { DTYPES, rowBytes } from "../../tensor/dtype.ts";
import { numElements } from "../../tensor/shape.ts";
import { type Handle, type Memory, type Tensor, tensorBytes } from "../../tensor/tensor.ts";
import { assert, defined } from "../../util/assert.ts";
import { ERROR_TABLE, type ErrorCode, MimoError } from "../../util/errors.ts";
import {
  type Backend,
  type FetchStats,
  type Kernel,
  type KernelArgs,
  kernelMissing,
  type Weight,
  type WeightSource,
} from "../backend.ts";
import { type Addon, type Device, loadAddon } from "./addon.ts";

export interface CpuBackendOptions {
  /** Threads that run kernels, the calling one included. Default: the physical cores this process may use. */
  readonly threads?: number;
  /** Instruction-set variant, one of `cpuBackendStatus().variants`. Default: the best. */
  readonly variant?: string;
}

/** Throws `backend_unavailable` where the addon is missing or cannot run, `invalid_argument` for bad options. */
export function createCpuBackend(options: CpuBackendOptions = {}): Backend {
  const { addon, variants } = loadAddon();
  const variant = options.variant ?? defined(variants[0], "a supported variant");
  if (!variants.includes(variant)) {
    throw new MimoError("invalid_argument", `This machine cannot run the CPU kernels of variant "${variant}".`, {
      param: "variant",
      remedy: `Use one of: ${variants.join(", ")}.`,
    });
  }
  const threads = options.threads ?? physicalCores();
  if (!Number.isInteger(threads) || threads < 1 || threads > MAX_THREADS) {
    throw new MimoError("invalid_argument", `threads must be an integer from 1 to ${MAX_THREADS}, found ${threads}.`, {
      param: "threads",
    });
  }
  return new CpuBackend(addon, variant, threads);
}

const MAX_THREADS = 1024;
const INITIAL_COMMANDS = 1 << 14;

class CpuBackend implements Backend {
  readonly name = "cpu";
  readonly description: string;
  readonly #addon: Addon;
  readonly #device: Device;
  readonly #kernelIds: ReadonlyMap<string, number>;
  readonly #copyId: number;
  readonly #clearId: number;
  readonly #fetchId: number;
  readonly #mapped = new Set<Handle>();
  #commands = new Float64Array(INITIAL_COMMANDS);
  #length = 0;
  #isFetching = false;

  constructor(addon: Addon, variant: string, threads: number) {
    this.description = `CPU, ${variant}, ${threads} ${threads === 1 ? "thread" : "threads"}`;
    this.#addon = addon;
    this.#kernelIds = new Map(addon.kernels(variant).map((name, id) => [name, id]));
    this.#copyId = defined(this.#kernelIds.get("copy"), "the kernel copy");
    this.#clearId = defined(this.#kernelIds.get("clear"), "the kernel clear");
    this.#fetchId = defined(this.#kernelIds.get("fetch"), "the kernel fetch");
    this.#device = native(() => addon.create(variant, threads));
  }

  alloc(byteLength: number): Memory {
    return { handle: native(() => this.#addon.alloc(this.#device, byteLength)), byteLength };
  }

  mapFile(path: string): Memory {
    const [handle, byteLength] = native(() => this.#addon.mapFile(this.#device, path));
    this.#mapped.add(handle);
    return { handle, byteLength };
  }

  free(memory: Memory): void {
    this.sync();
    native(() => this.#addon.free(this.#device, memory.handle));
    this.#mapped.delete(memory.handle);
  }

  prepareWeight(source: WeightSource): Weight {
    const { dtype, outFeatures, inFeatures, matrices, scales, scaleRows } = source;
    const numMatrices = matrices.length;
    const bytesPerRow = rowBytes(dtype, inFeatures);
    assert(bytesPerRow !== undefined, `a row of ${inFeatures} ${dtype} elements is no whole number of blocks`);
    const hasScales = scales !== undefined && scaleRows !== undefined;
    assert(hasScales === (dtype === "f8_e4m3"), `a weight of ${dtype} has ${hasScales ? "" : "no "}scales`);
    const id = native(() =>
      this.#addon.prepareWeight(
        this.#device,
        DTYPES[dtype].code,
        outFeatures,
        inFeatures,
        bytesPerRow,
        scaleRows ?? 0,
        addresses(matrices),
        hasScales ? addresses(scales) : null,
      ),
    );
    if (source.packed === true) this.sync();
    const isPacked = source.packed === true && native(() => this.#addon.packWeight(this.#device, id)) === 1;
    let byteLength = numMatrices * outFeatures * bytesPerRow;
    for (const scale of scales ?? []) byteLength += 4 * defined(numElements(scale.shape), "size of a scale");
    return { id, dtype, numMatrices, outFeatures, inFeatures, byteLength, isPacked };
  }

  freeWeight(weight: Weight): void {
    this.sync();
    native(() => this.#addon.freeWeight(this.#device, weight.id));
  }

  lockWeight(weight: Weight): boolean {
    return native(() => this.#addon.lockWeight(this.#device, weight.id)) === 1;
  }

  limitFetched(bytes: number): void {
    this.sync();
    native(() => this.#addon.limitFetched(this.#device, bytes));
    this.#isFetching = true;
  }

  upload(target: Tensor, bytes: Uint8Array): void {
    assert(bytes.byteLength === byteLengthOf(target), `upload of ${bytes.byteLength} bytes to another size`);
    this.sync();
    native(() => this.#addon.upload(this.#device, target.memory.handle, target.byteOffset, bytes));
  }

  download(source: Tensor, bytes: Uint8Array): void {
    assert(bytes.byteLength === byteLengthOf(source), `download of another size into ${bytes.byteLength} bytes`);
    this.sync();
    native(() => this.#addon.download(this.#device, source.memory.handle, source.byteOffset, bytes));
  }

  copy(source: Tensor, target: Tensor): void {
    const size = byteLengthOf(source);
    assert(size === byteLengthOf(target), "copy between tensors of different sizes");
    assert(!this.#mapped.has(target.memory.handle), "copy into a mapped file");
    const distance = Math.abs(source.byteOffset - target.byteOffset);
    assert(source.memory.handle !== target.memory.handle || distance >= size, "copy between overlapping tensors");
    this.#append(this.#copyId, { tensors: [source, target], scalars: [size] });
  }

  clear(target: Tensor): void {
    assert(!this.#mapped.has(target.memory.handle), "clearing a mapped file");
    this.#append(this.#clearId, { tensors: [target], scalars: [byteLengthOf(target)] });
  }

  require(kernels: readonly Kernel[]): void {
    for (const { name } of kernels) if (!this.#kernelIds.has(name)) throw kernelMissing(name, "cpu");
  }

  run(kernel: Kernel, args: KernelArgs): void {
    const id = this.#kernelIds.get(kernel.name);
    if (id === undefined) throw kernelMissing(kernel.name, "cpu");
    this.#append(id, args);
  }

  record(build: () => void): () => void {
    const start = this.#length;
    build();
    assert(this.#length >= start, "a recording that waits for the queue");
    const commands = this.#commands.slice(start, this.#length);
    return () => {
      this.#reserve(commands.length).set(commands, this.#length);
      this.#length += commands.length;
    };
  }

  fetch(ids: Tensor, weights: readonly Weight[], isGuess = false): void {
    if (!this.#isFetching) return;
    const count = defined(numElements(ids.shape), "a number of ids");
    this.#append(this.#fetchId, { tensors: [ids], weights, scalars: [count, weights.length, isGuess ? 1 : 0] });
  }

  sync(): void {
    if (this.#length === 0) return;
    const length = this.#length;
    this.#length = 0;
    native(() => this.#addon.execute(this.#device, this.#commands, length));
  }

  stats(): { memories: number; weights: number; allocatedBytes: number } {
    const [memories, weights, allocatedBytes] = native(() => this.#addon.stats(this.#device));
    return { memories, weights, allocatedBytes };
  }

  fetchStats(): FetchStats | undefined {
    if (!this.#isFetching) return undefined;
    const stats = native(() => this.#addon.fetchStats(this.#device));
    const [uses, hits, bytesRead, waitMs, heldBytes, limitBytes] = stats;
    return { uses, hits, bytesRead, waitMs, heldBytes, limitBytes };
  }

  /** Ends the threads and releases everything still held. Every later use throws `disposed`. */
  [Symbol.dispose](): void {
    this.#length = 0;
    this.#addon.destroy(this.#device);
  }

  /** [kernel, numTensors, numWeights, numScalars, (handle, byteOffset, dtype)…, weightId…, scalar…] */
  #append(kernelId: number, { tensors, weights = [], scalars = [] }: KernelArgs): void {
    const commands = this.#reserve(4 + 3 * tensors.length + weights.length + scalars.length);
    let at = this.#length;
    commands[at++] = kernelId;
    commands[at++] = tensors.length;
    commands[at++] = weights.length;
    commands[at++] = scalars.length;
    for (const tensor of tensors) {
      commands[at++] = tensor === null ? 0 : tensor.memory.handle;
      commands[at++] = tensor === null ? 0 : tensor.byteOffset;
      commands[at++] = tensor === null ? 0 : DTYPES[tensor.dtype].code;
    }
    for (const weight of weights) commands[at++] = weight.id;
    for (const scalar of scalars) commands[at++] = scalar;
    this.#length = at;
  }

  /** The list, with room for so many numbers more. */
  #reserve(count: number): Float64Array {
    const end = this.#length + count;
    if (end > this.#commands.length) {
      const grown = new Float64Array(2 * end);
      grown.set(this.#commands.subarray(0, this.#length));
      this.#commands = grown;
    }
    return this.#commands;
  }
}

function addresses(tensors: readonly Tensor[]): Float64Array {
  return Float64Array.from(tensors.flatMap(({ memory, byteOffset }) => [memory.handle, byteOffset]));
}

function byteLengthOf(tensor: Tensor): number {
  return defined(tensorBytes(tensor.dtype, tensor.shape), "size of a tensor");
}

/** Calls the addon; its errors become ours. */
function native<Result>(call: () => Result): Result {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error) || !isErrorCode(error.code)) throw error;
    throw new MimoError(error.code, error.message, { cause: error });
  }
}

function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === "string" && Object.hasOwn(ERROR_TABLE, code);
}

/** Kernels fill a core's vector units and its share of memory bandwidth: a second thread on it only gets in the way. */
function physicalCores(): number {
  let threadsPerCore = 1;
  try {
    if (readFileSync("/sys/devices/system/cpu/smt/active", "utf8").trim() === "1") threadsPerCore = 2;
  } catch {
    // Not Linux, or a machine that does not tell: count what the system offers.
  }
  return Math.min(MAX_THREADS, Math.max(1, Math.floor(availableParallelism() / threadsPerCore)));
}
