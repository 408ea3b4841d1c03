// A value of the server that is asked for again and again, as long as its page is looked at.
//
// What asking again does not change, such as a missing right, ends it until it is told to go on.

import { useCallback, useEffect, useState } from "react";
import { ApiError } from "./client.ts";

export interface Polled<T> {
  /** The last one that came. */
  readonly value: T | undefined;
  /** Why there is none, or why it is old. */
  readonly error: Error | undefined;
  readonly reload: () => void;
}

/** `read` must stay the same between renderings. */
export function usePolled<T>(read: (signal: AbortSignal) => Promise<T>, everyMs: number): Polled<T> {
  const [value, setValue] = useState<T>();
  const [error, setError] = useState<Error>();
  const [generation, setGeneration] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    const { signal } = abort;
    void poll(
      async () => {
        try {
          const next = await read(signal);
          if (signal.aborted) return true;
          setValue(next);
          setError(undefined);
          return true;
        } catch (thrown) {
          if (signal.aborted) return false;
          setError(thrown instanceof Error ? thrown : new Error(String(thrown)));
          return !isFinal(thrown);
        }
      },
      everyMs,
      signal,
    );
    return () => abort.abort();
  }, [read, everyMs, generation]);
  return { value, error, reload: useCallback(() => setGeneration((before) => before + 1), []) };
}

async function poll(step: () => Promise<boolean>, everyMs: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    if (!document.hidden && !(await step())) return;
    await pause(everyMs, signal);
  }
}

function isFinal(error: unknown): boolean {
  return error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429;
}

export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}
