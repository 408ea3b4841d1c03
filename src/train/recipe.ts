// A recipe: everything that a run depends on besides the machine. Plain data, read from a YAML file.
//
// The same recipe, seed and files of own data give the same model. Refuses to know folders, machines and progress.

import { resolve } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { hybridConfig, LAYER_PATTERNS } from "../model/presets.ts";
import type { ModelConfig } from "../model/config.ts";
import { defined } from "../util/assert.ts";
import { MimoError } from "../util/errors.ts";
import { checkMixture, isFileEntry, type Mixture } from "./data/mixture.ts";
import { MATRIX_OPTIMIZERS } from "./learner.ts";
import { DECAYS, scheduleOf } from "./schedule.ts";

/** What samples may cost at most. */
const MAX_PROMPTS = 16;
const MAX_SAMPLE_TOKENS = 512;

const count = z.int().positive();
const share = z.number().min(0).max(1);

const mixtureSchema = z
  .array(
    z
      .strictObject({
        generator: z.string().optional(),
        /** Own data: a path, relative to the recipe's file. */
        file: z.string().min(1).optional(),
        weight: z.number().positive(),
        options: z.record(z.string(), z.unknown()).optional(),
      })
      .refine(({ generator, file }) => (generator === undefined) !== (file === undefined), {
        error: "expected a generator or a file",
      })
      .refine(({ file, options }) => file === undefined || options === undefined, {
        error: "expected no options of a file",
        path: ["options"],
      }),
  )
  .min(1)
  .transform((entries) => entries as unknown as Mixture);

const stageSchema = z.strictObject({
  name: z.string(),
  /** Tokens of the stage, padding included. */
  tokens: count,
  /** Rows of one pass, and passes of one step. */
  batchTokens: count,
  passes: count.default(1),
  /** Tokens of the longest document. */
  maxLength: count,
  learn: z.enum(["all", "answers"]).default("all"),
  learningRate: z.strictObject({
    peak: z.number().positive(),
    warmUpSteps: z.int().min(0).default(0),
    decay: z.enum(DECAYS).default("cosine"),
    decayShare: share.default(1),
    finalShare: share.default(0.1),
  }),
  /** MTP heads that are trained, and what their mean loss counts beside the trunk's. */
  mtp: z.strictObject({ heads: z.int().min(0).max(3), weight: z.number().min(0) }),
  biasRate: z.number().min(0).default(1e-3),
  balanceWeight: z.number().min(0).default(1e-5),
  /** RoPE base of the global layers; the model's where it is not said. */
  globalRopeTheta: z.number().positive().optional(),
  data: mixtureSchema,
});

const recipeSchema = z
  .strictObject({
    name: z.string().regex(/^[\w-]+$/),
    seed: z.int().min(0).default(0),
    /** A model that is to learn more, instead of a tokenizer and a model: a path, relative to the recipe's file. */
    from: z.string().min(1).optional(),
    tokenizer: z
      .strictObject({
        vocabSize: count,
        /** Characters of text from the first stage's mixture that merges are learnt from. */
        characters: count,
      })
      .optional(),
    model: z
      .strictObject({
        hiddenSize: count,
        intermediateSize: count,
        contextLength: count,
        numLayers: count,
        layers: z.enum(LAYER_PATTERNS).default("hybrid"),
        attention: z.strictObject({
          numHeads: count,
          numKvHeads: z.strictObject({ global: count, sliding: count }),
          /** Two thirds of it are the width of values, and pairs of a third turn with the position. */
          headDim: count.multipleOf(6),
          window: count,
          sinks: z.boolean().default(true),
        }),
        experts: z.strictObject({ numExperts: count, numExpertsPerToken: count, intermediateSize: count }),
      })
      .optional(),
    optimizer: z
      .strictObject({
        matrices: z.enum(MATRIX_OPTIMIZERS).default("adamw"),
        momentum: share.default(0.95),
        beta1: share.default(0.9),
        beta2: share.default(0.95),
        epsilon: z.number().positive().default(1e-8),
        weightDecay: z.number().min(0).default(0.1),
        clipNorm: z.number().positive().default(1),
      })
      .prefault({}),
    /** Texts that the model writes every so many steps of a stage, the likeliest token at each place. */
    samples: z
      .strictObject({
        every: count,
        /** A text to go on from, or a question in a chat. */
        prompts: z
          .array(z.union([z.string().min(1), z.strictObject({ chat: z.string().min(1) })]))
          .min(1)
          .max(MAX_PROMPTS),
        /** Each of them is a forward pass over all texts. */
        maxTokens: count.max(MAX_SAMPLE_TOKENS).default(64),
      })
      .optional(),
    /** What products compute with: float32, or E4M3 with one scale for each block (decision 14). */
    precision: z.enum(["f32", "fp8"]).default("f32"),
    /** Elements of a block along a sum; of weights on both sides. Less than 128 to have several in a narrow row. */
    fp8Block: count.default(128),
    /** Steps between measurements on held-out data, and between resume points. */
    validateEvery: count.default(200),
    saveEvery: count.default(100),
    /** Steps between models in BF16 that are kept on the way, in `checkpoints/step-N` of the run's folder. */
    exportEvery: count.optional(),
    stages: z.array(stageSchema).min(1),
  })
  .refine(
    ({ from, tokenizer, model }) =>
      from === undefined
        ? tokenizer !== undefined && model !== undefined
        : tokenizer === undefined && model === undefined,
    { error: "expected either `tokenizer` and `model`, or `from`, a model that has both" },
  );

export type Recipe = z.output<typeof recipeSchema>;
/** A recipe as it is written: what has a default may be absent. */
export type RecipeInput = z.input<typeof recipeSchema>;
export type SamplePrompt = NonNullable<Recipe["samples"]>["prompts"][number];
export type Stage = Recipe["stages"][number];

/** Throws `invalid_argument`: every fault of the text, each with its place. */
export function parseRecipe(text: string, path: string): Recipe {
  let value: unknown;
  try {
    value = parse(text);
  } catch (cause) {
    throw new MimoError("invalid_argument", `${path}: ${(cause as Error).message}`, { param: "recipe", cause });
  }
  return checkRecipe(value, path);
}

/** A recipe that is there as a value; `path` names it in errors. Throws as `parseRecipe`. */
export function checkRecipe(value: unknown, path: string): Recipe {
  const parsed = recipeSchema.safeParse(value);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${issue.path.join(".") || "the recipe"}: ${issue.message}`);
    throw new MimoError("invalid_argument", `${path}: ${faults.join("; ")}.`, { param: "recipe" });
  }
  for (const stage of parsed.data.stages) {
    checkMixture(stage.data);
    scheduleOf({ ...stage.learningRate, steps: stageSteps(stage) });
    if (stage.maxLength > stage.batchTokens) {
      throw new MimoError(
        "invalid_argument",
        `${path}: ${stage.name}: expected a maxLength of at most batchTokens, ${stage.batchTokens}, found ${stage.maxLength}.`,
        { param: "recipe" },
      );
    }
  }
  return parsed.data;
}

/** A file of own data beside what a recipe names. */
export interface FurtherData {
  readonly file: string;
  /** Its share of the samples, beside the recipe's own weights; files without one share a weight of 1. */
  readonly weight?: number | undefined;
}

/** What a run adds to a recipe. */
export interface Further {
  /** Own data in every stage beside what the recipe names: .txt, .jsonl and .parquet files. */
  readonly data?: readonly FurtherData[] | undefined;
  /** A model to begin with, instead of what the recipe begins with: a Hugging Face folder or a .gguf file. */
  readonly from?: string | undefined;
}

/** The recipe with what a run adds, and all paths absolute: its own begin at the folder `base`. */
export function withFurther(recipe: Recipe, base: string, { data: further = [], from }: Further): Recipe {
  for (const { file, weight = 1 } of further) {
    if (weight > 0 && Number.isFinite(weight)) continue;
    throw new MimoError("invalid_argument", `${file}: expected a weight above 0, found ${weight}.`, { param: "data" });
  }
  const numShared = further.filter(({ weight }) => weight === undefined).length;
  const added: Mixture = further.map(({ file, weight }) => ({ file: resolve(file), weight: weight ?? 1 / numShared }));
  const absolute = (data: Mixture): Mixture =>
    data.map((entry) => (isFileEntry(entry) ? { ...entry, file: resolve(base, entry.file) } : entry));
  const stages = recipe.stages.map((stage) => ({ ...stage, data: [...absolute(stage.data), ...added] }));
  if (from !== undefined) return { ...recipe, from: resolve(from), tokenizer: undefined, model: undefined, stages };
  return recipe.from === undefined ? { ...recipe, stages } : { ...recipe, from: resolve(base, recipe.from), stages };
}

/** Elements of an FP8 block, 0 in float32. */
export function fp8BlockOf({ precision, fp8Block }: Recipe): number {
  return precision === "fp8" ? fp8Block : 0;
}

/** Steps of a stage: as many as its tokens fill, at least one. */
export function stageSteps({ tokens, batchTokens, passes }: Stage): number {
  return Math.max(1, Math.round(tokens / (batchTokens * passes)));
}

/** The sizes that a recipe describes; of one that names a model there are none. */
export function describedConfig({ model, tokenizer }: Recipe): ModelConfig {
  const { vocabSize } = defined(tokenizer, "the recipe's tokenizer");
  return hybridConfig({ ...defined(model, "the recipe's model"), vocabSize });
}

export function stageConfig(config: ModelConfig, { globalRopeTheta }: Stage): ModelConfig {
  const { global, sliding } = config.attention;
  return { ...config, attention: { global: { ...global, ropeTheta: globalRopeTheta ?? global.ropeTheta }, sliding } };
}
