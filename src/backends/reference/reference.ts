// The reference backend: host memory, kernels that are their own definitions. Slow and exact; always there.
//
// `run` executes at once. A mapped file is read matrix by matrix when a kernel first asks for one, and kept, so that
// a small model is decoded from memory and opening a large one costs nothing.

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { decodeBlocks } from "../../tensor/codec/codec.ts";
import { rowBytes } from "../../tensor/dtype.ts";
import { type Memory, type Tensor, tensorBytes } from "../../tensor/tensor.ts";
import { assert, defined } from "../../util/assert.ts";
import { MimoError } from "../../util/errors.ts";
import {
  type Backend,
  type HostTensor,
  type HostWeight,
  type Kernel,
  type KernelArgs,
  SCALE_COLUMNS,
  type Weight,
  type WeightSource,
} from "../backend.ts";

interface MappedFile {
  readonly path: string;
  readonly descriptor: number;
  readonly ranges: Map<string, Uint8Array>;
  references: number;
}

export function createReferenceBackend(): Backend {
  return new ReferenceBackend();
}

class ReferenceBackend implements Backend {
  readonly name = "reference";
  readonly description = "reference (TypeScript, one thread, float64 accumulation)";
  readonly #allocated = new Map<number, Uint8Array>();
  readonly #files = new Map<number, MappedFile>();
  readonly #weights = new Map<number, HostWeight>();
  #nextId = 1;

  alloc(byteLength: number): Memory {
    const handle = this.#nextId++;
    try {
      this.#allocated.set(handle, new Uint8Array(byteLength));
    } catch (cause) {
      throw new MimoError("out_of_memory", `The reference backend could not allocate ${byteLength} bytes.`, {
        remedy: "Use a smaller context or the cpu backend, which commits memory only when it is used.",
        cause,
      });
    }
    return { handle, byteLength };
  }

  mapFile(path: string): Memory {
    for (const [handle, file] of this.#files) {
      if (file.path !== path) continue;
      file.references++;
      return { handle, byteLength: fstatSync(file.descriptor).size };
    }
    const handle = this.#nextId++;
    const descriptor = openSync(path, "r");
    this.#files.set(handle, { path, descriptor, ranges: new Map(), references: 1 });
    return { handle, byteLength: fstatSync(descriptor).size };
  }

  free(memory: Memory): void {
    const file = this.#files.get(memory.handle);
    if (file === undefined) {
      assert(this.#allocated.delete(memory.handle), `memory ${memory.handle} was freed twice or never allocated`);
      return;
    }
    if (--file.references > 0) return;
    closeSync(file.descriptor);
    this.#files.delete(memory.handle);
  }

  prepareWeight(source: WeightSource): Weight {
    const { dtype, outFeatures, inFeatures, matrices, scales, scaleRows = 1 } = source;
    const bytesPerRow = defined(rowBytes(dtype, inFeatures), `whole blocks of ${dtype} in a row of ${inFeatures}`);
    const decodeRow = (matrix: number, row: number, out: Float32Array): void => {
      const bytes = this.#bytes(defined(matrices[matrix], `matrix ${matrix}`));
      decodeBlocks(dtype, bytes.subarray(row * bytesPerRow, (row + 1) * bytesPerRow), out);
      if (scales === undefined) return;
      const scale = asFloats(this.#bytes(defined(scales[matrix], `scales ${matrix}`)));
      const base = Math.floor(row / scaleRows) * Math.ceil(inFeatures / SCALE_COLUMNS);
      for (let i = 0; i < inFeatures; i++) out[i]! *= scale[base + Math.floor(i / SCALE_COLUMNS)]!;
    };
    const weight: HostWeight = {
      id: this.#nextId++,
      dtype,
      numMatrices: matrices.length,
      outFeatures,
      inFeatures,
      byteLength: matrices.length * outFeatures * bytesPerRow,
      isPacked: false,
      decodeRow,
    };
    this.#weights.set(weight.id, weight);
    return weight;
  }

  freeWeight(weight: Weight): void {
    assert(this.#weights.delete(weight.id), `weight ${weight.id} was freed twice or never prepared`);
  }

  lockWeight(): boolean {
    return true;
  }

  limitFetched(): void {
    // Matrices are always read when they are first used, and kept.
  }

  fetch(): void {
    // See `limitFetched`.
  }

  fetchStats(): undefined {
    return undefined;
  }

  upload(target: Tensor, bytes: Uint8Array): void {
    this.#bytes(target).set(bytes);
  }

  download(source: Tensor, bytes: Uint8Array): void {
    bytes.set(this.#bytes(source));
  }

  copy(source: Tensor, target: Tensor): void {
    this.#bytes(target).set(this.#bytes(source));
  }

  clear(target: Tensor): void {
    this.#bytes(target).fill(0);
  }

  require(_kernels: readonly Kernel[]): void {
    // Every kernel carries its reference.
  }

  run(kernel: Kernel, args: KernelArgs): void {
    const host = (tensor: Tensor | null): HostTensor | null =>
      tensor === null ? null : { dtype: tensor.dtype, bytes: this.#bytes(tensor) };
    kernel.reference({
      tensors: args.tensors.map(host),
      weights: (args.weights ?? []).map((weight) => defined(this.#weights.get(weight.id), `weight ${weight.id}`)),
      scalars: args.scalars ?? [],
    });
  }

  record(build: () => void): () => void {
    build();
    return build;
  }

  sync(): void {
    // `run` has already happened.
  }

  stats(): { memories: number; weights: number; allocatedBytes: number } {
    let allocatedBytes = 0;
    for (const bytes of this.#allocated.values()) allocatedBytes += bytes.byteLength;
    return { memories: this.#allocated.size + this.#files.size, weights: this.#weights.size, allocatedBytes };
  }

  [Symbol.dispose](): void {
    for (const file of this.#files.values()) closeSync(file.descriptor);
    this.#files.clear();
    this.#allocated.clear();
    this.#weights.clear();
  }

  /** The tensor's own bytes; for a mapped file a private copy of them, read once. */
  #bytes(tensor: Tensor): Uint8Array {
    const { memory, byteOffset } = tensor;
    const length = defined(tensorBytes(tensor.dtype, tensor.shape), "tensor size");
    const allocated = this.#allocated.get(memory.handle);
    if (allocated !== undefined) return allocated.subarray(byteOffset, byteOffset + length);
    const file = defined(this.#files.get(memory.handle), `memory ${memory.handle}`);
    const key = `${byteOffset}:${length}`;
    const known = file.ranges.get(key);
    if (known !== undefined) return known;
    const bytes = readRange(file, byteOffset, length);
    file.ranges.set(key, bytes);
    return bytes;
  }
}

function readRange(file: MappedFile, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const count = readSync(file.descriptor, bytes, done, length - done, offset + done);
    if (count === 0) {
      throw new MimoError("io_failed", `${file.path}: expected ${length} bytes at ${offset}, found ${done}.`, {
        remedy: "The file was cut short while it was open. Fetch it again.",
      });
    }
    done += count;
  }
  return bytes;
}

function asFloats(bytes: Uint8Array): Float32Array {
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}
