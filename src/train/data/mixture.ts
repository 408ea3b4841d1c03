// A mixture: which generators, with which options, in which shares of the samples.
//
// The sample at an index depends on the seed, the split and that index alone, so any position can be resumed at once
// and any worker can make any part. A mixture is plain data, fit for a recipe's file, apart from functions in options.
// Refuses to know tokens: shares count samples, and `meanCharacters` tells how long a generator's samples are.

import { MimoError } from "../../util/errors.ts";
import { arithmetic } from "./arithmetic.ts";
import { chinese } from "./chinese.ts";
import { code } from "./code.ts";
import { html } from "./html.ts";
import { identity } from "./identity.ts";
import { json } from "./json.ts";
import { hashText, Random } from "./random.ts";
import { retrieval } from "./retrieval.ts";
import { completeOptions, type Generator, plainText, type Sample, sampleAt, type SamplePlace } from "./sample.ts";
import { stories } from "./stories.ts";
import { tools } from "./tools.ts";

const GENERATORS = { stories, arithmetic, tools, retrieval, code, html, json, identity, chinese };

export type GeneratorName = keyof typeof GENERATORS;
export const GENERATOR_NAMES = Object.keys(GENERATORS) as readonly GeneratorName[];

type OptionsOf<Name extends GeneratorName> =
  (typeof GENERATORS)[Name] extends Generator<infer Options> ? Options : never;

/** A generator, its share of the samples relative to the other entries, and options that differ from its defaults. */
export type MixtureEntry = {
  readonly [Name in GeneratorName]: {
    readonly generator: Name;
    readonly weight: number;
    readonly options?: Partial<OptionsOf<Name>>;
  };
}[GeneratorName];

export type Mixture = readonly MixtureEntry[];

/** The sample at an index of the mixture. Throws `invalid_argument` for a mixture that is not one. */
export function mixtureSample(mixture: Mixture, place: SamplePlace): Sample {
  const total = checkedWeight(mixture);
  const random = new Random([
    hashText("mixture"),
    hashText(place.split),
    place.seed,
    Math.floor(place.index / 2 ** 32),
    place.index,
  ]);
  let rest = random.unit() * total;
  const entry = mixture.find(({ weight }) => (rest -= weight) < 0) ?? mixture.at(-1)!;
  return sampleAt(generatorOf(entry), entry.options ?? {}, place);
}

export interface SampleRange extends Omit<SamplePlace, "index"> {
  /** The index of the first sample. */
  readonly start?: number;
}

/** Samples without end, from `start` on. */
export function* samples(mixture: Mixture, { start = 0, ...place }: SampleRange): IterableIterator<Sample> {
  checkMixture(mixture);
  for (let index = start; ; index++) yield mixtureSample(mixture, { ...place, index });
}

/** The mean length of a generator's samples in characters, over a few of them: to turn shares of text into weights. */
export function meanCharacters(entry: MixtureEntry, numSamples = 200): number {
  const lengths = Array.from(
    { length: numSamples },
    (_, index) =>
      plainText(sampleAt(generatorOf(entry), entry.options ?? {}, { split: "train", seed: 0, index })).length,
  );
  return lengths.reduce((sum, length) => sum + length, 0) / numSamples;
}

/** Names, weights and options, before the first sample is made. */
export function checkMixture(mixture: Mixture): void {
  checkedWeight(mixture);
  for (const entry of mixture) completeOptions(generatorOf(entry), entry.options ?? {});
}

function checkedWeight(mixture: Mixture): number {
  const total = mixture.reduce((sum, { weight }) => sum + weight, 0);
  if (mixture.every(({ weight }) => weight >= 0) && total > 0 && Number.isFinite(total)) return total;
  throw new MimoError(
    "invalid_argument",
    "The weights of a mixture must be numbers of zero or more, and one must be more.",
  );
}

/** Options belong to the generator of the same entry, which the type of an entry says and the compiler cannot follow. */
function generatorOf({ generator }: MixtureEntry): Generator<object> {
  if (Object.hasOwn(GENERATORS, generator)) return GENERATORS[generator] as Generator<object>;
  throw new MimoError(
    "invalid_argument",
    `There is no generator ${generator}: there are ${GENERATOR_NAMES.join(", ")}.`,
  );
}
