// Where the reader is: the part of the address behind `#`, so that the server has to know one page only.
//
// `#/chat/ID` is page "chat" with the parts ["ID"].

import { useSyncExternalStore } from "react";

export const PAGES = ["chat", "playground", "server", "training"] as const;
export type Page = (typeof PAGES)[number];

export interface Route {
  readonly page: Page;
  readonly parts: readonly string[];
}

let route = readRoute();
const listeners = new Set<() => void>();
addEventListener("hashchange", () => {
  route = readRoute();
  for (const listener of listeners) listener();
});

function readRoute(): Route {
  const [name, ...parts] = location.hash.replace(/^#\/?/, "").split("/").map(decodePart);
  return { page: PAGES.find((page) => page === name) ?? "chat", parts: parts.filter((part) => part !== "") };
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function href(page: Page, ...parts: readonly string[]): string {
  return `#/${[page, ...parts.map(encodeURIComponent)].join("/")}`;
}

export function navigate(page: Page, ...parts: readonly string[]): void {
  location.hash = href(page, ...parts);
}

export function useRoute(): Route {
  return useSyncExternalStore(subscribe, () => route);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
