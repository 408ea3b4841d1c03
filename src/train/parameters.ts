// The parameters of a model in training: float32 masters in one block of memory, with their gradients and the
// optimizer's moments at the same places of blocks of their own.
//
// Kernels of the forward pass read the masters where they lie. Knows names and shapes from the model's list; refuses to
// know losses, schedules and files.

import type { Backend, Weight } from "../backends/backend.ts";
import type { ModelConfig } from "../model/config.ts";
import { listParameters, type Parameter, parameterSize } from "../model/parameters.ts";
import { HUGGING_FACE } from "../model/weight-names.ts";
import { bindParameters, type Parameters, type ParameterSource } from "../model/weights.ts";
import { type Memory, type Tensor, view } from "../tensor/tensor.ts";
import { defined } from "../util/assert.ts";

export interface TrainedParameter {
  /** The published name; of experts, the first one's. */
  readonly name: string;
  readonly parameter: Parameter;
  /** [rows, columns] or [size]; of experts [E, rows, columns]. */
  readonly values: Tensor;
  readonly gradient: Tensor;
  /** First and second moments; null for what no optimizer moves. */
  readonly moments: { readonly first: Tensor; readonly second: Tensor } | null;
}

const ALIGNMENT = 64;

export class TrainedParameters implements Disposable {
  readonly config: ModelConfig;
  readonly numMtpHeads: number;
  readonly all: readonly TrainedParameter[];
  /** What the forward pass takes. */
  readonly bound: Parameters;
  readonly #backend: Backend;
  readonly #memories: { readonly values: Memory; readonly gradients: Memory; readonly moments: Memory };
  readonly #weights = new Map<number, { readonly weight: Weight; readonly matrix: Tensor }>();

  /** All zero: the caller fills them. Throws `out_of_memory`. */
  constructor(backend: Backend, config: ModelConfig, numMtpHeads: number) {
    this.#backend = backend;
    this.config = config;
    this.numMtpHeads = numMtpHeads;
    const list = listParameters(config, numMtpHeads);
    const byteLength = list.reduce((sum, parameter) => sum + alignedBytes(parameter), 0);
    this.#memories = {
      values: backend.alloc(byteLength),
      gradients: backend.alloc(byteLength),
      moments: backend.alloc(2 * byteLength),
    };
    let byteOffset = 0;
    this.all = list.map((parameter) => {
      const at = byteOffset;
      byteOffset += alignedBytes(parameter);
      const shape = parameter.isExperts ? [parameter.count, ...parameter.shape] : parameter.shape;
      const place = (memory: Memory, offset = 0): Tensor => view(memory, "f32", shape, at + offset);
      const { values, gradients, moments } = this.#memories;
      return {
        name: defined(parameter.names(HUGGING_FACE, 0)[0], "a name"),
        parameter,
        values: place(values),
        gradient: place(gradients),
        // The selection bias follows the load of the experts, not a gradient.
        moments: parameter.role === "routerBias" ? null : { first: place(moments), second: place(moments, byteLength) },
      };
    });
    this.bound = bindParameters(this.#source(), config, numMtpHeads);
  }

  /** Bytes of masters, gradients and moments. */
  get byteLength(): number {
    return 4 * this.#memories.values.byteLength;
  }

  gradientOf(tensor: Tensor): Tensor {
    return { ...tensor, memory: this.#memories.gradients };
  }

  matrixOf(weight: Weight): Tensor {
    return defined(this.#weights.get(weight.id), "a trained weight").matrix;
  }

  /** Values and moments of the same names. MTP heads that `source` lacks begin as copies of its first, without moments. */
  copyFrom(source: TrainedParameters): void {
    const byName = new Map(source.all.map((parameter) => [parameter.name, parameter]));
    for (const target of this.all) {
      const found = byName.get(target.name);
      const first = byName.get(target.name.replace(/^model\.mtp\.layers\.\d+\./, "model.mtp.layers.0."));
      const { values } = defined(found ?? first, target.name);
      this.#backend.copy(values, target.values);
      if (found?.moments == null || target.moments === null) continue;
      this.#backend.copy(found.moments.first, target.moments.first);
      this.#backend.copy(found.moments.second, target.moments.second);
    }
    // What was copied from may be released next.
    this.#backend.sync();
  }

  [Symbol.dispose](): void {
    for (const { weight } of this.#weights.values()) this.#backend.freeWeight(weight);
    this.#weights.clear();
    for (const memory of Object.values(this.#memories)) this.#backend.free(memory);
  }

  #source(): ParameterSource {
    const byName = new Map(this.all.map((parameter) => [parameter.name, parameter.values]));
    const tensorOf = (name: string): Tensor => defined(byName.get(name), name);
    const matrix = (name: string): Weight => this.#prepare(tensorOf(name));
    return {
      dialect: HUGGING_FACE,
      has: (name) => byName.has(name),
      vector: tensorOf,
      matrix,
      table: matrix,
      experts: (names) => matrix(names(0)),
      attention: (names, kind) => ({
        q: matrix(names.q),
        k: matrix(names.k),
        v: matrix(names.v),
        o: matrix(names.o),
        sinks: this.config.attention[kind].hasSinks ? tensorOf(names.sinks) : null,
      }),
    };
  }

  #prepare(values: Tensor): Weight {
    const [count, outFeatures, inFeatures] = (values.shape.length === 3 ? values.shape : [1, ...values.shape]) as [
      number,
      number,
      number,
    ];
    const matrices = Array.from({ length: count }, (_, i) =>
      view(values.memory, "f32", [outFeatures, inFeatures], values.byteOffset + 4 * i * outFeatures * inFeatures),
    );
    const weight = this.#backend.prepareWeight({ dtype: "f32", outFeatures, inFeatures, matrices });
    this.#weights.set(weight.id, { weight, matrix: values });
    return weight;
  }
}

function alignedBytes(parameter: Parameter): number {
  return Math.ceil((4 * parameterSize(parameter)) / ALIGNMENT) * ALIGNMENT;
}
