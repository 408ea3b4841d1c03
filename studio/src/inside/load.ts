// How the tokens of an answer are spread over the experts of each layer.

export interface LayerLoad {
  /** Of each expert: its share of the layer's routes. */
  readonly shares: readonly number[];
  readonly numUsed: number;
  /** The three with the most. */
  readonly busiest: readonly { readonly expert: number; readonly share: number }[];
  /** 1 where all experts have the same, 0 where one has all. */
  readonly evenness: number;
}

/** Of each token: the experts of the first layer, those of the next, … */
export function countRoutes(
  routes: readonly Uint16Array[],
  numLayers: number,
  numExperts: number,
): readonly LayerLoad[] {
  const counts = Array.from({ length: numLayers }, () => new Uint32Array(numExperts));
  for (const route of routes) {
    const perLayer = route.length / numLayers;
    // Millions of times while a long answer grows, so without a list for each layer.
    for (let i = 0; i < route.length; i++) counts[Math.floor(i / perLayer)]![route[i]!]!++;
  }
  return counts.map(loadOf);
}

export function expertsOf(route: Uint16Array, numLayers: number): readonly (readonly number[])[] {
  const perLayer = route.length / numLayers;
  return Array.from({ length: numLayers }, (_, layer) => [...route.subarray(layer * perLayer, (layer + 1) * perLayer)]);
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
