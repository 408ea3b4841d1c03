// What a reader does in a conversation: asks, asks again, edits, branches, continues, lets tools run.
//
// Every deed changes the tree of messages; an answer is a message that fills itself (`live.ts`). Where an answer ends
// with calls, tools that need no consent run at once; when the last call has its result, the next answer begins.

import { beginAnswer } from "./live.ts";
import { requestBody } from "./request.ts";
import { type BuiltInTool, builtInTools, runTool } from "./tools.ts";
import { newestLeafUnder, pathTo, subtreeOf } from "./tree.ts";
import type { AnsweredMessage } from "./fold.ts";
import { recordingFields } from "../inside/recording.ts";
import { callMcpTool, runsMcpToolAtOnce, setRunsMcpToolAtOnce } from "../mcp/calls.ts";
import { loadMcpServers, mcpTools } from "../mcp/servers.ts";
import {
  type Attachment,
  type ChatSettings,
  type Conversation,
  freshId,
  type Message,
  type ToolCall,
} from "../store/database.ts";
import { conversations, keepStorage, messagesOf, ownTools } from "../store/store.ts";
import { readSetting, writeSetting } from "../store/local.ts";

const MAX_TITLE = 60;
/** By when all tabs have seen the end of an answer. */
const OTHER_TABS_MS = 5000;

export function createConversation(settings: ChatSettings, fields: Partial<Conversation> = {}): Conversation {
  const now = Date.now();
  const conversation: Conversation = {
    id: freshId(),
    title: "",
    isNamed: false,
    createdAt: now,
    updatedAt: now,
    isPinned: false,
    folderId: undefined,
    leafId: undefined,
    settings,
    ...fields,
  };
  conversations.put(conversation);
  keepStorage();
  return conversation;
}

export function pathOf(conversationId: string): readonly Message[] {
  return pathTo(messagesOf(conversationId).snapshot(), conversations.get(conversationId)?.leafId);
}

/** Adds a question behind `parentId`, and answers it. */
export function ask(
  conversationId: string,
  parentId: string | undefined,
  content: string,
  attachments: readonly Attachment[],
): void {
  const message = addMessage({ conversationId, parentId, role: "user", content, attachments });
  const conversation = conversations.get(conversationId);
  if (conversation?.title === "" && !conversation.isNamed)
    conversations.patch(conversationId, { title: titleOf(content || (attachments[0]?.name ?? "")) });
  void answer(conversationId, message.id);
}

export function titleOf(content: string): string {
  const line = content.trim().split("\n", 1)[0]!.trim();
  return line.length > MAX_TITLE ? `${line.slice(0, MAX_TITLE).trimEnd()}…` : line;
}

/** A further answer to the same question. */
export function regenerate({ conversationId, parentId }: Message): void {
  if (parentId !== undefined) void answer(conversationId, parentId);
}

/** Another version of a question, beside it, and its answer. */
export function askAnew(message: Message, content: string): void {
  ask(message.conversationId, message.parentId, content, message.attachments ?? []);
}

/** Changes the text of an answer in its place. */
export function editAnswer(message: Message, content: string): void {
  const { answer: given } = message;
  if (given === undefined) return;
  messagesOf(message.conversationId).put({ ...message, content, answer: { ...given, isEdited: true } });
}

/** Lets the model go on where an answer stands. */
export async function continueAnswer({ id, conversationId }: Message): Promise<void> {
  await knowTools(conversationId);
  const message = messagesOf(conversationId).get(id);
  if (message === undefined) return;
  const path = pathTo(messagesOf(conversationId).snapshot(), id);
  await run(message, bodyFor(conversationId, path, true));
}

/** Shows the branch of another message. */
export function showBranch({ conversationId, id }: Message): void {
  conversations.patch(conversationId, { leafId: newestLeafUnder(messagesOf(conversationId).snapshot(), id) });
}

/** Deletes a message with all that follows it, on every branch. */
export function deleteMessage({ conversationId, id, parentId }: Message): void {
  const thread = messagesOf(conversationId);
  const gone = new Set(subtreeOf(thread.snapshot(), id));
  const siblings = [...thread.snapshot().values()].filter(
    (other) => other.parentId === parentId && !gone.has(other.id),
  );
  thread.remove([...gone]);
  const next = siblings.at(-1)?.id ?? parentId;
  conversations.patch(conversationId, {
    leafId: next === undefined ? undefined : newestLeafUnder(thread.snapshot(), next),
  });
}

/** Gives a call its result, and goes on once all calls of its answer have theirs. */
export function resolveCall(message: Message, callId: string, result: string, decision: "approved" | "denied"): void {
  const { conversationId, id } = message;
  const thread = messagesOf(conversationId);
  const current = thread.get(id)?.answer;
  if (current === undefined) return;
  const calls = current.calls.map((call) => (call.id === callId ? { ...call, decision } : call));
  thread.put({ ...thread.get(id)!, answer: { ...current, calls } });
  const chain = resultsBehind(conversationId, id);
  if (chain.some((tool) => tool.callId === callId)) return;
  const added = addMessage({
    conversationId,
    parentId: chain.at(-1)?.id ?? id,
    role: "tool",
    content: result,
    callId,
  });
  if (chain.length + 1 === calls.length) void answer(conversationId, added.id);
}

/** Results that follow an answer, whichever branch is shown: calls may take long. */
function resultsBehind(conversationId: string, answerId: string): readonly Message[] {
  const results = [...messagesOf(conversationId).snapshot().values()].filter(({ role }) => role === "tool");
  const chain: Message[] = [];
  for (;;) {
    const before = chain.at(-1)?.id ?? answerId;
    const next = results.find(({ parentId }) => parentId === before);
    if (next === undefined) return chain;
    chain.push(next);
  }
}

/** Whether calls of a tool can be run: by this page, or by the server. */
export function canRun(name: string): boolean {
  return builtInTools.has(name) || mcpTools().has(name);
}

/** Runs a call; what goes wrong is its result, for the model to read. */
export async function runCall(message: Message, call: ToolCall): Promise<void> {
  const tool = builtInTools.get(call.name);
  const result = tool === undefined ? await runOnServer(message, call) : runHere(tool, call);
  if (result !== undefined) resolveCall(message, call.id, result, "approved");
}

function runHere(tool: BuiltInTool, call: ToolCall): string {
  try {
    return runTool(tool, call.arguments);
  } catch (error) {
    return `Error: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function runOnServer(message: Message, call: ToolCall): Promise<string | undefined> {
  return callMcpTool(runningId(message, call), call.name, call.arguments);
}

/** What a call on its way is known by. */
export function runningId(message: Message, call: ToolCall): string {
  return `${message.id} ${call.id}`;
}

/** Whether calls of a tool run without being asked for: all tools of this page, or this one of a server. */
export function runsAtOnce(name: string): boolean {
  return builtInTools.has(name) ? readSetting("auto-tools") === "yes" : canRun(name) && runsMcpToolAtOnce(name);
}

export function setRunsAtOnce(name: string, isOn: boolean): void {
  if (builtInTools.has(name)) writeSetting("auto-tools", isOn ? "yes" : undefined);
  else setRunsMcpToolAtOnce(name, isOn);
}

function addMessage(fields: Omit<Message, "id" | "createdAt">): Message {
  const now = Date.now();
  const message: Message = { id: freshId(), createdAt: now, ...fields };
  messagesOf(message.conversationId).put(message);
  conversations.patch(message.conversationId, { leafId: message.id, updatedAt: now });
  return message;
}

async function answer(conversationId: string, parentId: string): Promise<void> {
  await knowTools(conversationId);
  const path = pathTo(messagesOf(conversationId).snapshot(), parentId);
  const message = addMessage({ conversationId, parentId, role: "assistant", content: "" });
  await run(message, bodyFor(conversationId, path));
}

async function run(message: Message, body: object): Promise<void> {
  afterAnswer(await beginAnswer(message, body));
}

/** What follows an answer by itself. Every tab that shows it comes here, and one of them goes on. */
export function afterAnswer(message: AnsweredMessage): void {
  const { status, calls } = message.answer;
  const allowed = calls.filter(({ name }) => runsAtOnce(name));
  if (status !== "done" || allowed.length === 0) return;
  const runAll = (): void => allowed.forEach((call) => void runCall(message, call));
  // Without https there are no locks.
  const locks = navigator.locks as LockManager | undefined;
  if (locks === undefined) runAll();
  else
    void locks.request(`tools of ${message.id}`, { ifAvailable: true }, async (lock) => {
      if (lock === null) return;
      runAll();
      await new Promise((resolve) => setTimeout(resolve, OTHER_TABS_MS));
    });
}

/** Asks the server for tools that a conversation has chosen and this page has not heard of. */
async function knowTools(conversationId: string): Promise<void> {
  const { tools = [] } = conversations.get(conversationId)?.settings ?? {};
  if (tools.some((name) => !canRun(name) && ownTools.get(name) === undefined)) await loadMcpServers();
}

function bodyFor(conversationId: string, path: readonly Message[], isContinued = false): object {
  const settings = conversations.get(conversationId)?.settings ?? {};
  const otherTools = new Map([...ownTools.snapshot(), ...mcpTools()]);
  return { ...requestBody({ path, settings, otherTools, isContinued }), ...recordingFields() };
}
