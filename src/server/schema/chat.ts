// A Chat Completions request: its fields, and what they mean to the library.
//
// Messages are normalised here and checked by the tokenizer's own room. The other APIs' requests become this one.

import { z } from "zod";
import type { AnswerOptions, ChatOptions } from "../../api/request.ts";
import { checkTools, type ToolDefinition } from "../../tokenizer/chat-request.ts";
import type { BodySchema } from "../body.ts";
import { inFieldNames, notSupported } from "../errors.ts";
import { LIMITS } from "../options.ts";
import { DETAILS } from "../render/details.ts";
import {
  checkSchemaSize,
  otherFormats,
  RESPONSE_FORMAT,
  responseFormatOf,
  TOOL_CHOICE,
  toolChoiceOf,
} from "./demands.ts";
import { count, flag, GENERATION_FIELDS, optional, text } from "./fields.ts";
import { THINKING_FIELDS, type ThinkingBody, thinkingOf } from "./thinking.ts";

const anything = z.unknown().optional();

const message = z.looseObject({ role: z.string() });

/** What a prompt is made of, and what its answer must be. */
const MESSAGE_FIELDS = {
  model: text,
  messages: z.array(message).min(1, "must be a list of one or more messages."),
  tools: optional(z.array(z.looseObject({ type: z.string() })).max(LIMITS.tools)),
  tool_choice: TOOL_CHOICE,
  response_format: RESPONSE_FORMAT,
} as const;

/** The same, with what is asked of thinking, and whether the last message is to be continued. */
export const PROMPT_FIELDS = { ...MESSAGE_FIELDS, ...THINKING_FIELDS, continue_final_message: flag } as const;

const CHAT_FIELDS = {
  ...GENERATION_FIELDS,
  ...PROMPT_FIELDS,
  max_completion_tokens: count(1),
  logprobs: flag,
  top_logprobs: count(0, LIMITS.topLogprobs),
  parallel_tool_calls: flag,
  background: flag,
  add_generation_prompt: flag,
  include: optional(z.array(z.enum(DETAILS))),
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
    chat_template: { why: "the checkpoint's own template is used." },
    documents: { why: "put them into the messages." },
    ...otherFormats("use response_format."),
  },
};

/** `reasoning_end` is as llama.cpp has it. */
const CONTROL_FIELDS = { id: z.string(), action: z.enum(["reasoning_end", "stop"]), model: text } as const;
export const CONTROL: BodySchema<typeof CONTROL_FIELDS> = { schema: z.object(CONTROL_FIELDS) };

export type ChatBody = z.output<typeof CHAT.schema>;
export type PromptBody = z.output<z.ZodObject<typeof MESSAGE_FIELDS>> &
  ThinkingBody & { readonly continue_final_message?: boolean | undefined };

/** What `Mimo.encodeChat` takes, what `Mimo.answer` must keep, and what was left out. */
export interface ChatPrompt {
  readonly request: Pick<ChatOptions, "messages" | "thinking" | "continueFinalMessage"> & {
    readonly tools: readonly ToolDefinition[];
  };
  readonly thinkingBudget: number | undefined;
  readonly demands: Pick<AnswerOptions, "toolChoice" | "responseFormat">;
  readonly mayCall: boolean;
  readonly warnings: readonly string[];
  /** What the client calls a field of the library's options. */
  readonly fieldName: (field: string) => string;
}

/** Throws `invalid_argument` or `not_supported` naming the field. */
export function chatPrompt(body: PromptBody): ChatPrompt {
  const { tools, places, warnings } = readTools(body);
  const toolChoice = toolChoiceOf(body.tool_choice);
  const responseFormat = responseFormatOf(body.response_format);
  const isLoose = responseFormat.type === "json_schema" && responseFormat.strict === false;
  const fieldName = (field: string): string => chatField(field, places);
  inFieldNames(fieldName, () => checkTools(tools));
  const messages = body.messages.map(normaliseMessage) as unknown as ChatOptions["messages"];
  const { thinking, thinkingBudget } = thinkingOf(body);
  return {
    request: { messages, tools, thinking, continueFinalMessage: continuesFinal(body) },
    thinkingBudget,
    demands: { toolChoice, responseFormat },
    mayCall: tools.length > 0 && toolChoice !== "none",
    warnings: [...warnings, ...(isLoose ? ["The schema is not strict: the answer is any JSON object."] : [])],
    fieldName,
  };
}

/** As vLLM asks for it, in a field, or as DeepSeek does, in the message. */
function continuesFinal({ messages, continue_final_message: asked }: PromptBody): boolean {
  return asked ?? messages.at(-1)?.["prefix"] === true;
}

function chatField(field: string, places: readonly number[]): string {
  return field
    .replace(/^tools\[(\d+)\]/, (_, i: string) => `tools[${places[Number(i)]}]`)
    .replace(/^toolChoice/, "tool_choice")
    .replace(/^responseFormat\.schema/, "response_format.json_schema.schema")
    .replace(/^responseFormat/, "response_format");
}

/** Throws `not_supported` for what cannot be promised. */
export function refusePromises(body: ChatBody): void {
  const { modalities, add_generation_prompt: begins = true } = body;
  if (modalities?.some((modality) => modality !== "text") === true)
    throw notSupported("modalities", "modalities: the model writes text only.");
  // Those who continue an answer say so, too.
  if (!begins && !continuesFinal(body))
    throw notSupported("add_generation_prompt", "add_generation_prompt: an answer that continues none begins a turn.");
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

interface ReadTools {
  readonly tools: readonly ToolDefinition[];
  /** Where each of them stood in the request. */
  readonly places: readonly number[];
  readonly warnings: readonly string[];
}

/** Functions, to be checked; tools of other types, which clients send along to everyone, are left out. */
function readTools(body: PromptBody): ReadTools {
  const tools: unknown[] = [];
  const places: number[] = [];
  const warnings: string[] = [];
  for (const [i, tool] of (body.tools ?? []).entries()) {
    if (tool.type === "function") {
      const { parameters } = (tool["function"] ?? {}) as Readonly<Record<string, unknown>>;
      if (parameters !== undefined) checkSchemaSize(parameters, `tools[${i}].function.parameters`);
      places.push(i);
      tools.push(tool);
    } else warnings.push(`tools[${i}] of type ${tool.type.slice(0, 64)} is left out.`);
  }
  return { tools: tools as readonly ToolDefinition[], places, warnings };
}
