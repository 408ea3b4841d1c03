// The tree on its own: what it finds, what it shares, and in which order it forgets. Blocks are numbers here.

import { beforeEach, describe, expect, test } from "vitest";
import { BlockPool } from "./block-pool.ts";
import { BLOCK_TOKENS } from "./geometry.ts";
import { type PrefixNode, PrefixTree } from "./prefix-tree.ts";
import type { SavedRings } from "./saved-rings.ts";

let pool: BlockPool;
let tree: PrefixTree;
beforeEach(() => {
  pool = new BlockPool(16);
  tree = new PrefixTree(pool);
});

/** `count` tokens of a text that is the text's own. */
const text = (name: number, count: number): number[] => Array.from({ length: count }, (_, i) => 1000 * name + i);

/** Keeps a text as a sequence does that ends; its last node. */
function keep(tokens: readonly number[], namespace = ""): PrefixNode {
  let node = tree.root(namespace);
  for (let start = 0; start < tokens.length; start += BLOCK_TOKENS) {
    node = tree.extend(node, tokens.slice(start, start + BLOCK_TOKENS), () => pool.take())!;
  }
  tree.touch(node);
  tree.checkIntegrity();
  return node;
}

const known = (tokens: readonly number[], namespace = ""): number =>
  tree.match(namespace, tokens, tokens.length).length;

function rings(length: number): SavedRings & { isDisposed: boolean } {
  const fake = {
    length,
    written: length,
    byteLength: 10,
    isDisposed: false,
    [Symbol.dispose]: () => void (fake.isDisposed = true),
  };
  return fake as unknown as SavedRings & { isDisposed: boolean };
}

function snapshot(node: PrefixNode, length: number): ReturnType<typeof rings> {
  const saved = rings(length);
  tree.addSnapshot(node, saved);
  tree.checkIntegrity();
  return saved;
}

describe("match", () => {
  test("finds the longest known prefix, inside a block too, and no more than it may", () => {
    keep(text(1, 150));
    keep([...text(1, 100), ...text(2, 80)]);
    expect(known(text(1, 150))).toBe(150);
    expect(known(text(1, 400))).toBe(150);
    expect(known([...text(1, 100), ...text(2, 80)])).toBe(180);
    expect(known([...text(1, 100), ...text(2, 30), 5])).toBe(130);
    expect(known([...text(1, 70), 5])).toBe(70);
    expect(known([5])).toBe(0);
    expect(tree.match("", text(1, 150), 149).length).toBe(149);
    expect(tree.match("", text(1, 150), 64)).toMatchObject({ length: 64, nodes: { length: 1 } });
  });

  test("sees one namespace only, and says so", () => {
    keep(text(1, 100), "ann");
    expect(known(text(1, 100), "ann")).toBe(100);
    expect(known(text(1, 100), "bob")).toBe(0);
    const absence = (tokens: readonly number[]): string => tree.absence("bob", tokens, tree.match("bob", tokens, 999));
    expect(absence(text(1, 100))).toBe("other namespace");
    expect(absence(text(2, 100))).toBe("cold");
  });
});

describe("blocks", () => {
  test("are shared where texts agree, and one that has grown takes the place of its beginning", () => {
    keep(text(1, 100));
    expect(tree.numBlocks).toBe(2);
    keep(text(1, 90));
    keep(text(1, 64));
    expect(tree.numBlocks).toBe(2);
    keep(text(1, 128));
    expect(tree.numBlocks).toBe(2);
    keep(text(1, 140));
    keep([...text(1, 100), ...text(2, 28)]);
    expect(tree.numBlocks).toBe(4);
    expect(pool.numFree).toBe(12);
  });

  test("go leaf by leaf, least recently used first, and never while a sequence shares them", () => {
    keep(text(1, 192));
    const two = keep(text(2, 128));
    keep([...text(1, 64), ...text(3, 64)]);
    expect(tree.numReclaimable).toBe(6);
    tree.reclaim(1);
    expect(known(text(1, 192))).toBe(128);
    pool.retain(two.block);
    pool.retain(two.parent!.block);
    expect(tree.numReclaimable).toBe(3);
    tree.reclaim(2);
    expect([known(text(1, 192)), known(text(2, 128)), known([...text(1, 64), ...text(3, 64)])]).toEqual([64, 128, 64]);
    tree.reclaim(99);
    expect([known(text(1, 192)), known(text(2, 128))]).toEqual([0, 128]);
    tree.checkIntegrity();
    expect(tree.absence("", text(1, 192), tree.match("", text(1, 192), 192))).toBe("evicted");
    expect(tree.evictedBlocks).toBe(4);
  });

  test("of a cleared namespace are free at once, or when its sequences end", () => {
    const one = keep(text(1, 100), "ann");
    keep(text(1, 100), "bob");
    pool.retain(one.block);
    tree.clear("ann");
    expect([known(text(1, 100), "ann"), known(text(1, 100), "bob"), pool.numFree]).toEqual([0, 100, 13]);
    tree.clear();
    expect(pool.numFree).toBe(15);
  });
});

describe("snapshots", () => {
  test("near a match are those on its path and those that reach back to it", () => {
    const node = keep(text(1, 130));
    const saved = [snapshot(node.parent!.parent!, 40), snapshot(node.parent!, 70), snapshot(node, 130)];
    const other = keep([...text(1, 64), ...text(2, 20)]);
    snapshot(other, 84);
    const near = (tokens: readonly number[], reach: number): number[] =>
      [...tree.snapshotsNear("", tree.match("", tokens, tokens.length), reach)].map(({ length }) => length);
    expect(near(text(1, 130), 17)).toEqual([40, 70, 130]);
    expect(near(text(1, 64), 17).toSorted((a, b) => a - b)).toEqual([40, 70, 84]);
    expect(near(text(1, 127), 17)).toEqual([40, 70, 130]);
    expect(saved.every(({ isDisposed }) => !isDisposed)).toBe(true);
  });

  test("go with their node, and over the limit those first that a conversation left behind", () => {
    const one = keep(text(1, 60));
    const system = snapshot(one, 30);
    const turns = [snapshot(one, 50), snapshot(one, 60)];
    const other = keep(text(2, 60));
    const late = snapshot(other, 60);
    tree.touchSnapshot(system);
    tree.touchSnapshot(system);
    const held = (): boolean[] => [system, ...turns, late].map(({ isDisposed }) => !isDisposed);
    tree.limitSnapshots(40);
    expect(held()).toEqual([true, true, true, true]);
    tree.limitSnapshots(30);
    expect(held()).toEqual([true, false, true, true]);
    tree.limitSnapshots(20);
    expect(held()).toEqual([true, false, false, true]);
    tree.reclaim(1);
    expect(held()).toEqual([false, false, false, true]);
    expect([tree.snapshotBytes, tree.numSnapshots, tree.evictedSnapshots]).toEqual([10, 1, 2]);
  });
});
