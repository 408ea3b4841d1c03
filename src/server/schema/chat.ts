// A Chat Completions request: its fields, and what they mean to the library.
//
// Messages are normalised here and checked by the tokenizer's own room.

import { z } from "zod";
import type { ChatOptions } from "../../api/request.ts";
import { checkTools, type ToolDefinition } from "../../tokenizer/chat-request.ts";
import type { BodySchema } from "../body.ts";
import { invalid, notSupported } from "../errors.ts";
import { depthOf } from "../json.ts";
import { LIMITS } from "../options.ts";
import { count, flag, GENERATION_FIELDS, optional, text, UNSUPPORTED_CONSTRAINTS } from "./fields.ts";
import { THINKING_FIELDS, type ThinkingBody, thinkingOf } from "./thinking.ts";

const anything = z.unknown().optional();

const message = z.looseObject({ role: z.string() });

/** What a prompt is made of. */
const MESSAGE_FIELDS = {
  model: text,
  messages: z.array(message).min(1, "must be a list of one or more messages."),
  tools: optional(z.array(z.looseObject({ type: z.string() })).max(LIMITS.tools)),
  tool_choice: optional(z.union([z.string(), z.looseObject({ type: z.string() })])),
} as const;

/** The same, with what is asked of thinking. */
export const PROMPT_FIELDS = { ...MESSAGE_FIELDS, ...THINKING_FIELDS } as const;

const CHAT_FIELDS = {
  ...GENERATION_FIELDS,
  ...PROMPT_FIELDS,
  max_completion_tokens: count(1),
  logprobs: flag,
  top_logprobs: count(0, LIMITS.topLogprobs),
  response_format: optional(z.looseObject({ type: z.string() })),
  parallel_tool_calls: flag,
  modalities: optional(z.array(z.string())),
  prediction: anything,
  verbosity: anything,
} as const;

export const CHAT: BodySchema<typeof CHAT_FIELDS> = {
  schema: z.object(CHAT_FIELDS),
  unsupported: {
    audio: { why: "the model writes text only." },
    web_search_options: { why: "this server does not search the web." },
    functions: { why: "use tools instead." },
    function_call: { why: "use tool_choice instead." },
    continue_final_message: { why: "an answer cannot be continued; send the conversation.", neutral: [false] },
    add_generation_prompt: { why: "an answer always begins a turn.", neutral: [true] },
    chat_template: { why: "the checkpoint's own template is used." },
    documents: { why: "put them into the messages." },
    ...UNSUPPORTED_CONSTRAINTS,
  },
};

/** As llama.cpp has it. */
const CONTROL_FIELDS = { id: z.string(), action: z.enum(["reasoning_end"]), model: text } as const;
export const CONTROL: BodySchema<typeof CONTROL_FIELDS> = { schema: z.object(CONTROL_FIELDS) };

export type ChatBody = z.output<typeof CHAT.schema>;
export type PromptBody = z.output<z.ZodObject<typeof MESSAGE_FIELDS>> & ThinkingBody;

/** What `Mimo.encodeChat` takes, and what was left out. */
export interface ChatPrompt {
  readonly request: Pick<ChatOptions, "messages" | "thinking"> & { readonly tools: readonly ToolDefinition[] };
  readonly thinkingBudget: number | undefined;
  readonly mayCall: boolean;
  readonly warnings: readonly string[];
}

/** Throws `invalid_argument` or `not_supported` naming the field. */
export function chatPrompt(body: PromptBody): ChatPrompt {
  const { tools, warnings } = readTools(body);
  const choice = body.tool_choice ?? "auto";
  if (choice !== "auto" && choice !== "none") {
    const isKnown = choice === "required" || typeof choice === "object";
    if (!isKnown) throw invalid("tool_choice", 'must be "auto", "none", "required" or a tool.');
    throw notSupported("tool_choice", 'tool_choice: a call cannot be forced in this version; use "auto" or "none".');
  }
  const messages = body.messages.map(normaliseMessage) as unknown as ChatOptions["messages"];
  const { thinking, thinkingBudget } = thinkingOf(body);
  return {
    request: { messages, tools, thinking },
    thinkingBudget,
    mayCall: tools.length > 0 && choice === "auto",
    warnings,
  };
}

/** Throws `not_supported` for what cannot be promised. */
export function refusePromises({ response_format: format, modalities }: ChatBody): void {
  if (format !== undefined && format.type !== "text")
    throw notSupported(
      "response_format",
      `response_format: ${format.type.slice(0, 64)} is not available in this version.`,
    );
  if (modalities?.some((modality) => modality !== "text") === true)
    throw notSupported("modalities", "modalities: the model writes text only.");
}

/** Other names for the same: `developer` is OpenAI's newer word for system, `reasoning` another server's for ours. */
function normaliseMessage(raw: z.output<typeof message>): object {
  const { role, reasoning, ...rest } = raw;
  return {
    ...rest,
    role: role === "developer" ? "system" : role,
    reasoning_content: rest["reasoning_content"] ?? reasoning,
  };
}

/** Functions; tools of other types, which clients send along to everyone, are left out. */
function readTools(body: PromptBody): { tools: readonly ToolDefinition[]; warnings: readonly string[] } {
  const kept: unknown[] = [];
  const warnings: string[] = [];
  for (const [i, tool] of (body.tools ?? []).entries()) {
    if (tool.type === "function") kept.push(tool);
    else warnings.push(`tools[${i}] of type ${tool.type.slice(0, 64)} is left out.`);
    checkFunction(tool, `tools[${i}].function`);
  }
  return { tools: checkTools(kept), warnings };
}

function checkFunction(tool: Readonly<Record<string, unknown>>, path: string): void {
  const { parameters, strict } = (tool["function"] ?? {}) as Readonly<Record<string, unknown>>;
  if (strict === true)
    throw notSupported(
      `${path}.strict`,
      `${path}.strict: arguments cannot be promised to fit in this version; leave it out.`,
    );
  if (parameters === undefined) return;
  if (JSON.stringify(parameters).length > LIMITS.schemaBytes)
    throw invalid(`${path}.parameters`, `is larger than ${LIMITS.schemaBytes} bytes.`);
  if (depthOf(parameters) > LIMITS.schemaDepth)
    throw invalid(`${path}.parameters`, `is nested more than ${LIMITS.schemaDepth} deep.`);
}
