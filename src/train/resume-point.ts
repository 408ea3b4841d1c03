// Where a run can go on: parameters, moments and position, in a folder for each saved step.
//
// A folder counts once its state.json is there, which is written last; the folders before are removed only then. So a
// run that is killed at any moment finds a whole one, and goes on with the same bits. Refuses to know what is trained.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Backend } from "../backends/backend.ts";
import { InputFile } from "../checkpoint/input-file.ts";
import { writeFiles } from "../checkpoint/output-file.ts";
import { readSafetensors } from "../checkpoint/safetensors.ts";
import { writeSafetensors } from "../checkpoint/safetensors-writer.ts";
import type { TensorSource } from "../checkpoint/tensor-info.ts";
import { formatShape } from "../tensor/shape.ts";
import { type Tensor, tensorBytes } from "../tensor/tensor.ts";
import { defined } from "../util/assert.ts";
import { MimoError } from "../util/errors.ts";
import type { TrainedParameters } from "./parameters.ts";

const STATE = "state.json";
const TENSORS = "training.safetensors";

/** Throws `io_failed`, and then what was saved before is still there. */
export async function saveResumePoint(
  folder: string,
  step: number,
  device: Backend,
  parameters: TrainedParameters,
  state: object,
): Promise<void> {
  const place = join(folder, `step-${step}`);
  await mkdir(place, { recursive: true });
  const sources = tensorsOf(parameters).map(([name, tensor]): TensorSource => {
    return { name, dtype: "f32", shape: tensor.shape, chunks: () => [bytesOf(device, tensor)] };
  });
  await writeSafetensors(join(place, TENSORS), sources);
  const text = new TextEncoder().encode(`${JSON.stringify(state, null, 2)}\n`);
  await writeFiles([{ path: join(place, STATE), chunks: () => [text] }]);
  for (const other of stepsIn(folder)) {
    if (other !== step) await rm(join(folder, `step-${other}`), { recursive: true, force: true });
  }
}

/** The newest state, or undefined where there is none. Reads nothing else: the state says what the parameters are. */
export function readResumeState(folder: string): { readonly step: number; readonly state: unknown } | undefined {
  const step = stepsIn(folder)
    .filter((found) => existsSync(join(folder, `step-${found}`, STATE)))
    .toSorted((a, b) => b - a)[0];
  if (step === undefined) return undefined;
  return { step, state: JSON.parse(readFileSync(join(folder, `step-${step}`, STATE), "utf8")) as unknown };
}

/** Throws `checkpoint_invalid` where the file is not of these parameters. */
export function loadResumePoint(folder: string, step: number, device: Backend, parameters: TrainedParameters): void {
  const path = join(folder, `step-${step}`, TENSORS);
  using file = new InputFile(path);
  const stored = new Map(readSafetensors(file).tensors.map((info) => [info.name, info]));
  for (const [name, tensor] of tensorsOf(parameters)) {
    const info = stored.get(name);
    if (info === undefined || info.dtype !== "f32" || formatShape(info.shape) !== formatShape(tensor.shape)) {
      const found = info === undefined ? "nothing" : `${info.dtype} ${formatShape(info.shape)}`;
      throw new MimoError(
        "checkpoint_invalid",
        `${path}: expected ${name} as f32 ${formatShape(tensor.shape)}, found ${found}.`,
        { remedy: "The run was begun with another model: choose another folder, or remove this one." },
      );
    }
    device.upload(tensor, file.read(info.byteOffset, info.byteLength));
  }
}

function tensorsOf(parameters: TrainedParameters): [string, Tensor][] {
  return parameters.all.flatMap(({ name, values, moments }): [string, Tensor][] => [
    [name, values],
    ...(moments === null
      ? []
      : ([
          [`${name}.first_moment`, moments.first],
          [`${name}.second_moment`, moments.second],
        ] as [string, Tensor][])),
  ]);
}

function stepsIn(folder: string): number[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((name) => {
    const match = /^step-(\d+)$/.exec(name);
    return match === null ? [] : [Number(match[1])];
  });
}

function bytesOf(device: Backend, tensor: Tensor): Uint8Array {
  const bytes = new Uint8Array(defined(tensorBytes(tensor.dtype, tensor.shape), "bytes"));
  device.download(tensor, bytes);
  return bytes;
}
