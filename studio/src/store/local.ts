// Small settings of this browser, in localStorage: theme, language, key. Everything larger is in the database.
//
// A browser may refuse localStorage altogether; then settings last as long as the page.

import { useSyncExternalStore } from "react";

const memory = new Map<string, string>();
const listeners = new Set<() => void>();

export type SettingName =
  | "language"
  | "theme"
  | "api-key"
  | "chat-settings"
  | "auto-tools"
  | "auto-mcp-tools"
  | "closed-folders"
  | "open-thinking"
  | "recording"
  | "token-colours"
  | "playground";

export function readSetting(name: SettingName): string | undefined {
  try {
    return localStorage.getItem(`mimo.${name}`) ?? undefined;
  } catch {
    return memory.get(name);
  }
}

export function writeSetting(name: SettingName, value: string | undefined): void {
  try {
    if (value === undefined) localStorage.removeItem(`mimo.${name}`);
    else localStorage.setItem(`mimo.${name}`, value);
  } catch {
    if (value === undefined) memory.delete(name);
    else memory.set(name, value);
  }
  for (const listener of listeners) listener();
}

/** Whether a setting is "yes"; follows a change of it. */
export function useIsOn(name: SettingName): boolean {
  return useSyncExternalStore(subscribe, () => readSetting(name) === "yes");
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
