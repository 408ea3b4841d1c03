// Drafting, verification and their statistics, end to end, on a checkpoint in which every token is known beforehand.

import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { goldenCase } from "../../test/golden/golden.ts";
import {
  allBackends,
  createBackend,
  EXACT_ENGINE,
  generateAll,
  openEngine,
  request,
  runAll,
} from "../../test/support.ts";
import type { Backend } from "../backends/backend.ts";
import { openCheckpoint } from "../checkpoint/checkpoint.ts";
import { DEFAULT_SAMPLING, type SamplingParams } from "../ops/sample/sample.ts";
import { DraftDepth } from "./draft-depth.ts";
import { Engine, type EngineOptions } from "./engine.ts";
import type { SequenceOutput, SequenceRequest } from "./sequence.ts";
import { type MtpMode, Speculator } from "./speculator.ts";
import { tokensAfter, writePredictableCheckpoint } from "./testing.ts";

/** Checkpoints by which of the three heads predict the wrong token. */
const WRONG_HEADS = { none: [], first: [0], second: [1], third: [2] } as const;
type Wrong = keyof typeof WRONG_HEADS;
const checkpoints = new Map<Wrong, { readonly path: string; readonly remove: () => void }>();

beforeAll(async () => {
  for (const [name, heads] of Object.entries(WRONG_HEADS)) {
    checkpoints.set(name as Wrong, await writePredictableCheckpoint(heads));
  }
});
afterAll(() => {
  for (const { remove } of checkpoints.values()) remove();
});

interface Run {
  readonly tokens: number[];
  readonly outputs: readonly SequenceOutput[];
  /** Tokens of each decoding step. */
  readonly steps: readonly number[];
  readonly last: SequenceOutput;
}

function run(
  wrong: Wrong,
  options: Partial<SequenceRequest>,
  engineOptions: Partial<EngineOptions> = {},
  prompt = [7],
): Run {
  using opened = openEngine(checkpoints.get(wrong)!.path, engineOptions);
  const one = request(prompt, options);
  opened.engine.submit(one);
  const outputs = (runAll(opened.engine).get(one.id) ?? []).filter(({ prefilled }) => prefilled === undefined);
  const tokens = outputs.flatMap((output) => output.tokens);
  return { tokens, outputs, steps: outputs.slice(1).map((output) => output.tokens.length), last: outputs.at(-1)! };
}

describe.each(["parallel", "chained"] as const)("%s heads", (mtpMode) => {
  test("that are always right: every step gives 1 + depth tokens", () => {
    for (const depth of [0, 1, 2, 3]) {
      // The first token comes with the prompt; then 24 more, in whole steps of every depth.
      const { tokens, steps, last } = run("none", { maxTokens: 25, speculation: depth }, { mtpMode });
      expect(tokens).toEqual(tokensAfter(7, 25));
      expect(steps).toEqual(Array.from({ length: 24 / (1 + depth) }, () => 1 + depth));
      const each = Array.from({ length: 3 }, (_, head) => (head < depth ? steps.length : 0));
      expect(last.stats).toMatchObject({ promptTokens: 1, decodeSteps: steps.length, drafts: each, accepted: each });
    }
  });

  test.each([
    ["first", 1],
    ["second", 2],
    ["third", 3],
  ] as const)("of which the %s is wrong: every step gives %i, and the text is the same", (wrong, perStep) => {
    const { tokens, steps, last } = run(wrong, { maxTokens: 61, speculation: 3 }, { mtpMode });
    expect(tokens).toEqual(tokensAfter(7, 61));
    expect(steps).toEqual(Array.from({ length: 60 / perStep }, () => perStep));
    const { drafts, accepted } = last.stats;
    expect(accepted.map((count, head) => count / drafts[head]!)).toEqual(
      [0, 1, 2].map((head) => (head < perStep - 1 ? 1 : 0)),
    );
    // Near its end a text leaves room for fewer drafts.
    expect(drafts[0]).toBeGreaterThanOrEqual(steps.length - 1);
  });

  test("sampled, and under penalties, drafts hold as well, because they share noise and history with the trunk", () => {
    const variants: Partial<SamplingParams>[] = [
      { temperature: 1, topP: 1 },
      { temperature: 20, topP: 0.9 },
      { temperature: 25, topK: 40, presencePenalty: 2, frequencyPenalty: 1, repetitionPenalty: 1.5 },
      { temperature: 0, frequencyPenalty: 2, repetitionPenalty: 3 },
      // Each of fifty tokens once: a draft must know of the drafts before it.
      { temperature: 0, repetitionPenalty: 50, logitBias: new Map(Array.from({ length: 50 }, (_, i) => [5 * i, 100])) },
    ];
    for (const [i, variant] of variants.entries()) {
      const sampling = { ...DEFAULT_SAMPLING, seed: 100 + i, ...variant };
      const plain = run("none", { maxTokens: 49, sampling, speculation: 0 }, { mtpMode });
      const drafted = run("none", { maxTokens: 49, sampling, speculation: 3 }, { mtpMode });
      expect(drafted.tokens).toEqual(plain.tokens);
      expect(drafted.steps).toEqual(Array.from({ length: 12 }, () => 4));
      if (variant.temperature! > 1) expect(plain.tokens).not.toEqual(tokensAfter(7, 49));
    }
  });

  test("draft beyond prompts of any length, in chunks of any size, and for several sequences", () => {
    const prompts = [1, 2, 3, 16, 17, 33, 70].map((length) => tokensAfter(200 + length, length));
    for (const maxRows of [5, 64, 512]) {
      using opened = openEngine(checkpoints.get("none")!.path, { mtpMode, maxRows, maxSequences: 4 });
      const requests = prompts.map((prompt, i) => request(prompt, { maxTokens: 21, speculation: i % 4 }));
      const results = generateAll(opened.engine, requests);
      prompts.forEach((prompt, i) => expect(results[i]).toEqual(tokensAfter(prompt.at(-1)!, 21)));
    }
  });
});

describe.each(allBackends.filter(({ available }) => available))("weights of drafts, $name", ({ create }) => {
  const dtypesOf = (options: Partial<EngineOptions>): Set<string> => {
    using opened = openEngine(checkpoints.get("none")!.path, options, create());
    return new Set(opened.engine.runner.model.weights.map(({ dtype }) => dtype));
  };

  test("have eight bits, and the text is the same", () => {
    expect(dtypesOf({ activations: "int16" })).toContain("q8_0");
    using predictable = openEngine(checkpoints.get("none")!.path, { activations: "int16" }, create());
    const one = request([7], { maxTokens: 25, speculation: 3 });
    predictable.engine.submit(one);
    const steps = (runAll(predictable.engine).get(one.id) ?? []).map(({ tokens }) => tokens);
    expect(steps.flat()).toEqual(tokensAfter(7, 25));
    expect(steps.map(({ length }) => length)).toEqual([1, 4, 4, 4, 4, 4, 4]);
    // Random heads, of which few drafts hold.
    const sampling = { ...DEFAULT_SAMPLING, temperature: 1, seed: 5 };
    const [plain, drafted] = [0, 3].map((speculation) => {
      using opened = openEngine(goldenCase("hf-bf16").path, { activations: "int16" }, create());
      return generateAll(opened.engine, [request(tokensAfter(7, 40), { maxTokens: 60, sampling, speculation })])[0];
    });
    expect(drafted).toEqual(plain);
  });

  test("are what the file holds where activations are, too, and where nothing is packed", () => {
    expect(dtypesOf({ activations: "f32" })).not.toContain("q8_0");
    expect(dtypesOf({ activations: "int16", packing: "none" })).not.toContain("q8_0");
  });
});

describe("a text that ends inside a run of drafts", () => {
  test("ends at the stop token, which is its last", () => {
    const text = tokensAfter(7, 40);
    for (let end = 0; end < 9; end++) {
      const { tokens, last } = run("none", { stopTokens: [text[end]!], speculation: 3 });
      expect(tokens).toEqual(text.slice(0, end + 1));
      expect(last.finish).toBe("stop");
    }
  });

  test("never exceeds maxTokens", () => {
    for (let maxTokens = 1; maxTokens <= 9; maxTokens++) {
      const { tokens, last } = run("none", { maxTokens, speculation: 3 });
      expect(tokens).toEqual(tokensAfter(7, maxTokens));
      expect(last.finish).toBe("length");
    }
  });

  test("never exceeds the context", () => {
    const { tokens, last } = run("none", { maxTokens: 1000, speculation: 3 }, { maxTokens: 64 });
    expect(tokens).toEqual(tokensAfter(7, 63));
    expect(last.finish).toBe("length");
  });
});

describe("log-probabilities of drafted tokens", () => {
  test("are one per token, and those of plain decoding", () => {
    const options = { maxTokens: 20, topLogprobs: 2 };
    const plain = run("none", { ...options, speculation: 0 });
    const drafted = run("none", { ...options, speculation: 3 });
    const logprobs = ({ outputs }: Run) => outputs.flatMap((output) => output.logprobs ?? []);
    expect(logprobs(drafted)).toEqual(logprobs(plain));
    expect(logprobs(drafted).map(({ token }) => token)).toEqual(drafted.tokens);
  });
});

describe("depth chosen by itself", () => {
  /** Time is the number of kernels that ran: a head costs a fifth of the trunk, a row more costs nothing. */
  function runCounted(wrong: Wrong, speculation: number | "auto", numRequests = 1) {
    const inner = createBackend();
    let kernels = 0;
    const record: Backend["record"] = (build) => {
      const before = kernels;
      const replay = inner.record(build);
      const recorded = kernels - before;
      return () => {
        kernels += recorded;
        replay();
      };
    };
    const backend = new Proxy(inner, {
      get(target, key) {
        if (key === "record") return record;
        if (key === "run") kernels++;
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    using checkpoint = openCheckpoint(checkpoints.get(wrong)!.path);
    const engine = new Engine(backend, checkpoint, EXACT_ENGINE, () => kernels);
    const outputs: SequenceOutput[] = [];
    for (let i = 0; i < numRequests; i++) {
      engine.submit(request([7], { maxTokens: 400, speculation }));
      outputs.push([...runAll(engine).values()][0]!.at(-1)!);
    }
    engine[Symbol.dispose]();
    inner[Symbol.dispose]();
    return { kernels, stats: outputs.map(({ stats }) => stats) };
  }

  test.each([
    ["none", 3],
    ["third", 2],
    ["second", 1],
    ["first", 0],
  ] as const)("where the wrong head is %s, is %i", (wrong, depth) => {
    const { drafts, decodeSteps } = runCounted(wrong, "auto").stats[0]!;
    drafts.forEach((count, head) => {
      const share = count / decodeSteps;
      if (head < depth) expect(share).toBeGreaterThan(0.8);
      // Measured at first, and tried again now and then.
      else expect(share).toBeLessThan(0.12);
    });
  });

  test("where no draft ever holds, costs next to nothing, and all bookkeeping is counted", () => {
    const plain = runCounted("first", 0);
    const auto = runCounted("first", "auto", 5);
    expect(auto.kernels / (5 * plain.kernels)).toBeLessThan(1.02);
    // Once it is settled, a try of a few drafts now and then.
    const { drafts } = auto.stats.at(-1)!;
    expect(drafts[0]).toBeGreaterThan(0);
    expect(drafts.reduce((sum, count) => sum + count)).toBeLessThan(16);
  });
});

describe("a head that rested", () => {
  afterEach(() => vi.restoreAllMocks());

  /** The draft of head 0 by position, and the text, where each step drafts, only keeps what drafts need, or rests. */
  function runScript(script: (position: number) => "draft" | "keep" | "rest", mtpMode: MtpMode) {
    const tokens: number[] = [];
    const drafts = new Map<number, number>();
    vi.spyOn(DraftDepth.prototype, "choose").mockImplementation(() => (script(tokens.length) === "draft" ? 3 : 0));
    vi.spyOn(DraftDepth.prototype, "expectsDrafts", "get").mockImplementation(() => script(tokens.length) !== "rest");
    const draft = vi.spyOn(Speculator.prototype, "draft");
    using opened = openEngine(goldenCase("hf-bf16").path, { mtpMode });
    const one = request(tokensAfter(7, 40), { maxTokens: 120, speculation: "auto", sampling: SAMPLED });
    opened.engine.submit(one);
    while (!opened.engine.isIdle) {
      for (const output of opened.engine.step()) tokens.push(...output.tokens);
      const [sequence] = draft.mock.lastCall![0];
      if (sequence?.drafts[0] !== undefined) drafts.set(sequence.tokens.length, sequence.drafts[0]);
    }
    vi.restoreAllMocks();
    return { tokens, drafts };
  }
  const SAMPLED: SamplingParams = { ...DEFAULT_SAMPLING, temperature: 1, topP: 1, seed: 3 };

  describe.each(["parallel", "chained"] as const)("%s", (mtpMode) => {
    test("changes no token, whenever it is asked again", () => {
      const plain = runScript(() => "rest", mtpMode);
      for (const period of [5, 40]) {
        for (const kept of [0, 1, 20]) {
          const script = (position: number) =>
            position % period === 0 ? "draft" : position % period >= period - kept ? "keep" : "rest";
          const { tokens, drafts } = runScript(script, mtpMode);
          expect(tokens).toEqual(plain.tokens);
          expect(drafts.size).toBeGreaterThan(0);
        }
      }
    });

    test("drafts from what was kept, and from nothing older", () => {
      const resumed = (position: number) => (position < 60 ? "rest" : position < 70 ? "keep" : "draft");
      const fresh = runScript(resumed, mtpMode);
      const used = runScript((position) => (position < 30 ? "draft" : resumed(position)), mtpMode);
      const later = [...used.drafts].filter(([position]) => position > 100);
      expect(used.drafts.size).toBeGreaterThan(later.length);
      expect(later).toEqual([...fresh.drafts]);
    });
  });

  test("drafts as if it had not rested, where all it missed was kept", () => {
    const always = runScript(() => "draft", "parallel");
    const rested = runScript((position) => (position % 12 < 10 ? "keep" : "draft"), "parallel");
    expect(rested.drafts.size).toBeGreaterThan(10);
    const both = [...rested.drafts].filter(([position]) => always.drafts.has(position));
    expect(both.length).toBeGreaterThan(10);
    for (const [position, token] of both) expect(always.drafts.get(position)).toBe(token);
  });
});
