// Short notices at the edge of the page, read out to those who do not see them; each goes by itself.

import { useSyncExternalStore } from "react";

interface Toast {
  readonly id: number;
  readonly text: string;
  readonly isError: boolean;
}

const SHOWN_MS = { notice: 3500, error: 8000 } as const;

let toasts: readonly Toast[] = [];
let nextId = 0;
const listeners = new Set<() => void>();

function show(text: string, isError: boolean): void {
  const id = nextId++;
  change([...toasts.slice(-3), { id, text, isError }]);
  setTimeout(() => change(toasts.filter((toast) => toast.id !== id)), isError ? SHOWN_MS.error : SHOWN_MS.notice);
}

function change(next: readonly Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

export function notify(text: string): void {
  show(text, false);
}

export function notifyError(error: unknown): void {
  show(error instanceof Error ? error.message : String(error), true);
}

export function Toasts() {
  const shown = useSyncExternalStore(subscribe, () => toasts);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map(({ id, text, isError }) => (
        <p key={id} className={isError ? "toast is-error" : "toast"}>
          {text}
        </p>
      ))}
    </div>
  );
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
