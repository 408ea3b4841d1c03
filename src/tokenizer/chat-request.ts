// What a chat request may hold, and its check.
//
// Field names are those of the OpenAI wire format, because that is what callers and templates share. The checked
// form is what templates see: contents are strings, call arguments are objects. Errors name the field, as in
// `messages[2].role`. Unknown fields are left out, not refused: clients send many.
// Refuses to know templates and tokens.

import { MimoError } from "../util/errors.ts";
import { isJsonObject } from "./tokenizer-json.ts";

export type ChatRole = "system" | "user" | "assistant" | "tool";

export interface TextPart {
  readonly type: "text";
  readonly text: string;
}

export interface ChatToolCall {
  readonly id?: string | undefined;
  readonly type?: "function" | undefined;
  readonly function: {
    readonly name: string;
    /** An object, or its JSON. */
    readonly arguments: string | Readonly<Record<string, unknown>>;
  };
}

export interface ChatMessage {
  readonly role: ChatRole;
  readonly content?: string | readonly TextPart[] | null | undefined;
  /** Assistant only: the thinking of that turn. Keep it in the history, above all between tool turns. */
  readonly reasoning_content?: string | null | undefined;
  readonly tool_calls?: readonly ChatToolCall[] | null | undefined;
  readonly tool_call_id?: string | undefined;
}

export interface ToolDefinition {
  readonly type: "function";
  readonly function: {
    readonly name: string;
    readonly description?: string | undefined;
    /** JSON Schema of the arguments: an object type. */
    readonly parameters?: Readonly<Record<string, unknown>> | undefined;
    /** Calls of this tool always satisfy its schema. Templates do not see it. */
    readonly strict?: boolean | null | undefined;
  };
}

/** A message as templates see it. */
export interface CheckedMessage {
  readonly role: ChatRole;
  readonly content: string;
  readonly reasoning_content?: string;
  readonly tool_calls?: readonly {
    readonly type: "function";
    readonly function: {
      readonly name: string;
      readonly arguments: Readonly<Record<string, unknown>>;
    };
  }[];
}

const ROLES: readonly ChatRole[] = ["system", "user", "assistant", "tool"];

function invalid(param: string, problem: string): MimoError {
  return new MimoError("invalid_argument", `${param} ${problem}.`, { param });
}

export function checkMessages(messages: unknown): readonly CheckedMessage[] {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw invalid("messages", "must be a list of one or more messages");
  }
  return messages.map((message: unknown, i) => checkMessage(message, `messages[${i}]`));
}

function checkMessage(message: unknown, path: string): CheckedMessage {
  if (!isJsonObject(message)) throw invalid(path, "must be an object");
  const role = ROLES.find((known) => known === message["role"]);
  if (role === undefined) throw invalid(`${path}.role`, `must be one of ${ROLES.join(", ")}`);
  const content = checkContent(message["content"], `${path}.content`);
  if (role !== "assistant") {
    if (content === undefined) throw invalid(`${path}.content`, "is missing");
    return { role, content };
  }
  const reasoning = message["reasoning_content"] ?? undefined;
  if (reasoning !== undefined && typeof reasoning !== "string") {
    throw invalid(`${path}.reasoning_content`, "must be a string");
  }
  const calls = message["tool_calls"] ?? undefined;
  if (calls !== undefined && !Array.isArray(calls)) {
    throw invalid(`${path}.tool_calls`, "must be a list");
  }
  return {
    role,
    ...splitReasoning(content ?? "", reasoning),
    ...(calls === undefined
      ? {}
      : {
          tool_calls: calls.map((call: unknown, j) => checkToolCall(call, `${path}.tool_calls[${j}]`)),
        }),
  };
}

function checkContent(content: unknown, path: string): string | undefined {
  if (content === undefined || content === null) return undefined;
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) throw invalid(path, "must be a string or a list of text parts");
  return content
    .map((part: unknown, i) => {
      if (!isJsonObject(part)) throw invalid(`${path}[${i}]`, "must be an object");
      if (part["type"] !== "text") {
        throw invalid(`${path}[${i}].type`, 'must be "text": the model reads text only');
      }
      if (typeof part["text"] !== "string") throw invalid(`${path}[${i}].text`, "must be a string");
      return part["text"];
    })
    .join("");
}

/**
 * Clients that do not know `reasoning_content` send an assistant's answer back whole. Templates split it at
 * `</think>`; as their tags can no longer be found in the data, that happens here, for answers that begin with one.
 */
function splitReasoning(
  content: string,
  reasoning: string | undefined,
): { content: string; reasoning_content?: string } {
  if (reasoning !== undefined) return { content, reasoning_content: reasoning };
  const end = content.startsWith("<think>") ? content.indexOf("</think>") : -1;
  if (end < 0) return { content };
  return {
    content: content.slice(end + "</think>".length),
    reasoning_content: content.slice("<think>".length, end),
  };
}

function checkToolCall(call: unknown, path: string): NonNullable<CheckedMessage["tool_calls"]>[number] {
  const called = isJsonObject(call) ? call["function"] : undefined;
  if (!isJsonObject(called)) throw invalid(`${path}.function`, "must be an object");
  const name = called["name"];
  if (typeof name !== "string" || name === "") {
    throw invalid(`${path}.function.name`, "must be a non-empty string");
  }
  return {
    type: "function",
    function: {
      name,
      arguments: checkArguments(called["arguments"], `${path}.function.arguments`),
    },
  };
}

function checkArguments(value: unknown, path: string): Readonly<Record<string, unknown>> {
  let parsed = value;
  if (typeof value === "string") {
    try {
      parsed = JSON.parse(value === "" ? "{}" : value);
    } catch {
      throw invalid(path, "must be valid JSON");
    }
  }
  if (!isJsonObject(parsed)) throw invalid(path, "must be an object, or the JSON of one");
  return parsed;
}

export function checkTools(tools: unknown): readonly ToolDefinition[] {
  if (tools === undefined || tools === null) return [];
  if (!Array.isArray(tools)) throw invalid("tools", "must be a list");
  return tools.map((tool: unknown, i) => {
    const path = `tools[${i}]`;
    if (!isJsonObject(tool) || tool["type"] !== "function") {
      throw invalid(`${path}.type`, 'must be "function"');
    }
    const definition = tool["function"];
    if (!isJsonObject(definition)) throw invalid(`${path}.function`, "must be an object");
    const { strict, ...shown } = definition;
    const { name, description, parameters } = shown;
    if (typeof name !== "string" || !/^[^\s<>]+$/.test(name)) {
      throw invalid(`${path}.function.name`, "must be a name without spaces and angle brackets");
    }
    if (description !== undefined && typeof description !== "string") {
      throw invalid(`${path}.function.description`, "must be a string");
    }
    if (parameters !== undefined && !isJsonObject(parameters)) {
      throw invalid(`${path}.function.parameters`, "must be a JSON Schema object");
    }
    if (strict !== undefined && strict !== null && typeof strict !== "boolean") {
      throw invalid(`${path}.function.strict`, "must be true or false");
    }
    return { ...tool, function: shown } as unknown as ToolDefinition;
  });
}
