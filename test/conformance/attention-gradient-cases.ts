// Conformance of the gradients of what leads to attention and of attention itself: norm, rotation, cache, attention.
//
// T rows, N query heads, G KV heads, H key width, U value width. Sums that a kernel adds to begin with numbers of order
// one, so that a kernel which overwrites them is found.

import { attentionBackward } from "../../src/ops/attention/attention.backward.ts";
import { attention } from "../../src/ops/attention/attention.ts";
import { NOT_STAGED } from "../../src/ops/attention/kv-batch.ts";
import { kvWriteBackward } from "../../src/ops/kv-write/kv-write.backward.ts";
import { rmsNormBackward } from "../../src/ops/rms-norm/rms-norm.backward.ts";
import { ropeBackward } from "../../src/ops/rope/rope.backward.ts";
import { ropeTable } from "../../src/ops/rope/rope.ts";
import type { Case } from "./cases.ts";
import type { Machine } from "./machine.ts";
import { randomFloats } from "./material.ts";
import { ABSOLUTE, EXACT, type Measure, relativeToRows } from "./report.ts";

/** ‖Δ‖ / ‖expected‖ of everything. */
const RELATIVE_TO_ALL: Measure = (actual, expected) => relativeToRows(expected.length)(actual, expected);

export function rmsNormBackwardCases(): Case[] {
  const sizes = [
    { D: 1, S: 1, outColumn: 0, scale: 1 },
    { D: 83, S: 83, outColumn: 0, scale: 1e-3 },
    { D: 64, S: 128, outColumn: 64, scale: 1 },
    { D: 512, S: 515, outColumn: 3, scale: 100 },
  ];
  const most = 150;
  return sizes.flatMap(({ D, S, outColumn, scale }) =>
    (["dX", "dWeight"] as const).map((which): Case => ({
      op: "rms_norm_backward",
      dtype: "f32",
      shape: `${which}, D ${D} at column ${outColumn} of ${S}`,
      tolerance: 2e-6,
      measure: RELATIVE_TO_ALL,
      // A weight's gradient is of all rows together.
      rows: which === "dX" ? [1, 2, 65, most] : [most],
      run: (machine, T) => {
        const x = randomFloats(3000 + D, most * D, scale);
        // A row of zeros has no direction; ε keeps it finite.
        x.fill(0, D, 2 * D);
        const rows = (seed: number, width: number) => randomFloats(seed, most * width).slice(0, T * width);
        const dX = machine.floats([T, D], rows(3001, D));
        const dWeight = machine.floats([D], randomFloats(3002, D));
        rmsNormBackward(machine.backend, {
          x: machine.floats([T, D], x.slice(0, T * D)),
          weight: machine.floats([D], randomFloats(3003, D)),
          epsilon: 1e-5,
          dOut: machine.floats([T, S], rows(3004, S)),
          outColumn,
          dX,
          dWeight,
        });
        return machine.readFloats(which === "dX" ? dX : dWeight);
      },
    })),
  );
}

export function ropeBackwardCases(): Case[] {
  const sizes = [
    { heads: 1, H: 2, d: 2 },
    { heads: 3, H: 33, d: 10 },
    { heads: 4, H: 48, d: 48 },
  ];
  const most = 21;
  return sizes.map(({ heads, H, d }): Case => ({
    op: "rope_backward",
    dtype: "f32",
    shape: `${heads} × ${H}, ${d} rotary`,
    tolerance: 1e-6,
    measure: ABSOLUTE,
    rows: [1, 2, most],
    run: (machine, T) => {
      const table = machine.floats([T, d]);
      const positions = Array.from({ length: T }, (_, t) => 7 * t * t);
      ropeTable(machine.backend, { positions: machine.integers([T], positions), theta: 10_000, out: table });
      const dX = machine.floats([T, heads, H], randomFloats(3100, most * heads * H).slice(0, T * heads * H));
      ropeBackward(machine.backend, { dX, table });
      return machine.readFloats(dX);
    },
  }));
}

/** Slots out of order, across blocks, with rows that were not kept. */
const SLOTS = [17, 3, -1, 0, 64, -1, 65, 39, 16];

export function kvWriteBackwardCases(): Case[] {
  const sizes = [
    { G: 1, H: 1, U: 1 },
    { G: 2, H: 20, U: 7 },
    { G: 4, H: 192, U: 128 },
  ];
  return sizes.flatMap(({ G, H, U }) =>
    (["dK", "dV"] as const).map((which): Case => ({
      op: "kv_write_backward",
      dtype: "f32",
      shape: `${which}, G ${G}, H ${H}, U ${U}`,
      tolerance: 0,
      measure: EXACT,
      rows: [1, SLOTS.length],
      run: (machine, T) => {
        const [blocks, places] = [5, 16];
        const cache = (seed: number, width: number) =>
          machine.floats([blocks, G, places, width], randomFloats(seed, blocks * G * places * width));
        const dK = machine.floats([T, G, H], new Float32Array(T * G * H).fill(7));
        const dV = machine.floats([T, G, U], new Float32Array(T * G * U).fill(7));
        kvWriteBackward(machine.backend, {
          dCache: { k: cache(3200, H), v: cache(3201, U) },
          slots: machine.integers([T], SLOTS.slice(0, T)),
          valueScale: 0.707,
          dK,
          dV,
        });
        return machine.readFloats(which === "dK" ? dK : dV);
      },
    })),
  );
}

export interface AttentionGradientSizes {
  readonly N: number;
  readonly G: number;
  readonly H: number;
  readonly U: number;
  readonly window: number;
  readonly sinks: boolean;
}

/** Rows of each document: one, around a block of keys, and beyond a split. */
const DOCUMENTS = [70, 1, 16, 530, 100];
const PLACES = 16;

const ATTENTION_SIZES: readonly AttentionGradientSizes[] = [
  { N: 4, G: 1, H: 48, U: 32, window: 0, sinks: false },
  { N: 2, G: 2, H: 24, U: 16, window: 128, sinks: true },
  { N: 6, G: 2, H: 33, U: 7, window: 5, sinks: true },
  { N: 8, G: 1, H: 64, U: 65, window: 0, sinks: true },
  { N: 35, G: 1, H: 5, U: 50, window: 40, sinks: false },
];

export interface AttentionGradients {
  readonly dQ: Float32Array;
  readonly dK: Float32Array;
  readonly dV: Float32Array;
  /** Empty where there are no sinks. */
  readonly dSinks: Float32Array;
}

/** Gradients of attention over documents whose values depend on their seeds alone. */
export function attentionGradients(
  machine: Machine,
  { N, G, H, U, window, sinks }: AttentionGradientSizes,
  documents: readonly { readonly seed: number; readonly rows: number }[],
): AttentionGradients {
  const counts = documents.map(({ rows }) => Math.ceil(rows / PLACES));
  const blocks = counts.reduce((a, b) => a + b);
  const starts = counts.map((_, i) => counts.slice(0, i).reduce((a, b) => a + b, 0));
  const T = documents.reduce((sum, { rows }) => sum + rows, 0);
  const perRow = (stream: number, width: number): Float32Array =>
    Float32Array.from(documents.flatMap(({ seed, rows }) => [...randomFloats(seed + stream, rows * width, 2)]));
  // Blocks in reverse: no neighbours are neighbours in memory.
  const cacheOf = (stream: number, width: number): Float32Array => {
    const size = G * PLACES * width;
    const inOrder = documents.flatMap(({ seed }, i) => {
      const values = randomFloats(seed + stream, counts[i]! * size, 2);
      return Array.from({ length: counts[i]! }, (_, block) => values.subarray(block * size, (block + 1) * size));
    });
    return Float32Array.from(inOrder.toReversed().flatMap((block) => [...block]));
  };
  const layout = {
    rows: machine.integers(
      [T, 2],
      documents.flatMap(({ rows }, i) => Array.from({ length: rows }, (_, t) => [i, t]).flat()),
    ),
    segments: machine.integers(
      [documents.length, 4],
      documents.flatMap((_, i) => [starts[i]!, counts[i]!, NOT_STAGED, 0]),
    ),
    tables: machine.integers(
      [blocks],
      Array.from({ length: blocks }, (_, i) => blocks - 1 - i),
    ),
  };
  const floats = (shape: number[], content?: Float32Array) => machine.floats(shape, content);
  const shared = {
    q: floats([T, N, H], perRow(0, N * H)),
    cache: {
      k: floats([blocks, G, PLACES, H], cacheOf(1, H)),
      v: floats([blocks, G, PLACES, U], cacheOf(2, U)),
    },
    sinks: sinks ? floats([N], randomFloats(3300, N, 3)) : null,
    layout,
    window,
    scale: 1 / Math.sqrt(H),
    out: floats([T, N, U]),
  };
  attention(machine.backend, { ...shared, stage: null });
  const gradients = {
    dQ: floats([T, N, H], perRow(3, N * H)),
    dK: floats([blocks, G, PLACES, H], cacheOf(4, H)),
    dV: floats([blocks, G, PLACES, U], cacheOf(5, U)),
    dSinks: sinks ? floats([N], randomFloats(3301, N)) : null,
  };
  attentionBackward(machine.backend, {
    ...shared,
    dOut: floats([T, N, U], perRow(6, N * U)),
    dQ: gradients.dQ,
    dCache: { k: gradients.dK, v: gradients.dV },
    dSinks: gradients.dSinks,
  });
  return {
    dQ: machine.readFloats(gradients.dQ),
    dK: machine.readFloats(gradients.dK),
    dV: machine.readFloats(gradients.dV),
    dSinks: gradients.dSinks === null ? new Float32Array() : machine.readFloats(gradients.dSinks),
  };
}

/** The worst of several arrays end to end, each relative to its own norm. */
function relativeToParts(lengths: readonly number[]): Measure {
  return (actual, expected) => {
    let start = 0;
    const parts = lengths.map((length) => {
      const [from, to] = [start, (start += length)];
      return RELATIVE_TO_ALL(actual.subarray(from, to), expected.subarray(from, to));
    });
    return {
      max: Math.max(...parts.map(({ max }) => max)),
      normalised: Math.max(...parts.map(({ normalised }) => normalised)),
    };
  };
}

export function attentionBackwardCases(): Case[] {
  const documents = DOCUMENTS.map((rows, i) => ({ seed: 3400 + 10 * i, rows }));
  const T = DOCUMENTS.reduce((sum, rows) => sum + rows, 0);
  const slots = DOCUMENTS.reduce((sum, rows) => sum + Math.ceil(rows / PLACES) * PLACES, 0);
  return ATTENTION_SIZES.map((sizes): Case => {
    const { N, G, H, U, window, sinks } = sizes;
    return {
      op: "attention_backward",
      dtype: "f32",
      shape: `N ${N}, G ${G}, H ${H}, U ${U}, ${window === 0 ? "all keys" : `window ${window}`}${sinks ? ", sinks" : ""}`,
      tolerance: 2e-6,
      measure: relativeToParts([T * N * H, slots * G * H, slots * G * U, ...(sinks ? [N] : [])]),
      // All documents at once: a result has no beginning that stands for fewer rows.
      rows: [1],
      run: (machine) => {
        const { dQ, dK, dV, dSinks } = attentionGradients(machine, sizes, documents);
        return Float32Array.from([...dQ, ...dK, ...dV, ...dSinks]);
      },
    };
  });
}
