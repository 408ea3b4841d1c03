// When prefixes are looked up and kept: found as a sequence starts, kept where another may begin.
//
// Such places are the ends of prompts and of sequences, however they end, every so many tokens of a long prompt, and
// where a prompt left a known prefix: it will not be the last to do so. What the MTP heads know goes with each
// snapshot. Without a cache, or for a request that wants none, every sequence starts empty and nothing is kept.

import { numBlocks } from "../cache/geometry.ts";
import type { HybridCache } from "../cache/hybrid-cache.ts";
import type { PrefixCache, PrefixMatch } from "../cache/prefix-cache.ts";
import type { SavedRings } from "../cache/saved-rings.ts";
import { defined } from "../util/assert.ts";
import type { PlannedRows } from "./scheduler.ts";
import type { DraftingState, Sequence } from "./sequence.ts";

const NO_MATCH: PrefixMatch = { nodes: [], length: 0, from: 0, rings: undefined, miss: "off" };

/** Below so few rows, a replay is not worth a snapshot. */
const MIN_REPLAY = 32;

export class PrefixReuse {
  readonly #cache: HybridCache;
  readonly #prefixes: PrefixCache | undefined;
  readonly #drafting = new WeakMap<SavedRings, DraftingState>();

  constructor(cache: HybridCache, prefixes: PrefixCache | undefined) {
    this.#cache = cache;
    this.#prefixes = prefixes;
  }

  find(sequence: Sequence): PrefixMatch {
    return this.#for(sequence)?.find(sequence.namespace, sequence.tokens, sequence.routes) ?? NO_MATCH;
  }

  /** Blocks that a sequence takes with its tokens and one more, beside those it would share, and those it could have. */
  demand(sequence: Sequence, match: PrefixMatch): { readonly needed: number; readonly available: number } {
    const numTokens = sequence.tokens.length + 1;
    return (
      this.#prefixes?.demand(match, numTokens) ?? {
        needed: numBlocks(numTokens),
        available: this.#cache.numFreeBlocks,
      }
    );
  }

  /** Gives the sequence its place in the cache. */
  start(sequence: Sequence, match: PrefixMatch): void {
    const { length, from, rings, miss } = match;
    sequence.cacheId = this.#for(sequence)?.open(match, sequence.routes) ?? this.#cache.open();
    sequence.keptAt = length;
    sequence.branchAt = length - from > MIN_REPLAY ? length : 0;
    const drafting = rings && this.#drafting.get(rings);
    if (drafting !== undefined) sequence.resumeDrafting(drafting, { from, known: length });
    const { stats } = sequence;
    // One that starts again, after it gave its memory back, did not save what it computes twice.
    if (stats.cacheMiss !== undefined) return;
    Object.assign(stats, { cachedTokens: from, replayedTokens: length - from, cacheMiss: miss });
  }

  /** After a step: keeps the sequences that reached a place where another may begin. */
  keepReached(planned: readonly PlannedRows[]): void {
    for (const { sequence, position, numLogits } of planned) {
      const prefixes = this.#for(sequence);
      if (prefixes === undefined || sequence.cacheId === undefined || sequence.finish !== undefined) continue;
      const length = this.#cache.length(sequence.cacheId);
      const isPromptEnd = numLogits > 0 && position < sequence.request.prompt.length;
      const isInside = numLogits === 0 && length >= sequence.keptAt + prefixes.snapshotEvery;
      if (isPromptEnd || isInside || length === sequence.branchAt) this.#keep(prefixes, sequence, false);
    }
  }

  /** Before a sequence is released. */
  keepEnding(sequence: Sequence): void {
    const prefixes = this.#for(sequence);
    if (prefixes !== undefined && sequence.cacheId !== undefined) this.#keep(prefixes, sequence, true);
  }

  #keep(prefixes: PrefixCache, sequence: Sequence, isEnding: boolean): void {
    const { namespace, tokens, routes } = sequence;
    const id = defined(sequence.cacheId, "a running sequence's cache");
    const rings = prefixes.keep(id, { namespace, tokens, routes, isEnding });
    sequence.keptAt = Math.max(sequence.keptAt, this.#cache.length(id));
    if (rings !== undefined && !this.#drafting.has(rings)) this.#drafting.set(rings, sequence.drafting);
  }

  #for(sequence: Sequence): PrefixCache | undefined {
    return sequence.request.cache === false ? undefined : this.#prefixes;
  }
}
