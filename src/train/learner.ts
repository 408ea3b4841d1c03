// What one step of training does to the parameters: gradients of some batches, clipped, into the optimiser, and the selection
// bias of the routers moved against their load.
//
// A step is a function of the parameters, the moments and the batches alone. In FP8 weights are rounded when a learner
// begins and after each step, so parameters have their values by then. Refuses to know where batches come from,
// schedules, files and clocks.
//
// T rows, E experts, K experts per token.

import type { Backend } from "../backends/backend.ts";
import { adamW } from "../ops/adamw/adamw.ts";
import { gradientNorm } from "../ops/gradient-norm/gradient-norm.ts";
import { muon } from "../ops/muon/muon.ts";
import type { Parameter } from "../model/parameters.ts";
import { type Memory, type Tensor, view } from "../tensor/tensor.ts";
import { defined } from "../util/assert.ts";
import { Arena } from "./arena.ts";
import { targetsAt, type TrainingBatch } from "./batch.ts";
import { forward } from "./forward.ts";
import { addLosses } from "./loss.ts";
import type { TrainedParameter, TrainedParameters } from "./parameters.ts";
import { type Balance, rulesOf } from "./rules.ts";
import { Tape } from "./tape.ts";

export const MATRIX_OPTIMIZERS = ["adamw", "muon"] as const;
export type MatrixOptimizer = (typeof MATRIX_OPTIMIZERS)[number];

export interface LearnerOptions {
  readonly mtpMode: "parallel" | "chained";
  /** Documents that a batch may have at most. */
  readonly maxDocuments: number;
  /** What moves the matrices between the embedding and the LM head; AdamW moves everything else. */
  readonly matrices: MatrixOptimizer;
  /** Of Muon. */
  readonly momentum: number;
  /** The rest is of AdamW, but for what is said to be of all. */
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Of all matrices; vectors do not decay. */
  readonly weightDecay: number;
  /** Largest norm of all gradients together. */
  readonly clipNorm: number;
  /** Called when a phase has been handed to the backend, in every step: for whoever takes times. */
  readonly onPhase?: (phase: StepPhase) => void;
}

/** Gradients of the LM head are taken with the losses; `update` is everything after the gradients. */
export type StepPhase = "forward" | "losses" | "backward" | "update";

/** What may differ from step to step. */
export interface StepSettings {
  /** From 1, for the moments' bias correction. */
  readonly step: number;
  readonly learningRate: number;
  /** What the mean loss of the MTP heads counts beside the trunk's. */
  readonly mtpWeight: number;
  /** How far a step moves the routers' selection bias. */
  readonly biasRate: number;
  /** Of the sequence-wise balance loss. */
  readonly balanceWeight: number;
}

export interface StepResult {
  /** Mean cross-entropy in nats of the trunk, and of each MTP head. */
  readonly loss: number;
  readonly mtpLosses: readonly number[];
  readonly gradientNorm: number;
  /** Elements with a gradient of exactly zero, by group. */
  readonly numZeros: Readonly<Record<"experts" | "router" | "embedding" | "rest", number>>;
  /** Largest load of an expert above the mean, in units of the mean, for each layer of experts. */
  readonly maxViolation: readonly number[];
  /** Targets of the trunk. */
  readonly numTargets: number;
}

export class Learner implements Disposable {
  readonly parameters: TrainedParameters;
  readonly options: LearnerOptions;
  readonly arena: Arena;
  readonly #device: Backend;
  readonly #tape: Tape;
  /** [parameters, 2] float32: sum of squares, zeros. */
  readonly #norms: Memory;
  #balance: Balance | null = null;

  /** The parameters stay the caller's, who does not change them from now on. */
  constructor(device: Backend, parameters: TrainedParameters, options: LearnerOptions) {
    this.#device = device;
    this.parameters = parameters;
    this.options = options;
    this.arena = new Arena(device);
    this.#tape = new Tape(
      device,
      this.arena,
      parameters,
      rulesOf(() => this.#balance, parameters.fp8Block),
    );
    this.#norms = device.alloc(8 * parameters.all.length);
    parameters.round();
  }

  /** Gradients of all batches together, without moving anything: what `step` begins with. */
  accumulate(
    batches: readonly TrainingBatch[],
    settings: Pick<StepSettings, "mtpWeight" | "balanceWeight">,
  ): Pick<StepResult, "loss" | "mtpLosses" | "numTargets"> & { readonly loads: readonly Float64Array[] } {
    const { numMtpHeads } = this.parameters;
    const heads = Array.from({ length: 1 + numMtpHeads }, (_, head) => head);
    const targets = batches.map((batch) => heads.map((head) => targetsAt(batch, head + 1)));
    const counts = heads.map((head) => targets.reduce((sum, of) => sum + countTargets(of[head]!), 0));
    const sums = heads.map(() => 0);
    const loads: Float64Array[] = [];
    batches.forEach((batch, i) => {
      this.arena.clearGradients();
      const { normed, expertIds } = forward(this.#tape, this.arena, this.parameters, batch, this.options);
      this.options.onPhase?.("forward");
      this.#balance = this.#balanceOf(batch, settings.balanceWeight / batches.length);
      const terms = heads.map((head) => {
        const weight = head === 0 ? 1 : settings.mtpWeight / numMtpHeads;
        const coefficient = weight / Math.max(1, counts[head]!);
        const of = targets[i]![head]!;
        return {
          normed: normed[head]!,
          targets: of,
          coefficients: Float32Array.from(of, (target) => (target < 0 ? 0 : coefficient)),
        };
      });
      const losses = addLosses(this.#tape, this.arena, this.parameters, terms);
      heads.forEach((head) => (sums[head]! += losses[head]!.reduce((sum, loss) => sum + loss, 0)));
      this.options.onPhase?.("losses");
      this.#tape.backward();
      this.options.onPhase?.("backward");
      this.#addLoads(loads, expertIds, batch.numTokens);
    });
    const means = heads.map((head) => sums[head]! / Math.max(1, counts[head]!));
    return { loss: means[0]!, mtpLosses: means.slice(1), numTargets: counts[0]!, loads };
  }

  /** Throws what the backend throws; parameters and moments are then undefined. */
  step(batches: readonly TrainingBatch[], settings: StepSettings): StepResult {
    const { loads, ...losses } = this.accumulate(batches, settings);
    const { norm, numZeros } = this.#measureGradients();
    this.#update(settings, norm > this.options.clipNorm ? this.options.clipNorm / norm : 1);
    this.#moveBias(loads, settings.biasRate);
    this.parameters.round();
    this.options.onPhase?.("update");
    const maxViolation = loads.map((load) => Math.max(...load) / mean(load) - 1);
    return { ...losses, gradientNorm: norm, numZeros, maxViolation };
  }

  /** Mean cross-entropy of the trunk in nats; nothing is learnt. */
  measure(batches: readonly TrainingBatch[]): number {
    const sum = batches.reduce((total, batch) => total + this.lossesOf(batch).reduce((a, b) => a + b, 0), 0);
    const count = batches.reduce((total, batch) => total + countTargets(targetsAt(batch, 1)), 0);
    return sum / Math.max(1, count);
  }

  /** −log p of the trunk's target in each row, 0 where there is none: [T]. Nothing is learnt. */
  lossesOf(batch: TrainingBatch): Float32Array {
    const { normed } = forward(this.#tape, this.arena, this.parameters, batch, this.options);
    const targets = targetsAt(batch, 1);
    // Coefficients of zero add zeros to the gradients.
    const terms = [{ normed: normed[0]!, targets, coefficients: new Float32Array(targets.length) }];
    const [losses] = addLosses(this.#tape, this.arena, this.parameters, terms);
    this.#tape.clear();
    return defined(losses, "losses of the trunk");
  }

  /** Norms of the gradients that `accumulate` left, by parameter. */
  gradientNorms(): ReadonlyMap<TrainedParameter, { readonly norm: number; readonly zeros: number }> {
    const { all } = this.parameters;
    const place = (i: number): Tensor => view(this.#norms, "f32", [2], 8 * i);
    all.forEach(({ gradient }, i) => gradientNorm(this.#device, { gradient, out: place(i) }));
    const values = new Float32Array(2 * all.length);
    this.#device.download(view(this.#norms, "f32", [values.length]), new Uint8Array(values.buffer));
    return new Map(
      all.map((parameter, i) => [parameter, { norm: Math.sqrt(values[2 * i]!), zeros: values[2 * i + 1]! }]),
    );
  }

  [Symbol.dispose](): void {
    this.#device.free(this.#norms);
    this.arena[Symbol.dispose]();
  }

  #balanceOf(batch: TrainingBatch, alpha: number): Balance | null {
    if (alpha === 0) return null;
    const sequences = Int32Array.from(
      batch.spans.filter(({ row }) => row < batch.numTokens).flatMap(({ row, count }) => [row, count]),
    );
    const memory = this.arena.scope("balance");
    const [S, most] = [sequences.length / 2, this.options.maxDocuments];
    const places = { ...memory.tensor("sequences", "i32", [most, 2]), shape: [S, 2] };
    this.#device.upload(places, new Uint8Array(sequences.buffer));
    return { sequences: places, loss: { ...memory.tensor("loss", "f32", [most]), shape: [S] }, alpha };
  }

  #addLoads(loads: Float64Array[], expertIds: readonly (Tensor | null)[], numTokens: number): void {
    const { numExperts: E, numExpertsPerToken: K } = this.parameters.config.experts;
    expertIds
      .filter((ids) => ids !== null)
      .forEach((ids, layer) => {
        const values = new Int32Array(ids.shape[0]! * K);
        this.#device.download(ids, new Uint8Array(values.buffer));
        const load = (loads[layer] ??= new Float64Array(E));
        // Padding does not count.
        for (const expert of values.subarray(0, numTokens * K)) load[expert]!++;
      });
  }

  #measureGradients(): { norm: number; numZeros: Record<"experts" | "router" | "embedding" | "rest", number> } {
    const numZeros = { experts: 0, router: 0, embedding: 0, rest: 0 };
    let squares = 0;
    for (const [{ parameter, moments }, { norm, zeros }] of this.gradientNorms()) {
      if (moments === null) continue;
      squares += norm * norm;
      const { isExperts, role } = parameter;
      numZeros[isExperts ? "experts" : role === "router" || role === "embedding" ? role : "rest"] += zeros;
    }
    return { norm: Math.sqrt(squares), numZeros };
  }

  #update({ step, learningRate }: StepSettings, gradientScale: number): void {
    const { matrices, momentum, beta1, beta2, epsilon } = this.options;
    for (const { parameter, values, gradient, moments } of this.parameters.all) {
      if (moments === null) continue;
      const weightDecay = parameter.shape.length > 1 ? this.options.weightDecay : 0;
      const common = { learningRate, weightDecay, gradientScale };
      if (matrices === "muon" && isHiddenMatrix(parameter)) {
        const stacked = (tensor: Tensor): Tensor => ({ ...tensor, shape: [parameter.count, ...parameter.shape] });
        const [g, m] = [stacked(gradient), stacked(moments.first)];
        muon(this.#device, { parameter: stacked(values), gradient: g, m, momentum, ...common });
      } else {
        const { first: m, second: v } = moments;
        adamW(this.#device, { parameter: values, gradient, m, v, beta1, beta2, epsilon, step, ...common });
      }
    }
  }

  /** Away from experts with more than the mean load; centred, or the mean bias would drift. */
  #moveBias(loads: readonly Float64Array[], rate: number): void {
    const biases = this.parameters.all.filter(({ parameter }) => parameter.role === "routerBias");
    biases.forEach(({ values }, layer) => {
      const load = defined(loads[layer], "a layer's load");
      const level = mean(load);
      const signs = load.map((count) => Math.sign(level - count));
      const centre = mean(signs);
      const bias = new Float32Array(load.length);
      this.#device.download(values, new Uint8Array(bias.buffer));
      signs.forEach((sign, expert) => (bias[expert]! += rate * (sign - centre)));
      this.#device.upload(values, new Uint8Array(bias.buffer));
    });
  }
}

/** What maps hidden states to hidden states: neither ids nor experts stand at either side. */
function isHiddenMatrix({ role, shape }: Parameter): boolean {
  return shape.length > 1 && role !== "embedding" && role !== "lmHead" && role !== "router";
}

function countTargets(targets: Int32Array): number {
  return targets.reduce((sum, target) => sum + (target < 0 ? 0 : 1), 0);
}

function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
