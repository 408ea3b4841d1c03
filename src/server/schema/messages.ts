// A request of Anthropic's Messages: its fields, and its blocks as the messages of a chat.
//
// Results of tools come inside a user's message there, and are messages of their own here, in the same order. What the
// model cannot read is refused; what only Anthropic's models can make use of is left out with a warning.

import { z } from "zod";
import type { BodySchema } from "../body.ts";
import { inFieldNames, invalid, notSupported } from "../errors.ts";
import { LIMITS } from "../options.ts";
import { type ChatPrompt, chatPrompt } from "./chat.ts";
import { OUTPUT_FORMAT, otherFormats, type ResponseFormatField, type ToolChoiceField } from "./demands.ts";
import { count, GENERATION_FIELDS, optional, text } from "./fields.ts";
import { effortBudget, effortField } from "./thinking.ts";

const block = z.looseObject({ type: z.string() });
const content = z.union([z.string(), z.array(block)], { error: "must be text or a list of blocks." });
const accepted = z.unknown().optional();
type Block = z.output<typeof block>;
type Message = Record<string, unknown> & { readonly role: string };

const PROMPT_FIELDS = {
  model: GENERATION_FIELDS.model,
  system: optional(content),
  messages: z
    .array(z.object({ role: z.enum(["user", "assistant", "system"]), content }))
    .min(1, "must be a list of one or more messages."),
  tools: optional(z.array(z.looseObject({ type: optional(z.string()) })).max(LIMITS.tools)),
  tool_choice: optional(
    z.looseObject({
      type: z.enum(["auto", "any", "tool", "none"]),
      name: text,
      disable_parallel_tool_use: optional(z.boolean()),
    }),
  ),
  thinking: optional(
    z.looseObject({
      type: z.enum(["enabled", "disabled", "adaptive"]),
      budget_tokens: count(0),
    }),
  ),
  output_config: optional(z.looseObject({ format: OUTPUT_FORMAT, effort: effortField })),
  // The name that it had first.
  output_format: OUTPUT_FORMAT,
  cache_control: accepted,
  context_management: accepted,
} as const;

const MESSAGES_FIELDS = {
  ...GENERATION_FIELDS,
  ...PROMPT_FIELDS,
  max_tokens: z.int().min(1),
  stop_sequences: optional(z.array(z.string().min(1).max(LIMITS.stopLength)).max(LIMITS.stops)),
  inference_geo: accepted,
  speed: accepted,
} as const;

const unsupported = {
  mcp_servers: { why: "this server calls no tools itself." },
  container: { why: "this server runs no code." },
  ...otherFormats("use output_config.format.", ["response_format"]),
} as const;

export const MESSAGES: BodySchema<typeof MESSAGES_FIELDS> = {
  schema: z.object(MESSAGES_FIELDS),
  unsupported: {
    ...unsupported,
    stop: { why: "use stop_sequences." },
    n: { why: "there is one answer.", neutral: [1] },
  },
};

export const COUNTED_MESSAGES: BodySchema<typeof PROMPT_FIELDS> = { schema: z.object(PROMPT_FIELDS), unsupported };

export type MessagesBody = z.output<typeof MESSAGES.schema>;
export type CountedBody = z.output<typeof COUNTED_MESSAGES.schema>;

/**
 * What Claude Code puts first into its system prompt. It differs from request to request, and nothing after it could be
 * reused.
 */
const BILLING_HEADER = /^x-anthropic-billing-header:[^\n]*\n?/;

/** Throws `invalid_argument` or `not_supported` naming the field. */
export function messagesPrompt(body: CountedBody): ChatPrompt {
  const last = body.messages.at(-1);
  if (last?.role === "assistant")
    throw notSupported("messages", "messages: an answer cannot be continued; the last message must be the user's.");
  const warnings: string[] = [];
  const messages = [
    ...systemMessage(body.system),
    ...body.messages.flatMap(({ role, content: said }, i) =>
      turnMessages(role, said, `messages[${i}].content`, warnings),
    ),
  ];
  const messagesField = fieldNames(body);
  const chat = inFieldNames(messagesField, () =>
    chatPrompt({
      model: body.model,
      messages,
      tools: body.tools?.map(chatTool),
      tool_choice: chatChoice(body.tool_choice),
      response_format: chatFormat(body),
      thinking: body.thinking,
      // Effort is how much, not whether.
      thinking_budget_tokens: body.thinking?.budget_tokens ?? effortBudget(body.output_config?.effort),
    }),
  );
  return {
    ...chat,
    warnings: [...chat.warnings, ...warnings],
    fieldName: (field) => messagesField(chat.fieldName(field)),
  };
}

/** What a field of a chat is called here. */
function fieldNames({ output_config: config }: CountedBody): (field: string) => string {
  const format = config?.format === undefined ? "output_format" : "output_config.format";
  return (field) =>
    field
      .replace(/^(tools\[\d+\])\.function/, "$1")
      .replace(/^(tools\[\d+\])\.parameters/, "$1.input_schema")
      .replace(/^response_format(\.json_schema\b)?/, format);
}

function systemMessage(system: CountedBody["system"]): readonly Message[] {
  if (system === undefined) return [];
  const texts = typeof system === "string" ? [system] : system.map((one, i) => textOf(one, `system[${i}]`));
  const said = texts.map((text) => text.replace(BILLING_HEADER, "")).join("");
  return said === "" ? [] : [{ role: "system", content: said }];
}

function turnMessages(
  role: "user" | "assistant" | "system",
  said: string | readonly Block[],
  path: string,
  warnings: string[],
): readonly Message[] {
  if (typeof said === "string") return [{ role, content: said }];
  if (role === "assistant") return [assistantMessage(said, path, warnings)];
  const messages: Message[] = [];
  for (const [i, one] of said.entries()) {
    const last = messages.at(-1);
    if (role === "user" && one.type === "tool_result") messages.push(resultMessage(one, `${path}[${i}]`));
    else if (last?.role === role) last["content"] = `${last["content"] as string}${textOf(one, `${path}[${i}]`)}`;
    else messages.push({ role, content: textOf(one, `${path}[${i}]`) });
  }
  return messages.length === 0 ? [{ role, content: "" }] : messages;
}

function resultMessage({ tool_use_id: id, content: result, is_error: isError }: Block, path: string): Message {
  if (typeof id !== "string") throw invalid(`${path}.tool_use_id`, "must be a string.");
  const parsed = content.optional().safeParse(result ?? undefined);
  if (!parsed.success) throw invalid(`${path}.content`, "must be text or a list of blocks.");
  const blocks = parsed.data ?? "";
  const text =
    typeof blocks === "string" ? blocks : blocks.map((one, i) => textOf(one, `${path}.content[${i}]`)).join("");
  // The chat format has no other place for it.
  return { role: "tool", tool_call_id: id, content: isError === true ? `Error: ${text}` : text };
}

function assistantMessage(blocks: readonly Block[], path: string, warnings: string[]): Message {
  let text = "";
  let reasoning = "";
  const calls: object[] = [];
  for (const [i, one] of blocks.entries()) {
    if (one.type === "text") text += textOf(one, `${path}[${i}]`);
    else if (one.type === "thinking") reasoning += stringOf(one["thinking"], `${path}[${i}].thinking`);
    else if (one.type === "tool_use") calls.push(callOf(one, `${path}[${i}]`));
    // What other models hid, and what other servers' tools did.
    else warnings.push(`${path}[${i}] of type ${one.type.slice(0, 64)} is left out.`);
  }
  return {
    role: "assistant",
    content: text,
    ...(reasoning === "" ? {} : { reasoning_content: reasoning }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
}

function callOf({ id, name, input }: Block, path: string): object {
  if (typeof input !== "object" || input === null || Array.isArray(input))
    throw invalid(`${path}.input`, "must be an object.");
  return {
    id: stringOf(id, `${path}.id`),
    type: "function",
    function: { name: stringOf(name, `${path}.name`), arguments: input },
  };
}

function textOf(one: Block, path: string): string {
  if (one.type === "text") return stringOf(one["text"], `${path}.text`);
  throw notSupported(
    `${path}.type`,
    `${path}.type: ${one.type.slice(0, 64)} is not text, and the model reads nothing else.`,
  );
}

function stringOf(value: unknown, path: string): string {
  if (typeof value === "string" && (value !== "" || !/\.(id|name)$/.test(path))) return value;
  throw invalid(path, "must be a string.");
}

/** A tool as a chat has it; those that Anthropic defines keep their type. */
function chatTool(tool: NonNullable<CountedBody["tools"]>[number]): Block {
  const { type = "custom", name, description, input_schema: parameters, strict } = tool;
  if (type !== "custom") return { type };
  return { type: "function", function: { name, description: description ?? undefined, parameters, strict } };
}

function chatChoice(choice: CountedBody["tool_choice"]): ToolChoiceField {
  if (choice?.type === "any") return "required";
  if (choice?.type !== "tool") return choice?.type;
  return { type: "function", function: { name: stringOf(choice.name, "tool_choice.name") } };
}

function chatFormat({ output_config: config, output_format: old }: CountedBody): ResponseFormatField {
  if (config?.format !== undefined && old !== undefined)
    throw invalid("output_format", "stands beside output_config.format, which is the same; give one of them.");
  const format = config?.format ?? old;
  return format === undefined ? undefined : { type: "json_schema", json_schema: { ...format, ...UNNAMED } };
}

const UNNAMED = { name: undefined, description: undefined, strict: undefined };
