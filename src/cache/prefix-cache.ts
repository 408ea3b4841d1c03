// Prefixes that a new sequence may begin with: finds the longest, opens the sequence there, keeps what others computed.
//
// Global keys of a match are shared block by block. Rings are not part of them: the sequence begins at the snapshot
// nearest below, or so far before the match that empty rings have filled with true keys when it is reached: a row of
// sliding layer j is true from (j − 1) · (window − 1) rows after the first, so numSliding · (window − 1) rows are
// enough. Replayed rows read the known global keys and write none, so all that is read is what was computed once.
// Blocks that only the tree holds count as free memory: they go when a sequence needs them, before anybody waits.
// A sequence with a log of routes begins no further than routes are known, and takes them over.

import { assert } from "../util/assert.ts";
import { MimoError } from "../util/errors.ts";
import type { BlockReclaimer } from "./block-pool.ts";
import { BLOCK_TOKENS, type CacheSizes, cacheSizes, numBlocks, RING_SLACK } from "./geometry.ts";
import type { HybridCache, SequenceId } from "./hybrid-cache.ts";
import { type Absence, type PathMatch, PrefixTree } from "./prefix-tree.ts";
import type { RouteLog } from "./route-log.ts";
import type { SavedRings } from "./saved-rings.ts";

/** Why the first token that a sequence had to process was not taken from the cache. */
export type CacheMiss = Absence | "no snapshot" | "no routes" | "last token" | "off";

export interface PrefixMatch extends PathMatch {
  /** Where passes begin; from here to `length`, rows are replayed. */
  readonly from: number;
  readonly rings: SavedRings | undefined;
  readonly miss: CacheMiss;
}

export interface PrefixCacheOptions {
  /** Bytes for snapshots; 0 keeps none. Default: as much as blocks have, and at least that of 16 snapshots. */
  readonly snapshotBytes?: number | undefined;
  /** Tokens of a prompt between two snapshots. Default: so many that their blocks weigh as much as a snapshot. */
  readonly snapshotEvery?: number | undefined;
}

/** No more often than this, however small a snapshot is: taking one costs time too. */
const MIN_SNAPSHOT_EVERY = 256;

export interface PrefixCacheStats {
  readonly hits: number;
  readonly misses: number;
  /** Prompt tokens that were not processed, and those that were processed again to rebuild rings. */
  readonly savedTokens: number;
  readonly replayedTokens: number;
  readonly blocks: number;
  readonly blockBytes: number;
  /** Of the experts that were chosen for the tokens of these blocks, where requests asked for them. */
  readonly routeBytes: number;
  readonly snapshots: number;
  readonly snapshotBytes: number;
  readonly evictedBlocks: number;
  readonly evictedSnapshots: number;
}

export interface KeepOptions {
  readonly namespace: string;
  /** Those of the sequence, of which the cached ones are kept. */
  readonly tokens: readonly number[];
  /** Routes of all that is cached of the sequence; undefined where it records none. */
  readonly routes?: RouteLog | undefined;
  /** The sequence is about to be released, so its last block can be kept as it is. */
  readonly isEnding: boolean;
}

export class PrefixCache implements Disposable {
  readonly #cache: HybridCache;
  /** Tokens of a prompt between two snapshots. */
  readonly snapshotEvery: number;
  readonly snapshotBytes: number;
  readonly #tree: PrefixTree;
  readonly #sizes: CacheSizes;
  #counts = { hits: 0, misses: 0, savedTokens: 0, replayedTokens: 0 };

  constructor(cache: HybridCache, options: PrefixCacheOptions) {
    this.#cache = cache;
    this.#sizes = cacheSizes(cache.geometry, cache.options.dtype);
    const { bytesPerToken } = this.#sizes;
    const weight = bytesPerToken === 0 ? Infinity : Math.ceil(cache.ringBytes / bytesPerToken);
    this.snapshotEvery = options.snapshotEvery ?? Math.max(MIN_SNAPSHOT_EVERY, weight);
    this.snapshotBytes =
      options.snapshotBytes ?? Math.max(16 * cache.ringBytes, cache.options.maxTokens * bytesPerToken);
    const tree = new PrefixTree(cache.blockPool);
    this.#tree = tree;
    cache.reclaimer = tree satisfies BlockReclaimer;
  }

  /** Rows after which empty rings hold true keys. */
  get maxReplay(): number {
    const { layers, window } = this.#cache.geometry;
    return layers.filter(({ sliding }) => sliding).length * (window - 1);
  }

  /** The best beginning for a sequence; its last token is always left to be processed. */
  find(namespace: string, tokens: readonly number[], routes?: RouteLog): PrefixMatch {
    const limit = tokens.length - 1;
    const longest = this.#tree.match(namespace, tokens, limit);
    const match = routes === undefined ? longest : whereRoutesAreKnown(longest, routes);
    const { length } = match;
    let from = Math.max(0, length - this.maxReplay);
    let rings: SavedRings | undefined;
    // Rings that were copied a little later serve as well: their slack still holds what was visible here.
    for (const saved of this.#tree.snapshotsNear(namespace, match, RING_SLACK + 1)) {
      const start = Math.min(saved.length, length);
      if (start < from || this.#cache.firstServed(saved) > start) continue;
      [from, rings] = [start, saved];
    }
    const absent = length < limit ? this.#tree.absence(namespace, tokens, match) : "last token";
    const miss = length < longest.length ? "no routes" : absent;
    return { ...match, from, rings, miss: from < length ? "no snapshot" : miss };
  }

  /** Blocks that a sequence of `numTokens` takes beside those of its match, and how many it can have. */
  demand({ nodes, length }: PrefixMatch, numTokens: number): { readonly needed: number; readonly available: number } {
    const shared = nodes.slice(0, Math.floor(length / BLOCK_TOKENS));
    const idle = shared.filter(({ block }) => !this.#cache.blockPool.isShared(block)).length;
    return {
      needed: Math.ceil(numTokens / BLOCK_TOKENS) - shared.length,
      available: this.#cache.numFreeBlocks - idle,
    };
  }

  /** A sequence that begins with the match. The caller has checked `demand` and `numFreeSequences`. */
  open({ nodes, length, from, rings }: PrefixMatch, log?: RouteLog): SequenceId {
    for (const { start, routes } of nodes) {
      if (log !== undefined && routes !== undefined)
        log.append(start, routes.subarray(0, (length - start) * log.width));
    }
    const id = this.#cache.openAt({ blocks: nodes.map(({ block }) => block), known: length, from, rings });
    const last = nodes.at(-1);
    if (last !== undefined) this.#tree.touch(last);
    if (rings !== undefined) this.#tree.touchSnapshot(rings);
    // A block that matched in part is copied now, so that a running sequence never waits for memory to write it.
    if (!this.#cache.reserve(id, 0) && last !== undefined) {
      // Then it is the only one left that is not in use: it changes hands.
      this.#tree.evict(last);
      assert(this.#cache.reserve(id, 0), "no block for a part of one");
    }
    if (from > 0) this.#counts.hits++;
    else this.#counts.misses++;
    this.#counts.savedTokens += from;
    this.#counts.replayedTokens += length - from;
    return id;
  }

  /** Keeps what is cached of a sequence, with a copy of its rings if there is room; that copy, new or known. */
  keep(id: SequenceId, { namespace, tokens, routes, isEnding }: KeepOptions): SavedRings | undefined {
    const length = this.#cache.length(id);
    if (length === 0) return undefined;
    const { blockPool } = this.#cache;
    let node = this.#tree.root(namespace);
    for (let start = 0; start < length; start += BLOCK_TOKENS) {
      const index = start / BLOCK_TOKENS;
      const part = tokens.slice(start, Math.min(start + BLOCK_TOKENS, length));
      const own = this.#cache.blocks(id)[index]!;
      const isFull = part.length === BLOCK_TOKENS;
      const share = (): number => (blockPool.retain(own), own);
      // The rest of a block is still to be written, which a shared one must not be.
      const next = this.#tree.extend(node, part, isFull || isEnding ? share : () => this.#cache.copyBlock(own));
      if (next === undefined) {
        this.#tree.touch(node);
        return undefined;
      }
      // Two sequences computed the same: one copy is enough.
      if (isFull && next.block !== own) this.#cache.replaceBlock(id, index, next.block);
      if (routes !== undefined && (next.routes?.length ?? 0) < part.length * routes.width)
        next.routes = routes.slice(start, start + part.length);
      node = next;
    }
    this.#tree.touch(node);
    const known = node.snapshots.get(length);
    if (known !== undefined) this.#tree.touchSnapshot(known);
    return known ?? this.#saveRings(id, (rings) => this.#tree.addSnapshot(node, rings));
  }

  /** Forgets a namespace, or everything; sequences keep what they use. */
  clear(namespace?: string): void {
    this.#tree.clear(namespace);
  }

  stats(): PrefixCacheStats {
    const tree = this.#tree;
    return {
      ...this.#counts,
      blocks: tree.numBlocks,
      routeBytes: tree.routeBytes,
      blockBytes: tree.numBlocks * BLOCK_TOKENS * this.#sizes.bytesPerToken,
      snapshots: tree.numSnapshots,
      snapshotBytes: tree.snapshotBytes,
      evictedBlocks: tree.evictedBlocks,
      evictedSnapshots: tree.evictedSnapshots,
    };
  }

  checkIntegrity(): void {
    this.#tree.checkIntegrity();
  }

  [Symbol.dispose](): void {
    this.#tree.clear();
    this.#cache.reclaimer = undefined;
  }

  #saveRings(id: SequenceId, add: (rings: SavedRings) => void): SavedRings | undefined {
    const room = this.snapshotBytes - this.#cache.ringBytes;
    if (room < 0) return undefined;
    this.#tree.limitSnapshots(room);
    try {
      const rings = this.#cache.saveRings(id);
      add(rings);
      return rings;
    } catch (error) {
      // The machine has less memory than was allowed: reuse costs a replay then, and nothing else.
      if (error instanceof MimoError && error.code === "out_of_memory") return undefined;
      throw error;
    }
  }
}

/** The part of a match whose routes are known, in the log or along the path. */
function whereRoutesAreKnown({ nodes, length }: PathMatch, log: RouteLog): PathMatch {
  let known = log.numTokens;
  for (const { start, routes } of nodes) {
    if (start <= known) known = Math.max(known, start + (routes?.length ?? 0) / log.width);
  }
  const end = Math.min(length, known);
  return { nodes: nodes.slice(0, numBlocks(end)), length: end };
}
