// What this browser keeps: conversations as trees of messages, folders, presets and tools, in IndexedDB.
//
// A message knows its parent, so an edit or a second answer is a sibling and nothing is ever overwritten by two tabs; a
// conversation remembers the leaf that was shown last. Where a browser refuses IndexedDB, `storageProblem` says so, and
// the chat goes on in memory.

import Dexie, { type Table } from "dexie";
import type { Trace } from "../inside/trace.ts";

export interface Conversation {
  readonly id: string;
  readonly title: string;
  /** Whether the title was given by the reader; otherwise it is made of the first message. */
  readonly isNamed: boolean;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly isPinned: boolean;
  readonly folderId: string | undefined;
  /** The last message of the branch that is shown. */
  readonly leafId: string | undefined;
  readonly settings: ChatSettings;
}

/** What a request is made with; a field that is left out is the server's own. */
export interface ChatSettings {
  readonly system?: string | undefined;
  readonly thinking?: boolean | undefined;
  /** Most tokens of thinking. */
  readonly thinkingBudget?: number | undefined;
  /** Whether earlier turns are sent with their thinking. */
  readonly keepThinking?: boolean | undefined;
  readonly temperature?: number | undefined;
  readonly topP?: number | undefined;
  readonly topK?: number | undefined;
  readonly minP?: number | undefined;
  readonly repetitionPenalty?: number | undefined;
  readonly maxTokens?: number | undefined;
  readonly seed?: number | undefined;
  /** Names of the tools that may be called. */
  readonly tools?: readonly string[] | undefined;
}

export interface Message {
  readonly id: string;
  readonly conversationId: string;
  readonly parentId: string | undefined;
  readonly role: "user" | "assistant" | "tool";
  readonly createdAt: number;
  readonly content: string;
  readonly attachments?: readonly Attachment[];
  /** Of an answer. */
  readonly answer?: Answer;
  /** Of a tool's result. */
  readonly callId?: string;
}

export interface Attachment {
  readonly name: string;
  readonly text: string;
}

export interface Answer {
  readonly status: "streaming" | "done" | "stopped" | "failed";
  /** The server's name of the stream, by which it can be followed and controlled. */
  readonly replyId?: string | undefined;
  /** Number of the last frame that is part of what is stored. */
  readonly frame?: number | undefined;
  readonly model?: string | undefined;
  readonly reasoning: string;
  /** When thinking began and ended, in milliseconds of the clock. */
  readonly thinkingFrom?: number | undefined;
  readonly thinkingTo?: number | undefined;
  readonly calls: readonly ToolCall[];
  readonly finishReason?: string | undefined;
  readonly finishDetail?: string | undefined;
  readonly error?: string | undefined;
  readonly usage?: Usage | undefined;
  readonly startedAt: number;
  readonly firstTokenAt?: number | undefined;
  readonly endedAt?: number | undefined;
  /** Whether its reader has changed the text. */
  readonly isEdited?: boolean | undefined;
  /** Whether it went on behind a text that it had. */
  readonly isContinued?: boolean | undefined;
  /** How much of the prompt has been read, while it is. */
  readonly progress?: { readonly processed: number; readonly total: number; readonly cached: number } | undefined;
  readonly timings?: Timings | undefined;
  /** How it was made, where that was recorded. */
  readonly trace?: Trace | undefined;
}

/** As the server measures, in milliseconds and tokens a second. */
export interface Timings {
  readonly first_token_ms: number | null;
  readonly queue_ms: number;
  readonly cache_n: number;
  readonly prompt_n: number;
  readonly prompt_per_second: number;
  readonly predicted_ms: number;
  readonly predicted_per_second: number;
  readonly draft_n: number;
  readonly draft_n_accepted: number;
  /** Share of the drafts of MTP head 1, 2, … that held. */
  readonly accepted_per_position: readonly number[];
  /** Tokens a step. */
  readonly accept_length: number;
  readonly [further: string]: unknown;
}

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  readonly arguments: string;
  readonly decision?: "approved" | "denied" | undefined;
}

export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly prompt_tokens_details?: { readonly cached_tokens?: number } | undefined;
  readonly completion_tokens_details?: { readonly reasoning_tokens?: number } | undefined;
  readonly [further: string]: unknown;
}

export interface Folder {
  readonly id: string;
  readonly name: string;
  readonly createdAt: number;
}

export interface Preset {
  readonly id: string;
  readonly name: string;
  readonly settings: ChatSettings;
}

/** A function that the reader has described, and whose results the reader types. */
export interface OwnTool {
  readonly name: string;
  readonly description: string;
  /** JSON Schema. */
  readonly parameters: object;
}

class StudioDatabase extends Dexie {
  conversations!: Table<Conversation, string>;
  messages!: Table<Message, string>;
  folders!: Table<Folder, string>;
  presets!: Table<Preset, string>;
  tools!: Table<OwnTool, string>;

  constructor() {
    super("mimo-studio");
    this.version(1).stores({
      conversations: "id, updatedAt, folderId",
      messages: "id, conversationId",
      folders: "id, createdAt",
      presets: "id, name",
      tools: "name",
    });
  }
}

export const database = new StudioDatabase();

/** `randomUUID` exists on loopback and https only, and a server may be reached by plain http. */
export function freshId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
