// Settings by name: those that the model's publishers recommend, and the reader's own.

import type { MessageKey } from "../i18n/i18n.ts";
import type { ChatSettings } from "../store/database.ts";

export interface BuiltInPreset {
  readonly id: string;
  readonly label: MessageKey;
  /** Made when it is chosen, as the prompts have today's date. */
  readonly settings: () => ChatSettings;
}

/** Of the model's card: for conversation, and for agents and tools. */
export const RECOMMENDED = { temperature: 0.8, top_p: 0.95, min_p: 0 } as const;
const AGENT_TEMPERATURE = 0.3;

export const BUILT_IN_PRESETS: readonly BuiltInPreset[] = [
  { id: "default", label: "preset.default", settings: () => ({}) },
  {
    id: "en",
    label: "preset.en",
    settings: () => ({
      system: englishPrompt(new Date()),
      temperature: RECOMMENDED.temperature,
      topP: RECOMMENDED.top_p,
    }),
  },
  {
    id: "zh",
    label: "preset.zh",
    settings: () => ({
      system: chinesePrompt(new Date()),
      temperature: RECOMMENDED.temperature,
      topP: RECOMMENDED.top_p,
    }),
  },
  {
    id: "agent",
    label: "preset.agent",
    settings: () => ({
      system: englishPrompt(new Date()),
      temperature: AGENT_TEMPERATURE,
      topP: RECOMMENDED.top_p,
      thinking: true,
      tools: ["calculator", "current_time"],
    }),
  },
  { id: "exact", label: "preset.exact", settings: () => ({ temperature: 0 }) },
];

/** Whether two settings ask for the same. */
export function sameSettings(a: ChatSettings, b: ChatSettings): boolean {
  return canonical(a) === canonical(b);
}

function canonical(settings: ChatSettings): string {
  const given = Object.entries(settings).filter(([, value]) => value !== undefined && value !== "");
  return JSON.stringify(given.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function isoDate(date: Date): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** Word for word as the model's card has them. */
function englishPrompt(date: Date): string {
  const weekday = new Intl.DateTimeFormat("en", { weekday: "long" }).format(date);
  return `You are MiMo, an AI assistant developed by Xiaomi.\n\nToday's date: ${isoDate(date)} ${weekday}. Your knowledge cutoff date is December 2024.`;
}

function chinesePrompt(date: Date): string {
  const weekday = new Intl.DateTimeFormat("zh-CN", { weekday: "long" }).format(date);
  return `你是MiMo（中文名称也是MiMo），是小米公司研发的AI智能助手。\n\n今天的日期：${isoDate(date)} ${weekday}，你的知识截止日期是2024年12月。`;
}
