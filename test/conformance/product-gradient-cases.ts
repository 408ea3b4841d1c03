// Conformance of the gradients of linear layers and experts.
//
// T tokens, N outputs, K inputs of a layer or choices of a token, D hidden, F expert width, E experts.

import { expertsBackward } from "../../src/ops/experts/experts.backward.ts";
import { linearBackwardInput, linearBackwardWeight } from "../../src/ops/linear/linear.backward.ts";
import type { Case } from "./cases.ts";
import { randomFloats, randomIntegers } from "./material.ts";
import { relativeTo, relativeToRows } from "./report.ts";

/** Around tiles of 12 rows, vectors of 16 columns, and steps of 256 products. */
const LAYERS = [
  { N: 1, K: 1 },
  { N: 37, K: 83 },
  { N: 64, K: 256 },
  { N: 600, K: 17 },
  { N: 11, K: 1030 },
];
const ROWS = [1, 2, 5, 13, 64];
const MOST = ROWS.at(-1)!;

function norms(values: Float32Array, length: number): Float64Array {
  return Float64Array.from({ length: values.length / length }, (_, row) =>
    Math.hypot(...values.subarray(row * length, (row + 1) * length)),
  );
}

function transposed(values: Float32Array, columns: number): Float32Array {
  const rows = values.length / columns;
  return values.map((_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!);
}

export function linearBackwardInputCases(): Case[] {
  return LAYERS.map(({ N, K }, i): Case => {
    const dOut = randomFloats(1600 + i, MOST * N);
    const weight = randomFloats(1610 + i, N * K);
    const before = randomFloats(1620 + i, MOST * K);
    const [rows, columns] = [norms(dOut, N), norms(transposed(weight, K), N)];
    return {
      op: "linear_backward_input",
      dtype: "f32",
      shape: `[${N}, ${K}]`,
      tolerance: 1e-6,
      measure: relativeTo((j) => rows[Math.floor(j / K)]! * columns[j % K]! + Math.abs(before[j]!)),
      rows: ROWS,
      run: (machine, T) => {
        const dX = machine.floats([T, K], before.slice(0, T * K));
        linearBackwardInput(machine.backend, {
          dOut: machine.floats([T, N], dOut.slice(0, T * N)),
          weight: machine.floats([N, K], weight),
          dX,
        });
        return machine.readFloats(dX);
      },
    };
  });
}

export function linearBackwardWeightCases(): Case[] {
  return LAYERS.flatMap(({ N, K }, i) =>
    [1, 15, 300].map((tokens): Case => {
      const x = randomFloats(1630 + i, tokens * K);
      const dOut = randomFloats(1640 + i, tokens * N);
      const before = randomFloats(1650 + i, N * K);
      const [rows, columns] = [norms(transposed(dOut, N), tokens), norms(transposed(x, K), tokens)];
      return {
        op: "linear_backward_weight",
        dtype: "f32",
        shape: `[${N}, ${K}], T ${tokens}`,
        tolerance: 1e-6,
        measure: relativeTo((j) => rows[Math.floor(j / K)]! * columns[j % K]! + Math.abs(before[j]!)),
        rows: [tokens],
        run: (machine, T) => {
          const dWeight = machine.floats([N, K], before);
          linearBackwardWeight(machine.backend, {
            x: machine.floats([T, K], x),
            dOut: machine.floats([T, N], dOut),
            dWeight,
          });
          return machine.readFloats(dWeight);
        },
      };
    }),
  );
}

const MIXTURES = [
  { D: 75, F: 33, E: 5, K: 3 },
  { D: 16, F: 64, E: 2, K: 1 },
  { D: 530, F: 20, E: 4, K: 4 },
];

/** Every result on its own: gradients of rows, which do not depend on other rows, and of weights, which do. */
export function expertsBackwardCases(): Case[] {
  return expertsBackwardCasesWith(0);
}

/** Several blocks in a row and in an expert's tokens, the last ones short. */
export function expertsBackwardFp8Cases(): Case[] {
  return expertsBackwardCasesWith(16);
}

function expertsBackwardCasesWith(fp8Block: number): Case[] {
  const routes = {
    "random experts": (E: number, K: number) =>
      randomIntegers(1700, MOST, E).flatMap((first) => Array.from({ length: K }, (_, k) => (first + k) % E)),
    "the same experts for all": (_: number, K: number) =>
      Array.from({ length: MOST }, () => Array.from({ length: K }, (__, k) => k)).flat(),
  };
  return MIXTURES.flatMap(({ D, F, E, K }) =>
    Object.entries(routes).flatMap(([route, make]) => {
      const ids = make(E, K);
      const content = (seed: number, length: number, scale = 1): Float32Array => randomFloats(seed, length, scale);
      const sizes = { dX: MOST * D, dWeights: MOST * K, dGate: E * F * D, dUp: E * F * D, dDown: E * D * F } as const;
      // ‖inner‖ · ‖dInner‖ as numbers in (−1, 1) give them, roughly.
      const productSize = (Math.sqrt(F) * D ** 1.5) / 50;
      return (Object.keys(sizes) as (keyof typeof sizes)[]).map((result): Case => {
        const isOfRows = result === "dX" || result === "dWeights";
        return {
          op: "experts_backward",
          dtype: fp8Block === 0 ? "f32" : `f32, E4M3 in ${fp8Block}`,
          shape: `D ${D}, F ${F}, ${route}, ${result}`,
          tolerance: fp8Block === 0 ? 4e-6 : 1e-3,
          // A gradient of weights may be near zero: what counts is the size of the products it sums.
          measure: result === "dWeights" ? relativeTo(() => productSize) : relativeToRows(result === "dDown" ? F : D),
          rows: isOfRows ? [1, 2, 17, MOST] : [MOST],
          run: (machine, T) => {
            const floats = (seed: number, ...shape: number[]) => {
              const length = shape.reduce((a, b) => a * b, 1);
              return machine.floats(shape, content(seed, length));
            };
            const args = {
              x: floats(1701, T, D),
              ids: machine.integers([T, K], ids.slice(0, T * K)),
              weights: floats(1702, T, K),
              gate: floats(1703, E, F, D),
              up: floats(1704, E, F, D),
              down: floats(1705, E, D, F),
              dOut: floats(1706, T, D),
              dX: floats(1707, T, D),
              dWeights: floats(1708, T, K),
              dGate: floats(1709, E, F, D),
              dUp: floats(1710, E, F, D),
              dDown: floats(1711, E, D, F),
              fp8Block,
            };
            expertsBackward(machine.backend, args);
            return machine.readFloats(args[result]);
          },
        };
      });
    }),
  );
}
