// What a scene of a tool dialogue is: a question, and the plan that answers it.
//
// A plan says what to call, never what comes back: results come from the simulators, and a round of calls may depend
// on the results before it. Each scene ends in an answer that can be graded.
// Refuses to know which scenes there are, and messages.

import type { Random } from "./random.ts";
import type { ToolName, ToolWorld } from "./tool-box.ts";

export interface PlannedCall {
  readonly name: ToolName;
  readonly args: Readonly<Record<string, unknown>>;
}

export interface Finish {
  readonly content: string;
  readonly accepts: (content: string) => boolean;
  readonly why: string;
}

/** Calls of one round, made in parallel, with the thought before them; or the end. */
export type Step = { readonly why: string; readonly calls: readonly PlannedCall[] } | Finish;

export interface Scene {
  readonly question: string;
  /** Tools that must be there. */
  readonly needs: readonly ToolName[];
  /** Tools that must not be there. */
  readonly without?: readonly ToolName[];
  /** What to do after these results, in order of the calls so far. */
  readonly next: (results: readonly string[]) => Step;
}

export type SceneMaker = (random: Random, world: ToolWorld) => Scene;

export const call = (name: ToolName, args: Readonly<Record<string, unknown>> = {}): PlannedCall => ({ name, args });

/** A number of one to `maxDigits` digits, each length as frequent. */
export function drawNumber(random: Random, maxDigits = 4): number {
  const numDigits = random.integer(1, maxDigits);
  return random.integer(10 ** (numDigits - 1), 10 ** numDigits - 1);
}

/** A scene of one call. */
export function single(
  scene: Pick<Scene, "question">,
  why: string,
  one: PlannedCall,
  finish: (result: string) => Finish,
): Scene {
  return {
    ...scene,
    needs: [one.name],
    next: ([result]) => (result === undefined ? { why, calls: [one] } : finish(result)),
  };
}
