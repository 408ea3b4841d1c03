// Times whole steps of training on random tokens, and the product that their arithmetic is compared with.
//
// The first step is not counted: it finds memory. Refuses to know recipes, presets and how figures are shown.

import type { Backend } from "../backends/backend.ts";
import type { ModelConfig } from "../model/config.ts";
import { countParameters, type ParameterCounts } from "../model/parameters.ts";
import { trainingOperations } from "../model/training-cost.ts";
import { linear } from "../ops/linear/linear.ts";
import { packBatch, type TrainingBatch } from "../train/batch.ts";
import { initialise } from "../train/initial-weights.ts";
import { Learner, type LearnerOptions, type StepPhase, type StepSettings } from "../train/learner.ts";
import { TrainedParameters } from "../train/parameters.ts";
import { view } from "../tensor/tensor.ts";
import { randomKey, randomUnit } from "../util/random.ts";
import { type Spread, spread } from "./measure.ts";

export interface TrainingCase {
  readonly config: ModelConfig;
  readonly numMtpHeads: number;
  /** Documents of a step, and tokens of each. */
  readonly batch: number;
  readonly length: number;
  /** Elements of an FP8 block, 0 in float32. */
  readonly fp8Block: number;
  readonly optimizer: Omit<LearnerOptions, "mtpMode" | "maxDocuments" | "onPhase">;
  readonly settings: Omit<StepSettings, "step">;
}

export interface MeasureTrainingOptions {
  readonly rounds: number;
  /** Steps done, the one to warm up included. */
  readonly onStep: (done: number) => void;
  readonly signal: AbortSignal;
}

export interface TrainingMeasurement {
  readonly parameters: ParameterCounts;
  readonly tokensPerSecond: Spread;
  /** Medians, each of its own. */
  readonly milliseconds: Readonly<Record<StepPhase | "step", number>>;
  readonly operationsPerToken: number;
  readonly operationsPerSecond: number;
  /** Masters, gradients and moments. */
  readonly parameterBytes: number;
  /** Activations and their gradients. */
  readonly activationBytes: number;
}

/** Throws `aborted`, `out_of_memory`, and what the backend throws. */
export async function measureTraining(
  device: Backend,
  training: TrainingCase,
  { rounds, onStep, signal }: MeasureTrainingOptions,
): Promise<TrainingMeasurement> {
  const { config, numMtpHeads, batch, length, fp8Block, optimizer, settings } = training;
  using parameters = new TrainedParameters(device, config, numMtpHeads, fp8Block);
  initialise(device, parameters, 0);
  const times: Record<StepPhase | "step", number[]> = { step: [], forward: [], losses: [], backward: [], update: [] };
  let phaseBegin = 0;
  const onPhase = (phase: StepPhase): void => {
    device.sync();
    const now = performance.now();
    times[phase].push(now - phaseBegin);
    phaseBegin = now;
  };
  using learner = new Learner(device, parameters, { ...optimizer, mtpMode: "parallel", maxDocuments: batch, onPhase });
  for (let step = 1; step <= 1 + rounds; step++) {
    // Steps block this thread: Ctrl-C gets through here.
    await new Promise((resolve) => setImmediate(resolve));
    signal.throwIfAborted();
    const tokens = randomBatch(config.vocabSize, batch, length, step);
    const begin = performance.now();
    phaseBegin = begin;
    learner.step([tokens], { ...settings, step });
    times.step.push(performance.now() - begin);
    onStep(step);
  }
  const medianOf = (phase: StepPhase | "step"): number => spread(times[phase].slice(1)).median;
  const tokensPerSecond = spread(times.step.slice(1).map((ms) => (1000 * batch * length) / ms));
  const operationsPerToken = trainingOperations(config, { numMtpHeads, length });
  return {
    parameters: countParameters(config, numMtpHeads),
    tokensPerSecond,
    milliseconds: {
      step: medianOf("step"),
      forward: medianOf("forward"),
      losses: medianOf("losses"),
      backward: medianOf("backward"),
      update: medianOf("update"),
    },
    operationsPerToken,
    operationsPerSecond: operationsPerToken * tokensPerSecond.median,
    parameterBytes: parameters.byteLength,
    activationBytes: learner.arena.byteLength,
  };
}

function randomBatch(vocabSize: number, batch: number, length: number, step: number): TrainingBatch {
  const documents = Array.from({ length: batch }, (_, document) => {
    const key = randomKey(document, step);
    return { tokens: Int32Array.from({ length }, (__, i) => Math.floor(randomUnit(key, i) * vocabSize)) };
  });
  return packBatch(documents, batch * length);
}

/** A matrix that stays in the caches of one core, and rows enough for several. */
const PRODUCT = { rows: 512, outFeatures: 256, inFeatures: 256 } as const;
/** Many short samples: on a busy machine, some of them meet nobody. */
const PRODUCT_SAMPLES = 60;
const PRODUCT_CALLS = 2;

/** Operations per second that a float32 product reaches with everything in cache: the fastest thing we do. */
export function measureProductRate(device: Backend): number {
  const { rows, outFeatures, inFeatures } = PRODUCT;
  const numInputs = outFeatures * inFeatures + rows * inFeatures;
  const memory = device.alloc(4 * (numInputs + rows * outFeatures));
  device.upload(view(memory, "f32", [numInputs]), new Uint8Array(new Float32Array(numInputs).fill(1).buffer));
  const matrices = [view(memory, "f32", [outFeatures, inFeatures])];
  const weight = device.prepareWeight({ dtype: "f32", outFeatures, inFeatures, matrices, packed: true });
  const x = view(memory, "f32", [rows, inFeatures], 4 * outFeatures * inFeatures);
  const out = view(memory, "f32", [rows, outFeatures], 4 * numInputs);
  try {
    const samples = Array.from({ length: PRODUCT_SAMPLES }, () => {
      const begin = performance.now();
      for (let call = 0; call < PRODUCT_CALLS; call++) linear(device, { x, weight, out });
      device.sync();
      return (performance.now() - begin) / 1000;
    });
    // The best: what else the machine does only ever adds.
    return (PRODUCT_CALLS * 2 * rows * outFeatures * inFeatures) / Math.min(...samples);
  } finally {
    device.freeWeight(weight);
    device.free(memory);
  }
}
