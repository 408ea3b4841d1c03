// The tables of this browser, each mirrored in memory, and the messages of the conversations that were opened.

import { database, type Message } from "./database.ts";
import { Mirror } from "./mirror.ts";

const byId = ({ id }: { readonly id: string }): string => id;

export const conversations = new Mirror(database.conversations, byId);
export const folders = new Mirror(database.folders, byId);
export const presets = new Mirror(database.presets, byId);
export const ownTools = new Mirror(database.tools, ({ name }) => name);

const threads = new Map<string, Mirror<Message>>();

export function messagesOf(conversationId: string): Mirror<Message> {
  const known = threads.get(conversationId);
  if (known !== undefined) return known;
  const thread = new Mirror(database.messages, byId, {
    part: conversationId,
    query: () => database.messages.where("conversationId").equals(conversationId).toArray(),
  });
  threads.set(conversationId, thread);
  return thread;
}

export function openThreads(): Iterable<Mirror<Message>> {
  return threads.values();
}

/** Asks the browser not to clear what is stored when space runs out. */
export function keepStorage(): void {
  void navigator.storage?.persist?.();
}
