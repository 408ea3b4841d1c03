// Light, dark, or as the system has it. Colours follow `color-scheme` by themselves (styles/tokens.css).

import { useSyncExternalStore } from "react";
import { readSetting, writeSetting } from "../store/local.ts";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const listeners = new Set<() => void>();
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");
let theme: Theme = THEMES.find((name) => name === readSetting("theme")) ?? "system";
applyTheme();
systemIsDark.addEventListener("change", changed);

export function setTheme(chosen: Theme): void {
  theme = chosen;
  writeSetting("theme", chosen);
  changed();
}

export function useTheme(): Theme {
  return useSyncExternalStore(subscribe, () => theme);
}

/** For what draws by itself: charts and diagrams. */
export function useIsDark(): boolean {
  return useSyncExternalStore(subscribe, isDark);
}

export function isDark(): boolean {
  return theme === "system" ? systemIsDark.matches : theme === "dark";
}

function changed(): void {
  applyTheme();
  for (const listener of listeners) listener();
}

function applyTheme(): void {
  const { dataset } = document.documentElement;
  if (theme === "system") delete dataset["theme"];
  else dataset["theme"] = theme;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
