// What is recorded of an answer's making: the prompt as the model got it, the tokens of every step with what was
// drafted for them, the odds of every token, and the experts that each was routed to.
//
// A trace grows with every frame of a stream, so its lists are appended to in place, and only the object around them is
// made anew. A very long answer is recorded in its beginning only.

import type { ChunkChoice } from "../api/answers.ts";

export interface Step {
  readonly tokens: readonly string[];
  /** What MTP heads 1, 2, … had drafted. */
  readonly drafted: readonly string[];
  /** So many of the drafts held: they are the first tokens. */
  readonly accepted: number;
}

export type Alternative = readonly [text: string, logprob: number];

export interface Odds {
  readonly logprob: number;
  /** The likeliest first. */
  readonly top: readonly Alternative[];
}

export interface Trace {
  readonly prompt?: { readonly text: string; readonly tokens: number } | undefined;
  readonly steps: readonly Step[];
  readonly numTokens: number;
  /** Of token after token. */
  readonly odds: readonly Odds[];
  /** Experts of token after token: those of the first layer that has some, those of the next, … */
  readonly routes: readonly Uint16Array[];
  readonly numRoutedLayers: number;
}

/** More would make the browser's database slow. */
export const MAX_TOKENS = 4096;

const EMPTY: Trace = { steps: [], numTokens: 0, odds: [], routes: [], numRoutedLayers: 0 };

/** The same trace where the frame tells nothing. */
export function withDetails(trace: Trace | undefined, choice: ChunkChoice | undefined): Trace | undefined {
  const { prompt, drafts, routing } = choice?.mimo ?? {};
  const odds = choice?.logprobs?.content;
  if (prompt === undefined && drafts === undefined && routing === undefined && odds === undefined) return trace;
  const known = trace ?? { ...EMPTY, steps: [], odds: [], routes: [] };
  const isFull = known.numTokens >= MAX_TOKENS;
  for (const { logprob, top_logprobs: top } of room(odds, known.odds))
    append(known.odds, { logprob, top: top.map((one): Alternative => [one.token, one.logprob]) });
  for (const layers of room(routing?.experts, known.routes)) append(known.routes, Uint16Array.from(layers.flat()));
  if (drafts !== undefined && !isFull) append(known.steps, drafts);
  return {
    ...known,
    prompt: prompt ?? known.prompt,
    numTokens: known.numTokens + (isFull ? 0 : (drafts?.tokens.length ?? 0)),
    numRoutedLayers: routing?.experts[0]?.length ?? known.numRoutedLayers,
  };
}

function room<T>(items: readonly T[] | undefined, list: readonly unknown[]): readonly T[] {
  return items?.slice(0, MAX_TOKENS - list.length) ?? [];
}

function append<T>(list: readonly T[], item: T): void {
  (list as T[]).push(item);
}

/** A token of an answer, with where it came from. */
export interface TracedToken {
  readonly text: string;
  /** The MTP head that drafted it; undefined where the model itself wrote it. */
  readonly head: number | undefined;
  /** What was drafted in its place and did not hold: by head `rejectedFrom`, the next, … */
  readonly rejected: readonly string[];
  readonly rejectedFrom: number;
}

export function tokensOf({ tokens, drafted, accepted }: Step): readonly TracedToken[] {
  return tokens.map((text, i) => ({
    text,
    head: i < accepted ? i + 1 : undefined,
    rejected: i === accepted ? drafted.slice(accepted) : [],
    rejectedFrom: accepted + 1,
  }));
}

/** Of each MTP head: how many drafts it made, and how many held. */
export function acceptanceOf(steps: readonly Step[]): readonly { readonly drafted: number; readonly held: number }[] {
  const heads: { drafted: number; held: number }[] = [];
  for (const { drafted, accepted } of steps)
    for (const [i] of drafted.entries()) {
      const head = (heads[i] ??= { drafted: 0, held: 0 });
      head.drafted++;
      if (i < accepted) head.held++;
    }
  return heads;
}

/** In bits; what the alternatives leave counts as one more, so it is the least that it can be. */
export function entropyOf({ top }: Odds): number {
  const shares = top.map(([, logprob]) => Math.exp(logprob));
  const rest = 1 - shares.reduce((sum, share) => sum + share, 0);
  return [...shares, rest].reduce((bits, share) => (share > 1e-9 ? bits - share * Math.log2(share) : bits), 0);
}
