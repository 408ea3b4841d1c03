// How each op of the forward pass hands gradients back: which of its operands feed which backward kernel.
//
// The order of operands is that of the op's contract. Gradients of activations are added to, so that what two kernels
// read gets both; where a kernel overwrites a value in place, its rule overwrites the gradient in place.
//
// In FP8 both operands of the three products of a rounded weight are on the E4M3 grid, in blocks along the product's sum;
// gradients pass the rounding as if it were not there. Weights have been rounded before, activations and their gradients
// are rounded here, or by the experts' kernels.

import type { KernelArgs } from "../backends/backend.ts";
import { ATTENTION } from "../ops/attention/attention.ts";
import { attentionBackward } from "../ops/attention/attention.backward.ts";
import { EMBEDDING } from "../ops/embedding/embedding.ts";
import { embeddingBackward } from "../ops/embedding/embedding.backward.ts";
import { EXPERTS } from "../ops/experts/experts.ts";
import { expertsBackward } from "../ops/experts/experts.backward.ts";
import { fp8Round, type Tile } from "../ops/fp8-round/fp8-round.ts";
import { KV_WRITE } from "../ops/kv-write/kv-write.ts";
import { kvWriteBackward } from "../ops/kv-write/kv-write.backward.ts";
import { LINEAR } from "../ops/linear/linear.ts";
import { linearBackwardInput, linearBackwardWeight } from "../ops/linear/linear.backward.ts";
import { RMS_NORM } from "../ops/rms-norm/rms-norm.ts";
import { rmsNormBackward } from "../ops/rms-norm/rms-norm.backward.ts";
import { ROPE, ROPE_TABLE } from "../ops/rope/rope.ts";
import { ropeBackward } from "../ops/rope/rope.backward.ts";
import { balanceLoss } from "../ops/router/balance-loss.ts";
import { ROUTER } from "../ops/router/router.ts";
import { routerBackward } from "../ops/router/router.backward.ts";
import { SWIGLU } from "../ops/swiglu/swiglu.ts";
import { swigluBackward } from "../ops/swiglu/swiglu.backward.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { defined } from "../util/assert.ts";
import type { Rule, Rules, Tape } from "./tape.ts";

/** The auxiliary loss that keeps each sequence's tokens spread over the experts. */
export interface Balance {
  /** [S, 2]: first row and rows of each sequence. */
  readonly sequences: Tensor;
  /** [S]: receives the losses of the layer at hand. */
  readonly loss: Tensor;
  readonly alpha: number;
}

/** `balance` is asked for anew in every backward pass; `fp8Block` is 0 without FP8. */
export function rulesOf(balance: () => Balance | null, fp8Block: number): Rules {
  return {
    [EMBEDDING.name]: EMBEDDING_RULE,
    [RMS_NORM.name]: RMS_NORM_RULE,
    [LINEAR.name]: fp8Block === 0 ? LINEAR_RULE : fp8LinearRule(fp8Block),
    [ROPE_TABLE.name]: {},
    [ROPE.name]: ROPE_RULE,
    [KV_WRITE.name]: KV_WRITE_RULE,
    [ATTENTION.name]: ATTENTION_RULE,
    [SWIGLU.name]: SWIGLU_RULE,
    [ROUTER.name]: routerRule(balance),
    [EXPERTS.name]: expertsRule(fp8Block),
  };
}

const EMBEDDING_RULE: Rule = {
  backward: (tape, note) => {
    const [ids, out] = tensorsOf(note, 2);
    const matrix = tape.matrixOf(weightOf(note, 0));
    embeddingBackward(tape.device, { ids, dOut: tape.gradientOf(out), dWeight: tape.gradientOf(matrix) });
  },
};

const RMS_NORM_RULE: Rule = {
  // The residual stream goes on in place.
  save: (tape, args) => [tape.keep(tensorsOf(args, 1)[0]!)],
  backward: (tape, note) => {
    const [x, weight, out] = tensorsOf(note, 3);
    const [, , epsilon, , outColumn] = scalarsOf(note, 5);
    rmsNormBackward(tape.device, {
      x: note.saved[0]!,
      weight,
      epsilon,
      dOut: tape.gradientOf(out),
      outColumn,
      dX: tape.gradientOf(x),
      dWeight: tape.gradientOf(weight),
    });
  },
};

const LINEAR_RULE: Rule = {
  backward: (tape, note) => {
    const [x, ...outs] = tensorsOf(note, note.tensors.length);
    outs.forEach((out, i) => {
      const weight = tape.matrixOf(weightOf(note, i));
      const dOut = tape.gradientOf(out);
      linearBackwardInput(tape.device, { dOut, weight, dX: tape.gradientOf(x!) });
      linearBackwardWeight(tape.device, { x: x!, dOut, dWeight: tape.gradientOf(weight) });
    });
  },
};

/** Products of one kernel are all in FP8 or none: q, k and v, or gate and up. */
function fp8LinearRule(block: number): Rule {
  const [alongColumns, alongTokens] = [
    { rows: 1, columns: block },
    { rows: block, columns: 1 },
  ];
  return {
    replace: (tape, args) => {
      if (!tape.isFp8(weightOf(args, 0))) return args;
      const [x, ...outs] = args.tensors;
      return { ...args, tensors: [rounded(tape, "x", defined(x, "x"), alongColumns), ...outs] };
    },
    backward: (tape, note) => {
      if (!tape.isFp8(weightOf(note, 0))) return LINEAR_RULE.backward?.(tape, note);
      const [x, ...outs] = tensorsOf(note, note.tensors.length);
      const xOfTokens = rounded(tape, "x", x!, alongTokens);
      outs.forEach((out, i) => {
        const weight = tape.matrixOf(weightOf(note, i));
        const dOut = tape.gradientOf(out);
        const dOutOfColumns = rounded(tape, "dOut", dOut, alongColumns);
        linearBackwardInput(tape.device, { dOut: dOutOfColumns, weight, dX: tape.gradientOf(x!) });
        const dOutOfTokens = rounded(tape, "dOut", dOut, alongTokens);
        linearBackwardWeight(tape.device, { x: xOfTokens, dOut: dOutOfTokens, dWeight: tape.gradientOf(weight) });
      });
    },
  };
}

function rounded(tape: Tape, name: string, x: Tensor, tile: Tile): Tensor {
  const out = tape.scratch(name, x.shape);
  fp8Round(tape.device, { x, out, tile });
  return out;
}

const ROPE_RULE: Rule = {
  backward: (tape, note) => {
    const [x, table] = tensorsOf(note, 2);
    ropeBackward(tape.device, { dX: tape.gradientOf(x), table });
  },
};

const KV_WRITE_RULE: Rule = {
  backward: (tape, note) => {
    const [k, v, slots, kCache, vCache] = tensorsOf(note, 5);
    kvWriteBackward(tape.device, {
      dCache: { k: tape.gradientOf(kCache), v: tape.gradientOf(vCache) },
      slots,
      valueScale: scalarsOf(note, 5)[4]!,
      dK: tape.gradientOf(k),
      dV: tape.gradientOf(v),
    });
  },
};

const ATTENTION_RULE: Rule = {
  backward: (tape, { tensors, scalars = [] }) => {
    const [q, k, v, , , sinks, rows, segments, tables, out] = tensors;
    const [, , , , , scale, window] = scalars;
    const cache = { k: defined(k, "keys"), v: defined(v, "values") };
    const [queries, result] = [defined(q, "q"), defined(out, "out")];
    attentionBackward(tape.device, {
      q: queries,
      cache,
      sinks: sinks ?? null,
      layout: {
        rows: defined(rows, "rows"),
        segments: defined(segments, "segments"),
        tables: defined(tables, "tables"),
      },
      window: defined(window, "window"),
      scale: defined(scale, "scale"),
      out: result,
      dOut: tape.gradientOf(result),
      dQ: tape.gradientOf(queries),
      dCache: { k: tape.gradientOf(cache.k), v: tape.gradientOf(cache.v) },
      dSinks: sinks == null ? null : tape.gradientOf(sinks),
    });
  },
};

const SWIGLU_RULE: Rule = {
  // The product takes the gate's place.
  save: (tape, args) => [tape.keep(tensorsOf(args, 1)[0]!)],
  backward: (tape, note) => {
    const [gate, up, out] = tensorsOf(note, 3);
    swigluBackward(tape.device, {
      gate: note.saved[0]!,
      up,
      dOut: tape.gradientOf(out),
      dGate: tape.gradientOf(gate),
      dUp: tape.gradientOf(up),
    });
  },
};

function routerRule(balance: () => Balance | null): Rule {
  return {
    backward: (tape, note) => {
      const [logits, , ids, weights] = tensorsOf(note, 4);
      const [, , , scale, normalise] = scalarsOf(note, 5);
      const dLogits = tape.gradientOf(logits);
      routerBackward(tape.device, {
        logits,
        ids,
        dWeights: tape.gradientOf(weights),
        scale,
        normalise: normalise === 1,
        dLogits,
      });
      const auxiliary = balance();
      if (auxiliary !== null) balanceLoss(tape.device, { logits, ids, dLogits, ...auxiliary });
    },
  };
}

function expertsRule(fp8Block: number): Rule {
  return {
    // The inner activation is rounded where it arises, so the kernel does it: the last scalar says how.
    replace: (_, args) => ({ ...args, scalars: [...scalarsOf(args, 5), fp8Block] }),
    backward: (tape, note) => {
      const [x, ids, weights, out] = tensorsOf(note, 4);
      const [gate, up, down] = [0, 1, 2].map((i) => tape.matrixOf(weightOf(note, i))) as [Tensor, Tensor, Tensor];
      expertsBackward(tape.device, {
        x,
        ids,
        weights,
        gate,
        up,
        down,
        dOut: tape.gradientOf(out),
        dX: tape.gradientOf(x),
        dWeights: tape.gradientOf(weights),
        dGate: tape.gradientOf(gate),
        dUp: tape.gradientOf(up),
        dDown: tape.gradientOf(down),
        fp8Block,
      });
    },
  };
}

type Five<T> = [T, T, T, T, T];

function tensorsOf({ tensors }: KernelArgs, count: number): Five<Tensor> {
  return Array.from({ length: count }, (_, i) => defined(tensors[i], `operand ${i}`)) as Five<Tensor>;
}

function scalarsOf({ scalars = [] }: KernelArgs, count: number): Five<number> {
  return Array.from({ length: count }, (_, i) => defined(scalars[i], `scalar ${i}`)) as Five<number>;
}

function weightOf({ weights = [] }: KernelArgs, index: number) {
  return defined(weights[index], `weight ${index}`);
}
