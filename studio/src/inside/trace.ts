// What is recorded of an answer's making: the prompt as the model got it, the tokens of every step with what was
// drafted for them, the odds of every token, and the experts that each was routed to.
//
// A trace grows with every frame of a stream, so its lists are appended to in place, and only the object around them is
// made anew. A very long answer is recorded in its beginning only.

import type { ChunkChoice, TokenLogprob } from "../api/answers.ts";

export interface Step {
  readonly tokens: readonly string[];
  /** What MTP heads 1, 2, … had drafted. */
  readonly drafted: readonly string[];
  /** So many of the drafts held: they are the first tokens. */
  readonly accepted: number;
}

export interface Odds {
  readonly logprob: number;
  /** The likeliest tokens, in order, and their log-probabilities. */
  readonly texts: readonly string[];
  readonly logprobs: readonly number[];
}

export interface Routes {
  /** Experts of token after token: those of the first layer that has some, those of the next, … There may be room behind. */
  readonly ids: Uint16Array;
  readonly numTokens: number;
  readonly numLayers: number;
  readonly perToken: number;
}

export interface Trace {
  readonly prompt?: { readonly text: string; readonly tokens: number } | undefined;
  readonly steps: readonly Step[];
  readonly numTokens: number;
  /** Of token after token. */
  readonly odds: readonly Odds[];
  readonly routes?: Routes | undefined;
}

/** With more, storing an answer every second would be felt. */
export const MAX_TOKENS = 4096;

/** Of turns, of thinking and of calls. */
export const MARKERS = /(<\|[\w-]+\|>|<\/?(?:think|tool_call|tool_response|tools)>)/;

/** The same trace where the frame tells nothing. */
export function withDetails(trace: Trace | undefined, choice: ChunkChoice | undefined): Trace | undefined {
  const { prompt, drafts, routing } = choice?.mimo ?? {};
  const odds = choice?.logprobs?.content ?? [];
  if (prompt === undefined && drafts === undefined && routing === undefined && odds.length === 0) return trace;
  const known: Trace = trace ?? { steps: [], numTokens: 0, odds: [] };
  for (const one of odds.slice(0, MAX_TOKENS - known.odds.length)) append(known.odds, oddsOf(one));
  const isFull = known.numTokens >= MAX_TOKENS;
  if (drafts !== undefined && !isFull) append(known.steps, drafts);
  return {
    ...known,
    prompt: prompt ?? known.prompt,
    numTokens: known.numTokens + (isFull ? 0 : (drafts?.tokens.length ?? 0)),
    routes: routing === undefined ? known.routes : withRoutes(known.routes, routing.experts),
  };
}

function oddsOf({ logprob, top_logprobs: top }: TokenLogprob): Odds {
  return { logprob, texts: top.map(({ token }) => token), logprobs: top.map((one) => one.logprob) };
}

/** Into the room that there is, or twice as much. */
function withRoutes(
  routes: Routes | undefined,
  experts: readonly (readonly (readonly number[])[])[],
): Routes | undefined {
  const { numTokens = 0 } = routes ?? {};
  const added = experts.slice(0, MAX_TOKENS - numTokens);
  const first = added[0];
  if (first === undefined) return routes;
  const perToken = first.flat().length;
  const used = numTokens * perToken;
  let ids = routes?.ids ?? new Uint16Array(0);
  if (ids.length < used + added.length * perToken) {
    const larger = new Uint16Array(2 * (used + added.length * perToken));
    larger.set(ids.subarray(0, used));
    ids = larger;
  }
  ids.set(added.flat(2), used);
  return { ids, numTokens: numTokens + added.length, numLayers: first.length, perToken };
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

/** Numbers of tokens, `to` not among them. */
export interface TokenRange {
  readonly from: number;
  readonly to: number;
}

/** Those that are the answer's text: behind its thinking, in front of its calls and its end. */
export function textRange({ steps }: Trace): TokenRange {
  const tokens = steps.flatMap((step) => step.tokens);
  let from = tokens.lastIndexOf("</think>") + 1;
  while (tokens[from]?.trim() === "") from++;
  const end = tokens.findIndex((token, i) => i >= from && MARKERS.test(token));
  return { from, to: end < 0 ? tokens.length : end };
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
export function entropyOf({ logprobs }: Odds): number {
  const shares = logprobs.map(Math.exp);
  const rest = 1 - shares.reduce((sum, share) => sum + share, 0);
  return [...shares, rest].reduce((bits, share) => (share > 1e-9 ? bits - share * Math.log2(share) : bits), 0);
}
