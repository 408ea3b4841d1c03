// How the tokens of an answer are spread over the experts of each layer.

import type { Routes } from "./trace.ts";

export interface LayerLoad {
  /** Of each expert: its share of the layer's routes. */
  readonly shares: readonly number[];
  readonly numUsed: number;
  /** The three with the most. */
  readonly busiest: readonly { readonly expert: number; readonly share: number }[];
  /** 1 where all experts have the same, 0 where one has all. */
  readonly evenness: number;
}

export function countRoutes({ ids, numTokens, numLayers, perToken }: Routes, numExperts: number): readonly LayerLoad[] {
  const counts = Array.from({ length: numLayers }, () => new Uint32Array(numExperts));
  const perLayer = perToken / numLayers;
  // Millions of times while a long answer grows, so without a list for each layer.
  for (let i = 0; i < numTokens * perToken; i++) counts[Math.floor((i % perToken) / perLayer)]![ids[i]!]!++;
  return counts.map(loadOf);
}

/** Experts of one token, by layer. */
export function expertsOf({ ids, numLayers, perToken }: Routes, token: number): readonly (readonly number[])[] {
  const perLayer = perToken / numLayers;
  return Array.from({ length: numLayers }, (_, layer) => {
    const from = token * perToken + layer * perLayer;
    return [...ids.subarray(from, from + perLayer)];
  });
}

function loadOf(counts: Uint32Array): LayerLoad {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const shares = [...counts].map((count) => (total === 0 ? 0 : count / total));
  const entropy = shares.reduce((sum, share) => (share > 0 ? sum - share * Math.log(share) : sum), 0);
  const busiest = shares.map((share, expert) => ({ expert, share })).toSorted((a, b) => b.share - a.share);
  return {
    shares,
    numUsed: shares.filter((share) => share > 0).length,
    busiest: busiest.slice(0, 3),
    evenness: shares.length < 2 ? 1 : entropy / Math.log(shares.length),
  };
}
