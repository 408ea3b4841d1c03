import { expect, test } from "vitest";
import { newestLeafUnder, pathTo, siblingsOf, subtreeOf } from "./tree.ts";
import type { Message } from "../store/database.ts";

function tree(...rows: readonly (readonly [id: string, parentId?: string])[]): ReadonlyMap<string, Message> {
  return new Map(
    rows.map(([id, parentId], i) => [
      id,
      { id, parentId, conversationId: "c", role: "user", createdAt: i, content: id } as Message,
    ]),
  );
}

const ids = (messages: readonly Message[]): readonly string[] => messages.map(({ id }) => id);

test("a branch is the way from the root to its leaf, and each fork leads to its newest end", () => {
  const messages = tree(["q"], ["a1", "q"], ["a2", "q"], ["b1", "a1"], ["c1", "b1"], ["q2"]);
  expect(ids(pathTo(messages, "c1"))).toEqual(["q", "a1", "b1", "c1"]);
  expect(ids(siblingsOf(messages, messages.get("a2")!))).toEqual(["a1", "a2"]);
  expect(ids(siblingsOf(messages, messages.get("q")!))).toEqual(["q", "q2"]);
  expect(newestLeafUnder(messages, "a1")).toBe("c1");
  expect(newestLeafUnder(messages, "q")).toBe("a2");
  expect(subtreeOf(messages, "a1").toSorted()).toEqual(["a1", "b1", "c1"]);
});

test("trees that are none end all the same", () => {
  const loop = tree(["a", "b"], ["b", "a"]);
  expect(ids(pathTo(loop, "a"))).toEqual(["b", "a"]);
  expect(subtreeOf(loop, "a").toSorted()).toEqual(["a", "b"]);
  expect(typeof newestLeafUnder(loop, "a")).toBe("string");
  expect(ids(pathTo(tree(["x", "gone"]), "x"))).toEqual(["x"]);
  expect(pathTo(loop, "nowhere")).toEqual([]);
});
