// Messages as a tree: the branch that is shown, the answers beside an answer, what hangs below a message.
//
// Trees come from imports and from other tabs, so a parent may be missing: its children then count as roots.

import type { Message } from "../store/database.ts";

export type Messages = ReadonlyMap<string, Message>;

/** From the first message to `leafId`. */
export function pathTo(messages: Messages, leafId: string | undefined): readonly Message[] {
  const path: Message[] = [];
  const seen = new Set<string>();
  for (let id = leafId; id !== undefined && !seen.has(id);) {
    const message = messages.get(id);
    if (message === undefined) break;
    seen.add(id);
    path.push(message);
    id = message.parentId;
  }
  return path.toReversed();
}

/** A message and those that have the same parent, the oldest first. */
export function siblingsOf(messages: Messages, message: Message): readonly Message[] {
  const parent = parentOf(messages, message);
  return [...messages.values()]
    .filter((other) => parentOf(messages, other) === parent)
    .toSorted((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
}

function parentOf(messages: Messages, { parentId }: Message): string | undefined {
  return parentId !== undefined && messages.has(parentId) ? parentId : undefined;
}

/** Where a reader who chooses a branch comes out: the newest message under each message in turn. */
export function newestLeafUnder(messages: Messages, id: string): string {
  const newestChild = new Map<string, Message>();
  for (const message of messages.values()) {
    const { parentId } = message;
    if (parentId === undefined) continue;
    const other = newestChild.get(parentId);
    if (other === undefined || other.createdAt <= message.createdAt) newestChild.set(parentId, message);
  }
  const seen = new Set<string>();
  let leaf = id;
  for (let child = newestChild.get(leaf); child !== undefined && !seen.has(child.id); child = newestChild.get(leaf)) {
    seen.add(child.id);
    leaf = child.id;
  }
  return leaf;
}

/** A message and everything below it. */
export function subtreeOf(messages: Messages, id: string): readonly string[] {
  const children = new Map<string | undefined, string[]>();
  for (const message of messages.values())
    children.set(message.parentId, [...(children.get(message.parentId) ?? []), message.id]);
  const ids = new Set<string>();
  const visit = (next: string): void => {
    if (ids.has(next)) return;
    ids.add(next);
    for (const child of children.get(next) ?? []) visit(child);
  };
  visit(id);
  return [...ids];
}
