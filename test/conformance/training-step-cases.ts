// Cases of the kernels between a forward and the next one: losses, the norm of the gradient, the optimiser, and rounding.

import { adamW } from "../../src/ops/adamw/adamw.ts";
import { crossEntropy } from "../../src/ops/cross-entropy/cross-entropy.ts";
import { fp8Round } from "../../src/ops/fp8-round/fp8-round.ts";
import { gradientNorm } from "../../src/ops/gradient-norm/gradient-norm.ts";
import { muon } from "../../src/ops/muon/muon.ts";
import { balanceLoss } from "../../src/ops/router/balance-loss.ts";
import type { Case } from "./cases.ts";
import { besideEachOther, distinct, randomFloats, randomIntegers } from "./material.ts";
import { EXACT, relative, relativeTo } from "./report.ts";

export function crossEntropyCases(): Case[] {
  const logits = {
    random: (count: number) => randomFloats(3000, count, 9),
    flat: (count: number) => new Float32Array(count).fill(-3),
    "one far above": (count: number) => randomFloats(3001, count, 0.1).map((value, i) => (i % 37 === 5 ? 60 : value)),
    "beyond exp": (count: number) => randomFloats(3002, count, 500),
  };
  const most = 9;
  const coefficients = randomFloats(3003, most);
  return [1, 37, 300, 2048, 8191].flatMap((V) =>
    Object.entries(logits).map(([name, make]): Case => ({
      op: "cross_entropy",
      dtype: "f32",
      shape: `V ${V}, ${name}`,
      tolerance: 1e-6,
      // Each row has its gradient, then its loss.
      measure: relativeTo((i, expected) => {
        const [row, column] = [Math.floor(i / (V + 1)), i % (V + 1)];
        return column === V ? Math.max(1, expected[i]!) : Math.abs(coefficients[row]!);
      }),
      rows: [1, 3, most],
      run: (machine, T) => {
        const rows = machine.floats([T, V], make(most * V).slice(0, T * V));
        const losses = machine.floats([T]);
        const targets = randomIntegers(3004, most, V).map((value, r) => (r % 4 === 1 ? -1 : value));
        crossEntropy(machine.backend, {
          logits: rows,
          targets: machine.integers([T], targets.slice(0, T)),
          coefficients: machine.floats([T], coefficients.slice(0, T)),
          losses,
        });
        return besideEachOther(T, machine.readFloats(rows), machine.readFloats(losses));
      },
    })),
  );
}

export function balanceLossCases(): Case[] {
  const sizes = [
    { E: 1, K: 1 },
    { E: 16, K: 2 },
    { E: 33, K: 4 },
    { E: 64, K: 8 },
  ];
  const T = 200;
  // Rows before, between and behind the sequences belong to none.
  const layouts = [
    [[0, T]],
    [
      [2, 90],
      [0, 0],
      [93, 1],
      [95, 100],
      [0, 0],
    ],
    [[0, 0]],
  ];
  return sizes.flatMap(({ E, K }) =>
    layouts.map((sequences): Case => ({
      op: "balance_loss",
      dtype: "f32",
      shape: `E ${E}, K ${K}, ${sequences.length} sequences`,
      tolerance: 1e-6,
      // Losses, then gradients: those of a short sequence are larger, before they cancel.
      measure: relativeTo((i, expected) => {
        const row = Math.floor((i - sequences.length) / E);
        const rows = sequences.find(([first, count]) => row >= first! && row < first! + count!)?.[1];
        if (i < sequences.length || rows === undefined) return Math.max(1, Math.abs(expected[i]!));
        return Math.max(1, (T * E) / (K * sequences.filter(([, count]) => count! > 0).length * rows));
      }),
      rows: [1],
      run: (machine) => {
        const numSequences = sequences.length;
        const loss = machine.floats([numSequences], new Float32Array(numSequences).fill(7));
        const dLogits = machine.floats([T, E], new Float32Array(T * E).fill(0.5));
        // Half of the rows prefer the same experts.
        const ids = Array.from({ length: T }, (_, t) => distinct(t % 2 === 0 ? 3100 : 3100 + t, K, E)).flat();
        balanceLoss(machine.backend, {
          logits: machine.floats([T, E], randomFloats(3101, T * E, 5)),
          ids: machine.integers([T, K], ids),
          sequences: machine.integers([numSequences, 2], sequences.flat()),
          // As large as to give gradients of about one.
          alpha: T,
          loss,
          dLogits,
        });
        return besideEachOther(1, machine.readFloats(loss), machine.readFloats(dLogits));
      },
    })),
  );
}

export function gradientNormCases(): Case[] {
  return [0, 1, 37, 4096, 4097, 100_003].map((n): Case => ({
    op: "gradient_norm",
    dtype: "f32",
    shape: `[${n}]`,
    tolerance: 1e-6,
    measure: relative(1e-30),
    rows: [1],
    run: (machine) => {
      const out = machine.floats([2]);
      const values = randomFloats(3200, n, 1e-3).map((value, i) => (i % 5 === 0 ? 0 : i % 7 === 0 ? -0 : value));
      gradientNorm(machine.backend, { gradient: machine.floats([n], values), out });
      return machine.readFloats(out);
    },
  }));
}

export function adamWCases(): Case[] {
  const learningRate = 1e-2;
  const n = 5003;
  return [1, 2, 1000].flatMap((step) =>
    [0, 0.1].map((weightDecay): Case => ({
      op: "adamw",
      dtype: "f32",
      shape: `[${n}], step ${step}, decay ${weightDecay}`,
      tolerance: 1e-6,
      // In turn: parameter, which moves by a few learning rates, gradient, m, v.
      measure: relativeTo((i, expected) => {
        const floor = [1, 1, 1e-30, 1e-30][Math.floor(i / n)]!;
        return Math.max(floor, Math.abs(expected[i]!));
      }),
      rows: [1],
      run: (machine) => {
        // From a vanishing gradient to a large one; moments start at zero, or have seen other gradients.
        const gradient = randomFloats(3300, n).map((value, i) => value * 10 ** ((i % 24) - 20));
        const m = step === 1 ? new Float32Array(n) : gradient.map((value, i) => 0.5 * value * ((i % 5) - 2));
        const v = step === 1 ? new Float32Array(n) : gradient.map((value, i) => value ** 2 * (1 + (i % 3)));
        const tensors = {
          parameter: machine.floats([n], randomFloats(3301, n)),
          gradient: machine.floats([n], gradient),
          m: machine.floats([n], m),
          v: machine.floats([n], v),
        };
        const options = {
          learningRate,
          beta1: 0.9,
          beta2: 0.999,
          epsilon: 1e-8,
          weightDecay,
          gradientScale: 0.7,
          step,
        };
        adamW(machine.backend, { ...tensors, ...options });
        const { parameter } = tensors;
        return besideEachOther(
          1,
          ...[parameter, tensors.gradient, tensors.m, tensors.v].map((one) => machine.readFloats(one)),
        );
      },
    })),
  );
}

export function muonCases(): Case[] {
  const learningRate = 1e-2;
  const sizes = [
    [1, 1, 1],
    [3, 5, 40],
    [2, 40, 5],
    [1, 96, 96],
    [5, 64, 192],
    [1, 288, 70],
  ] as const;
  return sizes.map(([E, M, N]): Case => ({
    op: "muon",
    dtype: "f32",
    shape: `[${E}, ${M}, ${N}]`,
    tolerance: 1e-5,
    // In turn: how far the parameter moved, gradient, m.
    measure: relativeTo((i) => (i < E * M * N ? learningRate : 1)),
    rows: [1],
    run: (machine) => {
      const n = E * M * N;
      const shape = [E, M, N];
      const before = randomFloats(3400, n, 0.01);
      const tensors = {
        parameter: machine.floats(shape, before),
        gradient: machine.floats(shape, randomFloats(3401, n)),
        m: machine.floats(shape, randomFloats(3402, n)),
      };
      muon(machine.backend, { ...tensors, learningRate, momentum: 0.95, weightDecay: 0.1, gradientScale: 0.7 });
      const moved = machine.readFloats(tensors.parameter).map((value, i) => value - before[i]!);
      return besideEachOther(1, moved, machine.readFloats(tensors.gradient), machine.readFloats(tensors.m));
    },
  }));
}

export function fp8RoundCases(): Case[] {
  const tiles = [
    { rows: 1, columns: 128 },
    { rows: 1, columns: 16 },
    { rows: 128, columns: 1 },
    { rows: 16, columns: 1 },
    { rows: 128, columns: 128 },
    { rows: 3, columns: 5 },
  ];
  const sizes = [
    [1, 1, 1],
    [3, 5, 40],
    [2, 130, 17],
    [1, 200, 300],
  ] as const;
  return tiles.flatMap((tile) =>
    sizes.map(([E, M, N]): Case => ({
      op: "fp8_round",
      dtype: "f32",
      shape: `[${E}, ${M}, ${N}] in [${tile.rows}, ${tile.columns}]`,
      tolerance: 0,
      measure: EXACT,
      rows: [1],
      run: (machine) => {
        // From far below the smallest value to outliers, with tiles that vanish, and zeros of both signs.
        const size = (i: number): number => 10 ** ((i % 7) - 5) * (i % 1009 === 3 ? 1000 : 1);
        const values = randomFloats(3500, E * M * N).map((value, i) => {
          if (i % 11 === 4) return i % 2 === 0 ? 0 : -0;
          return value * (i % (M * N) < 40 ? 1e-42 : size(i));
        });
        const out = machine.floats([E, M, N]);
        fp8Round(machine.backend, { x: machine.floats([E, M, N], values), out, tile });
        return machine.readFloats(out);
      },
    })),
  );
}
