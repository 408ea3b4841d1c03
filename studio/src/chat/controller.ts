// What a reader does in a conversation: asks, asks again, edits, branches, continues, lets tools run.
//
// Every deed changes the tree of messages; an answer is a message that fills itself (`live.ts`). Where an answer ends
// with calls, tools that need no consent run at once; when the last call has its result, the next answer begins.

import { beginAnswer } from "./live.ts";
import { requestBody } from "./request.ts";
import { builtInTools, runTool } from "./tools.ts";
import { newestLeafUnder, pathTo, subtreeOf } from "./tree.ts";
import type { AnsweredMessage } from "./fold.ts";
import { recordingFields } from "../inside/recording.ts";
import { type Attachment, type ChatSettings, type Conversation, freshId, type Message } from "../store/database.ts";
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
export function continueAnswer({ id, conversationId }: Message): void {
  const message = messagesOf(conversationId).get(id);
  if (message === undefined) return;
  const path = pathTo(messagesOf(conversationId).snapshot(), id);
  void run(message, bodyFor(conversationId, path, true));
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

/** Results that follow an answer on the branch that is shown. */
function resultsBehind(conversationId: string, answerId: string): readonly Message[] {
  const path = pathOf(conversationId);
  const behind = path.slice(path.findIndex(({ id }) => id === answerId) + 1);
  const end = behind.findIndex(({ role }) => role !== "tool");
  return end === -1 ? behind : behind.slice(0, end);
}

/** Runs a call of a tool of this page; what it throws is its result, for the model to read. */
export function runCall(message: Message, callId: string): void {
  const call = message.answer?.calls.find(({ id }) => id === callId);
  const tool = call === undefined ? undefined : builtInTools.get(call.name);
  if (call === undefined || tool === undefined) return;
  let result: string;
  try {
    result = runTool(tool, call.arguments);
  } catch (error) {
    result = `Error: ${error instanceof Error ? error.message : String(error)}`;
  }
  resolveCall(message, callId, result, "approved");
}

/** Whether calls of tools of this page run without being asked for. */
export function runsToolsAtOnce(): boolean {
  return readSetting("auto-tools") === "yes";
}

export function setRunsToolsAtOnce(isOn: boolean): void {
  writeSetting("auto-tools", isOn ? "yes" : undefined);
}

function addMessage(fields: Omit<Message, "id" | "createdAt">): Message {
  const now = Date.now();
  const message: Message = { id: freshId(), createdAt: now, ...fields };
  messagesOf(message.conversationId).put(message);
  conversations.patch(message.conversationId, { leafId: message.id, updatedAt: now });
  return message;
}

async function answer(conversationId: string, parentId: string): Promise<void> {
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
  const own = calls.filter(({ name }) => builtInTools.has(name));
  if (status !== "done" || own.length === 0 || !runsToolsAtOnce()) return;
  const runAll = (): void => own.forEach((call) => runCall(message, call.id));
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

function bodyFor(conversationId: string, path: readonly Message[], isContinued = false): object {
  const settings = conversations.get(conversationId)?.settings ?? {};
  return { ...requestBody({ path, settings, ownTools: ownTools.snapshot(), isContinued }), ...recordingFields() };
}
