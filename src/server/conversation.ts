// The next turn of a conversation, whichever API asks for it: its prompt, its options, and what is remembered of it.

import type { Mimo } from "../api/mimo.ts";
import type { AnswerOptions, GenerationOptions } from "../api/request.ts";
import type { EncodedChat } from "../tokenizer/chat.ts";
import type { Choice } from "./answer.ts";
import { SAMPLING_PRESETS, systemPrompt } from "../tokenizer/system-prompt.ts";
import { freshId } from "./model.ts";
import { rememberReasoning, restoreReasoning } from "./reasoning.ts";
import { renamed } from "./errors.ts";
import type { ServerOptions } from "./options.ts";
import type { ServerEvent } from "./render/renderer.ts";
import type { ServerContext, ServerRequest } from "./route.ts";
import type { ChatPrompt } from "./schema/chat.ts";

export interface Conversation {
  readonly mimo: Mimo;
  readonly chat: ChatPrompt;
  readonly prompt: EncodedChat;
  /** Of the request, and of what could not be put back. */
  readonly warnings: readonly string[];
}

/** Whose memory a request reads and fills. */
export function ownerOf({ key }: ServerRequest): string {
  return key?.id ?? "";
}

/** The messages, behind the recommended prompt where the server is told so and they bring none. */
export function withSystemPrompt(
  { options }: Pick<ServerContext, "options">,
  messages: ChatPrompt["request"]["messages"],
): ChatPrompt["request"]["messages"] {
  const { systemPrompt: language } = options;
  if (language === undefined || messages[0]?.role === "system") return messages;
  return [{ role: "system", content: systemPrompt({ language }) }, ...messages];
}

/** Throws what a template makes of the messages. */
export function encodeConversation(request: ServerRequest, chat: ChatPrompt): Conversation {
  const { memory, metrics } = request.server;
  const mimo = request.server.model();
  const given = withSystemPrompt(request.server, chat.request.messages);
  const { messages, numRestored, numMissing } = restoreReasoning(given, (id) =>
    memory.reasoning.get(ownerOf(request), id),
  );
  // Without thinking there was none to be dropped.
  const isMissed = numMissing > 0 && chat.request.thinking === true;
  metrics.reasoningRestored(numRestored);
  if (isMissed) metrics.reasoningMissing(numMissing);
  const missing = `${numMissing} turns with tool calls came without their reasoning; send it back.`;
  return {
    mimo,
    chat,
    prompt: mimo.encodeChat({ ...chat.request, messages }),
    warnings: [...chat.warnings, ...(isMissed ? [missing] : [])],
  };
}

/**
 * Compiles what the answer must be, so that what cannot be kept is refused before a reply begins. Throws
 * `invalid_argument` naming the client's field, keyword and place; `overloaded`.
 */
export async function prepareAnswer({ mimo, chat, prompt }: Conversation): Promise<void> {
  try {
    await mimo.prepare(prompt, { tools: chat.request.tools, ...chat.demands });
  } catch (thrown) {
    throw renamed(chat.fieldName, thrown);
  }
}

/** Names of one choice's calls, made as they are asked for. */
export function callNames(prefix: string): (index: number) => string {
  const names: string[] = [];
  return (index) => (names[index] ??= freshId(prefix));
}

export interface TurnOptions {
  readonly generation: GenerationOptions;
  readonly logprobs?: number | undefined;
  /** Whether there may be several calls; they may where this is left out. */
  readonly parallelCalls: boolean | undefined;
  readonly callId: (index: number) => string;
  /** Of the reply, by which it can be acted on. */
  readonly replyId: string;
  /** Most calls, as far as the request says. */
  readonly maxToolCalls?: number | undefined;
}

/** One answer. */
export function turnOf(request: ServerRequest, conversation: Conversation, turn: TurnOptions): Choice {
  const { mimo, chat, prompt } = conversation;
  const { generation, logprobs, parallelCalls, callId } = turn;
  const { memory, metrics, options: server } = request.server;
  const { tools } = chat.request;
  const options: AnswerOptions = {
    ...generation,
    ...chat.demands,
    tools,
    thinkingBudget: chat.thinkingBudget,
    // Ends the answer with its call, which needs no constraint.
    maxToolCalls: parallelCalls === false ? 1 : callLimit(server, turn),
    logprobs,
    temperature: generation.temperature ?? (chat.mayCall ? toolTemperature(mimo) : undefined),
  };
  const owner = ownerOf(request);
  return (signal) => {
    const controls = memory.controlsOf(owner, turn.replyId, signal);
    const [endThinking, endAnswer] = [controls.reasoning_end.signal, controls.stop.signal];
    const events = rememberReasoning(
      mimo.answer(prompt, { ...options, endThinking, endAnswer, signal }),
      (index, text) => memory.reasoning.set(owner, callId(index), text),
    );
    return chat.mayCall ? countCalls(events, (isValid) => metrics.called(isValid)) : events;
  };
}

/** A request may ask for fewer than the server allows. */
function callLimit({ maxToolCalls: most }: ServerOptions, { maxToolCalls = Infinity }: TurnOptions): number {
  return Math.min(most === 0 ? Infinity : most, maxToolCalls);
}

/** Where neither the request nor the checkpoint says, as the model card has it for agents. */
function toolTemperature({ samplingDefaults }: Mimo): number {
  return samplingDefaults.temperature ?? SAMPLING_PRESETS.agent.temperature;
}

/** Passes events on, and tells of each call whether its tool takes it. What was cut off is no call yet. */
async function* countCalls(
  events: AsyncIterable<ServerEvent>,
  count: (isValid: boolean) => void,
): AsyncGenerator<ServerEvent> {
  for await (const event of events) {
    if (event.type === "tool_call_end" && event.complete) count(event.validation.ok);
    yield event;
  }
}
