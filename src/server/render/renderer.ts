// What a renderer is: the events of a reply's choices, in order, to the frames of a stream and to the whole reply.
//
// One fold serves both, so that a streamed reply, put together, is the one that is not streamed. Renderers know no HTTP
// and no engine: the same events give the same bytes.

import type { FinishDetail, GenerationEvent, TokenLogprobs, Usage } from "../../api/events.ts";
import type { MimoError } from "../../util/errors.ts";

/** A prompt that is to be echoed, before its continuation. */
export interface PromptEvent {
  readonly type: "prompt";
  readonly text: string;
  /** One per token, in order; the first has no log-probability. Undefined where none were asked for. */
  readonly logprobs: readonly PromptLogprob[] | undefined;
}

export type PromptLogprob = TokenLogprobs | { readonly token: number; readonly text: string; readonly logprob: null };

/** `done` knows how long the first output took, the wait for its turn included. */
export type ServerEvent = (GenerationEvent & { readonly firstOutputMs?: number | undefined }) | PromptEvent;

/** A frame of server-sent events; `data` is text as it stands, or a value to be sent as JSON. */
export interface Frame {
  /** By which a reader says how far it came. */
  readonly id?: number;
  readonly event?: string;
  readonly data: string | object;
}

export interface Renderer {
  /** What a stream begins with, before the first event. */
  readonly begin: () => readonly Frame[];
  readonly push: (choice: number, event: ServerEvent) => readonly Frame[];
  /** What a stream ends with, after every choice's `done`. */
  readonly end: () => readonly Frame[];
  /** What a stream ends with instead, where it fails. */
  readonly fail: (error: MimoError) => readonly Frame[];
  /** The reply that is not streamed, after every choice's `done`. */
  readonly whole: () => object;
}

/** What is on every frame of a reply. */
export interface ReplyHeader {
  readonly id: string;
  /** Seconds since 1970. */
  readonly created: number;
  readonly model: string;
}

/** Bytes of a token, which may hold a part of a character only. */
export type TokenBytes = (token: number) => Uint8Array;

/** The field that tells what ended an answer before the model did, an extension of every API; none where nothing did. */
export function detailField(detail: FinishDetail | undefined): { readonly finish_detail?: FinishDetail } {
  return detail === undefined ? {} : { finish_detail: detail };
}

/** OpenAI's count of tokens. Choices of one prompt share its tokens. */
export function usageBody(choices: readonly Usage[], prompts: readonly Usage[]): object {
  const sum = (usages: readonly Usage[], read: (usage: Usage) => number): number =>
    usages.reduce((total, usage) => total + read(usage), 0);
  const promptTokens = sum(prompts, (usage) => usage.promptTokens);
  const completionTokens = sum(choices, (usage) => usage.completionTokens);
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: sum(prompts, (usage) => usage.cachedTokens) },
    completion_tokens_details: {
      reasoning_tokens: sum(choices, (usage) => usage.reasoningTokens),
      accepted_prediction_tokens: sum(choices, ({ speculation }) => speculation.accepted),
      rejected_prediction_tokens: sum(choices, ({ speculation }) => speculation.drafted - speculation.accepted),
    },
  };
}
