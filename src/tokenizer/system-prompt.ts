// What the publishers of MiMo-V2-Flash recommend around a conversation: a system prompt in two languages, and sampling.
//
// The date stands behind everything else, so what was computed for the prompt before it holds for the days to come.

import { formatTime } from "./strftime.ts";

export const PROMPT_LANGUAGES = ["en", "zh"] as const;
export type PromptLanguage = (typeof PROMPT_LANGUAGES)[number];

export interface SystemPromptOptions {
  /** Default "en". */
  readonly language?: PromptLanguage | undefined;
  /** Of today, in local time. Default: the present. */
  readonly date?: Date | undefined;
  /** The caller's own part, between the two of the recommended prompt. */
  readonly instructions?: string | undefined;
}

/** Temperatures of the model's card: for mathematics, writing and pages, and for agents and tools. */
export const SAMPLING_PRESETS = {
  general: { temperature: 0.8, topP: 0.95 },
  agent: { temperature: 0.3, topP: 0.95 },
} as const;

export const MIMO_PROMPT = "You are MiMo, an AI assistant developed by Xiaomi.";
export const CUTOFF = "Your knowledge cutoff date is December 2024.";
const WEEKDAYS_ZH = "日一二三四五六";

/** The recommended system prompt. */
export function systemPrompt({ language = "en", date = new Date(), instructions }: SystemPromptOptions = {}): string {
  const [identity, today] = PROMPTS[language](date);
  return [identity, instructions, today].filter((part) => part !== undefined).join("\n\n");
}

const PROMPTS: Readonly<Record<PromptLanguage, (date: Date) => readonly [identity: string, today: string]>> = {
  en: (date) => [MIMO_PROMPT, `Today's date: ${formatTime(date, "%Y-%m-%d %A")}. ${CUTOFF}`],
  zh: (date) => [
    "你是MiMo（中文名称也是MiMo），是小米公司研发的AI智能助手。",
    `今天的日期：${formatTime(date, "%Y-%m-%d")} 星期${WEEKDAYS_ZH[date.getDay()]}，你的知识截止日期是2024年12月。`,
  ],
};
