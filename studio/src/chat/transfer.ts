// Conversations out of this browser and into it: JSON that holds everything, Markdown that people read.
//
// An import is a stranger's: every field is checked and copied, ids are made anew, and what does not fit is left out or
// refused. Nothing of it can replace what is here.

import { pathTo } from "./tree.ts";
import {
  type Answer,
  type Attachment,
  type ChatSettings,
  type Conversation,
  freshId,
  type Message,
  type ToolCall,
} from "../store/database.ts";

const FORMAT = "mimo-studio";
const MAX_BYTES = 64 * 2 ** 20;
const MAX_CONVERSATIONS = 10_000;
const MAX_MESSAGES = 100_000;

export interface Exported {
  readonly conversation: Conversation;
  readonly messages: readonly Message[];
}

/** But for recordings of how answers were made, which are large and of no use elsewhere. */
export function toJson(chats: readonly Exported[]): string {
  const file = { format: FORMAT, version: 1, exportedAt: new Date().toISOString(), chats };
  return JSON.stringify(file, (key, value: unknown) => (key === "trace" ? undefined : value), 1);
}

/** The branch that is shown. */
export function toMarkdown({ conversation, messages }: Exported): string {
  const path = pathTo(new Map(messages.map((message) => [message.id, message])), conversation.leafId);
  const { system } = conversation.settings;
  const parts = [`# ${conversation.title}`, ...(system === undefined ? [] : [`**System**\n\n${system}`])];
  for (const { role, content, answer, attachments = [] } of path) {
    if (role === "user") {
      const files = attachments.map(({ name, text }) => `Attached \`${name}\`:\n\n~~~~\n${text}\n~~~~`);
      parts.push([`## User`, ...files, content].join("\n\n"));
    } else if (role === "tool") parts.push(`**Result**\n\n~~~~\n${content}\n~~~~`);
    else parts.push([`## ${answer?.model ?? "Assistant"}`, ...answerParts(content, answer)].join("\n\n"));
  }
  return `${parts.join("\n\n")}\n`;
}

function answerParts(content: string, answer: Answer | undefined): readonly string[] {
  const { reasoning = "", calls = [] } = answer ?? {};
  const thoughts =
    reasoning === ""
      ? []
      : [
          reasoning
            .split("\n")
            .map((line) => `> ${line}`.trimEnd())
            .join("\n"),
        ];
  return [
    ...thoughts,
    ...(content === "" ? [] : [content]),
    ...calls.map((call) => `**${call.name}**\n\n~~~~json\n${call.arguments}\n~~~~`),
  ];
}

/** Throws an error with a sentence that says what is wrong. */
export function fromJson(json: string): readonly Exported[] {
  if (json.length > MAX_BYTES) throw new Error(`more than ${MAX_BYTES / 2 ** 20} MB`);
  const file = asObject(JSON.parse(json), "the file");
  if (file["format"] !== FORMAT || file["version"] !== 1) throw new Error(`format and version are not ${FORMAT} and 1`);
  const chats = asArray(file["chats"], "chats", MAX_CONVERSATIONS);
  return chats.map((chat, i) => readChat(asObject(chat, `chats[${i}]`), `chats[${i}]`));
}

type Fields = Readonly<Record<string, unknown>>;

function readChat(chat: Fields, place: string): Exported {
  const raw = asObject(chat["conversation"], `${place}.conversation`);
  const rawMessages = asArray(chat["messages"], `${place}.messages`, MAX_MESSAGES);
  const fields = rawMessages.map((message, i) => asObject(message, `${place}.messages[${i}]`));
  const newIds = new Map(fields.map(({ id }) => [id, freshId()]));
  const conversationId = freshId();
  const conversation: Conversation = {
    id: conversationId,
    title: asText(raw["title"]).slice(0, 200),
    isNamed: true,
    createdAt: asTime(raw["createdAt"]),
    updatedAt: asTime(raw["updatedAt"]),
    isPinned: raw["isPinned"] === true,
    folderId: undefined,
    leafId: newIds.get(raw["leafId"]) ?? newIds.get(fields.at(-1)?.["id"]),
    settings: readSettings(raw["settings"]),
  };
  return { conversation, messages: fields.flatMap((message) => readMessage(message, conversationId, newIds)) };
}

function readMessage(raw: Fields, conversationId: string, newIds: ReadonlyMap<unknown, string>): readonly Message[] {
  const { role } = raw;
  if (role !== "user" && role !== "assistant" && role !== "tool") return [];
  return [
    {
      id: newIds.get(raw["id"])!,
      conversationId,
      parentId: newIds.get(raw["parentId"]),
      role,
      createdAt: asTime(raw["createdAt"]),
      content: asText(raw["content"]),
      ...(role === "user" ? { attachments: readAttachments(raw["attachments"]) } : {}),
      ...(role === "assistant" ? { answer: readAnswer(raw["answer"]) } : {}),
      ...(role === "tool" ? { callId: asText(raw["callId"]) } : {}),
    },
  ];
}

function readAttachments(raw: unknown): readonly Attachment[] {
  if (!Array.isArray(raw)) return [];
  return raw.filter(isFields).map(({ name, text }) => ({ name: asText(name), text: asText(text) }));
}

function readAnswer(raw: unknown): Answer {
  const fields = isFields(raw) ? raw : {};
  const calls = Array.isArray(fields["calls"]) ? fields["calls"].filter(isFields) : [];
  const startedAt = asTime(fields["startedAt"]);
  return {
    // Nothing of another browser's answers runs on.
    status: fields["status"] === "done" ? "done" : "stopped",
    reasoning: asText(fields["reasoning"]),
    thinkingFrom: asNumber(fields["thinkingFrom"]),
    thinkingTo: asNumber(fields["thinkingTo"]),
    calls: calls.map(readCall),
    model: asText(fields["model"]) || undefined,
    startedAt,
  };
}

function readCall(raw: Fields): ToolCall {
  const { decision } = raw;
  return {
    id: asText(raw["id"]),
    name: asText(raw["name"]),
    arguments: asText(raw["arguments"]),
    decision: decision === "approved" || decision === "denied" ? decision : undefined,
  };
}

function readSettings(raw: unknown): ChatSettings {
  if (!isFields(raw)) return {};
  const { system, thinking, keepThinking, tools } = raw;
  return {
    system: typeof system === "string" ? system : undefined,
    thinking: typeof thinking === "boolean" ? thinking : undefined,
    keepThinking: keepThinking === true ? true : undefined,
    thinkingBudget: asNumber(raw["thinkingBudget"]),
    temperature: asNumber(raw["temperature"]),
    topP: asNumber(raw["topP"]),
    topK: asNumber(raw["topK"]),
    minP: asNumber(raw["minP"]),
    repetitionPenalty: asNumber(raw["repetitionPenalty"]),
    maxTokens: asNumber(raw["maxTokens"]),
    seed: asNumber(raw["seed"]),
    tools: Array.isArray(tools) ? tools.filter((name): name is string => typeof name === "string") : undefined,
  };
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function asObject(value: unknown, place: string): Fields {
  if (!isFields(value)) throw new Error(`${place} is no object`);
  return value;
}

function asArray(value: unknown, place: string, max: number): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error(`${place} is no list`);
  if (value.length > max) throw new Error(`${place} has more than ${max} entries`);
  return value;
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function asNumber(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** What is no date cannot be shown as one. */
function asTime(value: unknown): number {
  const time = asNumber(value) ?? Number.NaN;
  return Number.isNaN(new Date(time).getTime()) ? Date.now() : time;
}
