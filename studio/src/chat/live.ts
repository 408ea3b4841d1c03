// Answers on their way: read from the server, folded, shown once per frame of the screen, stored every second.
//
// What is stored always agrees with the frame number beside it, so a page that is opened again goes on behind that frame;
// so does a second tab, and so does this one after its connection broke. Text is never put together twice.

import { useEffect, useSyncExternalStore } from "react";
import { type AnsweredMessage, begunAnswer, endAnswer, failAnswer, foldFrame, withAnswer } from "./fold.ts";
import { type AnswerFrame, controlAnswer, followAnswer, startAnswer, StreamError } from "../api/answers.ts";
import { ApiError } from "../api/client.ts";
import { text } from "../i18n/i18n.ts";
import type { Message } from "../store/database.ts";
import { messagesOf } from "../store/store.ts";

const STORE_EVERY_MS = 1000;
const RECONNECT_MS = [250, 500, 1000, 2000, 4000, 8000] as const;

interface LiveAnswer {
  message: AnsweredMessage;
  readonly abort: AbortController;
  readonly listeners: Set<() => void>;
  storedAt: number;
  isDrawing: boolean;
}

const running = new Map<string, LiveAnswer>();
const runningListeners = new Set<() => void>();
let runningIds: readonly string[] = [];

/** Begins an answer as `message`, which may have a text already. Resolves with it as it ended. */
export function beginAnswer(message: Message, body: object): Promise<AnsweredMessage> {
  const started = begunAnswer(message, Date.now());
  messagesOf(message.conversationId).put(started);
  return run(started, (signal) => startAnswer(body, signal));
}

/** Follows an answer that another page, or this one before it was loaded again, has begun. */
export function resumeAnswer(message: Message): Promise<AnsweredMessage> | undefined {
  const { answer } = message;
  if (answer?.status !== "streaming" || running.has(message.id)) return undefined;
  const { replyId, frame } = answer;
  const known = { ...message, answer };
  if (replyId !== undefined) return run(known, (signal) => followAnswer(replyId, frame, signal));
  // It went before its first frame came: nobody can say what it is called.
  const lost = failAnswer(known, text("answer.lost"), Date.now());
  messagesOf(message.conversationId).put(lost);
  return Promise.resolve(lost);
}

async function run(
  message: AnsweredMessage,
  open: (signal: AbortSignal) => Promise<AsyncGenerator<AnswerFrame>>,
): Promise<AnsweredMessage> {
  const live: LiveAnswer = {
    message,
    abort: new AbortController(),
    listeners: new Set(),
    storedAt: Date.now(),
    isDrawing: false,
  };
  running.set(message.id, live);
  changeRunning();
  try {
    await readAll(live, open);
    live.message = endAnswer(live.message, Date.now());
  } catch (error) {
    live.message = live.abort.signal.aborted
      ? withAnswer(endAnswer(live.message, Date.now()), { status: "stopped" })
      : failAnswer(live.message, describeFailure(error), Date.now());
  }
  running.delete(message.id);
  // A message that was deleted meanwhile stays deleted.
  const thread = messagesOf(message.conversationId);
  if (thread.get(message.id) !== undefined) thread.put(live.message);
  for (const listener of live.listeners) listener();
  changeRunning();
  return live.message;
}

/** Reads the stream to its end, over as many connections as that takes. */
async function readAll(
  live: LiveAnswer,
  open: (signal: AbortSignal) => Promise<AsyncGenerator<AnswerFrame>>,
): Promise<void> {
  const { signal } = live.abort;
  let connect = open;
  for (let attempt = 0; ; attempt++) {
    try {
      for await (const frame of await connect(signal)) {
        take(live, frame);
        attempt = 0;
      }
      return;
    } catch (error) {
      const { replyId, frame } = live.message.answer;
      const wait = RECONNECT_MS[attempt];
      if (signal.aborted || replyId === undefined || wait === undefined || !isBroken(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, wait));
      connect = (nextSignal) => followAnswer(replyId, live.message.answer.frame ?? frame, nextSignal);
    }
  }
}

/** Whether another connection may help. */
function isBroken(error: unknown): boolean {
  if (error instanceof StreamError) return false;
  return error instanceof ApiError ? error.status === 0 || error.status >= 502 : true;
}

function describeFailure(error: unknown): string {
  if (error instanceof ApiError && error.status === 404) return text("answer.forgotten");
  if (error instanceof ApiError && error.status === 0) return text("error.unreachable");
  return error instanceof Error ? error.message : String(error);
}

function take(live: LiveAnswer, frame: AnswerFrame): void {
  const wasNamed = live.message.answer.replyId !== undefined;
  const now = Date.now();
  live.message = foldFrame(live.message, frame, now);
  draw(live);
  if (wasNamed && now - live.storedAt < STORE_EVERY_MS) return;
  live.storedAt = now;
  // Other tabs learn of it when it can be followed, and follow it by themselves.
  const thread = messagesOf(live.message.conversationId);
  if (thread.get(live.message.id) !== undefined) thread.put(live.message, { isQuiet: wasNamed });
  // Nobody can see an answer that was deleted.
  else void stopAnswer(live.message.id).catch(() => live.abort.abort());
}

function draw(live: LiveAnswer): void {
  if (live.isDrawing) return;
  live.isDrawing = true;
  requestAnimationFrame(() => {
    live.isDrawing = false;
    for (const listener of live.listeners) listener();
  });
}

function changeRunning(): void {
  runningIds = [...running.keys()];
  for (const listener of runningListeners) listener();
}

/** The message as it is this moment. */
export function useLiveMessage(message: Message): Message {
  const live = running.get(message.id);
  return useSyncExternalStore(
    (listener) => {
      live?.listeners.add(listener);
      return () => live?.listeners.delete(listener);
    },
    () => running.get(message.id)?.message ?? message,
  );
}

/** Ids of messages whose answers are on their way. */
export function useRunningIds(): readonly string[] {
  return useSyncExternalStore(
    (listener) => {
      runningListeners.add(listener);
      return () => runningListeners.delete(listener);
    },
    () => runningIds,
  );
}

/** Goes on with every answer among these that has not ended. */
export function useResumed(messages: readonly Message[], onEnd: (message: AnsweredMessage) => void): void {
  useEffect(() => {
    for (const message of messages) void resumeAnswer(message)?.then(onEnd);
  }, [messages, onEnd]);
}

/** Ends an answer, here and in the engine. */
export async function stopAnswer(id: string): Promise<void> {
  const live = running.get(id);
  if (live === undefined) return;
  const { replyId } = live.message.answer;
  try {
    if (replyId !== undefined) await controlIfRunning(replyId, "stop");
  } finally {
    // The stream ends by itself with what the engine had; where it cannot be told, the page stops listening.
    const isTold = replyId !== undefined;
    setTimeout(() => live.abort.abort(), isTold ? 2000 : 0);
  }
}

export async function endThinking(id: string): Promise<void> {
  const replyId = running.get(id)?.message.answer.replyId;
  if (replyId !== undefined) await controlIfRunning(replyId, "reasoning_end");
}

/** An answer may have ended while its reader aimed at the button. */
async function controlIfRunning(...control: Parameters<typeof controlAnswer>): Promise<void> {
  try {
    await controlAnswer(...control);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
  }
}
