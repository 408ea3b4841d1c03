// Whether a request wants thinking, and how much: every dialect of it that clients speak.
//
// Where several speak, the one nearest to the template counts for the switch, and a number of tokens before an effort
// for the budget. A budget alone switches nothing on, except in the field that is about reasoning.

import { z } from "zod";
import { count, flag, optional } from "./fields.ts";

/** Most tokens of thinking by effort, as docs/serving.md has them. */
const EFFORT_BUDGETS = {
  none: 0,
  minimal: 128,
  low: 512,
  medium: 2048,
  high: 8192,
  xhigh: 32_768,
  max: undefined,
} as const;
type Effort = keyof typeof EFFORT_BUDGETS;

/** OpenAI's word for it, and Anthropic's. */
export const effortField = optional(z.enum(Object.keys(EFFORT_BUDGETS) as [Effort, ...Effort[]]));

export const THINKING_FIELDS = {
  reasoning_effort: effortField,
  reasoning: optional(z.looseObject({ effort: effortField, max_tokens: count(0), enabled: flag })),
  chat_template_kwargs: optional(z.looseObject({ enable_thinking: flag })),
  enable_thinking: flag,
  thinking: optional(
    z.looseObject({ type: z.enum(["enabled", "disabled", "adaptive", "auto"]), budget_tokens: count(0) }),
  ),
  // -1 is no limit, as other servers have it.
  thinking_budget_tokens: count(-1),
  thinking_token_budget: count(-1),
} as const;

export type ThinkingBody = Partial<z.output<z.ZodObject<typeof THINKING_FIELDS>>>;

export interface Thinking {
  /** Undefined leaves it to the template. */
  readonly thinking: boolean | undefined;
  /** Most tokens of it; undefined is no limit. */
  readonly thinkingBudget: number | undefined;
}

export function thinkingOf(body: ThinkingBody): Thinking {
  const { reasoning } = body;
  const effort = body.reasoning_effort ?? reasoning?.effort;
  const budget =
    body.thinking_budget_tokens ??
    body.thinking_token_budget ??
    body.thinking?.budget_tokens ??
    reasoning?.max_tokens ??
    effortBudget(effort);
  return {
    thinking: switchOf(body) ?? (effort === undefined ? asked(reasoning?.max_tokens) : effort !== "none"),
    thinkingBudget: budget === -1 ? undefined : budget,
  };
}

/** Undefined is no limit. */
export function effortBudget(effort: Effort | undefined): number | undefined {
  return effort === undefined ? undefined : EFFORT_BUDGETS[effort];
}

function switchOf({ chat_template_kwargs: kwargs, enable_thinking: own, thinking, reasoning }: ThinkingBody) {
  const type = thinking?.type;
  const ofType = type === undefined || type === "auto" ? undefined : type !== "disabled";
  return kwargs?.enable_thinking ?? own ?? ofType ?? reasoning?.enabled;
}

function asked(maxTokens: number | undefined): boolean | undefined {
  return maxTokens === undefined ? undefined : maxTokens > 0;
}
