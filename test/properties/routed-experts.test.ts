// The experts that a sequence reports are those of a plain forward pass over its tokens, whatever was cached, replayed,
// drafted, shared, chunked or computed twice on the way.

import { describe, expect, test } from "vitest";
import type { Engine } from "../../src/engine/engine.ts";
import type { SequenceOutput, SequenceRequest } from "../../src/engine/sequence.ts";
import { expertLayers } from "../../src/model/config.ts";
import { DEFAULT_SAMPLING } from "../../src/ops/sample/sample.ts";
import { goldenCase } from "../golden/golden.ts";
import { evaluateAll, openOnOneThread, randomText, request, runAll } from "../support.ts";

const { path } = goldenCase("hf-bf16");
const ASKED = { routedExperts: true, maxTokens: 20, sampling: { ...DEFAULT_SAMPLING, temperature: 1, seed: 5 } };

/** [T, L, K], of one pass over all tokens. */
function plainRoutes(tokens: readonly number[]): number[] {
  using opened = openOnOneThread(path);
  const { model } = opened.engine.runner;
  evaluateAll(opened.engine, tokens, { output: "hidden" });
  const [T, L, K] = [tokens.length, expertLayers(model.config).length, model.config.experts.numExpertsPerToken];
  const routed = model.routedExperts(T);
  return Array.from({ length: T * L * K }, (_, i) => {
    const [t, l, k] = [Math.floor(i / (L * K)), Math.floor(i / K) % L, i % K];
    return routed[(l * T + t) * K + k]!;
  });
}

/** Checks the routes of a sequence that has ended; its last output, and the text that it leaves behind. */
function check({ prompt }: SequenceRequest, outputs: readonly SequenceOutput[]): [SequenceOutput, number[]] {
  const text = [...prompt, ...outputs.flatMap(({ tokens }) => tokens)];
  const routes = outputs.flatMap((output) => [...output.routes!]);
  expect(routes).toEqual(plainRoutes(text.slice(0, -1)));
  return [outputs.at(-1)!, text];
}

function ask(
  engine: Engine,
  prompt: readonly number[],
  options: Partial<SequenceRequest> = ASKED,
): [SequenceOutput, number[]] {
  const one = request(prompt, options);
  engine.submit(one);
  const outputs = runAll(engine).get(one.id)!;
  if (one.routedExperts === true) return check(one, outputs);
  expect(outputs.every(({ routes }) => routes === undefined)).toBe(true);
  return [outputs.at(-1)!, []];
}

test.each([0, 3])("speculation %i: beside others, in chunks of prompts and rows that hold", (speculation) => {
  using opened = openOnOneThread(path, { maxRows: 40 });
  const { engine } = opened;
  const asked = [1, 2, 3].map((seed) => request(randomText(seed, 60 * seed), { ...ASKED, speculation }));
  const other = request(randomText(4, 50), { maxTokens: 20, speculation });
  for (const one of [asked[0]!, other, ...asked.slice(1)]) engine.submit(one);
  const outputs = runAll(engine);
  for (const one of asked) {
    const [{ stats }] = check(one, outputs.get(one.id)!);
    expect(stats.drafts.some((drafts) => drafts > 0)).toBe(speculation > 0);
  }
  expect(outputs.get(other.id)!.some(({ routes }) => routes !== undefined)).toBe(false);
});

describe.each([undefined, 0])("with a prefix cache whose snapshots may take %s bytes", (snapshotBytes) => {
  const open = (): ReturnType<typeof openOnOneThread> =>
    openOnOneThread(path, { maxTokens: 1024, maxRows: 64, prefixCache: { snapshotBytes } });
  const known = ({ stats }: SequenceOutput): number => stats.cachedTokens + stats.replayedTokens;

  test("the next turn has the routes of the whole conversation, and processes what is new", () => {
    using opened = open();
    const { engine } = opened;
    const [, first] = ask(engine, randomText(1, 150));
    const [second, text] = ask(engine, [...first, ...randomText(2, 30)]);
    expect(known(second)).toBe(first.length - 1);
    expect(second.stats.replayedTokens > 0).toBe(snapshotBytes === 0);
    const [branch] = ask(engine, [...text.slice(0, 100), ...randomText(3, 30)]);
    expect(known(branch)).toBe(100);
    const [again] = ask(engine, text);
    expect(known(again)).toBe(text.length - 1);
  });

  test("what was computed for others, who did not ask, is computed again, once", () => {
    using opened = open();
    const { engine } = opened;
    const prompt = randomText(1, 200);
    ask(engine, prompt.slice(0, 90), { ...ASKED, maxTokens: 1 });
    ask(engine, prompt, { maxTokens: 1 });
    const [partly] = ask(engine, prompt);
    expect(partly.stats.cacheMiss).toBe(snapshotBytes === 0 ? "no snapshot" : "no routes");
    expect(known(partly)).toBe(90);
    const [again] = ask(engine, prompt);
    expect(known(again)).toBe(199);
  });

  test("memory for routes is counted, and taken only where they are asked for", () => {
    using opened = open();
    const { engine } = opened;
    const prompt = randomText(1, 100);
    const routeBytes = (): number => engine.prefixCacheStats!.routeBytes;
    ask(engine, prompt, { maxTokens: 1 });
    expect(routeBytes()).toBe(0);
    ask(engine, prompt, { ...ASKED, maxTokens: 1 });
    expect(routeBytes()).toBe(plainRoutes(prompt).length);
    engine.clearPrefixes();
    expect(routeBytes()).toBe(0);
  });
});

test.each([undefined, {}])(
  "a sequence that gave its memory back goes on where it was, prefix cache %o",
  (prefixCache) => {
    using opened = openOnOneThread(path, { maxTokens: 128, maxRows: 64, prefixCache });
    const { engine } = opened;
    const low = request(randomText(1, 60), ASKED);
    const high = request(randomText(2, 100), { ...ASKED, priority: 1 });
    const outputs = new Map<number, SequenceOutput[]>([low.id, high.id].map((id) => [id, []]));
    const step = (): void => {
      for (const output of engine.step()) outputs.get(output.id)!.push(output);
    };
    engine.submit(low);
    for (let i = 0; i < 8; i++) step();
    engine.submit(high);
    step();
    expect(engine.runner.cache.numFreeSequences).toBe(3);
    expect(outputs.get(low.id)!.at(-1)!.finish).toBeUndefined();
    while (!engine.isIdle) step();
    for (const one of [low, high]) check(one, outputs.get(one.id)!);
  },
);
