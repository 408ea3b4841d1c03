// Finds a checkpoint's tensors by name, checks what they are, and remembers which were asked for.
//
// It knows names' existence, shapes and element types, not what a tensor is for and where its bytes will live.

import { SCALE_COLUMNS } from "../backends/backend.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { TensorInfo } from "../checkpoint/tensor-info.ts";
import { formatShape, sameShape, type Shape } from "../tensor/shape.ts";
import { defined } from "../util/assert.ts";
import { MimoError } from "../util/errors.ts";
import type { Dialect } from "./weight-names.ts";

/** Rows of a matrix that share a row of scales in the plain FP8 layout. */
export const SCALE_ROWS = 128;

export class TensorLookup {
  readonly checkpoint: Checkpoint;
  readonly dialect: Dialect;
  readonly #used = new Set<string>();

  constructor(checkpoint: Checkpoint, dialect: Dialect) {
    this.checkpoint = checkpoint;
    this.dialect = dialect;
  }

  has(name: string): boolean {
    return this.checkpoint.tensors.has(name);
  }

  /** The tensor of that name, of that shape where one is given. Throws `checkpoint_invalid`. */
  take(name: string, shape?: Shape): TensorInfo {
    const info = this.checkpoint.tensors.get(name);
    if (info === undefined) this.fail(`tensor ${name} is missing`);
    if (shape !== undefined && !sameShape(info.shape, shape)) {
      this.fail(`${name}: expected shape ${formatShape(shape)}, found ${formatShape(info.shape)}`);
    }
    if (info.dtype === "i32") this.fail(`${name}: expected floating-point weights, found i32`);
    this.#used.add(name);
    return info;
  }

  /** The block scales of an FP8 matrix, of any shape. */
  takeScales(matrix: string): TensorInfo {
    const info = this.take(this.dialect.scales(matrix));
    if (info.dtype !== "f32") this.fail(`${info.name}: expected float32 scales, found ${info.dtype}`);
    return info;
  }

  /** Block scales [⌈rows/128⌉, ⌈columns/128⌉], as an FP8 matrix that stands for itself has them. */
  takePlainScales(matrix: string, rows: number, columns: number): TensorInfo {
    const shape = [Math.ceil(rows / SCALE_ROWS), Math.ceil(columns / SCALE_COLUMNS)];
    const info = this.takeScales(matrix);
    if (!sameShape(info.shape, shape)) {
      this.fail(`${info.name}: expected shape ${formatShape(shape)}, found ${formatShape(info.shape)}`);
    }
    return info;
  }

  /** Values of float32 tensors, one after the other. */
  readFloats(tensors: readonly TensorInfo[]): Float32Array {
    const bytes = Buffer.concat(tensors.map((tensor) => this.checkpoint.read(tensor)));
    const values = new Float32Array(bytes.length / 4);
    new Uint8Array(values.buffer).set(bytes);
    return values;
  }

  wasTaken(name: string): boolean {
    return this.#used.has(name);
  }

  fail(message: string): never {
    throw new MimoError("checkpoint_invalid", `${this.checkpoint.path}: ${message}.`, {
      remedy: "The file does not hold the model its configuration describes. Fetch or convert it again.",
    });
  }
}

/** Refuses tensors that none of a checkpoint's lookups took and that the dialect does not know as of no use. */
export function refuseUnused(lookups: readonly TensorLookup[]): void {
  const lookup = defined(lookups[0], "a lookup");
  const unused = [...lookup.checkpoint.tensors.keys()].filter(
    (name) => !lookup.dialect.ignored.test(name) && !lookups.some((one) => one.wasTaken(name)),
  );
  if (unused.length === 0) return;
  const more = unused.length > 3 ? ` and ${unused.length - 3} more` : "";
  lookup.fail(`the architecture has no place for tensor ${unused.slice(0, 3).join(", ")}${more}`);
}
