// What a generation tells its reader, in order: progress of the prompt, pieces of output, and one `done` at the end.

import type { CacheMiss } from "../cache/prefix-cache.ts";
import type { CallValidation } from "./check-call.ts";
import type { OutputEvent } from "../tokenizer/output-parser.ts";
import type { RoutedExperts } from "../engine/routes.ts";
import type { FinishReason as SequenceFinish, SequenceStats } from "../engine/sequence.ts";

/** `stop`: the model ended its turn, or a stop string or id was met. `tool_calls`: it ended with calls to answer. */
export type FinishReason = "stop" | "length" | "tool_calls";

/**
 * `repetition`: it went round in circles, and was cut (`length`). `max_tool_calls`: it had as many calls as it may.
 * `stopped`: it was ended from outside (`stop`).
 */
export type FinishDetail = "repetition" | "max_tool_calls" | "stopped";

export interface TokenText {
  readonly token: number;
  readonly text: string;
}

export interface TokenAlternative extends TokenText {
  readonly logprob: number;
}

export interface TokenLogprobs extends TokenAlternative {
  readonly top: readonly TokenAlternative[];
}

/** Counts of tokens, and where the time went, in milliseconds. */
export interface Usage {
  readonly promptTokens: number;
  /** Prompt tokens that were not processed, because an earlier request had. */
  readonly cachedTokens: number;
  /** Of the others, those that were processed again for the sliding layers alone. */
  readonly replayedTokens: number;
  /** Why no more was cached. "last token": everything was, but one token must run. Undefined for one that never ran. */
  readonly cacheMiss: CacheMiss | undefined;
  readonly completionTokens: number;
  /** Of the completion: those of thinking, without the markers around it. */
  readonly reasoningTokens: number;
  readonly queueMs: number;
  readonly prefillMs: number;
  readonly decodeMs: number;
  /** Of those that were processed. */
  readonly promptTokensPerSecond: number;
  readonly tokensPerSecond: number;
  readonly speculation: SpeculationUsage;
}

export interface SpeculationUsage {
  readonly drafted: number;
  readonly accepted: number;
  /** Share of the drafts of MTP head k that the trunk accepted. */
  readonly acceptedPerPosition: readonly number[];
  /** Tokens per decoding step: 1 without speculation, at most 1 + the number of heads. */
  readonly acceptLength: number;
}

export type GenerationEvent =
  /** Prompt tokens that are done so far, and those of them that were cached; only for prompts longer than one step. */
  | { readonly type: "progress"; readonly processed: number; readonly total: number; readonly cached: number }
  /** Pieces of text and reasoning, and a call's text in the model's own format as it is written. */
  | Exclude<OutputEvent, { readonly type: "tool_call_end" }>
  /** What that text means so far: first the name, then pieces of the JSON of all arguments. */
  | { readonly type: "tool_call_name"; readonly index: number; readonly name: string }
  | { readonly type: "tool_call_arguments"; readonly index: number; readonly json: string }
  | {
      readonly type: "tool_call_end";
      readonly index: number;
      readonly raw: string;
      /** Whether its end was written. */
      readonly complete: boolean;
      /** The parsed call, or why it could not be parsed. */
      readonly call: ParsedToolCall;
      /** Whether its tool takes it. Always so where the tool is strict and the call complete. */
      readonly validation: CallValidation;
    }
  /** One per token, where `logprobs` was asked for. */
  | { readonly type: "logprobs"; readonly tokens: readonly TokenLogprobs[] }
  /** A step of the engine, behind what its tokens said, where `steps` was asked for. */
  | {
      readonly type: "step";
      /** Their texts together are the output as the model wrote it, markers spelled out. */
      readonly tokens: readonly TokenText[];
      /** What MTP head 1, 2, … had drafted. */
      readonly drafted: readonly TokenText[];
      /** So many of the drafts held: they are the first tokens. */
      readonly accepted: number;
    }
  /** Where `routedExperts` was asked for: of tokens of the output from number `first` on, as they become known. */
  | { readonly type: "routing"; readonly first: number; readonly routes: RoutedExperts }
  | {
      readonly type: "done";
      readonly finishReason: FinishReason;
      /** What ended the answer before the model did, and no option of `stop` or `maxTokens`; undefined where nothing did. */
      readonly finishDetail?: FinishDetail | undefined;
      /** The stop string that ended the output; undefined where none did. */
      readonly stopString?: string | undefined;
      readonly usage: Usage;
      /** Generated ids, the last stop token included. */
      readonly tokens: readonly number[];
      /** Where they were asked for: of every token of the prompt and the output but the last one. */
      readonly routedExperts?: RoutedExperts | undefined;
      /** The seed that was used; with it the answer can be repeated. */
      readonly seed: number;
    };

export type ParsedToolCall =
  | { readonly name: string; readonly arguments: Readonly<Record<string, unknown>> }
  | { readonly error: string };

export interface UsageInput {
  readonly stats: SequenceStats;
  readonly completionTokens: number;
  readonly reasoningTokens: number;
}

export function usageOf({ stats, completionTokens, reasoningTokens }: UsageInput): Usage {
  const { promptTokens, cachedTokens, replayedTokens, cacheMiss, queueMs, prefillMs, decodeMs, decodeSteps } = stats;
  const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);
  const perSecond = (count: number, ms: number): number => (ms > 0 ? (1000 * count) / ms : 0);
  // The first token comes from the prefill step.
  const decoded = Math.max(0, completionTokens - 1);
  return {
    promptTokens,
    cachedTokens,
    replayedTokens,
    cacheMiss,
    completionTokens,
    reasoningTokens,
    queueMs,
    prefillMs,
    decodeMs,
    promptTokensPerSecond: perSecond(promptTokens - cachedTokens, prefillMs),
    tokensPerSecond: perSecond(decoded, decodeMs),
    speculation: {
      drafted: sum(stats.drafts),
      accepted: sum(stats.accepted),
      acceptedPerPosition: stats.drafts.map((drafts, k) => (drafts === 0 ? 0 : (stats.accepted[k] ?? 0) / drafts)),
      acceptLength: decodeSteps === 0 ? 1 : decoded / decodeSteps,
    },
  };
}

export function finishReasonOf(finish: SequenceFinish, numToolCalls: number): FinishReason {
  if (finish === "length" || finish === "repetition") return "length";
  // A call that it was writing, or had written among others, was not meant to be the end.
  if (finish === "aborted") return "stop";
  return numToolCalls > 0 ? "tool_calls" : "stop";
}

export function finishDetailOf(finish: SequenceFinish): FinishDetail | undefined {
  if (finish === "aborted") return "stopped";
  return finish === "repetition" ? finish : undefined;
}
