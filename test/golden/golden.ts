// Access to the golden cases: checkpoints with the numbers that an independent reference computed for them.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const DATA = fileURLToPath(new URL("./data/", import.meta.url));

export interface Expected {
  readonly arrays: Readonly<Record<string, readonly number[]>>;
  readonly input_ids: readonly number[];
  readonly router_topk_last_token: readonly (readonly number[])[];
  readonly greedy: { readonly prompt: readonly number[]; readonly continuation: readonly number[] };
  readonly llama_cpp_mean_kl?: number;
}

export interface GoldenCase {
  readonly name: string;
  readonly isGguf: boolean;
  /** What to open: the folder, or the GGUF file. */
  readonly path: string;
  readonly expected: Expected;
  /** A float32 array of the case, or undefined where it has none of that name. */
  readonly array: (name: string) => Float32Array | undefined;
}

export function goldenCases(): GoldenCase[] {
  return readdirSync(DATA)
    .filter((name) => existsSync(join(DATA, name, "expected.json")))
    .map(goldenCase);
}

export function goldenCase(name: string): GoldenCase {
  const folder = join(DATA, name);
  const isGguf = existsSync(join(folder, "model.gguf"));
  const array = (array: string): Float32Array | undefined => {
    const file = join(folder, `${array}.f32`);
    if (!existsSync(file)) return undefined;
    const bytes = readFileSync(file);
    return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  };
  return {
    name,
    isGguf,
    path: isGguf ? join(folder, "model.gguf") : folder,
    expected: JSON.parse(readFileSync(join(folder, "expected.json"), "utf8")) as Expected,
    array,
  };
}

/** Largest absolute difference of two arrays of one length. */
export function maxDifference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) throw new Error(`lengths differ: ${a.length} and ${b.length}`);
  let max = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!);
    if (!(difference <= max)) max = difference;
  }
  return max;
}

/** Mean over rows of KL(softmax(expected) ‖ softmax(actual)), in nats. */
export function meanKl(expected: Float32Array, actual: Float32Array, width: number): number {
  const rows = expected.length / width;
  let sum = 0;
  for (let row = 0; row < rows; row++) {
    const p = logSoftmax(expected.subarray(row * width, (row + 1) * width));
    const q = logSoftmax(actual.subarray(row * width, (row + 1) * width));
    for (let i = 0; i < width; i++) sum += Math.exp(p[i]!) * (p[i]! - q[i]!);
  }
  return sum / rows;
}

function logSoftmax(row: Float32Array): Float64Array {
  const max = row.reduce((a, b) => Math.max(a, b), -Infinity);
  const total = Math.log(row.reduce((sum, x) => sum + Math.exp(x - max), 0));
  return Float64Array.from(row, (x) => x - max - total);
}
