// Machines, measured or described by hand, as the speeds that the model of cost asks for: expected, slow and fast.

import type { AttentionKind, AttentionShape, ModelConfig } from "../model/config.ts";
import type { MachineSpeed, ProductOp } from "../model/cost.ts";
import { kvRowWidth } from "../ops/kv-write/kv-write.ts";
import { packedBytes } from "../model/packing.ts";
import { ACTIVATION_DIGITS, type Activations, takesQuantisedActivations } from "../ops/linear/quantise-activations.ts";
import { type DType, DTYPES, type KvDType } from "../tensor/dtype.ts";
import { defined } from "../util/assert.ts";
import type { Spread } from "./measure.ts";

export interface SpeedRange {
  readonly expected: MachineSpeed;
  readonly slow: MachineSpeed;
  readonly fast: MachineSpeed;
}

export interface Product {
  readonly op: ProductOp;
  readonly dtype: DType;
}

export interface MeasuredPoint {
  readonly rows: number;
  readonly seconds: Spread;
}

/** Seconds, for all rows of a point: per element of a matrix, per key of attention, per block, per row of logits. */
export interface MeasuredMachine {
  /** The largest part of a model first. */
  readonly products: readonly (Product & { readonly points: readonly MeasuredPoint[] })[];
  readonly attention: Readonly<Record<AttentionKind, readonly MeasuredPoint[]>>;
  readonly block: readonly MeasuredPoint[];
  readonly sample: Spread;
  /** What reading alone reaches. */
  readonly bytesPerSecond: number;
  readonly milliseconds: number;
}

export interface DescribedMachine {
  readonly bytesPerSecond: number;
  /** Undefined where nobody said: then only decoding one sequence can be told. */
  readonly operationsPerSecond: { readonly int8: number; readonly f32: number } | undefined;
}

/** Shares of a described machine's figures that kernels reach. */
export const REACHED = {
  slow: { memory: 0.5, arithmetic: 0.15 },
  expected: { memory: 0.7, arithmetic: 0.3 },
  fast: { memory: 0.9, arithmetic: 0.5 },
} as const;

/**
 * The model of cost leaves things out, such as the engine's own work between steps (some tenths of a millisecond): this
 * much either way, beside the spread of what was measured.
 */
export const MODEL_ERROR = 0.15;

export function measuredSpeed(machine: MeasuredMachine): SpeedRange {
  const scaled = (which: keyof Spread, factor: number): MachineSpeed => {
    const at = (points: readonly MeasuredPoint[], rows: number): number =>
      factor * interpolate(points, rows, ({ seconds }) => seconds[which]);
    return {
      product: (op, dtype, rows) => {
        const exact = machine.products.find((one) => one.op === op && one.dtype === dtype);
        if (exact !== undefined) return at(exact.points, rows);
        // A small part of the model: as one that was measured, but reading its own bytes.
        const other = machine.products.find((one) => one.op === op) ?? defined(machine.products[0], "a product");
        const ratio = elementBytes(dtype) / elementBytes(other.dtype);
        const reading = at(other.points, 1);
        return Math.max(ratio * reading, (ratio - 1) * reading + at(other.points, rows));
      },
      attention: (kind, rows) => at(machine.attention[kind], rows) / rows,
      block: (rows) => at(machine.block, rows),
      sample: factor * machine.sample[which],
    };
  };
  return {
    expected: scaled("median", 1),
    slow: scaled("max", 1 + MODEL_ERROR),
    fast: scaled("min", 1 - MODEL_ERROR),
  };
}

/** Linear between points; beyond the last, every row costs what it cost there. */
export function interpolate<P extends { readonly rows: number }>(
  points: readonly P[],
  rows: number,
  secondsOf: (point: P) => number,
): number {
  const after = points.findIndex((point) => point.rows >= rows);
  const above = defined(points.at(after), "a point");
  if (after < 0) return (secondsOf(above) * rows) / above.rows;
  const below = points[after - 1];
  if (below === undefined) return secondsOf(above);
  const share = (rows - below.rows) / (above.rows - below.rows);
  return secondsOf(below) + share * (secondsOf(above) - secondsOf(below));
}

export interface Computation {
  readonly config: ModelConfig;
  readonly activations: Activations;
  readonly kvDType: KvDType;
}

export function describedSpeed(machine: DescribedMachine, computation: Computation): SpeedRange {
  const at = (which: keyof typeof REACHED): MachineSpeed => describedAt(machine, computation, REACHED[which]);
  return { expected: at("expected"), slow: at("slow"), fast: at("fast") };
}

function describedAt(
  { bytesPerSecond, operationsPerSecond = { int8: Infinity, f32: Infinity } }: DescribedMachine,
  { config, activations, kvDType }: Computation,
  reached: { readonly memory: number; readonly arithmetic: number },
): MachineSpeed {
  const reading = (bytes: number): number => bytes / (bytesPerSecond * reached.memory);
  const f32 = (products: number): number => (2 * products) / (operationsPerSecond.f32 * reached.arithmetic);
  const digits = ACTIVATION_DIGITS[activations];
  const int8 = (products: number): number => (2 * digits * products) / (operationsPerSecond.int8 * reached.arithmetic);
  const keyBytes = ({ numKvHeads, headDim, valueDim }: AttentionShape): number =>
    numKvHeads * elementBytes(kvDType) * (kvRowWidth(kvDType, headDim) + kvRowWidth(kvDType, valueDim));
  return {
    product: (_, dtype, rows) => {
      const isInt8 = digits > 0 && takesQuantisedActivations(dtype);
      return Math.max(reading(packedBytes(dtype, elementBytes(dtype))), isInt8 ? int8(rows) : f32(rows));
    },
    attention: (kind, rows) => {
      const shape = config.attention[kind];
      const products = shape.numHeads * (shape.headDim + shape.valueDim);
      return Math.max(reading(keyBytes(shape)) / rows, f32(products));
    },
    // Small beside the rest on a model that somebody plans a machine for.
    block: () => 0,
    sample: 0,
  };
}

export function elementBytes(dtype: DType): number {
  return DTYPES[dtype].blockBytes / DTYPES[dtype].blockElements;
}
