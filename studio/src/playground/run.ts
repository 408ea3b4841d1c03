// One side's answer, from the request to its end. It ends with the page, as nothing of it is kept.

import { useCallback, useEffect, useRef, useState } from "react";
import type { Body } from "./input.ts";
import { startAnswer } from "../api/answers.ts";
import { ApiError, requestJson } from "../api/client.ts";
import { type AnsweredMessage, begunAnswer, endAnswer, failAnswer, foldFrame, withAnswer } from "../chat/fold.ts";
import type { Message } from "../store/database.ts";

const BEFORE: Message = {
  id: "",
  conversationId: "",
  parentId: undefined,
  role: "assistant",
  createdAt: 0,
  content: "",
};

export interface Run {
  readonly message: AnsweredMessage | undefined;
  /** Whether the answer was asked to be JSON. */
  readonly isJson: boolean;
  /** The field of the request that the server refused. */
  readonly param: string | undefined;
  readonly isRunning: boolean;
  readonly start: (body: Body) => void;
  readonly stop: () => void;
}

export function useRun(): Run {
  const [message, setMessage] = useState<AnsweredMessage>();
  const [param, setParam] = useState<string>();
  const [isJson, setJson] = useState(false);
  const abort = useRef<AbortController>(undefined);
  const stop = useCallback(() => abort.current?.abort(), []);
  useEffect(() => stop, [stop]);
  const start = (body: Body): void => {
    stop();
    const controller = new AbortController();
    abort.current = controller;
    setParam(undefined);
    setJson(body.response_format !== undefined);
    void answer(body, controller.signal, (next) => {
      if (abort.current === controller) setMessage(next);
    }).catch((error: unknown) => {
      if (abort.current === controller && error instanceof ApiError) setParam(error.param);
    });
  };
  return { message, isJson, param, isRunning: message?.answer.status === "streaming", start, stop };
}

/** Shows the answer once per frame of the screen while it grows. Throws what ended it, once that is shown. */
async function answer(body: Body, signal: AbortSignal, show: (message: AnsweredMessage) => void): Promise<void> {
  let message = begunAnswer(BEFORE, Date.now());
  let isDrawing = false;
  show(message);
  try {
    // Without a copy on the server, an answer that nobody reads ends.
    for await (const frame of await startAnswer({ ...body, background: false }, signal)) {
      message = foldFrame(message, frame, Date.now());
      if (isDrawing) continue;
      isDrawing = true;
      requestAnimationFrame(() => {
        isDrawing = false;
        if (message.answer.status === "streaming") show(message);
      });
    }
    message = endAnswer(message, Date.now());
    show(message);
  } catch (error) {
    message = signal.aborted
      ? withAnswer(endAnswer(message, Date.now()), { status: "stopped" })
      : failAnswer(message, error instanceof Error ? error.message : String(error), Date.now());
    show(message);
    throw error;
  }
}

/** What the server says of what an answer must be; undefined where it takes it. Costs one token. */
export async function checkDemands({ model, tools, response_format }: Body): Promise<ApiError | undefined> {
  const body = { model, tools, response_format, messages: [{ role: "user", content: "." }], max_completion_tokens: 1 };
  try {
    await requestJson("/v1/chat/completions", { method: "POST", body });
    return undefined;
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
}
