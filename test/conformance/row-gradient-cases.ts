// Cases of the backward kernels that move rows or go element by element: embedding, copy-rows, SwiGLU, router.

import { copyRowsBackward } from "../../src/ops/copy-rows/copy-rows.backward.ts";
import { embeddingBackward } from "../../src/ops/embedding/embedding.backward.ts";
import { routerBackward } from "../../src/ops/router/router.backward.ts";
import { swigluBackward } from "../../src/ops/swiglu/swiglu.backward.ts";
import type { Case } from "./cases.ts";
import { besideEachOther, distinct, randomFloats, randomIntegers } from "./material.ts";
import { ABSOLUTE, relativeTo } from "./report.ts";

/** Row lengths: one lane, no multiple of anything, a few threads' worth of columns. */
const WIDTHS = [1, 83, 128, 1000];
const ADDED_ROWS = 64;
/** Sums of 64 numbers of either sign stay below 32: 64 roundings of at most 2^−20, most of them far smaller. */
const SUM_TOLERANCE = 1e-5;

export function embeddingBackwardCases(): Case[] {
  return WIDTHS.flatMap((D) =>
    // Many ids, few, and one for all rows.
    [50, 3, 1].map((V): Case => ({
      op: "embedding_backward",
      dtype: "f32",
      shape: `V ${V}, D ${D}`,
      tolerance: SUM_TOLERANCE,
      measure: ABSOLUTE,
      rows: [ADDED_ROWS],
      run: (machine, T) => {
        const dWeight = machine.floats([V, D], randomFloats(2000, V * D));
        embeddingBackward(machine.backend, {
          ids: machine.integers([T], randomIntegers(2001, T, V)),
          dOut: machine.floats([T, D], randomFloats(2002, T * D)),
          dWeight,
        });
        return machine.readFloats(dWeight);
      },
    })),
  );
}

export function copyRowsBackwardCases(): Case[] {
  return WIDTHS.map((D): Case => ({
    op: "copy_rows_backward",
    dtype: "f32",
    shape: `D ${D}`,
    tolerance: SUM_TOLERANCE,
    measure: ABSOLUTE,
    rows: [ADDED_ROWS],
    run: (machine, T) => {
      const targetRows = randomIntegers(2100, T, 40).map((value, r) => (value % 5 === 0 ? -1 : 2 * r));
      const dSource = machine.floats([9, D], randomFloats(2101, 9 * D));
      copyRowsBackward(machine.backend, {
        dTarget: machine.floats([2 * T, D], randomFloats(2102, 2 * T * D)),
        targetRows: machine.integers([T], targetRows),
        dSource,
        sourceRows: machine.integers([T], randomIntegers(2103, T, 9)),
      });
      return machine.readFloats(dSource);
    },
  }));
}

export function swigluBackwardCases(): Case[] {
  return [1, 37, 256].map((F): Case => {
    const most = 64 * F;
    const gate = randomFloats(2200, most, 30);
    gate.set([0, 95, -95].slice(0, most));
    const up = randomFloats(2201, most);
    const dOut = randomFloats(2202, most);
    return {
      op: "swiglu_backward",
      dtype: "f32",
      shape: `F ${F}`,
      tolerance: 1e-6,
      // Each row has dGate, then dUp.
      measure: relativeTo((i) => {
        const element = Math.floor(i / (2 * F)) * F + (i % F);
        const isGate = i % (2 * F) < F;
        const [g, u, d] = [Math.abs(gate[element]!), Math.abs(up[element]!), Math.abs(dOut[element]!)];
        return isGate ? d * u * (1 + g) : d * g;
      }),
      rows: [1, 5, 64],
      run: (machine, T) => {
        const part = (values: Float32Array) => machine.floats([T, F], values.slice(0, T * F));
        const inPlace = part(dOut);
        const dUp = machine.floats([T, F]);
        swigluBackward(machine.backend, { gate: part(gate), up: part(up), dOut: inPlace, dGate: inPlace, dUp });
        return besideEachOther(T, machine.readFloats(inPlace), machine.readFloats(dUp));
      },
    };
  });
}

export function routerBackwardCases(): Case[] {
  const sizes = [
    { E: 1, K: 1 },
    { E: 8, K: 2 },
    { E: 33, K: 33 },
    { E: 256, K: 8 },
  ];
  const logits = {
    random: (E: number) => randomFloats(2300 + E, 64 * E, 4),
    // Scores of exactly 0 and 1, and so small that 1e-20 matters beside them.
    saturated: (E: number) =>
      Float32Array.from(randomIntegers(2310 + E, 64 * E, 3), (value) => [-200, -46, 200][value]!),
  };
  return sizes.flatMap(({ E, K }) =>
    Object.entries(logits).flatMap(([name, make]) =>
      [true, false].map((normalise): Case => ({
        op: "router_backward",
        dtype: "f32",
        shape: `E ${E}, K ${K}, ${name}${normalise ? ", normalised" : ""}`,
        tolerance: 2.5e-6,
        measure: ABSOLUTE,
        rows: [1, 3, 64],
        run: (machine, T) => {
          const ids = Array.from({ length: T }, (_, t) => distinct(2320 + t, K, E)).flat();
          const dLogits = machine.floats([T, E], new Float32Array(T * E).fill(7));
          routerBackward(machine.backend, {
            logits: machine.floats([T, E], make(E).slice(0, T * E)),
            ids: machine.integers([T, K], ids),
            dWeights: machine.floats([T, K], randomFloats(2330, 64 * K).slice(0, T * K)),
            scale: 2.5,
            normalise,
            dLogits,
          });
          return machine.readFloats(dLogits);
        },
      })),
    ),
  );
}
