// What every kernel is tried with. A case runs one op through its contract on any machine and returns what it wrote;
// tolerances are those of the contract files.
//
// T tokens, D hidden, N outputs or query heads, G KV heads, H key width, U value width, F expert width, E experts.

import type { Weight } from "../../src/backends/backend.ts";
import { copyRows } from "../../src/ops/copy-rows/copy-rows.ts";
import { embedding } from "../../src/ops/embedding/embedding.ts";
import { experts } from "../../src/ops/experts/experts.ts";
import { linear } from "../../src/ops/linear/linear.ts";
import { ACTIVATIONS, type Activations, takesQuantisedActivations } from "../../src/ops/linear/quantise-activations.ts";
import { rmsNorm } from "../../src/ops/rms-norm/rms-norm.ts";
import { rope, ropeTable } from "../../src/ops/rope/rope.ts";
import { router } from "../../src/ops/router/router.ts";
import { logprobRows } from "../../src/ops/sample/logprob-rows.ts";
import { EMPTY_HISTORY, type TokenHistory } from "../../src/ops/sample/penalties.ts";
import { DEFAULT_SAMPLING, type SamplingParams } from "../../src/ops/sample/sample.ts";
import { maskWords, sampleRows } from "../../src/ops/sample/sample-rows.ts";
import { swiglu } from "../../src/ops/swiglu/swiglu.ts";
import { type DType, DTYPES } from "../../src/tensor/dtype.ts";
import type { Machine } from "./machine.ts";
import { distinct, randomFloats, randomIntegers, randomWeight, rowNorms, type WeightSizes } from "./material.ts";
import { ABSOLUTE, EXACT, type Measure, relative, relativeTo, relativeToRows, type Values } from "./report.ts";

export interface Case {
  /** The kernel's name. */
  readonly op: string;
  readonly dtype: string;
  readonly shape: string;
  readonly tolerance: number;
  readonly measure: Measure;
  /** Numbers of rows to run, the most last. A result of fewer rows must be the beginning of one of more, bit by bit. */
  readonly rows: readonly number[];
  /** Rows the slow reference computes; the beginning of each result is compared with them. Default: all. */
  readonly referenceRows?: number;
  readonly run: (machine: Machine, T: number) => Values;
}

export const WEIGHT_DTYPES = (Object.keys(DTYPES) as DType[]).filter((dtype) => dtype !== "i32");

/** Row counts around every way a kernel groups rows, and beyond. */
const ROWS = [1, 2, 3, 5, 8, 17, 64];

/** Inner sizes that are no multiple of anything for plain types, and whole blocks for the others. */
function weightShapes(dtype: DType): readonly WeightSizes[] {
  const { blockElements } = DTYPES[dtype];
  if (dtype === "f8_e4m3") {
    return [
      { outFeatures: 150, inFeatures: 200, scaleRows: 128 },
      { outFeatures: 150, inFeatures: 200, scaleRows: 64 },
      { outFeatures: 5, inFeatures: 1024, scaleRows: 128 },
    ];
  }
  if (blockElements === 1) {
    return [
      { outFeatures: 1, inFeatures: 1 },
      { outFeatures: 37, inFeatures: 83 },
      { outFeatures: 64, inFeatures: 256 },
      { outFeatures: 3, inFeatures: 2048 },
    ];
  }
  return [
    { outFeatures: 1, inFeatures: blockElements },
    { outFeatures: 37, inFeatures: 3 * blockElements },
    { outFeatures: 3, inFeatures: 2048 },
  ];
}

function describeWeight({ outFeatures, inFeatures, scaleRows }: WeightSizes): string {
  return `[${outFeatures}, ${inFeatures}]${scaleRows === undefined ? "" : `, scales of ${scaleRows} rows`}`;
}

export function embeddingCases(dtype: DType): Case[] {
  return weightShapes(dtype).map((sizes, i) => ({
    op: "embedding",
    dtype,
    shape: describeWeight(sizes),
    tolerance: 0,
    // By value: where a scale times a code is −0, its sign is nobody's concern.
    measure: ABSOLUTE,
    rows: [1, 19],
    run: (machine, T) => {
      const ids = randomIntegers(i, 19, sizes.outFeatures).slice(0, T);
      const out = machine.floats([T, sizes.inFeatures]);
      const weight = machine.weight(randomWeight(dtype, 100 + i, sizes));
      embedding(machine.backend, { ids: machine.integers([T], ids), weight, out });
      return machine.readFloats(out);
    },
  }));
}

export function linearCases(dtype: DType): Case[] {
  const modes = activationsOf(dtype);
  return weightShapes(dtype).flatMap((sizes, i) =>
    modes.map((activations, mode) =>
      linearCase(dtype, sizes, { activations, accumulate: (i + mode) % 2 === 1, seed: i }),
    ),
  );
}

function linearCase(
  dtype: DType,
  sizes: WeightSizes,
  { activations, accumulate, seed }: { activations: Activations; accumulate: boolean; seed: number },
): Case {
  const { outFeatures: N, inFeatures: K } = sizes;
  const most = ROWS.at(-1)!;
  const data = randomWeight(dtype, 200 + seed, sizes);
  const x = randomFloats(300 + seed, most * K);
  // An outlier, as residual streams have them: it must not spoil the other rows, nor the other blocks of its own.
  x[K - 1] = 40;
  const before = randomFloats(400 + seed, most * N);
  const weightNorms = rowNorms(data);
  const inputNorms = Float64Array.from({ length: most }, (_, t) => norm(x.subarray(t * K, (t + 1) * K)));
  return {
    op: "linear",
    dtype: activations === "f32" ? dtype : `${dtype}, ${activations}`,
    shape: `${describeWeight(sizes)}${accumulate ? ", accumulated" : ""}`,
    tolerance: 1e-6,
    measure: relativeTo((i) => inputNorms[Math.floor(i / N)]! * weightNorms[i % N]!),
    rows: ROWS,
    run: (machine, T) => {
      const out = machine.floats([T, N], before.slice(0, T * N));
      const weight = machine.weight(data);
      linear(machine.backend, { x: machine.floats([T, K], x.slice(0, T * K)), weight, out, activations, accumulate });
      return machine.readFloats(out);
    },
  };
}

function activationsOf(dtype: DType): readonly Activations[] {
  return takesQuantisedActivations(dtype) ? ACTIVATIONS : ["f32"];
}

function norm(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
}

/** One plain type, FP8, and block types of every family. */
export const EXPERT_DTYPES = [
  "f32",
  "bf16",
  "f8_e4m3",
  "q8_0",
  "q4_0",
  "mxfp4",
  "q4_k",
  "q6_k",
  "iq3_s",
  "iq4_xs",
] as const;

export function expertCases(dtype: DType): Case[] {
  return activationsOf(dtype).flatMap((activations) => expertCasesWith(dtype, { activations }));
}

/** Blocks within a row of either width, and longer than both. */
export function expertFp8Cases(): Case[] {
  return [16, 128].flatMap((fp8Block) => expertCasesWith("f32", { activations: "f32", fp8Block }));
}

function expertCasesWith(
  dtype: DType,
  { activations, fp8Block = 0 }: { readonly activations: Activations; readonly fp8Block?: number },
): Case[] {
  const { blockElements } = DTYPES[dtype];
  const [D, F] = blockElements === 1 ? [75, 33] : [blockElements, Math.max(64, blockElements)];
  const E = 5;
  const K = 3;
  const most = 64;
  const routes = {
    "random experts": Array.from({ length: most }, (_, t) => distinct(7 + t, K, E)).flat(),
    "the same experts for all": Array.from({ length: most }, () => [2, 0, 4]).flat(),
  };
  const weights = (out: number, inner: number, seed: number) =>
    randomWeight(dtype, seed, { outFeatures: out, inFeatures: inner, numMatrices: E });
  const data = { gate: weights(F, D, 500), up: weights(F, D, 600), down: weights(D, F, 700) };
  const x = randomFloats(800, most * D);
  const before = randomFloats(801, most * D, 0.1);
  const shares = randomFloats(802, most * K).map(Math.abs);
  return Object.entries(routes).map(([route, ids]): Case => ({
    op: "experts",
    dtype: `${dtype}${activations === "f32" ? "" : `, ${activations}`}${fp8Block === 0 ? "" : `, E4M3 in ${fp8Block}`}`,
    shape: `D ${D}, F ${F}, ${route}`,
    tolerance: activations === "f32" ? 2e-6 : 1e-4,
    measure: relativeToRows(D),
    rows: [1, 2, 7, 17, 64],
    referenceRows: 17,
    run: (machine, T) => {
      const out = machine.floats([T, D], before.slice(0, T * D));
      experts(machine.backend, {
        x: machine.floats([T, D], x.slice(0, T * D)),
        ids: machine.integers([T, K], ids.slice(0, T * K)),
        weights: machine.floats([T, K], shares.slice(0, T * K)),
        experts: { gate: machine.weight(data.gate), up: machine.weight(data.up), down: machine.weight(data.down) },
        out,
        activations,
        fp8Block,
      });
      return machine.readFloats(out);
    },
  }));
}

export function routerCases(): Case[] {
  const sizes = [
    { E: 1, K: 1 },
    { E: 8, K: 2 },
    { E: 33, K: 33 },
    { E: 256, K: 8 },
  ];
  // Few different logits: most choices are ties. Saturated: scores of exactly 0 and 1.
  const logits = {
    random: (E: number) => randomFloats(900 + E, 64 * E, 4),
    tied: (E: number) => Float32Array.from(randomIntegers(910 + E, 64 * E, 3), (value) => value - 1),
    saturated: (E: number) => Float32Array.from(randomIntegers(920 + E, 64 * E, 2), (value) => 400 * value - 200),
  };
  return sizes.flatMap(({ E, K }) =>
    Object.entries(logits).flatMap(([name, make]) =>
      [true, false].map((normalise): Case => ({
        op: "router",
        dtype: "f32",
        shape: `E ${E}, K ${K}, ${name}${normalise ? ", normalised" : ""}`,
        tolerance: 1e-6,
        measure: ABSOLUTE,
        rows: [1, 3, 64],
        run: (machine, T) => {
          const ids = machine.integers(
            [T, K],
            Array.from({ length: T * K }, () => -1),
          );
          const weights = machine.floats([T, K]);
          const bias = Float32Array.from(randomIntegers(930 + E, E, 4), (value) => value / 4);
          const scale = normalise ? 2.5 : 1;
          const input = machine.floats([T, E], make(E).slice(0, T * E));
          router(machine.backend, { logits: input, bias: machine.floats([E], bias), ids, weights, scale, normalise });
          return interleave(machine.readIntegers(ids), machine.readFloats(weights), K);
        },
      })),
    ),
  );
}

/** Ids beside weights, row by row: a wrong id is then wrong by at least one. */
function interleave(ids: Int32Array, weights: Float32Array, K: number): Float32Array {
  const out = new Float32Array(2 * ids.length);
  for (let row = 0; row < ids.length / K; row++) {
    out.set(ids.subarray(row * K, (row + 1) * K), 2 * row * K);
    out.set(weights.subarray(row * K, (row + 1) * K), (2 * row + 1) * K);
  }
  return out;
}

export function rmsNormCases(): Case[] {
  const sizes = [
    { D: 1, S: 1, outColumn: 0, scale: 1 },
    { D: 83, S: 83, outColumn: 0, scale: 1e-3 },
    { D: 64, S: 128, outColumn: 64, scale: 1 },
    { D: 4096, S: 4099, outColumn: 3, scale: 100 },
  ];
  return sizes.map(({ D, S, outColumn, scale }): Case => ({
    op: "rms_norm",
    dtype: "f32",
    shape: `D ${D} at column ${outColumn} of ${S}`,
    tolerance: 1e-6,
    measure: relative(1e-30),
    rows: [1, 2, 9],
    run: (machine, T) => {
      const x = randomFloats(1000 + D, 9 * D, scale);
      // A row of zeros has no direction; ε keeps it finite.
      x.fill(0, D, 2 * D);
      const out = machine.floats([T, S], new Float32Array(T * S).fill(7));
      const weight = machine.floats([D], randomFloats(1001, D));
      rmsNorm(machine.backend, { x: machine.floats([T, D], x.slice(0, T * D)), weight, out, epsilon: 1e-5, outColumn });
      return machine.readFloats(out);
    },
  }));
}

export function swigluCases(): Case[] {
  return [1, 37, 256].map((F): Case => ({
    op: "swiglu",
    dtype: "f32",
    shape: `F ${F}`,
    tolerance: 1e-6,
    measure: relative(1e-30),
    rows: [1, 5, 64],
    run: (machine, T) => {
      const gate = randomFloats(1100, 64 * F, 30);
      gate.set([0, 60, -60]);
      const up = machine.floats([T, F], randomFloats(1101, 64 * F).slice(0, T * F));
      const inPlace = machine.floats([T, F], gate.slice(0, T * F));
      swiglu(machine.backend, { gate: inPlace, up, out: inPlace });
      return machine.readFloats(inPlace);
    },
  }));
}

/** Rows of logits as models give them, and as they should not. Every row of a case has the same kind. */
const LOGIT_ROWS = {
  random: (count: number) => randomFloats(1400, count, 9),
  tied: (count: number) => Float32Array.from(randomIntegers(1410, count, 3), (value) => value - 1),
  "one far above": (count: number) => randomFloats(1420, count, 0.1).map((value, i) => (i % 37 === 5 ? 60 : value)),
  "partly forbidden": (count: number) => sprinkled(randomFloats(1430, count, 9), -Infinity),
  "all forbidden": (count: number) => new Float32Array(count).fill(-Infinity),
  "partly NaN": (count: number) => sprinkled(randomFloats(1440, count, 9), NaN),
  "all NaN": (count: number) => new Float32Array(count).fill(NaN),
  "beyond exp": (count: number) => randomFloats(1450, count, 1e30),
  infinite: (count: number) => sprinkled(randomFloats(1460, count, 9), Infinity),
} as const;

/** Every second value, or so, replaced. */
function sprinkled(values: Float32Array, by: number): Float32Array {
  const coins = randomIntegers(1470, values.length, 2);
  return values.map((value, i) => (coins[i] === 0 ? by : value));
}

/** Padding that looks likely: it must never be chosen. */
function padded(values: Float32Array, V: number, numTokens: number): Float32Array {
  return values.map((value, i) => (i % V < numTokens ? value : 1e30));
}

const SAMPLINGS: readonly Partial<SamplingParams>[] = [
  { temperature: 0 },
  { temperature: 1, topP: 1 },
  { temperature: 0.8, topP: 0.95 },
  { temperature: 5e-324, topP: 0.5 },
  { temperature: 100, topP: 0.3, seed: 2 ** 40 + 5 },
  { temperature: 2, topP: 0 },
  { temperature: 3, topP: 1, topK: 5 },
  { temperature: 1, topP: 0.9, topK: 40, minP: 0.01 },
  { temperature: 2, topP: 1, minP: 0.3 },
  { temperature: 1, repetitionPenalty: 1.3, presencePenalty: 0.7, frequencyPenalty: -0.3 },
  {
    temperature: 0,
    repetitionPenalty: 2,
    frequencyPenalty: 1,
    logitBias: new Map([
      [0, 5],
      [3, -100],
      [70_000, 100],
    ]),
  },
];

const SAMPLED_VOCABULARIES = [
  { V: 1, numTokens: 1 },
  { V: 37, numTokens: 37 },
  { V: 300, numTokens: 257 },
  { V: 2050, numTokens: 2047 },
];

function maskOf(seed: number, numTokens: number): Uint32Array {
  const mask = new Uint32Array(maskWords(numTokens));
  const least = [-Infinity, 350, 399, Infinity][Math.floor(seed / 4) % 4]!;
  randomIntegers(977 + seed, numTokens, 400).forEach((value, token) => {
    if (value >= least) mask[token >> 5]! |= 1 << (token & 31);
  });
  return mask;
}

export function sampleRowsCases(): Case[] {
  const history = (r: number): TokenHistory => {
    const tokens = randomIntegers(1480 + r, 60, 400);
    return { seen: new Set(tokens), counts: new Map(tokens.slice(30).map((token, i) => [token, 1 + (i % 3)])) };
  };
  return SAMPLED_VOCABULARIES.flatMap(({ V, numTokens }) =>
    Object.entries(LOGIT_ROWS).map(([name, make]): Case => ({
      op: "sample_rows",
      dtype: "f32",
      shape: `V ${V}, ${numTokens} tokens, ${name}`,
      tolerance: 0,
      measure: EXACT,
      rows: [1, 7, 2 * SAMPLINGS.length],
      run: (machine, T) => {
        const logits = machine.floats([T, V], padded(make(2 * SAMPLINGS.length * V), V, numTokens).slice(0, T * V));
        const tokens = machine.tensor("i32", [T]);
        const rows = Array.from({ length: T }, (_, r) => ({
          params: { ...DEFAULT_SAMPLING, seed: r, ...SAMPLINGS[r % SAMPLINGS.length] },
          history: r % 3 === 0 ? EMPTY_HISTORY : history(r),
          position: 10 * r,
          // Of every share: nearly all tokens, few of them, one, none.
          mask: r % 4 === 1 ? maskOf(r, numTokens) : undefined,
        }));
        const own = rows.flatMap(({ mask }) => mask ?? []);
        const words = own.flatMap((mask) => Array.from(mask, (word) => word | 0));
        const masks = own.length === 0 ? undefined : machine.integers([own.length, maskWords(numTokens)], words);
        sampleRows(machine.backend, { logits, numTokens, rows, tokens, masks });
        return Float32Array.from(machine.readIntegers(tokens));
      },
    })),
  );
}

export function logprobRowsCases(): Case[] {
  const most = 8;
  return SAMPLED_VOCABULARIES.flatMap(({ V, numTokens }) =>
    Object.entries(LOGIT_ROWS).flatMap(([name, make]) =>
      [0, 1, 20].map((K): Case => ({
        op: "logprob_rows",
        dtype: "f32",
        shape: `V ${V}, ${numTokens} tokens, top ${K}, ${name}`,
        tolerance: 1e-6,
        measure: relative(1),
        rows: [1, 3, most],
        run: (machine, T) => {
          const logits = machine.floats([most, V], padded(make(most * V), V, numTokens));
          const tokens = machine.integers([most], randomIntegers(1490, most, numTokens));
          const ids = machine.tensor("i32", [T, 1 + K]);
          const logprobs = machine.floats([T, 1 + K]);
          // Not every row is reported, nor in order.
          const rows = Array.from({ length: T }, (_, w) => (w * 5 + 3) % most);
          logprobRows(machine.backend, { logits, numTokens, tokens, rows, ids, logprobs });
          return interleave(machine.readIntegers(ids), machine.readFloats(logprobs), 1 + K);
        },
      })),
    ),
  );
}

export function ropeCases(): Case[] {
  const positions = [0, 1, 2, 127, 4095, 32_767, 262_143, 5];
  const sizes = [
    { heads: 1, H: 2, d: 2, theta: 10_000 },
    { heads: 3, H: 24, d: 8, theta: 10_000 },
    { heads: 4, H: 192, d: 64, theta: 5_000_000 },
    { heads: 2, H: 64, d: 64, theta: 5_000_000 },
  ];
  const table = (machine: Machine, T: number, d: number, theta: number) => {
    const out = machine.floats([T, d]);
    ropeTable(machine.backend, { positions: machine.integers([T], positions.slice(0, T)), theta, out });
    return out;
  };
  return sizes.flatMap(({ heads, H, d, theta }): Case[] => {
    const common = { dtype: "f32", tolerance: 1e-6, measure: ABSOLUTE, rows: [1, 3, 8] };
    return [
      {
        ...common,
        op: "rope_table",
        shape: `d ${d}, θ ${theta}, positions to 262143`,
        run: (machine, T) => machine.readFloats(table(machine, T, d, theta)),
      },
      {
        ...common,
        op: "rope",
        shape: `${heads} heads of ${H}, ${d} rotated`,
        run: (machine, T) => {
          const x = machine.floats([T, heads, H], randomFloats(1200, 8 * heads * H).slice(0, T * heads * H));
          rope(machine.backend, { x, table: table(machine, T, d, theta) });
          return machine.readFloats(x);
        },
      },
    ];
  });
}

export function copyRowsCases(): Case[] {
  return [1, 83, 1000].map((D): Case => ({
    op: "copy_rows",
    dtype: "f32",
    shape: `D ${D}`,
    tolerance: 0,
    measure: EXACT,
    rows: [20],
    run: (machine, T) => {
      const targetRows = randomIntegers(1300, T, 40).map((value, r) => (value % 5 === 0 ? -1 : 2 * r));
      const target = machine.floats([2 * T, D], randomFloats(1301, 2 * T * D));
      copyRows(machine.backend, {
        source: machine.floats([30, D], randomFloats(1302, 30 * D)),
        sourceRows: machine.integers([T], randomIntegers(1303, T, 30)),
        target,
        targetRows: machine.integers([T], targetRows),
      });
      return machine.readFloats(target);
    },
  }));
}

export function clearCases(): Case[] {
  return [0, 1, 1000].map((length): Case => ({
    op: "clear",
    dtype: "f32",
    shape: `[${length}]`,
    tolerance: 0,
    measure: EXACT,
    rows: [1],
    run: (machine) => {
      // One element beyond what is cleared stays.
      const whole = machine.floats([length + 1], new Float32Array(length + 1).fill(3));
      machine.backend.clear({ ...whole, shape: [length] });
      return machine.readFloats(whole);
    },
  }));
}

export function copyCases(): Case[] {
  return [0, 1, 1000].map((length): Case => ({
    op: "copy",
    dtype: "f32",
    shape: `[${length}]`,
    tolerance: 0,
    measure: EXACT,
    rows: [1],
    run: (machine) => {
      const target = machine.floats([length], new Float32Array(length).fill(3));
      machine.backend.copy(machine.floats([length], randomFloats(1400, length)), target);
      return machine.readFloats(target);
    },
  }));
}

/** Products with matrices in a file, of which memory holds none, some or all: a fetch changes nothing. */
export function fetchCases(): Case[] {
  const [D, F, E, K, most] = [75, 33, 5, 3, 17];
  const weights = (out: number, inner: number, seed: number) =>
    randomWeight("f32", seed, { outFeatures: out, inFeatures: inner, numMatrices: E });
  const data = [weights(F, D, 1500), weights(F, D, 1501), weights(D, F, 1502)] as const;
  const ids = Array.from({ length: most }, (_, t) => distinct(1503 + t, K, E)).flat();
  const x = randomFloats(1504, most * D);
  const shares = randomFloats(1505, most * K).map(Math.abs);
  return [0, 60_000, 1e6].map((limit): Case => ({
    op: "fetch",
    dtype: "f32",
    shape: `${limit} bytes of memory`,
    tolerance: 2e-6,
    measure: relativeToRows(D),
    rows: [1, 2, most],
    run: (machine, T) => {
      const [gate, up, down] = data.map((matrices) => machine.weight(matrices, "file")) as [Weight, Weight, Weight];
      const out = machine.floats([T, D]);
      const chosen = machine.integers([T, K], ids.slice(0, T * K));
      const guess = machine.integers([1, 2], [4, 1]);
      machine.backend.limitFetched(limit);
      machine.backend.fetch(guess, [down, gate, up], true);
      machine.backend.fetch(chosen, [down, gate, up]);
      experts(machine.backend, {
        x: machine.floats([T, D], x.slice(0, T * D)),
        ids: chosen,
        weights: machine.floats([T, K], shares.slice(0, T * K)),
        experts: { gate, up, down },
        out,
      });
      return machine.readFloats(out);
    },
  }));
}
