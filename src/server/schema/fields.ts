// Request fields that several APIs share, and their way into the library's options.
//
// Ranges are checked here, so that an error names the field as the client spelled it. Clients send null for what they
// leave out. What is listed and not used is accepted, because clients send it to everyone; what is not listed is ignored.

import { z } from "zod";
import type { GenerationOptions } from "../../api/request.ts";
import { LIMITS } from "../options.ts";
import type { ServerRequest } from "../route.ts";

/** A field that may be missing, or null, which is the same. */
export function optional<T extends z.ZodType>(type: T) {
  return type.nullish().transform((value) => value ?? undefined);
}

const integer = (min: number, max = Number.MAX_SAFE_INTEGER) => z.int().min(min).max(max);
const stopString = z.string().min(1).max(LIMITS.stopLength);
const accepted = z.unknown().optional();

export const tokenId = z.int().min(0);
export const flag = optional(z.boolean());
export const text = optional(z.string());
export const count = (min: number, max?: number) => optional(integer(min, max));

export const GENERATION_FIELDS = {
  model: text,
  stream: flag,
  stream_options: optional(z.object({ include_usage: flag, include_obfuscation: accepted })),
  n: count(1, LIMITS.choices),
  max_tokens: count(1),
  temperature: optional(z.number().min(0).max(100)),
  top_p: optional(z.number().min(0).max(1)),
  // -1 is off, as other servers have it.
  top_k: count(-1),
  min_p: optional(z.number().min(0).max(1)),
  repetition_penalty: optional(z.number().min(0.01).max(100)),
  presence_penalty: optional(z.number().min(-2).max(2)),
  frequency_penalty: optional(z.number().min(-2).max(2)),
  // -1 is a fresh one, as other servers have it.
  seed: count(-1),
  stop: optional(
    z.union([stopString, z.array(stopString).max(LIMITS.stops)], {
      error: `must be a string, or a list of at most ${LIMITS.stops}, of 1 to ${LIMITS.stopLength} characters each.`,
    }),
  ),
  stop_token_ids: optional(z.array(tokenId).max(LIMITS.stopTokenIds)),
  ignore_eos: flag,
  max_repetition: count(0),
  logit_bias: optional(
    z
      .record(z.string().regex(/^\d{1,9}$/, "must be a token id."), z.number().min(-100).max(100))
      .refine(
        (bias) => Object.keys(bias).length <= LIMITS.biasedTokens,
        `has more than ${LIMITS.biasedTokens} tokens.`,
      ),
  ),
  metadata: accepted,
  priority: accepted,
  prompt_cache_key: accepted,
  prompt_cache_options: accepted,
  prompt_cache_retention: accepted,
  safety_identifier: accepted,
  service_tier: accepted,
  store: accepted,
  user: accepted,
} as const;

export type GenerationFields = z.output<z.ZodObject<typeof GENERATION_FIELDS>>;

/** The library's options for choice number `index` of a prompt. */
export function generationOptions(
  body: GenerationFields,
  index: number,
  { key, server }: Pick<ServerRequest, "key" | "server">,
): GenerationOptions {
  const { seed, top_k: topK } = body;
  return {
    maxTokens: body.max_tokens,
    temperature: body.temperature,
    topP: body.top_p,
    topK: topK === -1 ? 0 : topK,
    minP: body.min_p,
    repetitionPenalty: body.repetition_penalty,
    presencePenalty: body.presence_penalty,
    frequencyPenalty: body.frequency_penalty,
    logitBias: body.logit_bias,
    // Choices of one request differ, and a seed repeats all of them.
    seed: seed === undefined || seed < 0 ? undefined : seed + index,
    stop: typeof body.stop === "string" ? [body.stop] : body.stop,
    stopTokenIds: body.stop_token_ids,
    ignoreEos: body.ignore_eos,
    maxRepetition: body.max_repetition ?? (body.ignore_eos === true ? undefined : server.options.maxRepetition),
    cacheNamespace: key?.id,
  };
}
