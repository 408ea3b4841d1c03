// Reasoning between tool turns. The model was trained to see it again; many clients drop it. So the server remembers what
// preceded each call, by the call's id, and puts it back where a turn with that call comes without any.

import type { ChatMessage } from "../tokenizer/chat-request.ts";
import type { ServerEvent } from "./render/renderer.ts";

export interface Restored {
  readonly messages: readonly ChatMessage[];
  /** Turns whose reasoning was put back. */
  readonly numRestored: number;
  /** Turns with calls that stay without. */
  readonly numMissing: number;
}

/** `find` gives the reasoning before a call. Messages may be malformed: those are left as they are. */
export function restoreReasoning(
  messages: readonly ChatMessage[],
  find: (callId: string) => string | undefined,
): Restored {
  let numRestored = 0;
  let numMissing = 0;
  const restored = messages.map((message) => {
    if (!lacksReasoning(message)) return message;
    const ids = (message.tool_calls as readonly unknown[]).map((call) => (call as { id?: unknown } | null)?.id);
    const reasoning = ids.map((id) => (typeof id === "string" ? find(id) : undefined)).find((one) => one !== undefined);
    if (reasoning === undefined) {
      numMissing++;
      return message;
    }
    numRestored++;
    return { ...message, reasoning_content: reasoning };
  });
  return { messages: restored, numRestored, numMissing };
}

function lacksReasoning({ role, content, reasoning_content: reasoning, tool_calls: calls }: ChatMessage): boolean {
  const hasCalls = role === "assistant" && Array.isArray(calls) && calls.length > 0;
  // Some send it within the content, and that is taken apart later.
  const isInContent = typeof content === "string" && content.startsWith("<think>");
  return hasCalls && !isInContent && (reasoning === undefined || reasoning === null || reasoning === "");
}

/** Passes events on. At their end, `remember` is given the turn's reasoning for each of its calls. */
export async function* rememberReasoning(
  events: AsyncIterable<ServerEvent>,
  remember: (callIndex: number, reasoning: string) => void,
): AsyncGenerator<ServerEvent> {
  let reasoning = "";
  let numCalls = 0;
  for await (const event of events) {
    if (event.type === "reasoning") reasoning += event.text;
    else if (event.type === "tool_call_name") numCalls++;
    else if (event.type === "done" && reasoning !== "")
      for (let index = 0; index < numCalls; index++) remember(index, reasoning);
    yield event;
  }
}
