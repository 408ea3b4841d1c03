// A Completions request: its fields, and its prompts as text or token ids.

import { z } from "zod";
import type { BodySchema } from "../body.ts";
import { invalid } from "../errors.ts";
import { LIMITS } from "../options.ts";
import { otherFormats } from "./demands.ts";
import { count, flag, GENERATION_FIELDS, tokenId } from "./fields.ts";

const ids = z.array(tokenId);

const COMPLETIONS_FIELDS = {
  ...GENERATION_FIELDS,
  prompt: z.union([z.string(), ids, z.array(z.string()), z.array(ids)], {
    error: "must be text, a list of texts, a list of token ids, or a list of such lists.",
  }),
  // 0 together with echo: the prompt alone, with its log-probabilities.
  max_tokens: count(0),
  echo: flag,
  logprobs: count(0, LIMITS.topLogprobs),
  best_of: count(1, LIMITS.choices),
} as const;

export const COMPLETIONS: BodySchema<typeof COMPLETIONS_FIELDS> = {
  schema: z.object(COMPLETIONS_FIELDS),
  unsupported: {
    suffix: { why: "the model continues text, it does not fill gaps.", neutral: [""] },
    ...otherFormats("what continues a text has no format; use response_format of /v1/chat/completions.", [
      "response_format",
    ]),
  },
};

export type CompletionsBody = z.output<typeof COMPLETIONS.schema>;

/** Tokens that this API generates where the request does not say, as OpenAI documents. */
export const DEFAULT_MAX_TOKENS = 16;

/** Throws `invalid_argument` naming the field. */
export function promptsOf({
  prompt,
  best_of: best,
  n = 1,
  max_tokens: maxTokens,
  echo,
}: CompletionsBody): readonly (string | readonly number[])[] {
  if (best !== undefined && best !== n) throw invalid("best_of", "must be the same as n.");
  if (maxTokens === 0 && echo !== true) throw invalid("max_tokens", "must be at least 1, or 0 together with echo.");
  const isOne = typeof prompt === "string" || typeof prompt[0] === "number";
  const prompts = (isOne ? [prompt] : prompt) as readonly (string | readonly number[])[];
  if (prompts.length > LIMITS.prompts)
    throw invalid("prompt", `has ${prompts.length} texts; at most ${LIMITS.prompts} are allowed.`);
  const empty = prompts.findIndex((one) => one.length === 0);
  if (empty >= 0 || prompts.length === 0) throw invalid(isOne ? "prompt" : `prompt[${empty}]`, "must not be empty.");
  return prompts;
}
