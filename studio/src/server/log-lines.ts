// The server's log as it is written: its last lines, and those to come, over connections that may break.

import { useEffect, useRef, useState } from "react";
import { ApiError, request } from "../api/client.ts";
import { pause } from "../api/polled.ts";
import { readEvents } from "../api/sse.ts";

export interface LogLine {
  /** ISO 8601. */
  readonly time: string;
  readonly id: string;
  readonly method: string;
  readonly route: string;
  readonly status: number;
  readonly key?: string;
  readonly ms: number;
  readonly firstTokenMs?: number;
  readonly promptTokens?: number;
  readonly cachedTokens?: number;
  readonly completionTokens?: number;
  readonly finish?: string;
}

const MAX_LINES = 1000;
const RETRY_MS = 2000;
/** Lines that come in a burst are shown together. */
const SHOW_MS = 100;

export interface LiveLog {
  /** The latest first. */
  readonly lines: readonly LogLine[];
  /** Lines that came while the log stood still. */
  readonly numHeld: number;
  readonly error: Error | undefined;
  readonly retry: () => void;
}

export function useLog(isPaused: boolean): LiveLog {
  const [all, setAll] = useState<readonly LogLine[]>([]);
  const [shown, setShown] = useState(all);
  const [error, setError] = useState<Error>();
  const [generation, setGeneration] = useState(0);
  const seen = useRef<string>(undefined);

  useEffect(() => {
    const abort = new AbortController();
    const { signal } = abort;
    let arrived: LogLine[] = [];
    let timer: ReturnType<typeof setTimeout> | undefined;
    const flush = (): void => {
      const added = arrived;
      arrived = [];
      timer = undefined;
      setAll((before) => [...added.toReversed(), ...before].slice(0, MAX_LINES));
    };
    const follow = async (): Promise<void> => {
      const headers: Record<string, string> = { accept: "text/event-stream" };
      if (seen.current !== undefined) headers["last-event-id"] = seen.current;
      const response = await request("/v1/logs", { headers, signal });
      setError(undefined);
      for await (const { id, data } of readEvents(response)) {
        seen.current = id;
        arrived.push(JSON.parse(data) as LogLine);
        timer ??= setTimeout(flush, SHOW_MS);
      }
    };
    void keepFollowing(follow, setError, signal);
    return () => {
      abort.abort();
      clearTimeout(timer);
      flush();
    };
  }, [generation]);

  useEffect(() => {
    if (!isPaused) setShown(all);
  }, [all, isPaused]);
  const numHeld = isPaused ? countNewer(all, shown[0]) : 0;
  return { lines: shown, numHeld, error, retry: () => setGeneration(generation + 1) };
}

function countNewer(all: readonly LogLine[], latestShown: LogLine | undefined): number {
  const at = latestShown === undefined ? -1 : all.indexOf(latestShown);
  return at < 0 ? all.length : at;
}

/** Comes back after every end but one that asking again does not change. */
async function keepFollowing(
  follow: () => Promise<void>,
  onError: (error: Error) => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await follow();
    } catch (error) {
      if (signal.aborted) return;
      onError(error instanceof Error ? error : new Error(String(error)));
      if (error instanceof ApiError && error.status >= 400 && error.status < 500) return;
    }
    await pause(RETRY_MS, signal);
  }
}

/** Whether a line has all the words of a filter somewhere. */
export function matches(line: LogLine, filter: string): boolean {
  const text = Object.values(line).join(" ").toLowerCase();
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}
