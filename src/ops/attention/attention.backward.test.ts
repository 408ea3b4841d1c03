// The definition of attention's gradients against central differences of a forward in float64.

import { expect, test } from "vitest";
import { createReferenceBackend } from "../../backends/reference/reference.ts";
import { type Tensor, tensorBytes, view } from "../../tensor/tensor.ts";
import { defined } from "../../util/assert.ts";
import { expectNear, numericalGradient } from "../testing.ts";
import { attentionBackward } from "./attention.backward.ts";
import { NOT_STAGED } from "./kv-batch.ts";

const [N, G, H, U] = [4, 2, 3, 2];
/** Two documents; the cache's blocks of two places lie in another order than the keys. */
const ROWS = [0, 0, 0, 1, 0, 2, 0, 3, 1, 0, 1, 1, 1, 2];
const T = ROWS.length / 2;
const SEGMENTS = [0, 2, NOT_STAGED, 0, 2, 2, NOT_STAGED, 0];
const TABLES = [3, 0, 2, 1];
const PLACES = 2;
const SCALE = 0.6;

interface Inputs {
  readonly q: ArrayLike<number>;
  readonly k: ArrayLike<number>;
  readonly v: ArrayLike<number>;
  readonly sinks: ArrayLike<number> | null;
}

function values(count: number, phase: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => 1.3 * Math.sin(phase + 1.7 * i + 0.05 * i * i));
}

/** Σ dOut · attention(inputs). */
function loss({ q, k, v, sinks }: Inputs, dOut: ArrayLike<number>, window: number): number {
  let sum = 0;
  for (let t = 0; t < T; t++) {
    const [segment, position] = [ROWS[2 * t]!, ROWS[2 * t + 1]!];
    for (let n = 0; n < N; n++) {
      const first = window > 0 ? Math.max(0, position - window + 1) : 0;
      let denominator = sinks === null ? 0 : Math.exp(sinks[n]!);
      let numerator = 0;
      for (let key = first; key <= position; key++) {
        const block = TABLES[2 * segment + Math.floor(key / PLACES)]!;
        const row = (block * G + Math.floor(n / (N / G))) * PLACES + (key % PLACES);
        let score = 0;
        for (let h = 0; h < H; h++) score += SCALE * q[(t * N + n) * H + h]! * k[row * H + h]!;
        denominator += Math.exp(score);
        for (let u = 0; u < U; u++) numerator += Math.exp(score) * v[row * U + u]! * dOut[(t * N + n) * U + u]!;
      }
      sum += numerator / denominator;
    }
  }
  return sum;
}

test.each([
  { window: 0, hasSinks: false },
  { window: 0, hasSinks: true },
  { window: 2, hasSinks: true },
])("window $window, sinks $hasSinks", ({ window, hasSinks }) => {
  using backend = createReferenceBackend();
  const held: Tensor[] = [];
  const tensor = (shape: number[], content: Float32Array | Int32Array): Tensor => {
    const dtype = content instanceof Int32Array ? "i32" : "f32";
    const made = view(backend.alloc(defined(tensorBytes(dtype, shape), "size")), dtype, shape);
    backend.upload(made, new Uint8Array(content.buffer));
    held.push(made);
    return made;
  };
  const blocks = TABLES.length;
  const inputs = {
    q: values(T * N * H, 0),
    k: values(blocks * G * PLACES * H, 1),
    v: values(blocks * G * PLACES * U, 2),
    sinks: hasSinks ? values(N, 3) : null,
  };
  const dOut = values(T * N * U, 4);
  // dQ is overwritten, the others gain.
  const before = { dK: values(inputs.k.length, 5), dV: values(inputs.v.length, 6), dSinks: values(N, 7) };
  const cacheShape = (width: number): number[] => [blocks, G, PLACES, width];
  const [dQ, dK, dV, dSinks] = [
    tensor([T, N, H], values(T * N * H, 8)),
    tensor(cacheShape(H), before.dK),
    tensor(cacheShape(U), before.dV),
    tensor([N], before.dSinks),
  ];
  attentionBackward(backend, {
    q: tensor([T, N, H], inputs.q),
    cache: { k: tensor(cacheShape(H), inputs.k), v: tensor(cacheShape(U), inputs.v) },
    sinks: inputs.sinks === null ? null : tensor([N], inputs.sinks),
    layout: {
      rows: tensor([T, 2], Int32Array.from(ROWS)),
      segments: tensor([2, 4], Int32Array.from(SEGMENTS)),
      tables: tensor([blocks], Int32Array.from(TABLES)),
    },
    window,
    scale: SCALE,
    out: tensor([T, N, U], new Float32Array(T * N * U)),
    dOut: tensor([T, N, U], dOut),
    dQ,
    dCache: { k: dK, v: dV },
    dSinks: hasSinks ? dSinks : null,
  });
  const read = (from: Tensor): Float32Array => {
    const bytes = new Uint8Array(defined(tensorBytes("f32", from.shape), "size"));
    backend.download(from, bytes);
    return new Float32Array(bytes.buffer);
  };
  const slope = (name: keyof Inputs, at: Float32Array, added?: Float32Array): Float64Array =>
    numericalGradient((x) => loss({ ...inputs, [name]: x }, dOut, window), at).map((one, i) => one + (added?.[i] ?? 0));
  expectNear(read(dQ), slope("q", inputs.q), 1e-6);
  expectNear(read(dK), slope("k", inputs.k, before.dK), 1e-6);
  expectNear(read(dV), slope("v", inputs.v, before.dV), 1e-6);
  const sinkSlope = inputs.sinks === null ? before.dSinks : slope("sinks", inputs.sinks, before.dSinks);
  expectNear(read(dSinks), sinkSlope, 1e-6);
  for (const { memory } of held) backend.free(memory);
  expect(backend.stats().memories).toBe(0);
});
