// What is kept stays within its limits, and belongs to one key only.

import fc from "fast-check";
import { expect, test } from "vitest";
import { KeyedStore } from "./keyed-store.ts";

const newStore = (maxPerOwner = 300, maxTotal = 1000): KeyedStore<string> =>
  new KeyedStore({ weigh: (text) => text.length, maxPerOwner, maxTotal });

test("the least recently used goes first, and only its owner's", () => {
  const store = newStore();
  store.set("other", "a", "x");
  for (const id of ["a", "b", "c"]) store.set("me", id, "y".repeat(30));
  expect(store.get("me", "a")).toBeDefined();
  store.set("me", "d", "y".repeat(30));
  expect(["a", "b", "c", "d"].map((id) => store.get("me", id) !== undefined)).toEqual([true, false, true, true]);
  expect(store.get("other", "a")).toBe("x");
  expect(store.get("other", "c")).toBeUndefined();
});

test("what alone is too large is not kept, nor what it replaces", () => {
  const store = newStore();
  store.set("me", "a", "x");
  store.set("me", "a", "x".repeat(1000));
  expect(store.get("me", "a")).toBeUndefined();
  expect(store.delete("me", "a")).toBe(false);
});

test("in all, quiet owners make room", () => {
  const store = newStore(300, 400);
  store.set("quiet", "a", "x".repeat(100));
  store.set("busy", "a", "x".repeat(100));
  store.set("busy", "b", "x".repeat(60));
  expect(store.get("quiet", "a")).toBeUndefined();
  expect(store.get("busy", "a")).toBeDefined();
});

test("agrees with a list of everything, whatever is done", () => {
  const step = fc.record({
    owner: fc.constantFrom("a", "b", "c"),
    id: fc.constantFrom("1", "2", "3", "4", "5"),
    size: fc.integer({ min: 0, max: 260 }),
    action: fc.constantFrom("set", "get", "delete"),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const store = newStore(300, 500);
      let kept: { owner: string; id: string; text: string }[] = [];
      for (const { owner, id, size, action } of steps) {
        const text = "x".repeat(size);
        const found = kept.find((one) => one.owner === owner && one.id === id);
        if (action === "get") expect(store.get(owner, id)).toBe(found?.text);
        if (action === "delete") expect(store.delete(owner, id)).toBe(found !== undefined);
        if (action === "set") store.set(owner, id, text);
        if (action !== "get") kept = kept.filter((one) => one !== found);
        if (action === "get" && found !== undefined) kept = [...kept.filter((one) => one !== found), found];
        if (action !== "set" || size + 64 > 300) continue;
        kept.push({ owner, id, text });
        const weightOf = (list: typeof kept): number => list.reduce((sum, one) => sum + 64 + one.text.length, 0);
        while (weightOf(kept.filter((one) => one.owner === owner)) > 300) {
          const first = kept.findIndex((one) => one.owner === owner);
          kept.splice(first, 1);
        }
        // An owner is as recent as the last thing it used.
        while (weightOf(kept) > 500) {
          const owners = kept.map((one) => one.owner);
          const quiet = owners.find((_, i) => !owners.slice(i + 1).includes(owners[i]!));
          kept = kept.filter((one) => one.owner !== quiet);
        }
      }
    }),
    { numRuns: 300 },
  );
});
