// What the server is asked: the messages of a branch and the settings of its conversation, as fields of the chat API.

import type { Attachment, ChatSettings, Message, OwnTool } from "../store/database.ts";
import { builtInTools } from "./tools.ts";

/** The text of a message with what was attached to it. */
export function withAttachments(content: string, attachments: readonly Attachment[] = []): string {
  const files = attachments.map(({ name, text }) => `${name}:\n${fence(text)}`);
  return [...files, content].filter((part) => part !== "").join("\n\n");
}

/** A fence that is longer than any in the text. */
function fence(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`{3,}/g)].map(([ticks]) => ticks.length));
  const ticks = "`".repeat(longest + 1);
  return `${ticks}\n${text}${text.endsWith("\n") ? "" : "\n"}${ticks}`;
}

export interface BodyOptions {
  readonly path: readonly Message[];
  readonly settings: ChatSettings;
  /** Tools that are not built in, by name. */
  readonly otherTools: ReadonlyMap<string, OwnTool>;
  /** Whether the last message, an answer, is to be continued. */
  readonly isContinued?: boolean;
}

export function requestBody({ path, settings, otherTools, isContinued = false }: BodyOptions): object {
  const { system = "" } = settings;
  const lastQuestion = path.findLastIndex(({ role }) => role === "user");
  const messages = path.map((message, i) =>
    // Within a turn that calls tools, thinking is a part of what the model was doing.
    messageBody(message, settings.keepThinking === true || i > lastQuestion),
  );
  const last = messages.at(-1);
  if (isContinued && last !== undefined) messages[messages.length - 1] = { ...last, prefix: true };
  const tools = toolBodies(settings, otherTools);
  return {
    messages: [...(system.trim() === "" ? [] : [{ role: "system", content: system }]), ...messages],
    ...samplingFields(settings),
    ...(tools.length === 0 ? {} : { tools }),
  };
}

function messageBody({ role, content, attachments, answer, callId }: Message, hasThinking: boolean): object {
  if (role === "user") return { role, content: withAttachments(content, attachments) };
  if (role === "tool") return { role, content, tool_call_id: callId };
  const calls = answer?.calls ?? [];
  const reasoning = hasThinking ? (answer?.reasoning ?? "") : "";
  return {
    role,
    content,
    ...(reasoning === "" ? {} : { reasoning_content: reasoning }),
    ...(calls.length === 0
      ? {}
      : {
          tool_calls: calls.map((call) => ({
            id: call.id,
            type: "function",
            function: { name: call.name, arguments: call.arguments },
          })),
        }),
  };
}

/** Fields that are undefined are left out by JSON, and are then the server's own. */
export function samplingFields(settings: ChatSettings): object {
  const { thinking, thinkingBudget } = settings;
  return {
    chat_template_kwargs: thinking === undefined ? undefined : { enable_thinking: thinking },
    thinking_budget_tokens: thinking === true ? thinkingBudget : undefined,
    temperature: settings.temperature,
    top_p: settings.topP,
    top_k: settings.topK,
    min_p: settings.minP,
    repetition_penalty: settings.repetitionPenalty,
    max_completion_tokens: settings.maxTokens,
    seed: settings.seed,
  };
}

function toolBodies({ tools = [] }: ChatSettings, otherTools: ReadonlyMap<string, OwnTool>): readonly object[] {
  return tools.flatMap((name) => {
    const tool = builtInTools.get(name) ?? otherTools.get(name);
    if (tool === undefined) return [];
    const { description, parameters } = tool;
    return [{ type: "function", function: { name, description, parameters } }];
  });
}
