// The parameters of a model in training: float32 masters in one block of memory, with their gradients and the
// optimizer's moments at the same places of blocks of their own.
//
// Kernels of the forward pass read the masters where they lie; in FP8, matrices that were rounded from them, at the same
// places of one more block, as of the last `round`. Knows names and shapes from the model's list; refuses to
// know losses, schedules and files.

import type { Backend, Weight } from "../backends/backend.ts";
import { FP8_ROLES } from "../convert/target.ts";
import type { ModelConfig } from "../model/config.ts";
import { listParameters, type Parameter, parameterSize } from "../model/parameters.ts";
import { HUGGING_FACE } from "../model/weight-names.ts";
import { bindParameters, type Parameters, type ParameterSource } from "../model/weights.ts";
import { fp8Round } from "../ops/fp8-round/fp8-round.ts";
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
  /** Elements on each side of a block of rounded weights; 0 where nothing is rounded. */
  readonly fp8Block: number;
  readonly all: readonly TrainedParameter[];
  /** What the forward pass takes. */
  readonly bound: Parameters;
  readonly #backend: Backend;
  readonly #memories: Readonly<Record<"values" | "gradients" | "moments", Memory> & { rounded?: Memory }>;
  /** What products read is `matrix`: the masters themselves, or rounded from them. */
  readonly #weights = new Map<number, { readonly weight: Weight; readonly matrix: Tensor; readonly masters: Tensor }>();

  /** All zero: the caller fills them. Throws `out_of_memory`. */
  constructor(backend: Backend, config: ModelConfig, numMtpHeads: number, fp8Block = 0) {
    this.#backend = backend;
    this.config = config;
    this.numMtpHeads = numMtpHeads;
    this.fp8Block = fp8Block;
    const list = listParameters(config, numMtpHeads);
    const byteLength = list.reduce((sum, parameter) => sum + alignedBytes(parameter), 0);
    this.#memories = {
      values: backend.alloc(byteLength),
      gradients: backend.alloc(byteLength),
      moments: backend.alloc(2 * byteLength),
      ...(fp8Block === 0 ? {} : { rounded: backend.alloc(byteLength) }),
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

  /** Bytes of masters, gradients and moments, and of rounded matrices. */
  get byteLength(): number {
    return Object.values(this.#memories).reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  /** Brings what products read up to the masters: whoever has changed those calls it. Without FP8 they are the same. */
  round(): void {
    const tile = { rows: this.fp8Block, columns: this.fp8Block };
    for (const { matrix, masters } of this.#weights.values()) {
      if (matrix !== masters) fp8Round(this.#backend, { x: masters, out: matrix, tile });
    }
  }

  /** Whether products with a weight take place in FP8. */
  isFp8(weight: Weight): boolean {
    const { matrix, masters } = defined(this.#weights.get(weight.id), "a trained weight");
    return matrix !== masters;
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
    const byName = new Map(this.all.map((parameter) => [parameter.name, parameter]));
    const parameterOf = (name: string): TrainedParameter => defined(byName.get(name), name);
    const tensorOf = (name: string): Tensor => parameterOf(name).values;
    const matrix = (name: string): Weight => this.#prepare(parameterOf(name));
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

  #prepare({ parameter, values: masters }: TrainedParameter): Weight {
    const { rounded } = this.#memories;
    const matrix = rounded !== undefined && FP8_ROLES.has(parameter.role) ? { ...masters, memory: rounded } : masters;
    const [outFeatures, inFeatures] = parameter.shape as [number, number];
    const matrices = Array.from({ length: parameter.count }, (_, i) =>
      view(matrix.memory, "f32", [outFeatures, inFeatures], matrix.byteOffset + 4 * i * outFeatures * inFeatures),
    );
    const weight = this.#backend.prepareWeight({ dtype: "f32", outFeatures, inFeatures, matrices });
    this.#weights.set(weight.id, { weight, matrix, masters });
    return weight;
  }
}

function alignedBytes(parameter: Parameter): number {
  return Math.ceil((4 * parameterSize(parameter)) / ALIGNMENT) * ALIGNMENT;
}
