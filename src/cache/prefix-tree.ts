// What is known of token prefixes: a tree with a node per block of global keys, and copies of rings along it.
//
// Invariants: a node holds its block and never writes it; only leaves may be shorter than a block; no sibling is a
// prefix of another; a node is evicted after its children and not while a sequence shares its block; what was used
// last goes last. A namespace sees its own prefixes only. It compares tokens and does not know what they mean, nor
// what lies in a block.

import { assert, defined } from "../util/assert.ts";
import { mix } from "../util/random.ts";
import type { BlockPool } from "./block-pool.ts";
import { BLOCK_TOKENS } from "./geometry.ts";
import type { ExpertIds } from "./route-log.ts";
import type { SavedRings } from "./saved-rings.ts";

export interface PrefixNode {
  /** Undefined for a root, which has no tokens and no block. */
  readonly parent: PrefixNode | undefined;
  /** Position of its first token. */
  readonly start: number;
  tokens: readonly number[];
  block: number;
  /** Of all tokens up to its end. */
  hash: number;
  /** Routes of its first tokens, as far as they were recorded. */
  routes: ExpertIds | undefined;
  readonly children: Set<PrefixNode>;
  /** Rings by the length at which they were copied. */
  readonly snapshots: Map<number, SavedRings>;
  /** Snapshots of this node and of all below it. */
  numSnapshots: number;
}

interface HeldSnapshot {
  readonly node: PrefixNode;
  uses: number;
}

/** Why the token after a match was not found. */
export type Absence = "cold" | "evicted" | "other namespace";

export interface PathMatch {
  /** From the root's child on; of the last one, perhaps only a part. */
  readonly nodes: readonly PrefixNode[];
  /** Tokens that match. */
  readonly length: number;
}

/** Evicted prefixes that are remembered, to tell them from those that were never seen. */
const MAX_GHOSTS = 4096;

export class PrefixTree {
  readonly #pool: BlockPool;
  readonly #roots = new Map<string, PrefixNode>();
  /** Least recently used first; children stand before their parents, because a touch reaches up to the root. */
  readonly #nodes = new Set<PrefixNode>();
  /** Least recently used first. */
  readonly #snapshots = new Map<SavedRings, HeldSnapshot>();
  readonly #ghosts = new Set<number>();
  snapshotBytes = 0;
  evictedBlocks = 0;
  evictedSnapshots = 0;

  constructor(pool: BlockPool) {
    this.#pool = pool;
  }

  get numBlocks(): number {
    return this.#nodes.size;
  }

  get numSnapshots(): number {
    return this.#snapshots.size;
  }

  get routeBytes(): number {
    let bytes = 0;
    for (const { routes } of this.#nodes) bytes += routes?.byteLength ?? 0;
    return bytes;
  }

  /** Blocks that no sequence shares; where one is shared, so are all above it. */
  get numReclaimable(): number {
    let count = 0;
    for (const { block } of this.#nodes) if (!this.#pool.isShared(block)) count++;
    return count;
  }

  /** The longest known prefix of the first `limit` tokens. */
  match(namespace: string, tokens: readonly number[], limit: number): PathMatch {
    const nodes: PrefixNode[] = [];
    let length = 0;
    let children = this.#roots.get(namespace)?.children;
    while (children !== undefined && length < limit) {
      let [best, bestLength]: [PrefixNode | undefined, number] = [undefined, 0];
      for (const child of children) {
        const common = commonPrefix(child.tokens, tokens, length, limit);
        if (common > bestLength) [best, bestLength] = [child, common];
      }
      if (best === undefined) break;
      nodes.push(best);
      length += bestLength;
      children = bestLength === BLOCK_TOKENS ? best.children : undefined;
    }
    return { nodes, length };
  }

  /** Why `match` ended where it did. */
  absence(namespace: string, tokens: readonly number[], { nodes, length }: PathMatch): Absence {
    const whole = nodes.filter((node) => node.start + BLOCK_TOKENS <= length).at(-1);
    const start = whole === undefined ? 0 : whole.start + BLOCK_TOKENS;
    const next = tokens.slice(start, start + BLOCK_TOKENS);
    const above = whole?.hash ?? this.#roots.get(namespace)?.hash ?? rootHash(namespace);
    if (this.#ghosts.has(hashTokens(above, next))) return "evicted";
    for (const other of this.#roots.keys()) {
      if (other !== namespace && this.match(other, tokens, tokens.length).length > length) return "other namespace";
    }
    return "cold";
  }

  /** Copies of rings on a matched path, and on what follows it within `reach` tokens. */
  *snapshotsNear(namespace: string, { nodes, length }: PathMatch, reach: number): Generator<SavedRings> {
    for (const { snapshots } of nodes) yield* snapshots.values();
    const last = nodes.at(-1) ?? this.#roots.get(namespace);
    if (last !== undefined) yield* snapshotsBelow(last, length + reach);
  }

  root(namespace: string): PrefixNode {
    const known = this.#roots.get(namespace);
    if (known !== undefined) return known;
    for (const [name, { children }] of this.#roots) if (children.size === 0) this.#roots.delete(name);
    const root = newNode(undefined, [], -1, rootHash(namespace));
    this.#roots.set(namespace, root);
    return root;
  }

  /**
   * The child of `parent` that has `part`, up to a block of tokens, at its beginning. Where there is none, `take` gives
   * a block, held for the tree; undefined where it gives none.
   */
  extend(parent: PrefixNode, part: readonly number[], take: () => number | undefined): PrefixNode | undefined {
    for (const child of parent.children)
      if (commonPrefix(child.tokens, part, 0, part.length) === part.length) return child;
    const block = take();
    if (block === undefined) return undefined;
    const hash = hashTokens(parent.hash, part);
    for (const child of parent.children) {
      if (commonPrefix(child.tokens, part, 0, part.length) < child.tokens.length) continue;
      // The same conversation, some tokens later: its block holds all that the shorter one held.
      this.#pool.release(child.block);
      return Object.assign(child, { tokens: part, block, hash });
    }
    const node = newNode(parent, part, block, hash);
    parent.children.add(node);
    this.#nodes.add(node);
    return node;
  }

  /** Marks a node and all above it as used now. */
  touch(node: PrefixNode): void {
    for (let at = node; at.parent !== undefined; at = at.parent) {
      this.#nodes.delete(at);
      this.#nodes.add(at);
    }
  }

  addSnapshot(node: PrefixNode, rings: SavedRings): void {
    assert(!node.snapshots.has(rings.length), `two snapshots at ${rings.length}`);
    node.snapshots.set(rings.length, rings);
    this.#snapshots.set(rings, { node, uses: 0 });
    this.#countSnapshots(node, 1);
    this.snapshotBytes += rings.byteLength;
  }

  touchSnapshot(rings: SavedRings): void {
    const held = defined(this.#snapshots.get(rings), "a snapshot of the tree");
    held.uses++;
    this.#snapshots.delete(rings);
    this.#snapshots.set(rings, held);
  }

  /**
   * Drops snapshots until at most `bytes` are held: first those that their conversation has left behind, then any;
   * of equals, those that were used least recently.
   */
  limitSnapshots(bytes: number): void {
    for (const isDoomed of [(rings: SavedRings) => this.#isLeftBehind(rings), () => true]) {
      for (const rings of this.#snapshots.keys()) {
        if (this.snapshotBytes <= bytes) return;
        if (!isDoomed(rings)) continue;
        this.#dropSnapshot(rings);
        this.evictedSnapshots++;
      }
    }
  }

  /** Frees up to `count` blocks that no sequence shares. */
  reclaim(count: number): void {
    let left = count;
    for (const node of this.#nodes) {
      if (left === 0) return;
      if (node.children.size > 0 || this.#pool.isShared(node.block)) continue;
      this.evict(node);
      left--;
    }
  }

  /** Forgets a leaf. */
  evict(node: PrefixNode): void {
    this.#remove(node);
    this.evictedBlocks++;
    this.#ghosts.add(node.hash);
    for (const ghost of this.#ghosts) {
      if (this.#ghosts.size <= MAX_GHOSTS) break;
      this.#ghosts.delete(ghost);
    }
  }

  /** Forgets a namespace, or everything. */
  clear(namespace?: string): void {
    const roots = namespace === undefined ? [...this.#roots.keys()] : [namespace];
    const doomed = new Set(roots.map((name) => this.#roots.get(name)));
    for (const node of this.#nodes) if (doomed.has(rootOf(node))) this.#remove(node);
    for (const name of roots) this.#roots.delete(name);
  }

  *holds(): Generator<number> {
    for (const { block } of this.#nodes) yield block;
  }

  checkIntegrity(): void {
    const seen = new Set<PrefixNode>();
    let bytes = 0;
    for (const node of this.#nodes) {
      const { parent, children, tokens, start } = node;
      seen.add(node);
      assert(parent?.children.has(node) === true, `the parent of the node at ${start} does not know it`);
      assert(tokens.length > 0 && tokens.length <= BLOCK_TOKENS, `a node of ${tokens.length} tokens`);
      assert(children.size === 0 || tokens.length === BLOCK_TOKENS, "a node below one that is not full");
      assert(parent.parent === undefined || start === parent.start + BLOCK_TOKENS, "a gap between nodes");
      for (const child of children) {
        assert(seen.has(child), "a node that was used after its parent");
        assert(
          !this.#pool.isShared(child.block) || this.#pool.isShared(node.block),
          "a block shared without its prefix",
        );
      }
      for (const [length, rings] of node.snapshots) {
        assert(length > start && length <= start + tokens.length, `a snapshot of ${length} at ${start}`);
        assert(this.#snapshots.get(rings)?.node === node, "a snapshot of another node");
        bytes += rings.byteLength;
      }
      const below = [...children].reduce((sum, child) => sum + child.numSnapshots, node.snapshots.size);
      assert(node.numSnapshots === below, `${below} snapshots from ${start} on, ${node.numSnapshots} are counted`);
    }
    assert(bytes === this.snapshotBytes, `snapshots hold ${bytes} bytes, ${this.snapshotBytes} are counted`);
  }

  #remove(node: PrefixNode): void {
    assert(node.children.size === 0, "a node is removed before its children");
    for (const rings of node.snapshots.values()) this.#dropSnapshot(rings);
    this.#pool.release(node.block);
    this.#nodes.delete(node);
    node.parent?.children.delete(node);
  }

  /** One that others lie beyond and that was continued once at most, by them; a prefix of many is used more often. */
  #isLeftBehind(rings: SavedRings): boolean {
    const { node, uses } = defined(this.#snapshots.get(rings), "a snapshot of the tree");
    const isLast = node.numSnapshots === node.snapshots.size && Math.max(...node.snapshots.keys()) === rings.length;
    return uses < 2 && !isLast;
  }

  #countSnapshots(node: PrefixNode, change: number): void {
    for (let at: PrefixNode | undefined = node; at !== undefined; at = at.parent) at.numSnapshots += change;
  }

  #dropSnapshot(rings: SavedRings): void {
    const { node } = defined(this.#snapshots.get(rings), "a snapshot of the tree");
    node.snapshots.delete(rings.length);
    this.#countSnapshots(node, -1);
    this.#snapshots.delete(rings);
    this.snapshotBytes -= rings.byteLength;
    rings[Symbol.dispose]();
  }
}

function newNode(parent: PrefixNode | undefined, tokens: readonly number[], block: number, hash: number): PrefixNode {
  const start = parent === undefined ? 0 : parent.start + parent.tokens.length;
  const below = { children: new Set<PrefixNode>(), snapshots: new Map<number, SavedRings>(), numSnapshots: 0 };
  return { parent, start, tokens, block, hash, routes: undefined, ...below };
}

/** How many of `tokens` from `offset` on, before `limit`, are those of a node. */
function commonPrefix(own: readonly number[], tokens: readonly number[], offset: number, limit: number): number {
  const most = Math.min(own.length, limit - offset);
  for (let i = 0; i < most; i++) if (own[i] !== tokens[offset + i]) return i;
  return most;
}

function* snapshotsBelow(node: PrefixNode, end: number): Generator<SavedRings> {
  for (const child of node.children) {
    if (child.start >= end) continue;
    yield* child.snapshots.values();
    yield* snapshotsBelow(child, end);
  }
}

function rootOf(node: PrefixNode): PrefixNode {
  let root = node;
  while (root.parent !== undefined) root = root.parent;
  return root;
}

function rootHash(namespace: string): number {
  return hashTokens(
    0,
    Array.from(namespace, (letter) => letter.codePointAt(0)!),
  );
}

function hashTokens(seed: number, tokens: readonly number[]): number {
  return tokens.reduce(mix, seed);
}
