// What is done with whole conversations: search, duplicate, export, import, delete.

import { createConversation } from "./controller.ts";
import { stopAnswer } from "./live.ts";
import { type Exported, fromJson, toJson, toMarkdown } from "./transfer.ts";
import { pathTo } from "./tree.ts";
import { text } from "../i18n/i18n.ts";
import { navigate } from "../router.ts";
import { type Conversation, database, freshId, type Message } from "../store/database.ts";
import { conversations, messagesOf, openThreads } from "../store/store.ts";
import { chooseFiles, downloadText } from "../ui/files.ts";
import { notify, notifyError } from "../ui/toast.tsx";

/** Ids of conversations in whose messages the words stand, in small letters. */
export async function searchMessages(needle: string): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  const look = ({ conversationId, content }: Message): void => {
    if (!found.has(conversationId) && content.toLowerCase().includes(needle)) found.add(conversationId);
  };
  // Without storage, conversations are where they are open.
  await database.messages.each(look).catch(() => {});
  for (const thread of openThreads()) for (const message of thread.snapshot().values()) look(message);
  return found;
}

async function readConversation(conversation: Conversation): Promise<Exported> {
  const thread = messagesOf(conversation.id);
  await thread.loaded;
  return { conversation, messages: [...thread.snapshot().values()] };
}

export async function removeConversation(id: string): Promise<void> {
  const thread = messagesOf(id);
  await thread.loaded;
  const messages = [...thread.snapshot().values()];
  for (const message of messages)
    if (message.answer?.status === "streaming") void stopAnswer(message.id).catch(notifyError);
  conversations.remove([id]);
  thread.remove(messages.map((message) => message.id));
}

/** A copy, to try other settings on. */
export async function duplicate(chat: Conversation): Promise<void> {
  const thread = messagesOf(chat.id);
  await thread.loaded;
  copyInto(chat, [...thread.snapshot().values()], chat.leafId);
}

/** A new conversation that begins with the branch up to a message. */
export function branchInto(chat: Conversation, message: Message): void {
  copyInto(chat, pathTo(messagesOf(chat.id).snapshot(), message.id), message.id);
}

function copyInto(chat: Conversation, messages: readonly Message[], leafId: string | undefined): void {
  const newIds = new Map(messages.map(({ id }) => [id, freshId()]));
  const copy = createConversation(chat.settings, {
    title: chat.title,
    isNamed: chat.isNamed,
    folderId: chat.folderId,
    leafId: leafId === undefined ? undefined : newIds.get(leafId),
  });
  messagesOf(copy.id).putAll(
    messages.map((message) => ({
      ...message,
      id: newIds.get(message.id)!,
      conversationId: copy.id,
      parentId: message.parentId === undefined ? undefined : newIds.get(message.parentId),
    })),
  );
  navigate("chat", copy.id);
}

export async function exportChat(chat: Conversation, format: "json" | "markdown"): Promise<void> {
  const exported = await readConversation(chat);
  const name =
    chat.title
      .replace(/[^\p{L}\p{N}]+/gu, "-")
      .replace(/^-|-$/g, "")
      .slice(0, 60) || "chat";
  if (format === "json") downloadText(`${name}.json`, toJson([exported]), "application/json");
  else downloadText(`${name}.md`, toMarkdown(exported), "text/markdown");
}

export async function exportAll(): Promise<void> {
  const all = await Promise.all([...conversations.snapshot().values()].map(readConversation));
  downloadText("mimo-studio.json", toJson(all), "application/json");
}

export async function importChats(): Promise<void> {
  for (const file of await chooseFiles({ accept: ".json,application/json", isMultiple: true })) {
    try {
      const chats = fromJson(await file.text());
      conversations.putAll(chats.map(({ conversation }) => conversation));
      for (const { conversation, messages } of chats) messagesOf(conversation.id).putAll(messages);
      notify(text("chat.imported", { n: chats.length }));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      notifyError(text("chat.import-bad", { name: file.name, why }));
    }
  }
}
