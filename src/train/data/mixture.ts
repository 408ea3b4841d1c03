// A mixture: which generators, with which options, and which files of own data, in which shares of the samples.
//
// The sample at an index depends on the seed, the split and that index alone, so any position can be resumed at once
// and any worker can make any part. Rows of a file come in an order of their own in every epoch, each of them once.
// A mixture is plain data, fit for a recipe's file, apart from functions in options. Refuses to know how files are read,
// and tokens: shares count samples, and `meanCharacters` tells how long a generator's samples are.

import { defined } from "../../util/assert.ts";
import { MimoError } from "../../util/errors.ts";
import { randomKey } from "../../util/random.ts";
import { arithmetic } from "./arithmetic.ts";
import { chinese } from "./chinese.ts";
import { code } from "./code.ts";
import { copying } from "./copying.ts";
import { html } from "./html.ts";
import { identity } from "./identity.ts";
import { json } from "./json.ts";
import { hashText, Random, type Split } from "./random.ts";
import { retrieval } from "./retrieval.ts";
import { completeOptions, type Generator, plainText, type Sample, sampleAt, type SamplePlace } from "./sample.ts";
import { shuffled } from "./shuffle.ts";
import { stories } from "./stories.ts";
import { tools } from "./tools.ts";

const GENERATORS = { stories, arithmetic, tools, retrieval, code, html, json, identity, chinese, copying };

export type GeneratorName = keyof typeof GENERATORS;
export const GENERATOR_NAMES = Object.keys(GENERATORS) as readonly GeneratorName[];

type OptionsOf<Name extends GeneratorName> =
  (typeof GENERATORS)[Name] extends Generator<infer Options> ? Options : never;

/** A generator, its share of the samples relative to the other entries, and options that differ from its defaults. */
export type GeneratorEntry = {
  readonly [Name in GeneratorName]: {
    readonly generator: Name;
    readonly weight: number;
    readonly options?: Partial<OptionsOf<Name>>;
  };
}[GeneratorName];

/** Own data, and its share of the samples. */
export interface FileEntry {
  readonly file: string;
  readonly weight: number;
}

export type MixtureEntry = GeneratorEntry | FileEntry;
export type Mixture = readonly MixtureEntry[];

/** Rows of a file. */
export interface RowSource {
  size(split: Split): number;
  sample(split: Split, row: number): Sample;
}

/** By the names of files in a mixture. */
export type RowSources = ReadonlyMap<string, RowSource>;

const NO_SOURCES: RowSources = new Map();

/** The sample at an index of the mixture. Throws `invalid_argument` for a mixture that is not one. */
export function mixtureSample(mixture: Mixture, place: SamplePlace, sources: RowSources = NO_SOURCES): Sample {
  checkWeights(mixture);
  const generators = mixture.filter(isGeneratorEntry);
  return fileSample(mixture, generators, place, sources) ?? generatedSample(generators, place);
}

/**
 * Undefined at the indices of generators. Files take their shares of the indices evenly, not by chance: so how many rows
 * of a file came before an index is known without counting them.
 */
function fileSample(
  mixture: Mixture,
  generators: readonly GeneratorEntry[],
  { split, seed, index }: SamplePlace,
  sources: RowSources,
): Sample | undefined {
  const files = mixture.filter(isFileEntry).filter(({ weight }) => weight > 0);
  let rank = index;
  for (const [i, { file, weight }] of files.entries()) {
    const share = weight / weightOf([...files.slice(i), ...generators]);
    const before = Math.floor(rank * share);
    if (Math.floor((rank + 1) * share) > before) {
      const source = defined(sources.get(file), file);
      const size = source.size(split);
      const epoch = Math.floor(before / size);
      return source.sample(split, shuffled(before % size, size, randomKey(hashText(split), seed, i, epoch)));
    }
    rank -= before;
  }
  return undefined;
}

function generatedSample(mixture: readonly GeneratorEntry[], place: SamplePlace): Sample {
  const random = new Random([
    hashText("mixture"),
    hashText(place.split),
    place.seed,
    Math.floor(place.index / 2 ** 32),
    place.index,
  ]);
  let rest = random.unit() * weightOf(mixture);
  const entry = mixture.find(({ weight }) => (rest -= weight) < 0) ?? mixture.at(-1)!;
  return sampleAt(generatorOf(entry), entry.options ?? {}, place);
}

export interface SampleRange extends Omit<SamplePlace, "index"> {
  /** The index of the first sample. */
  readonly start?: number;
}

/** Samples without end, from `start` on. */
export function* samples(
  mixture: Mixture,
  { start = 0, ...place }: SampleRange,
  sources: RowSources = NO_SOURCES,
): IterableIterator<Sample> {
  checkMixture(mixture);
  for (let index = start; ; index++) yield mixtureSample(mixture, { ...place, index }, sources);
}

/** The mean length of a generator's samples in characters, over a few of them: to turn shares of text into weights. */
export function meanCharacters(entry: GeneratorEntry, numSamples = 200): number {
  const lengths = Array.from(
    { length: numSamples },
    (_, index) =>
      plainText(sampleAt(generatorOf(entry), entry.options ?? {}, { split: "train", seed: 0, index })).length,
  );
  return lengths.reduce((sum, length) => sum + length, 0) / numSamples;
}

/** Names, weights and options, before the first sample is made. */
export function checkMixture(mixture: Mixture): void {
  checkWeights(mixture);
  for (const entry of mixture.filter(isGeneratorEntry)) completeOptions(generatorOf(entry), entry.options ?? {});
}

/** Names of files, each once. */
export function fileNames(mixture: Mixture): string[] {
  return [...new Set(mixture.filter(isFileEntry).map(({ file }) => file))];
}

export function isFileEntry(entry: MixtureEntry): entry is FileEntry {
  return "file" in entry;
}

function isGeneratorEntry(entry: MixtureEntry): entry is GeneratorEntry {
  return !isFileEntry(entry);
}

function weightOf(mixture: Mixture): number {
  return mixture.reduce((sum, { weight }) => sum + weight, 0);
}

function checkWeights(mixture: Mixture): void {
  const total = weightOf(mixture);
  if (mixture.every(({ weight }) => weight >= 0) && total > 0 && Number.isFinite(total)) return;
  throw new MimoError(
    "invalid_argument",
    "The weights of a mixture must be numbers of zero or more, and one must be more.",
  );
}

/** Options belong to the generator of the same entry, which the type of an entry says and the compiler cannot follow. */
function generatorOf({ generator }: GeneratorEntry): Generator<object> {
  if (Object.hasOwn(GENERATORS, generator)) return GENERATORS[generator] as Generator<object>;
  throw new MimoError(
    "invalid_argument",
    `There is no generator ${generator}: there are ${GENERATOR_NAMES.join(", ")}.`,
  );
}
