// What is known of a stored tensor without reading it, and what a writer needs to store one.

import { DTYPES, type DType } from "../tensor/dtype.ts";
import { formatShape, type Shape } from "../tensor/shape.ts";
import { tensorBytes } from "../tensor/tensor.ts";
import { MimoError } from "../util/errors.ts";

export interface TensorInfo {
  readonly name: string;
  readonly dtype: DType;
  /** Row-major, outermost dimension first, in every format. */
  readonly shape: Shape;
  /** Absolute path of the file that holds the tensor. */
  readonly file: string;
  /** Position of the first byte in the file. */
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** A tensor to write. Its bytes come in chunks of any size, asked for once, when their turn comes. */
export interface TensorSource {
  readonly name: string;
  readonly dtype: DType;
  /** Row-major, outermost dimension first. */
  readonly shape: Shape;
  readonly chunks: () => Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** `tensorBytes` of a tensor to write. Throws `invalid_argument` where it has none. */
export function sourceBytes(source: TensorSource): number {
  const bytes = tensorBytes(source.dtype, source.shape);
  if (bytes !== undefined) return bytes;
  const blocks = `rows of whole ${source.dtype} blocks (${DTYPES[source.dtype].blockElements} elements)`;
  throw new MimoError(
    "invalid_argument",
    `${source.name}: expected a shape with ${blocks}, found ${formatShape(source.shape)}`,
  );
}

/** The chunks of `source`, exactly `sourceBytes` of them. Throws `invalid_argument` where there are more or fewer. */
export async function* exactChunks(source: TensorSource): AsyncGenerator<Uint8Array> {
  const expected = sourceBytes(source);
  let done = 0;
  for await (const chunk of source.chunks()) {
    done += chunk.length;
    if (done > expected) break;
    yield chunk;
  }
  if (done !== expected) {
    const found = done > expected ? "more" : String(done);
    throw new MimoError("invalid_argument", `${source.name}: expected ${expected} bytes, found ${found}`);
  }
}

/** Throws `invalid_argument` where two tensors share a name. */
export function requireDistinctNames(sources: readonly TensorSource[]): void {
  const names = new Set<string>();
  for (const { name } of sources) {
    if (names.has(name)) throw new MimoError("invalid_argument", `${name}: expected distinct names, found it twice`);
    names.add(name);
  }
}
