// A Responses request: its fields, and its items as the messages of a chat.
//
// Everything that an assistant said between two messages of others is one turn: reasoning, text and calls. Items of tools
// that only OpenAI runs are left out with a warning; images, files and references to items are refused.

import { z } from "zod";
import type { BodySchema } from "../body.ts";
import { inFieldNames, invalid, notSupported } from "../errors.ts";
import { LIMITS } from "../options.ts";
import { type ChatPrompt, chatPrompt } from "./chat.ts";
import {
  FLAT_TOOL_CHOICE,
  otherFormats,
  type ResponseFormatField,
  TEXT_FORMAT,
  type ToolChoiceField,
} from "./demands.ts";
import { count, flag, GENERATION_FIELDS, optional, text } from "./fields.ts";
import { THINKING_FIELDS } from "./thinking.ts";

const part = z.looseObject({ type: z.string() });
const item = z.looseObject({ type: text, id: text });
const SEALED_REASONING = "reasoning.encrypted_content";

const RESPONSES_FIELDS = {
  ...GENERATION_FIELDS,
  input: z.union([z.string(), z.array(item)], { error: "must be text or a list of items." }),
  instructions: text,
  max_output_tokens: count(1),
  max_tool_calls: count(1),
  include: optional(z.array(z.string())),
  metadata: optional(z.record(z.string().max(64), z.string().max(512))),
  parallel_tool_calls: flag,
  previous_response_id: text,
  reasoning: THINKING_FIELDS.reasoning,
  store: flag,
  text: optional(z.looseObject({ format: TEXT_FORMAT })),
  tools: optional(z.array(z.looseObject({ type: z.string() })).max(LIMITS.tools)),
  tool_choice: FLAT_TOOL_CHOICE,
} as const;

export const RESPONSES: BodySchema<typeof RESPONSES_FIELDS> = {
  schema: z.object(RESPONSES_FIELDS),
  unsupported: {
    background: { why: "a response ends with its connection.", neutral: [false] },
    conversation: { why: "conversations are not kept; use previous_response_id with store, or send the items." },
    prompt: { why: "there are no stored prompts; send instructions." },
    truncation: { why: "a prompt is never cut.", neutral: ["disabled"] },
    top_logprobs: { why: "log-probabilities are given by /v1/chat/completions.", neutral: [0] },
    n: { why: "a response has one choice.", neutral: [1] },
    max_tokens: { why: "use max_output_tokens." },
    ...otherFormats("use text.format.", ["response_format"]),
  },
};

export type ResponsesBody = z.output<typeof RESPONSES.schema>;
export type InputItem = Readonly<Record<string, unknown>>;

/** What a Responses request says: the conversation, and the items that the request brought. */
export interface ResponsesPrompt {
  readonly chat: ChatPrompt;
  readonly input: readonly InputItem[];
  readonly wantsSealedReasoning: boolean;
}

export interface ResponsesContext {
  /** Items of the conversation that the request goes on with. */
  readonly previous: readonly InputItem[];
  /** Reads the opaque form of reasoning; undefined for what was made elsewhere. */
  readonly unseal: (sealed: string) => string | undefined;
}

/** Throws `invalid_argument` or `not_supported` naming the field. */
export function responsesPrompt(body: ResponsesBody, { previous, unseal }: ResponsesContext): ResponsesPrompt {
  refusePromises(body);
  const input: readonly InputItem[] =
    typeof body.input === "string" ? [{ type: "message", role: "user", content: body.input }] : body.input;
  const messages = new Messages(unseal);
  if (body.instructions !== undefined) messages.add({ role: "system", content: body.instructions });
  for (const [i, one] of [...previous, ...input].entries()) messages.addItem(one, `input[${i - previous.length}]`);
  if (messages.list.length === 0) throw invalid("input", "must have one or more items.");
  const chat = inFieldNames(responsesField, () =>
    chatPrompt({
      model: body.model,
      messages: [...messages.list],
      tools: body.tools?.map(chatTool),
      tool_choice: chatChoice(body.tool_choice),
      response_format: chatFormat(body.text?.format),
      reasoning: body.reasoning,
    }),
  );
  return {
    chat: {
      ...chat,
      warnings: [...chat.warnings, ...messages.warnings],
      fieldName: (field) => responsesField(chat.fieldName(field)),
    },
    input,
    wantsSealedReasoning: body.include?.includes(SEALED_REASONING) === true,
  };
}

/** What a field of a chat is called here. */
function responsesField(field: string): string {
  return field.replace(/^(tools\[\d+\])\.function/, "$1").replace(/^response_format(\.json_schema\b)?/, "text.format");
}

function refusePromises({ include }: ResponsesBody): void {
  if (include?.includes("message.output_text.logprobs") === true)
    throw notSupported("include", "include: log-probabilities are given by /v1/chat/completions.");
}

/** The same tool in the form of a chat, where a function's fields lie one level deeper. */
function chatTool(tool: z.output<typeof part>): z.output<typeof part> {
  const { type, name, description, parameters, strict } = tool;
  if (type !== "function") return tool;
  return {
    type,
    function: { name, description: description ?? undefined, parameters: parameters ?? undefined, strict },
  };
}

function chatChoice(choice: ResponsesBody["tool_choice"]): ToolChoiceField {
  if (typeof choice !== "object") return choice;
  const called = ({ name }: { readonly name: string }) => ({ type: "function" as const, function: { name } });
  if (choice.type === "function") return called(choice);
  const { type, mode, tools } = choice;
  return { type, allowed_tools: { mode, tools: tools.map(called) } };
}

function chatFormat(format: NonNullable<ResponsesBody["text"]>["format"]): ResponseFormatField {
  return format?.type === "json_schema" ? { type: format.type, json_schema: format } : format;
}

interface AssistantTurn extends Record<string, unknown> {
  readonly role: "assistant";
  content: string;
  reasoning_content?: string;
  readonly tool_calls: object[];
}

type Message = Record<string, unknown> & { readonly role: string };

/** Messages of a chat, from items. */
class Messages {
  readonly list: Message[] = [];
  readonly warnings: string[] = [];
  readonly #unseal: ResponsesContext["unseal"];

  constructor(unseal: ResponsesContext["unseal"]) {
    this.#unseal = unseal;
  }

  add(message: Message): void {
    this.list.push(message);
  }

  addItem(one: InputItem, path: string): void {
    const type = typeof one["type"] === "string" ? one["type"] : "message";
    switch (type) {
      case "message":
        this.#addMessage(one, path);
        return;
      case "reasoning":
        this.#addReasoning(one, path);
        return;
      case "function_call":
        // Nobody can have answered it, and its arguments are no JSON.
        if (one["status"] === "incomplete") this.warnings.push(`${path}: a call that was cut off is left out.`);
        else this.#turn().tool_calls.push(callOf(one, path));
        return;
      case "function_call_output":
        this.add({
          role: "tool",
          tool_call_id: stringOf(one["call_id"], `${path}.call_id`),
          content: textOf(one["output"], `${path}.output`),
        });
        return;
      case "item_reference":
        throw notSupported(`${path}.type`, `${path}.type: items are not kept by themselves; send the item.`);
      default:
        this.warnings.push(`${path} of type ${type.slice(0, 64)} is left out.`);
    }
  }

  #addMessage(one: InputItem, path: string): void {
    const role = one["role"];
    const content = textOf(one["content"], `${path}.content`);
    if (role === "assistant") this.#turn().content += content;
    else if (role === "user") this.add({ role, content });
    else if (role === "system" || role === "developer") this.add({ role: "system", content });
    else throw invalid(`${path}.role`, "must be user, assistant, system or developer.");
  }

  #addReasoning(one: InputItem, path: string): void {
    const { content, summary, encrypted_content: sealed } = one;
    const plain = textOf(content ?? [], `${path}.content`);
    const opened = plain === "" && typeof sealed === "string" ? this.#unseal(sealed) : undefined;
    // Other servers tell all of their reasoning in the summary.
    const reasoning = plain !== "" ? plain : (opened ?? textOf(summary ?? [], `${path}.summary`));
    if (reasoning === "" && typeof sealed === "string")
      this.warnings.push(`${path}.encrypted_content was not made by this server since it started, and is left out.`);
    if (reasoning === "") return;
    const turn = this.#turn();
    turn.reasoning_content = (turn.reasoning_content ?? "") + reasoning;
  }

  /** The assistant's turn that the items are part of. */
  #turn(): AssistantTurn {
    const last = this.list.at(-1);
    if (last?.role === "assistant") return last as AssistantTurn;
    const turn: AssistantTurn = { role: "assistant", content: "", tool_calls: [] };
    this.list.push(turn);
    return turn;
  }
}

function callOf(one: InputItem, path: string): object {
  const json = stringOf(one["arguments"], `${path}.arguments`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(json === "" ? "{}" : json);
  } catch {
    throw invalid(`${path}.arguments`, "must be valid JSON.");
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed))
    throw invalid(`${path}.arguments`, "must be the JSON of an object.");
  return {
    id: stringOf(one["call_id"], `${path}.call_id`),
    type: "function",
    function: { name: stringOf(one["name"], `${path}.name`), arguments: parsed },
  };
}

function stringOf(value: unknown, path: string): string {
  if (typeof value === "string" && (value !== "" || path.endsWith("arguments"))) return value;
  throw invalid(path, "must be a string that is not empty.");
}

const TEXT_PARTS: readonly unknown[] = ["input_text", "output_text", "text", "reasoning_text", "summary_text"];

/** Text, or parts that are text. */
function textOf(value: unknown, path: string): string {
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) throw invalid(path, "must be text or a list of parts.");
  return value
    .map((raw: unknown, i) => {
      const one = part.safeParse(raw);
      if (!one.success) throw invalid(`${path}[${i}]`, "must be a part with a type.");
      const { type, text: said, refusal } = one.data;
      const found = type === "refusal" ? refusal : TEXT_PARTS.includes(type) ? said : undefined;
      if (typeof found === "string") return found;
      throw notSupported(`${path}[${i}].type`, `${path}[${i}].type: the model reads text only.`);
    })
    .join("");
}
