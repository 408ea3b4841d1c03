// Answers of the chat API as streams: begun, followed again by their id, ended early.
//
// Every answer runs in the background of the server, so it outlives the page that asked for it.

import { request } from "./client.ts";
import { readEvents } from "./sse.ts";
import type { Timings, Usage } from "../store/database.ts";

export interface CallDelta {
  readonly index: number;
  readonly id?: string;
  readonly function?: { readonly name?: string; readonly arguments?: string };
}

export interface ChunkChoice {
  readonly index: number;
  readonly delta: {
    readonly content?: string | null;
    readonly reasoning_content?: string | null;
    readonly tool_calls?: readonly CallDelta[];
  };
  readonly finish_reason: string | null;
  readonly finish_detail?: string;
  readonly logprobs?: { readonly content: readonly TokenLogprob[] } | null;
  readonly mimo?: Details;
}

export interface TokenLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly top_logprobs: readonly { readonly token: string; readonly logprob: number }[];
}

/** What a stream shows of its making (`include`). */
export interface Details {
  readonly prompt?: { readonly text: string; readonly tokens: number };
  readonly progress?: { readonly processed: number; readonly total: number; readonly cached: number };
  readonly drafts?: {
    readonly tokens: readonly string[];
    readonly drafted: readonly string[];
    readonly accepted: number;
  };
  /** Experts by token and layer. */
  readonly routing?: { readonly first: number; readonly experts: readonly (readonly (readonly number[])[])[] };
  readonly timings?: Timings;
}

export interface Chunk {
  readonly id: string;
  readonly model: string;
  readonly choices: readonly ChunkChoice[];
  readonly usage?: Usage | null;
  readonly [further: string]: unknown;
}

export interface AnswerFrame {
  /** Undefined where the server does not number its frames. */
  readonly frame: number | undefined;
  readonly chunk: Chunk;
}

/** Thrown where the server ends a stream with an error. */
export class StreamError extends Error {}

/** What every answer shows; a body may ask for more. */
export const DETAILS = ["progress", "timings"] as const;

export async function startAnswer(body: object, signal: AbortSignal): Promise<AsyncGenerator<AnswerFrame>> {
  const stream = { stream: true, background: true, stream_options: { include_usage: true }, include: DETAILS };
  return readFrames(await request("/v1/chat/completions", { method: "POST", body: { ...stream, ...body }, signal }));
}

/** Frames behind number `after`, and those to come. Throws `ApiError` with status 404 where the server has forgotten it. */
export async function followAnswer(
  replyId: string,
  after: number | undefined,
  signal: AbortSignal,
): Promise<AsyncGenerator<AnswerFrame>> {
  const headers: Record<string, string> = after === undefined ? {} : { "last-event-id": String(after) };
  return readFrames(await request(`/v1/chat/completions/${encodeURIComponent(replyId)}/stream`, { headers, signal }));
}

export async function controlAnswer(replyId: string, action: "stop" | "reasoning_end"): Promise<void> {
  await request("/v1/chat/completions/control", { method: "POST", body: { id: replyId, action } });
}

/** Returns at the stream's end; throws `TypeError` where the connection breaks before it. */
async function* readFrames(response: Response): AsyncGenerator<AnswerFrame> {
  for await (const { id, data } of readEvents(response)) {
    if (data === "[DONE]") return;
    const body = JSON.parse(data) as Chunk & { readonly error?: { readonly message?: string } };
    if (body.error !== undefined) throw new StreamError(body.error.message ?? data);
    const frame = Number(id);
    yield { frame: id !== undefined && Number.isInteger(frame) ? frame : undefined, chunk: body };
  }
  throw new TypeError("The connection ended before the answer did.");
}
