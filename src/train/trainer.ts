// Runs a recipe's stages, one after the other, in a folder of its own: batches in, steps, resume points and metrics out.
//
// A run that was interrupted goes on where its last resume point stands, and gives the bits of one that never was: what
// a step does follows from the recipe, the parameters and the position in the data. Refuses to know terminals.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Backend } from "../backends/backend.ts";
import type { TargetType } from "../convert/target.ts";
import type { TokenizerFiles } from "../tokenizer/gguf-tokenizer.ts";
import { Tokenizer } from "../tokenizer/tokenizer.ts";
import { countParameters, type ParameterCounts } from "../model/parameters.ts";
import { abortedError, MimoError } from "../util/errors.ts";
import type { RowSources } from "./data/mixture.ts";
import { Dataset } from "./dataset.ts";
import { generateGreedily } from "./generate.ts";
import { Learner, type StepResult, type StepSettings } from "./learner.ts";
import { appendMetrics, forgetMetricsAfter, type Metrics } from "./metrics-log.ts";
import { exportModel } from "./model-files.ts";
import type { Origin } from "./origin.ts";
import { TrainedParameters } from "./parameters.ts";
import { fp8BlockOf, type Recipe, type Stage, stageConfig, stageSteps } from "./recipe.ts";
import { loadResumePoint, readResumeState, saveResumePoint } from "./resume-point.ts";
import { appendTexts, encodePrompt, forgetTextsAfter, promptText, type WrittenText } from "./sample-log.ts";
import { learningRate, scheduleOf } from "./schedule.ts";

/** Where a run stands: after `step` steps of stage `stage`. */
export interface Position {
  readonly stage: number;
  readonly step: number;
  /** Steps of all stages: what the optimizer's moments have seen. */
  readonly totalSteps: number;
  /** Next sample of the stage's mixture, as `Dataset` counts them. */
  readonly sample: number;
}

/** What a stage takes, measured. */
export interface Rehearsal {
  readonly stage: Stage;
  readonly counts: ParameterCounts;
  readonly steps: number;
  /** Masters, gradients and moments. */
  readonly parameterBytes: number;
  readonly activationBytes: number;
  /** Of one step, and its tokens without padding. */
  readonly seconds: number;
  readonly numTokens: number;
}

export interface TrainerOptions {
  readonly recipe: Recipe;
  readonly origin: Origin;
  readonly tokenizer: TokenizerFiles;
  /** Own data of the recipe's mixtures. */
  readonly sources?: RowSources;
  /** Of the run; made where it is missing. */
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly onStep: (metrics: Metrics, stage: Stage, steps: number) => void;
  readonly onTexts?: ((texts: readonly WrittenText[]) => void) | undefined;
}

const REHEARSED_STEPS = 2;
/** Batches of a measurement on held-out data. */
const HELDOUT_BATCHES = 4;
/** Tokens of an average document, the shortest kind considered. */
const TOKENS_PER_DOCUMENT = 48;

export class Trainer {
  readonly #device: Backend;
  readonly #options: TrainerOptions;
  readonly #tokenizer: Tokenizer;

  constructor(device: Backend, options: TrainerOptions) {
    this.#device = device;
    this.#options = options;
    const { tokenizerJson, tokenizerConfig } = options.tokenizer;
    this.#tokenizer = Tokenizer.fromJson(tokenizerJson, tokenizerConfig);
  }

  /** Trains to the end of the recipe and writes the model to `model` in the run's folder. Throws `aborted`, `io_failed`. */
  async run(): Promise<void> {
    const { recipe, origin, folder } = this.#options;
    mkdirSync(folder, { recursive: true });
    const found = this.#readPosition();
    let position: Position = found ?? { stage: 0, step: 0, totalSteps: 0, sample: 0 };
    forgetMetricsAfter(folder, position.totalSteps);
    forgetTextsAfter(folder, position.totalSteps);
    let parameters = this.#parametersOf(position.stage);
    try {
      if (found === undefined) origin.fill(this.#device, parameters);
      else loadResumePoint(this.#resumeFolder, position.totalSteps, this.#device, parameters);
      position = await this.#runStage(parameters, position);
      while (position.stage + 1 < recipe.stages.length) {
        position = { ...position, stage: position.stage + 1, step: 0, sample: 0 };
        parameters = this.#enter(position.stage, parameters);
        position = await this.#runStage(parameters, position);
      }
      await this.#export(parameters, "model", "f32");
    } finally {
      parameters[Symbol.dispose]();
    }
  }

  /** What each stage needs, found by taking its first steps and forgetting them: the folder is not touched. */
  rehearse(): Rehearsal[] {
    const { recipe, origin } = this.#options;
    return recipe.stages.map((stage, index) => {
      using parameters = this.#parametersOf(index);
      origin.fill(this.#device, parameters);
      using learner = this.#learnerOf(parameters, stage);
      const data = this.#dataset(stage, "train", index, 0);
      let [seconds, numTokens] = [0, 0];
      for (let step = 1; step <= REHEARSED_STEPS; step++) {
        const begin = performance.now();
        const batches = Array.from({ length: stage.passes }, () => data.next());
        learner.step(batches, { ...settingsOf(stage), step, learningRate: 0 });
        // The first step finds memory for everything; the last one counts.
        seconds = (performance.now() - begin) / 1000;
        numTokens = batches.reduce((sum, batch) => sum + batch.numTokens, 0);
      }
      return {
        stage,
        counts: countParameters(parameters.config, parameters.numMtpHeads),
        steps: stageSteps(stage),
        parameterBytes: parameters.byteLength,
        activationBytes: learner.arena.byteLength,
        seconds,
        numTokens,
      };
    });
  }

  async #runStage(parameters: TrainedParameters, start: Position): Promise<Position> {
    const { recipe, signal, onStep } = this.#options;
    const stage = recipe.stages[start.stage]!;
    const steps = stageSteps(stage);
    const schedule = scheduleOf({ ...stage.learningRate, steps });
    const data = this.#dataset(stage, "train", start.stage, start.sample);
    using learner = this.#learnerOf(parameters, stage);
    let position = start;
    while (position.step < steps) {
      if (signal.aborted) {
        await this.#save(parameters, position);
        throw abortedError(signal.reason);
      }
      const begin = performance.now();
      const step = position.step + 1;
      const batches = Array.from({ length: stage.passes }, () => data.next());
      const rate = learningRate(schedule, step);
      const totalSteps = position.totalSteps + 1;
      const result = learner.step(batches, { ...settingsOf(stage), step: totalSteps, learningRate: rate });
      if (!Number.isFinite(result.gradientNorm)) throw diverged(stage, step, result);
      position = { ...position, step, totalSteps, sample: data.position };
      const tokens = batches.reduce((sum, { numTokens }) => sum + numTokens, 0);
      const seconds = (performance.now() - begin) / 1000;
      const isMeasured = step % recipe.validateEvery === 0 || step === steps;
      const metrics: Metrics = {
        stage: stage.name,
        step,
        totalSteps,
        learningRate: rate,
        ...result,
        tokens,
        tokensPerSecond: tokens / seconds,
        ...(isMeasured ? { heldoutLoss: this.#heldoutLoss(learner, stage, start.stage) } : {}),
      };
      appendMetrics(this.#options.folder, metrics);
      onStep(metrics, stage, steps);
      this.#writeTexts(parameters, metrics, step === steps);
      if (totalSteps % (recipe.exportEvery ?? Infinity) === 0) {
        await this.#export(parameters, join("checkpoints", `step-${totalSteps}`), "bf16");
      }
      if (step % recipe.saveEvery === 0 || step === steps) await this.#save(parameters, position);
      // Lets signals and timers in: a step never waits.
      await new Promise((resolve) => setImmediate(resolve));
    }
    return position;
  }

  #learnerOf(parameters: TrainedParameters, stage: Stage): Learner {
    const { optimizer } = this.#options.recipe;
    return new Learner(this.#device, parameters, {
      ...optimizer,
      mtpMode: "parallel",
      maxDocuments: mostDocuments(stage),
    });
  }

  #heldoutLoss(learner: Learner, stage: Stage, index: number): number {
    const data = this.#dataset(stage, "heldout", index, 0);
    return learner.measure(Array.from({ length: HELDOUT_BATCHES }, () => data.next()));
  }

  /** What the model makes of the recipe's prompts by now: nothing that a step depends on changes. */
  #writeTexts(parameters: TrainedParameters, { stage, step, totalSteps }: Metrics, isLast: boolean): void {
    const { recipe, folder, onTexts } = this.#options;
    if (recipe.samples === undefined || (step % recipe.samples.every !== 0 && !isLast)) return;
    const { prompts, maxTokens } = recipe.samples;
    const tokenizer = this.#tokenizer;
    const answers = generateGreedily(this.#device, parameters, {
      prompts: prompts.map((prompt) => encodePrompt(tokenizer, prompt)),
      maxTokens,
      numTokens: tokenizer.numTokens,
      stopTokens: new Set(tokenizer.eosIds),
    });
    const texts = answers.map((ids, i) => {
      return { stage, step, totalSteps, prompt: promptText(prompts[i]!), text: tokenizer.decode(ids) };
    });
    appendTexts(folder, texts);
    onTexts?.(texts);
  }

  #dataset(stage: Stage, split: "train" | "heldout", index: number, position: number): Dataset {
    const { recipe, sources } = this.#options;
    return new Dataset(
      {
        mixture: stage.data,
        sources,
        tokenizer: this.#tokenizer,
        split,
        // Every stage sees samples of its own.
        seed: recipe.seed * 1000 + index,
        learn: stage.learn,
        numRows: stage.batchTokens,
        maxDocuments: mostDocuments(stage),
        maxLength: stage.maxLength,
      },
      position,
    );
  }

  #parametersOf(stage: number): TrainedParameters {
    const { recipe, origin } = this.#options;
    const of = recipe.stages[stage]!;
    const config = { ...stageConfig(origin.config, of), eosTokenIds: this.#tokenizer.eosIds };
    return new TrainedParameters(this.#device, config, of.mtp.heads, fp8BlockOf(recipe));
  }

  /** The parameters as the stage wants them: its RoPE base, its number of MTP heads, new ones as copies of the first. */
  #enter(stage: number, before: TrainedParameters): TrainedParameters {
    const parameters = this.#parametersOf(stage);
    parameters.copyFrom(before);
    before[Symbol.dispose]();
    return parameters;
  }

  get #resumeFolder(): string {
    return join(this.#options.folder, "resume");
  }

  #readPosition(): Position | undefined {
    return readResumeState(this.#resumeFolder)?.state as Position | undefined;
  }

  async #save(parameters: TrainedParameters, position: Position): Promise<void> {
    await saveResumePoint(this.#resumeFolder, position.totalSteps, this.#device, parameters, position);
  }

  async #export(parameters: TrainedParameters, name: string, type: TargetType): Promise<void> {
    const { folder, tokenizer } = this.#options;
    await exportModel(this.#device, parameters, { out: join(folder, name), type, tokenizer, overwrite: true });
  }
}

function mostDocuments({ batchTokens }: Stage): number {
  return Math.ceil(batchTokens / TOKENS_PER_DOCUMENT);
}

function settingsOf({ mtp, biasRate, balanceWeight }: Stage): Omit<StepSettings, "step" | "learningRate"> {
  return { mtpWeight: mtp.weight, biasRate, balanceWeight };
}

function diverged(stage: Stage, step: number, { loss, gradientNorm }: StepResult): MimoError {
  return new MimoError(
    "internal",
    `${stage.name}, step ${step}: the gradient's norm is ${gradientNorm} and the loss ${loss}: training has diverged.`,
    { remedy: "Lower the learning rate or lengthen the warm-up, and begin again from an earlier resume point." },
  );
}
