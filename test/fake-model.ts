// A model for simulations: two global and two sliding layers whose keys are numbers, and whose next token depends on
// every key it reads. It goes through the same cache as a real one, so a key that is missing, stale, or of another
// sequence shows in the tokens; `fakeContinuation` says what they must be.

import { createReferenceBackend } from "../src/backends/reference/reference.ts";
import type { CacheGeometry } from "../src/cache/geometry.ts";
import { ringPlaces } from "../src/cache/geometry.ts";
import { HybridCache, type HybridCacheOptions } from "../src/cache/hybrid-cache.ts";
import type { KvBatch } from "../src/ops/attention/kv-batch.ts";
import { type Tensor, view } from "../src/tensor/tensor.ts";
import { mix } from "../src/util/random.ts";
import type { ModelRunner, Sample } from "../src/engine/model-runner.ts";
import type { PlannedRows } from "../src/engine/scheduler.ts";

export const FAKE_VOCABULARY = 7;
const LAYER = { numKvHeads: 1, headDim: 1, valueDim: 1 };
const IS_SLIDING = [false, true, false, true] as const;
const GEOMETRY: CacheGeometry = {
  layers: IS_SLIDING.map((sliding) => ({ ...LAYER, sliding })),
  numMtpHeads: 0,
  window: 9,
  hiddenSize: 1,
};

/** Positions that a row at `position` reads in a layer: all of a window; of a global layer, enough to tell. */
function visible(isSliding: boolean, position: number): number[] {
  const { window } = GEOMETRY;
  const all = isSliding
    ? Array.from({ length: window }, (_, i) => position - window + 1 + i)
    : [0, position >> 2, position >> 1, position - 64, position - 63, position - 1, position];
  return all.filter((other) => other >= 0);
}

/** What a layer makes of its input and the keys it reads: an integer that f32 holds exactly. */
function attend(x: number, keys: readonly number[]): number {
  return keys.reduce(mix, x | 0) >>> 9;
}

function tokenOf(x: number): number {
  return x % FAKE_VOCABULARY;
}

/** The token that follows each prefix of `tokens`, by definition. */
export function fakeContinuation(tokens: readonly number[]): number[] {
  const keys: number[][] = IS_SLIDING.map(() => []);
  return tokens.map((token, position) => {
    let x = token;
    IS_SLIDING.forEach((isSliding, layer) => {
      keys[layer]!.push(x);
      x = attend(
        x,
        visible(isSliding, position).map((other) => keys[layer]![other]!),
      );
    });
    return tokenOf(x);
  });
}

export interface FakeRunner extends Disposable {
  readonly runner: ModelRunner;
  readonly cache: HybridCache;
  /** Rows of each pass so far. */
  readonly passes: number[];
}

export function createFakeRunner(options: HybridCacheOptions, contextLength: number): FakeRunner {
  const backend = createReferenceBackend();
  const cache = new HybridCache(backend, GEOMETRY, options);
  const passes: number[] = [];
  let outputs: number[] = [];
  const layers = cache.layers.map(({ k }) => floatsOf(k));
  function floatsOf(tensor: Tensor): {
    readonly get: (at: number) => number;
    readonly set: (at: number, x: number) => void;
  } {
    const cell = new Float32Array(1);
    const bytes = new Uint8Array(cell.buffer);
    const at = (index: number): Tensor => view(tensor.memory, "f32", [1], 4 * index);
    return {
      get: (index) => (backend.download(at(index), bytes), cell[0]!),
      set: (index, x) => {
        cell[0] = x;
        backend.upload(at(index), bytes);
      },
    };
  }
  /** One sequence's rows through all layers. */
  function run(tokens: readonly number[], position: number, id: number): number[] {
    const { paged, ring } = cache.plan([{ sequence: id, position, count: tokens.length }]);
    let xs = [...tokens];
    IS_SLIDING.forEach((isSliding, layer) => {
      const { get, set } = layers[layer]!;
      const keys = xs;
      const { slots, tables }: KvBatch = isSliding ? ring : paged;
      const places = isSliding ? ringPlaces(GEOMETRY) : 64;
      // Global keys are there before anyone reads; a ring forgets only after all have read, its own rows are staged.
      const write = (): void => keys.forEach((key, i) => slots[i]! >= 0 && set(slots[i]!, key));
      const read = (other: number): number => {
        if (isSliding && other >= position) return keys[other - position]!;
        return get(isSliding ? tables[0]! * places + (other % places) : tables[other >> 6]! * places + (other & 63));
      };
      if (!isSliding) write();
      xs = keys.map((x, i) => attend(x, visible(isSliding, position + i).map(read)));
      if (isSliding) write();
    });
    return xs;
  }
  const runner = {
    backend,
    cache,
    model: { numMtpHeads: 0, config: { vocabSize: FAKE_VOCABULARY, contextLength } },
    forward: (planned: readonly PlannedRows[]) => {
      outputs = planned.flatMap(({ sequence, position, tokens }) => run(tokens, position, sequence.cacheId!));
      passes.push(outputs.length);
      return undefined;
    },
    sample: (_hidden: unknown, requests: readonly { readonly row: number }[]): Sample[] =>
      requests.map(({ row }) => ({ token: tokenOf(outputs[row]!) })),
    [Symbol.dispose]: () => cache[Symbol.dispose](),
  };
  return {
    runner: runner as unknown as ModelRunner,
    cache,
    passes,
    [Symbol.dispose]: () => backend[Symbol.dispose](),
  };
}
