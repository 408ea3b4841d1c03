// The tensors of a checkpoint to be written, from jobs that make the bytes of each matrix.
//
// Invariants: names and shapes are the dialect's: experts stand alone or in one stack; an FP8 matrix is followed by its
// scales. A tensor's bytes are made when a writer asks for them. Refuses to know where weights come from.

import type { TensorSource } from "../checkpoint/tensor-info.ts";
import type { Parameter } from "../model/parameters.ts";
import type { DType } from "../tensor/dtype.ts";
import type { Shape } from "../tensor/shape.ts";
import { defined } from "../util/assert.ts";
import { MimoError } from "../util/errors.ts";
import { type Chunk, type ChunkJob, SCALE_BLOCK } from "./chunk-job.ts";
import type { ChunkPool } from "./chunk-pool.ts";
import { storedDType, type Target } from "./target.ts";

/** Where the weights of a new checkpoint come from. */
export interface WeightSupply {
  /** Jobs for the bytes of matrix `index` of a parameter, in order. */
  readonly jobs: (parameter: Parameter, index: number, dtype: DType) => Iterable<ChunkJob>;
  /** FP8 scales of matrix `index` that are known beforehand; undefined where the jobs compute them. */
  readonly scales: (parameter: Parameter, index: number) => KnownScales | undefined;
}

export interface KnownScales {
  readonly shape: Shape;
  readonly values: () => Float32Array;
}

/** A tensor, and the parameter of which it holds a matrix, all matrices, or scales. */
export interface TargetTensor extends TensorSource {
  readonly parameter: Parameter;
}

export interface TensorPlan {
  readonly parameters: readonly Parameter[];
  readonly target: Target;
  readonly supply: WeightSupply;
  readonly pool: ChunkPool;
}

export function targetTensors(plan: TensorPlan): TargetTensor[] {
  const { parameters, target } = plan;
  return parameters.flatMap((parameter) => {
    const dtype = storedDType(parameter, target);
    if (parameter.isExperts && target.dialect.stackedExperts) return [stack(plan, parameter, dtype)];
    return Array.from({ length: parameter.count }, (_, index) =>
      dtype === "f8_e4m3" ? fp8Pair(plan, parameter, index) : [matrix(plan, parameter, index, dtype)],
    ).flat();
  });
}

function stack(plan: TensorPlan, parameter: Parameter, dtype: DType): TargetTensor {
  const name = nameOf(plan, parameter, 0);
  function* jobs(): Generator<ChunkJob> {
    for (let index = 0; index < parameter.count; index++) yield* plan.supply.jobs(parameter, index, dtype);
  }
  return {
    parameter,
    name,
    dtype,
    shape: [parameter.count, ...parameter.shape],
    chunks: () => bytesOf(name, plan.pool.map(jobs())),
  };
}

function matrix(plan: TensorPlan, parameter: Parameter, index: number, dtype: DType): TargetTensor {
  const name = nameOf(plan, parameter, index);
  return {
    parameter,
    name,
    dtype,
    shape: parameter.shape,
    chunks: () => bytesOf(name, plan.pool.map(plan.supply.jobs(parameter, index, dtype))),
  };
}

/** Codes, then scales: a writer asks in that order, and by then the codes have told the scales. */
function fp8Pair(plan: TensorPlan, parameter: Parameter, index: number): TargetTensor[] {
  const codes = matrix(plan, parameter, index, "f8_e4m3");
  const known = plan.supply.scales(parameter, index);
  const computed: Float32Array[] = [];
  return [
    {
      ...codes,
      chunks: () => bytesOf(codes.name, plan.pool.map(plan.supply.jobs(parameter, index, "f8_e4m3")), computed),
    },
    {
      parameter,
      name: plan.target.dialect.scales(codes.name),
      dtype: "f32",
      shape: known?.shape ?? scaleShape(parameter.shape),
      chunks: () => (known === undefined ? computed.splice(0) : [known.values()]).map(asBytes),
    },
  ];
}

/** One scale for each block of 128×128. */
export function scaleShape(shape: Shape): Shape {
  return shape.map((size) => Math.ceil(size / SCALE_BLOCK));
}

async function* bytesOf(
  name: string,
  chunks: AsyncIterable<Chunk>,
  scales?: Float32Array[],
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of chunks) {
      if (chunk.scales !== undefined) scales?.push(chunk.scales);
      yield chunk.bytes;
    }
  } catch (thrown) {
    // A job knows values, not whose they are.
    if (!(thrown instanceof MimoError) || thrown.code !== "invalid_argument") throw thrown;
    throw new MimoError("checkpoint_invalid", `${name}: ${thrown.message}`, { cause: thrown });
  }
}

function nameOf({ target }: TensorPlan, parameter: Parameter, index: number): string {
  return defined(parameter.names(target.dialect, index)[0], "a name");
}

function asBytes({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
