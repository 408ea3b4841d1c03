// Training as a program asks for it: `import { train } from "mimo-flash/train"`. A run lives in one folder: its recipe,
// indices of own data, the tokenizer, resume points, metrics, texts, and the model at the end.
//
// A run keeps the recipe it was begun with and goes on with no other. Refuses to know terminals.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { stringify } from "yaml";
import type { Backend } from "../backends/backend.ts";
import { createCpuBackend } from "../backends/cpu/native.ts";
import type { TokenizerFiles } from "../tokenizer/gguf-tokenizer.ts";
import { abortedError, MimoError } from "../util/errors.ts";
import type { RowSources } from "./data/mixture.ts";
import { learnTokenizer } from "./learn-tokenizer.ts";
import type { Metrics } from "./metrics-log.ts";
import { fileFault } from "./own/faults.ts";
import { OwnData, type OwnDataOptions } from "./own/own-data.ts";
import { originOf } from "./origin.ts";
import {
  checkRecipe,
  type Further,
  type FurtherData,
  parseRecipe,
  type Recipe,
  type RecipeInput,
  withFurther,
} from "./recipe.ts";
import type { Stage } from "./recipe.ts";
import type { WrittenText } from "./sample-log.ts";
import { type Rehearsal, Trainer } from "./trainer.ts";

export type { FurtherData, Metrics, Recipe, RecipeInput, Stage, WrittenText };

/** What a run does before its first step. */
export interface Preparation {
  readonly kind: "reading" | "tokenizer";
  /** Bytes of the file that is read, or characters that the tokenizer learns from. */
  readonly done: number;
  readonly total: number;
  /** The file that is read. */
  readonly path?: string;
}

export interface PrepareOptions extends Further {
  /** A recipe's file, or a recipe as a value; its paths begin at the file's folder, or the working one. */
  readonly recipe: string | RecipeInput | Recipe;
  /** Threads that run kernels. Default: the physical cores this process may use. */
  readonly threads?: number | undefined;
  /** Stops with a resume point, and `aborted` is thrown. */
  readonly signal?: AbortSignal | undefined;
  readonly onPrepare?: ((preparation: Preparation) => void) | undefined;
}

export interface TrainOptions extends PrepareOptions {
  /** Of the run. Default: `runs/` and the recipe's name. */
  readonly folder?: string | undefined;
  /** Go on with the run that the folder holds. Off by default: then it must hold none. */
  readonly resume?: boolean | undefined;
  readonly onBegin?: ((run: { readonly folder: string; readonly device: string }) => void) | undefined;
  /** After each step, with the stage and its number of steps. */
  readonly onStep?: ((metrics: Metrics, stage: Stage, steps: number) => void) | undefined;
  /** After the steps that the recipe's `samples` name. */
  readonly onTexts?: ((texts: readonly WrittenText[]) => void) | undefined;
}

export interface TrainResult {
  readonly folder: string;
  /** The folder of the model, which `load` takes. */
  readonly model: string;
}

/**
 * Trains a model by a recipe, from its tokenizer to a folder that `load` takes:
 *
 *     const { model } = await train({ recipe: "recipe.yaml", data: [{ file: "notes.txt" }], folder: "runs/notes" });
 *
 * or one that goes on from another model, `from`.
 * Steps run on this thread, one after the other; signals and timers come in between. An interrupted run goes on with
 * `resume` and gives the bits of one that never was. Throws `invalid_argument` for faults of the recipe, of own data and
 * of a folder that holds another run, `not_found`, `io_failed`, `out_of_memory`, `aborted`.
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const recipe = readRecipe(options);
  const { folder = join("runs", recipe.name), signal = new AbortController().signal, threads } = options;
  const isBegun = checkFolder(folder, recipe, options.resume === true);
  using data = await openData(recipe, { folder: join(folder, "data-index"), isBegun }, options);
  const origin = originOf(recipe);
  const tokenizer = isBegun ? readTokenizer(folder) : (origin.tokenizer ?? learn(recipe, data.sources, options));
  if (!isBegun) beginFolder(folder, recipe, tokenizer);
  using device = openDevice(threads);
  options.onBegin?.({ folder, device: device.description });
  const { onStep = () => {}, onTexts } = options;
  const { sources } = data;
  await new Trainer(device, { recipe, origin, tokenizer, sources, folder, signal, onStep, onTexts }).run();
  return { folder, model: join(folder, "model") };
}

/** What each stage would take, by its first steps, which are forgotten; no run is begun. Throws as `train`. */
export async function rehearse(options: PrepareOptions): Promise<{
  readonly device: string;
  readonly rehearsals: readonly Rehearsal[];
}> {
  const recipe = readRecipe(options);
  const folder = mkdtempSync(join(tmpdir(), "mimo-rehearsal-"));
  try {
    using data = await openData(recipe, { folder, isBegun: false }, options);
    const origin = originOf(recipe);
    const { sources } = data;
    const tokenizer = origin.tokenizer ?? learn(recipe, sources, options);
    using device = openDevice(options.threads);
    const { signal } = new AbortController();
    const trainer = new Trainer(device, { recipe, origin, tokenizer, sources, folder, signal, onStep: () => {} });
    return { device: device.description, rehearsals: trainer.rehearse() };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The recipe of a run, whole and checked, with all paths absolute. */
export function readRecipe({ recipe, ...further }: Pick<PrepareOptions, "recipe" | keyof Further>): Recipe {
  if (typeof recipe !== "string") return withFurther(checkRecipe(recipe, "The recipe"), ".", further);
  try {
    return withFurther(parseRecipe(readFileSync(recipe, "utf8"), recipe), dirname(recipe), further);
  } catch (error) {
    throw fileFault(error, recipe);
  }
}

function openData(
  recipe: Recipe,
  place: Pick<OwnDataOptions, "folder" | "isBegun">,
  { signal, onPrepare }: PrepareOptions,
): Promise<OwnData> {
  return OwnData.open({
    ...place,
    recipe,
    signal,
    onProgress: (path, done, total) => onPrepare?.({ kind: "reading", path, done, total }),
  });
}

function openDevice(threads: number | undefined): Backend {
  return createCpuBackend(threads === undefined ? {} : { threads });
}

/** Whether the folder holds a run, which is then the recipe's and is to go on. */
function checkFolder(folder: string, recipe: Recipe, isResumed: boolean): boolean {
  const kept = keptRecipe(folder);
  if (!existsSync(kept)) return false;
  if (!isResumed) {
    throw new MimoError("invalid_argument", `${folder} holds a run already.`, {
      param: "folder",
      remedy: "Go on with it (--resume, or `resume: true`), or name another folder (--out, or `folder`).",
    });
  }
  if (textOf(readRecipe({ recipe: kept })) === textOf(recipe)) return existsSync(keptTokenizer(folder));
  throw new MimoError("invalid_argument", `The recipe is not the one that the run in ${folder} was begun with.`, {
    param: "recipe",
    remedy: `Resume with ${kept}, which names all of its data, or begin another run.`,
  });
}

/** With all defaults written out, so that a run stays what it is when defaults change. */
function textOf(recipe: Recipe): string {
  return stringify(recipe, { aliasDuplicateObjects: false });
}

/** The recipe is written last: a folder without it holds no run, so that whatever was wrong can be put right. */
function beginFolder(folder: string, recipe: Recipe, tokenizer: TokenizerFiles): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(keptTokenizer(folder), JSON.stringify(tokenizer));
  writeFileSync(`${keptRecipe(folder)}.part`, textOf(recipe));
  renameSync(`${keptRecipe(folder)}.part`, keptRecipe(folder));
}

function readTokenizer(folder: string): TokenizerFiles {
  return JSON.parse(readFileSync(keptTokenizer(folder), "utf8")) as TokenizerFiles;
}

function keptRecipe(folder: string): string {
  return join(folder, "recipe.yaml");
}

function keptTokenizer(folder: string): string {
  return join(folder, "tokenizer.json");
}

function learn(recipe: Recipe, sources: RowSources, { signal, onPrepare }: PrepareOptions): TokenizerFiles {
  const onProgress = (done: number, total: number): void => {
    if (signal?.aborted === true) throw abortedError(signal.reason);
    onPrepare?.({ kind: "tokenizer", done, total });
  };
  return learnTokenizer(recipe, onProgress, sources);
}
