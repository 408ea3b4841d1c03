// One request of a load test, as one of several kinds of clients makes it, and whether it ended as it should.
//
// Clients that stay must get a whole answer, or an error that says what to do; of those that leave nothing is expected
// but that they are no trouble to others. Plain sockets of `node:http`: no SDK that repairs or repeats anything.

import { type Agent, type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { randomKey, randomUnit } from "../../src/util/random.ts";

/** Kinds of clients, and how many of a hundred there are of each. */
export const KINDS = {
  stream: 34,
  whole: 24,
  "slow reader": 8,
  "leaves before headers": 8,
  "leaves in the prompt": 8,
  "leaves in the answer": 8,
  "leaves a whole answer": 6,
  mistake: 4,
} as const;
export type Kind = keyof typeof KINDS;

/** `refused`: 429, to be tried again. */
export type End = "finished" | "refused" | "left";

export interface Outcome {
  readonly kind: Kind;
  readonly end: End;
  /** What was not as it should be. */
  readonly problem: string | undefined;
}

export interface Target {
  readonly url: string;
  readonly agent: Agent;
}

interface Draw {
  readonly kind: Kind;
  readonly body: object;
  readonly leaveAfterMs: number;
}

const CHUNK_PAUSE_MS = 10;
const SLOW_START_MS = 500;

/** What client number `index` asks for: the same for the same number. */
function drawVisit(index: number): Draw {
  const key = randomKey(index);
  const unit = (i: number): number => randomUnit(key, i);
  const kind = kindAt(100 * unit(0));
  const words = kind === "leaves in the prompt" ? 500 : 4 + Math.floor(40 * unit(1));
  // Few first words, so that prompts share what others computed, as conversations do.
  const prompt = [Math.floor(4 * unit(2)), ...Array.from({ length: words }, (_, i) => Math.floor(1000 * unit(3 + i)))];
  const common = { prompt: prompt.join(" "), seed: index, temperature: 1, ignore_eos: true };
  const leaveAfterMs = 60 * unit(-1);
  const maxTokens = 8 + Math.floor(24 * unit(-2));
  const bodies: Record<Kind, object> = {
    stream: { ...common, max_tokens: maxTokens, stream: true },
    whole: { ...common, max_tokens: maxTokens },
    // So much for each token that what is unread fills the buffers on the way.
    "slow reader": { ...common, max_tokens: 120, stream: true, logprobs: 20 },
    "leaves before headers": { ...common, max_tokens: maxTokens, stream: true },
    "leaves in the prompt": { ...common, max_tokens: maxTokens, stream: true },
    "leaves in the answer": { ...common, max_tokens: 200, stream: true },
    "leaves a whole answer": { ...common, max_tokens: 200 },
    mistake: { ...common, max_tokens: -1 },
  };
  return { kind, body: bodies[kind], leaveAfterMs: kind === "leaves before headers" ? 0 : leaveAfterMs };
}

function kindAt(percent: number): Kind {
  let sum = 0;
  const found = Object.entries(KINDS).find(([, share]) => percent < (sum += share));
  return (found?.[0] ?? "stream") as Kind;
}

/** Makes request number `index`, once. */
export async function visit(target: Target, index: number): Promise<Outcome> {
  const { kind, body, leaveAfterMs } = drawVisit(index);
  const { outgoing, response } = post(target, body);
  const outcome = (end: End, problem?: string): Outcome => ({ kind, end, problem });
  const leavesBlindly = kind.startsWith("leaves") && kind !== "leaves in the answer";
  if (leavesBlindly) {
    response.catch(() => {});
    await sleep(leaveAfterMs);
    outgoing.destroy();
    return outcome("left");
  }
  try {
    const incoming = await response;
    if (kind === "leaves in the answer" && incoming.statusCode === 200) {
      await leaveAfterChunks(incoming, 2);
      return outcome("left");
    }
    const text = await readText(incoming, kind === "slow reader");
    if (incoming.statusCode === 429) return outcome("refused", refusalProblem(incoming, text));
    return outcome("finished", answerProblem(kind, incoming, text));
  } catch (error) {
    return outcome("finished", `the connection broke: ${(error as Error).message}`);
  }
}

function post({ url, agent }: Target, body: object): { outgoing: ClientRequest; response: Promise<IncomingMessage> } {
  const text = JSON.stringify(body);
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
  const outgoing = httpRequest(`${url}/v1/completions`, { method: "POST", agent, headers });
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.on("response", resolve);
    outgoing.on("error", reject);
  });
  outgoing.end(text);
  return { outgoing, response };
}

async function leaveAfterChunks(incoming: IncomingMessage, count: number): Promise<void> {
  let seen = 0;
  for await (const _ of incoming) if (++seen >= count) break;
  incoming.destroy();
}

async function readText(incoming: IncomingMessage, isSlow: boolean): Promise<string> {
  const chunks: Buffer[] = [];
  if (isSlow) await sleep(SLOW_START_MS);
  for await (const chunk of incoming) {
    chunks.push(chunk as Buffer);
    if (isSlow) await sleep(CHUNK_PAUSE_MS);
  }
  return Buffer.concat(chunks).toString();
}

function refusalProblem({ headers }: IncomingMessage, text: string): string | undefined {
  if (!/^[1-9]\d*$/.test(headers["retry-after"] ?? "")) return `429 with Retry-After ${headers["retry-after"]}`;
  return errorProblem(text, "rate_limit_error");
}

function answerProblem(kind: Kind, { statusCode, headers }: IncomingMessage, text: string): string | undefined {
  const expected = kind === "mistake" ? 400 : 200;
  if (statusCode !== expected) return `status ${statusCode} instead of ${expected}: ${text.slice(0, 200)}`;
  if (kind === "mistake") return errorProblem(text, "invalid_request_error");
  if (kind === "whole") return wholeProblem(text);
  if (!headers["content-type"]?.startsWith("text/event-stream")) return `a stream of ${headers["content-type"]}`;
  return streamProblem(text);
}

function errorProblem(text: string, type: string): string | undefined {
  const error = (parse(text) as { error?: { type?: unknown; message?: unknown } } | undefined)?.error;
  if (error?.type === type && typeof error.message === "string") return undefined;
  return `no error object of type ${type}: ${text.slice(0, 200)}`;
}

function wholeProblem(text: string): string | undefined {
  const body = parse(text) as { choices?: { finish_reason?: unknown }[]; usage?: object } | undefined;
  const isWhole = body?.choices?.length === 1 && typeof body.choices[0]?.finish_reason === "string";
  return isWhole && body.usage !== undefined ? undefined : `no whole answer: ${text.slice(0, 200)}`;
}

/** What a stream lacks: frames of JSON or comments, one reason for its end, and `[DONE]` or an error as the last. */
export function streamProblem(text: string): string | undefined {
  const frames = text.split("\n\n");
  if (frames.pop() !== "") return `cut off within a frame: ${text.slice(-200)}`;
  const data = frames.filter((frame) => !frame.startsWith(":"));
  if (data.some((frame) => !frame.startsWith("data: ") || frame.includes("\n"))) return "a frame that is no data";
  const last = data.pop();
  const values = data.map((frame) => parse(frame.slice("data: ".length)));
  if (values.includes(undefined)) return "a frame that is not JSON";
  const reasons = (values as { choices?: { finish_reason?: string | null }[] }[])
    .flatMap(({ choices = [] }) => choices)
    .filter(({ finish_reason: reason }) => typeof reason === "string");
  if (last === "data: [DONE]") return reasons.length === 1 ? undefined : `${reasons.length} reasons for its end`;
  return errorProblem(last?.slice("data: ".length) ?? "", "server_error");
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
