// The languages of the page: one catalogue of pairs, English and Simplified Chinese, and the choice between them.
//
// Each page has a file in `messages/`; a key without both languages does not compile. `{name}` stands for a value, and
// `{n|token|tokens}` for a word that goes with a number.

import { useSyncExternalStore } from "react";
import { chart } from "./messages/chart.ts";
import { chat } from "./messages/chat.ts";
import { inside } from "./messages/inside.ts";
import { mcp } from "./messages/mcp.ts";
import { playground } from "./messages/playground.ts";
import { server } from "./messages/server.ts";
import { shell } from "./messages/shell.ts";
import { training } from "./messages/training.ts";
import { readSetting, writeSetting } from "../store/local.ts";

const MESSAGES = { ...shell, ...chart, ...chat, ...inside, ...mcp, ...playground, ...server, ...training } as const;

export type MessageKey = keyof typeof MESSAGES;
export type Values = Readonly<Record<string, string | number>>;
export const LANGUAGES = ["en", "zh-CN"] as const;
export type Language = (typeof LANGUAGES)[number];

const listeners = new Set<() => void>();
let language: Language = firstLanguage();
document.documentElement.lang = language;

function firstLanguage(): Language {
  const chosen = readSetting("language");
  if (chosen === "en" || chosen === "zh-CN") return chosen;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh-CN" : "en";
}

export function currentLanguage(): Language {
  return language;
}

export function setLanguage(chosen: Language): void {
  language = chosen;
  writeSetting("language", chosen);
  document.documentElement.lang = chosen;
  for (const listener of listeners) listener();
}

export function useLanguage(): Language {
  return useSyncExternalStore(subscribe, currentLanguage);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The text of a key in the chosen language. Components use `useText`, which follows a change of language. */
export function text(key: MessageKey, values: Values = {}): string {
  const template: string = MESSAGES[key][language === "en" ? 0 : 1];
  return template.replace(/\{(\w+)(?:\|([^|}]*)\|([^}]*))?\}/g, (whole, name: string, one?: string, many?: string) => {
    const value = values[name];
    if (value === undefined) return whole;
    if (one !== undefined && many !== undefined) return value === 1 ? one : many;
    return typeof value === "number" ? formatNumber(value) : value;
  });
}

export function useText(): typeof text {
  useLanguage();
  return text;
}

export function formatNumber(value: number, options: Intl.NumberFormatOptions = {}): string {
  return new Intl.NumberFormat(language, { maximumFractionDigits: 2, ...options }).format(value);
}

export function formatTime(time: number, options: Intl.DateTimeFormatOptions): string {
  return new Intl.DateTimeFormat(language, options).format(time);
}
