// Models in training and as files: parameters read from any checkpoint, and written as one that everything else reads.

import { type Checkpoint } from "../checkpoint/checkpoint.ts";
import type { Backend } from "../backends/backend.ts";
import { checkpointSupply } from "../convert/checkpoint-supply.ts";
import { type ChunkJob, runJob } from "../convert/chunk-job.ts";
import { openChunkPool } from "../convert/chunk-pool.ts";
import { type OutputOptions, writeModel } from "../convert/output.ts";
import { type TargetType, targetOf } from "../convert/target.ts";
import { targetTensors, type WeightSupply } from "../convert/tensors.ts";
import { countParameters, type Parameter } from "../model/parameters.ts";
import { parseConfig } from "../model/parse-config.ts";
import type { DType } from "../tensor/dtype.ts";
import { numElements } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { TokenizerFiles } from "../tokenizer/gguf-tokenizer.ts";
import { defined } from "../util/assert.ts";
import { TrainedParameters } from "./parameters.ts";

/** Throws `checkpoint_invalid` where tensors are missing, misshaped or unknown, `out_of_memory`. */
export function loadParameters(
  device: Backend,
  checkpoint: Checkpoint,
  numMtpHeads: number,
  fp8Block = 0,
): TrainedParameters {
  const { config } = parseConfig(checkpoint);
  const parameters = new TrainedParameters(device, config, numMtpHeads, fp8Block);
  try {
    const list = parameters.all.map(({ parameter }) => parameter);
    const supply = checkpointSupply(checkpoint, config, list);
    for (const { parameter, values } of parameters.all) {
      for (let index = 0; index < parameter.count; index++) {
        let byteOffset = matrixOffset(parameter, index);
        for (const job of supply.jobs(parameter, index, "f32")) {
          const { bytes } = runJob(job);
          device.upload(partOf(values, byteOffset, bytes.byteLength), bytes);
          byteOffset += bytes.byteLength;
        }
      }
    }
    return parameters;
  } catch (error) {
    parameters[Symbol.dispose]();
    throw error;
  }
}

export interface ExportOptions extends OutputOptions {
  /** A path that ends in `.gguf` becomes a GGUF file, every other one a Hugging Face folder. */
  readonly out: string;
  readonly type: TargetType;
  readonly tokenizer: TokenizerFiles;
}

/**
 * As `fp8` the masters are rounded in blocks of 128, as the format has them: for a model that was trained in such blocks,
 * to the weights that its products took. Throws `invalid_argument`, `io_failed`, `aborted`.
 */
export async function exportModel(
  device: Backend,
  parameters: TrainedParameters,
  options: ExportOptions,
): Promise<void> {
  const { config, numMtpHeads, all } = parameters;
  const target = targetOf(options.out, options.type);
  const valuesOf = new Map(all.map(({ parameter, values }) => [parameter, values]));
  using pool = openChunkPool(countParameters(config, numMtpHeads).total);
  const supply: WeightSupply = {
    jobs: (parameter, index, dtype) => [
      matrixJob(device, defined(valuesOf.get(parameter), "a parameter"), parameter, index, dtype),
    ],
    scales: () => undefined,
  };
  const tensors = targetTensors({ parameters: [...valuesOf.keys()], target, supply, pool });
  await writeModel(options.out, target, { config, numMtpHeads, tokenizer: options.tokenizer, tensors }, options);
}

function matrixJob(device: Backend, values: Tensor, parameter: Parameter, index: number, dtype: DType): ChunkJob {
  const bytes = new Uint8Array(matrixBytes(parameter));
  device.download(partOf(values, matrixOffset(parameter, index), bytes.byteLength), bytes);
  return { kind: "transcode", from: "f32", bytes, columns: parameter.shape.at(-1)!, scales: undefined, to: dtype };
}

function matrixBytes(parameter: Parameter): number {
  return 4 * defined(numElements(parameter.shape), "a matrix's size");
}

function matrixOffset(parameter: Parameter, index: number): number {
  return index * matrixBytes(parameter);
}

function partOf(tensor: Tensor, byteOffset: number, byteLength: number): Tensor {
  return { ...tensor, shape: [byteLength / 4], byteOffset: tensor.byteOffset + byteOffset };
}
