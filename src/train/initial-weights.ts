// The weights that training begins with: normal, with a deviation that falls with the width of the model and, in the
// matrices that add to the residual stream, with its depth.   (GPT-2; report section 3: 0.006 at D = 4096)
//
// A weight is a pure function of the seed, its parameter's name and its place.

import type { Backend } from "../backends/backend.ts";
import { normalElements, normalTable } from "../convert/normal.ts";
import { parameterSize, type ParameterRole } from "../model/parameters.ts";
import { randomKey } from "../util/random.ts";
import type { TrainedParameters } from "./parameters.ts";

/** 0.006 · √(4096 / D): the variance of a product's outputs does not change with the width. */
const DEVIATION_AT_4096 = 0.006;

export function initialise(device: Backend, parameters: TrainedParameters, seed: number): void {
  const { hiddenSize, layers } = parameters.config;
  const deviation = DEVIATION_AT_4096 * Math.sqrt(4096 / hiddenSize);
  for (const { parameter, name, values } of parameters.all) {
    const elements = parameterSize(parameter);
    device.upload(values, bytesOf(parameter.role, elements, randomKey(seed, ...Buffer.from(name))));
  }

  function bytesOf(role: ParameterRole, count: number, key: number): Uint8Array {
    if (role === "norm") return new Uint8Array(new Float32Array(count).fill(1).buffer);
    if (role === "sinks" || role === "routerBias") return new Uint8Array(4 * count);
    const addsToStream = role === "o" || role === "down";
    const table = normalTable("f32", 0, addsToStream ? deviation / Math.sqrt(2 * layers.length) : deviation);
    return normalElements(table, key, 0, count);
  }
}
