// An answer as the sum of its frames: what a message of the store becomes with each.

import type { AnswerFrame, CallDelta } from "../api/answers.ts";
import { withDetails } from "../inside/trace.ts";
import type { Answer, Message, ToolCall } from "../store/database.ts";

export interface AnsweredMessage extends Message {
  readonly answer: Answer;
}

/** A message whose answer begins, or goes on behind what it has. */
export function begunAnswer(message: Message, startedAt: number): AnsweredMessage {
  const { reasoning = "", thinkingFrom, thinkingTo } = message.answer ?? {};
  // Without a text yet, it is the thinking that goes on.
  const thoughtTo = message.content === "" ? undefined : thinkingTo;
  const answer: Answer = {
    status: "streaming",
    reasoning,
    thinkingFrom,
    thinkingTo: thoughtTo,
    calls: [],
    startedAt,
    ...(message.content === "" ? {} : { isContinued: true }),
  };
  return { ...message, answer };
}

/** Frames that were taken in before change nothing. */
export function foldFrame(message: AnsweredMessage, { frame, chunk }: AnswerFrame, now: number): AnsweredMessage {
  const { answer } = message;
  if (frame !== undefined && answer.frame !== undefined && frame <= answer.frame) return message;
  const choice = chunk.choices[0];
  const text = choice?.delta.content ?? "";
  const thought = choice?.delta.reasoning_content ?? "";
  const calls = choice?.delta.tool_calls ?? [];
  const speaks = text !== "" || calls.length > 0;
  const isThinking = answer.thinkingFrom !== undefined && answer.thinkingTo === undefined;
  return {
    ...message,
    content: message.content + text,
    answer: {
      ...answer,
      replyId: chunk.id,
      frame: frame ?? answer.frame,
      model: chunk.model,
      reasoning: answer.reasoning + thought,
      thinkingFrom: answer.thinkingFrom ?? (thought === "" ? undefined : now),
      thinkingTo: isThinking && (speaks || hasEnded(choice)) ? now : answer.thinkingTo,
      calls: calls.reduce(withCallDelta, answer.calls),
      firstTokenAt: answer.firstTokenAt ?? (speaks || thought !== "" ? now : undefined),
      finishReason: choice?.finish_reason ?? answer.finishReason,
      finishDetail: choice?.finish_detail ?? answer.finishDetail,
      usage: chunk.usage ?? answer.usage,
      progress: choice?.mimo?.progress ?? answer.progress,
      timings: choice?.mimo?.timings ?? answer.timings,
      trace: withDetails(answer.trace, choice),
    },
  };
}

function hasEnded(choice: AnswerFrame["chunk"]["choices"][number] | undefined): boolean {
  return choice !== undefined && choice.finish_reason !== null;
}

function withCallDelta(calls: readonly ToolCall[], delta: CallDelta): readonly ToolCall[] {
  const { index, id, function: part } = delta;
  const known = calls[index];
  const call: ToolCall = {
    ...known,
    id: known?.id ?? id ?? `call-${index}`,
    name: known?.name ?? part?.name ?? "",
    arguments: (known?.arguments ?? "") + (part?.arguments ?? ""),
  };
  return known === undefined ? [...calls, call] : calls.with(index, call);
}

/** The message once its stream has ended. */
export function endAnswer(message: AnsweredMessage, now: number): AnsweredMessage {
  const { answer } = message;
  return withAnswer(message, {
    status: answer.finishDetail === "stopped" ? "stopped" : "done",
    ...endTimes(answer, now),
  });
}

export function failAnswer(message: AnsweredMessage, error: string, now: number): AnsweredMessage {
  return withAnswer(message, { status: "failed", error, ...endTimes(message.answer, now) });
}

function endTimes({ thinkingFrom, thinkingTo }: Answer, now: number): Partial<Answer> {
  return { endedAt: now, thinkingTo: thinkingFrom === undefined ? undefined : (thinkingTo ?? now) };
}

export function withAnswer(message: AnsweredMessage, fields: Partial<Answer>): AnsweredMessage {
  return { ...message, answer: { ...message.answer, ...fields } };
}
