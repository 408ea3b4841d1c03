// What a client may ask to see of an answer's making (`include`), as extensions of a chat's stream: under `mimo` of a
// choice, in chunks whose delta is empty. Names of times and counts are those of llama.cpp's `timings`.

import type { TokenText, Usage } from "../../api/events.ts";
import type { RoutedExperts } from "../../api/mimo.ts";
import type { ServerEvent } from "./renderer.ts";

export const DETAILS = ["prompt", "progress", "drafts", "routing", "timings"] as const;
export type Detail = (typeof DETAILS)[number];

/** What an event tells of what was asked for; undefined where it tells nothing. */
export function detailOf(event: ServerEvent, include: ReadonlySet<Detail>): object | undefined {
  switch (event.type) {
    case "progress": {
      const { processed, total, cached } = event;
      return include.has("progress") ? { progress: { processed, total, cached } } : undefined;
    }
    case "step": {
      const { tokens, drafted, accepted } = event;
      return include.has("drafts")
        ? { drafts: { tokens: tokens.map(textOf), drafted: drafted.map(textOf), accepted } }
        : undefined;
    }
    case "routing":
      return include.has("routing") ? { routing: { first: event.first, experts: nested(event.routes) } } : undefined;
    case "done":
      return include.has("timings") ? { timings: timingsOf(event.usage, event.firstOutputMs) } : undefined;
    default:
      return undefined;
  }
}

function textOf({ text }: TokenText): string {
  return text;
}

/** [T, L, K] as lists. */
function nested({ ids, numTokens, layers }: RoutedExperts): number[][][] {
  const perLayer = ids.length / (numTokens * layers.length);
  return Array.from({ length: numTokens }, (_, token) =>
    layers.map((_, layer) => {
      const start = (token * layers.length + layer) * perLayer;
      return [...ids.subarray(start, start + perLayer)];
    }),
  );
}

function timingsOf(usage: Usage, firstOutputMs: number | undefined): object {
  const { speculation } = usage;
  return {
    first_token_ms: firstOutputMs ?? null,
    queue_ms: usage.queueMs,
    cache_n: usage.cachedTokens,
    prompt_n: usage.promptTokens - usage.cachedTokens,
    prompt_ms: usage.prefillMs,
    prompt_per_second: usage.promptTokensPerSecond,
    predicted_n: usage.completionTokens,
    predicted_ms: usage.decodeMs,
    predicted_per_second: usage.tokensPerSecond,
    draft_n: speculation.drafted,
    draft_n_accepted: speculation.accepted,
    accepted_per_position: speculation.acceptedPerPosition,
    accept_length: speculation.acceptLength,
  };
}
