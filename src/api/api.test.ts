// The library as its users meet it, through the real worker: load, generate, stop, abort, evaluate, close.

import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { goldenCase, maxDifference } from "../../test/golden/golden.ts";
import type { SequenceOutput, SequenceStats } from "../engine/sequence.ts";
import { load, type LoadOptions, type CompleteOptions, type GenerationEvent, type Mimo, Tokenizer } from "../index.ts";
import { createByteTokenizer } from "../tokenizer/byte-tokenizer.ts";
import type { GenerationOptions } from "./request.ts";
import { generationEvents } from "./generation.ts";
import { type TextCheckpoint, VOCABULARY, writeTextCheckpoint } from "./testing.ts";

const CONTEXT = 256;
const OPTIONS: LoadOptions = { contextLength: CONTEXT, maxSequences: 3, chunkSize: 64, kvDType: "f32" };
/** Sampled text of this model has many different words; greedy text soon repeats itself. */
const VARIED = { prompt: "Hello world", temperature: 1, topP: 1, seed: 1 } as const;

let checkpoint: TextCheckpoint;
let mimo: Mimo;
let text: string;

beforeAll(async () => {
  checkpoint = await writeTextCheckpoint();
  mimo = await load(checkpoint.path, OPTIONS);
  ({ text } = await mimo.generate({ ...VARIED, maxTokens: 80 }));
});
afterAll(async () => {
  await mimo.close();
  checkpoint.remove();
});

async function eventsOf(generation: AsyncIterable<GenerationEvent>): Promise<GenerationEvent[]> {
  const events: GenerationEvent[] = [];
  for await (const event of generation) events.push(event);
  return events;
}

/** Resolves once the engine holds no memory: a prompt that needs all of it then runs. */
async function expectAllMemoryFree(model: Mimo): Promise<void> {
  const { usage } = await model.generate({
    prompt: Array.from({ length: CONTEXT - 1 }, (_, i) => i % 200),
    maxTokens: 1,
  });
  expect(usage).toMatchObject({ promptTokens: CONTEXT - 1, completionTokens: 1 });
}

describe("load", () => {
  test("tells what was loaded", () => {
    expect(mimo.info).toMatchObject({
      contextLength: CONTEXT,
      numMtpHeads: 3,
      config: { vocabSize: VOCABULARY },
      warnings: [],
    });
    expect(mimo.info.backend).toMatch(/CPU|reference/);
    expect(mimo.tokenizer.decode(mimo.tokenizer.encode("Grüße, 世界"))).toBe("Grüße, 世界");
  });

  test("drafts as deep as it was told, where a request does not say", async () => {
    await using plain = await load(checkpoint.path, { ...OPTIONS, speculation: 0 });
    const drafted = async (options = {}): Promise<number> =>
      (await plain.generate({ ...VARIED, maxTokens: 20, ...options })).usage.speculation.drafted;
    expect(await drafted()).toBe(0);
    expect(await drafted({ speculation: 3 })).toBeGreaterThan(0);
  });

  test.each<[string, object, string]>([
    ["an unknown option", { contextLenght: 5 }, "contextLenght"],
    ["an unknown backend", { backend: "cuda" }, "backend"],
    ["an unknown cache type", { kvDType: "q4_0" }, "kvDType"],
    ["an unknown mode of activations", { activations: "int4" }, "activations"],
    ["an unknown MTP mode", { mtp: "serial" }, "mtp"],
    ["a negative depth of drafts", { speculation: -1 }, "speculation"],
    ["an unknown packing", { packing: "some" }, "packing"],
    ["a context of nothing", { contextLength: 0 }, "contextLength"],
    ["a context that is no number", { contextLength: NaN }, "contextLength"],
    ["a context beyond every machine", { contextLength: 2 ** 40 }, "contextLength"],
    ["a fraction of a sequence", { maxSequences: 1.5 }, "maxSequences"],
    ["sequences beyond counting", { maxSequences: 2 ** 31 }, "maxSequences"],
    ["a negative chunk", { chunkSize: -1 }, "chunkSize"],
    ["a chunk beyond every machine", { chunkSize: 2 ** 31 }, "chunkSize"],
    ["threads that are no number", { threads: NaN }, "threads"],
    ["less than no memory for experts", { expertMemory: -1 }, "expertMemory"],
    ["memory for experts that is no number", { expertMemory: NaN }, "expertMemory"],
    ["no threads", { threads: 0 }, "threads"],
    ["a prefix cache that is neither there nor not", { prefixCache: "yes" }, "prefixCache"],
    ["less than no memory for snapshots", { snapshotMemory: -1 }, "snapshotMemory"],
  ])("refuses %s", async (_, options, param) => {
    await expect(load(checkpoint.path, options)).rejects.toMatchObject({
      name: "MimoError",
      code: "invalid_argument",
      param,
    });
  });

  test("gives experts the memory it is told to, and counts what is read of the others", async () => {
    await using limited = await load(checkpoint.path, { ...OPTIONS, expertMemory: 0 });
    expect(limited.expertReads).toBeUndefined();
    const { tokens } = await limited.generate({ ...VARIED, maxTokens: 20 });
    expect(tokens).toEqual((await mimo.generate({ ...VARIED, maxTokens: 20 })).tokens);
    if (limited.info.backend.startsWith("CPU")) expect(limited.expertReads).toMatchObject({ hits: 0, heldBytes: 0 });
    expect(mimo.expertReads).toBeUndefined();
  });

  test("says what is wrong with a path", async () => {
    await expect(load(join(checkpoint.path, "missing"))).rejects.toMatchObject({ code: "not_found" });
    await expect(load(join(checkpoint.path, "config.json"))).rejects.toMatchObject({ code: "checkpoint_invalid" });
    const gguf = join(checkpoint.path, "empty.gguf");
    writeFileSync(gguf, "");
    await expect(load(gguf)).rejects.toMatchObject({ code: "checkpoint_invalid" });
  });

  test("can be aborted, before it begins and while it runs", async () => {
    await expect(load(checkpoint.path, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "aborted" });
    const controller = new AbortController();
    const loading = load(checkpoint.path, { signal: controller.signal });
    setTimeout(() => controller.abort(), 5);
    await expect(loading).rejects.toMatchObject({ code: "aborted" });
  });
});

describe("the prefix cache", () => {
  const prompt = Array.from({ length: 100 }, (_, i) => (i * 7) % 90);
  const options = { prompt, maxTokens: 5, temperature: 0 };

  test("spares a prompt that was seen, says so, and changes nothing", async () => {
    await mimo.clearPrefixes();
    const first = await mimo.generate(options);
    expect(first.usage).toMatchObject({ cachedTokens: 0, replayedTokens: 0, cacheMiss: "cold" });
    const again = await mimo.generate(options);
    expect(again.tokens).toEqual(first.tokens);
    expect(again.usage).toMatchObject({ promptTokens: 100, cachedTokens: 99, cacheMiss: "last token" });
    const continued = await mimo.generate({ ...options, prompt: [...prompt, ...first.tokens, 65] });
    expect(continued.usage).toMatchObject({ promptTokens: 106, cachedTokens: 104, cacheMiss: "cold" });
    expect(await mimo.prefixCacheStats()).toMatchObject({ hits: expect.any(Number), blocks: 2 });
  });

  test("is left out by a request, kept apart by a namespace, and emptied", async () => {
    // All of memory is four blocks.
    const short = { ...options, prompt: prompt.slice(0, 40) };
    const miss = async (other: Partial<CompleteOptions>): Promise<unknown> =>
      (await mimo.generate({ ...short, ...other })).usage.cacheMiss;
    await mimo.clearPrefixes();
    expect(await miss({})).toBe("cold");
    expect(await miss({ cache: false })).toBe("off");
    expect(await miss({ cacheNamespace: "ann" })).toBe("other namespace");
    expect(await miss({ cacheNamespace: "ann" })).toBe("last token");
    await mimo.clearPrefixes("ann");
    expect(await miss({})).toBe("last token");
    await mimo.clearPrefixes();
    expect(await miss({})).toBe("cold");
  });

  test("can be left out altogether", async () => {
    await using plain = await load(checkpoint.path, { ...OPTIONS, prefixCache: false });
    expect((await plain.generate(options)).usage.cacheMiss).toBe("off");
    expect((await plain.generate(options)).usage).toMatchObject({ cachedTokens: 0, cacheMiss: "off" });
    expect(await plain.prefixCacheStats()).toBeUndefined();
  });
});

describe("routed experts", () => {
  const prompt = Array.from({ length: 20 }, (_, i) => (i * 7) % 90);
  const options = { prompt, maxTokens: 12, temperature: 0, speculation: 3 };

  test("come with the answer, for all that was an input", async () => {
    const { tokens, text, routedExperts } = await mimo.generate({ ...options, routedExperts: true });
    const { numExpertsPerToken, numExperts } = mimo.info.config.experts;
    const { ids, numTokens, layers } = routedExperts!;
    expect(numTokens).toBe(prompt.length + tokens.length - 1);
    expect(layers.map((layer) => mimo.info.config.layers[layer]?.feedForward)).toEqual(layers.map(() => "experts"));
    expect(ids).toBeInstanceOf(Uint8Array);
    expect(ids).toHaveLength(numTokens * layers.length * numExpertsPerToken);
    expect(Math.max(...ids)).toBe(numExperts - 1);
    // What was drafted and verified beyond a stop string is left out of tokens and routes.
    const stop = [text.slice(3, 6)];
    const stopped = await mimo.generate({ ...options, stop, routedExperts: true });
    expect(stopped.tokens.length).toBeLessThan(tokens.length);
    expect(stopped.routedExperts!.numTokens).toBe(prompt.length + stopped.tokens.length - 1);
    expect(stopped.routedExperts!.ids).toEqual(ids.slice(0, stopped.routedExperts!.ids.length));
  });

  test("are left out where nobody asks", async () => {
    expect((await mimo.generate(options)).routedExperts).toBeUndefined();
  });
});

describe("complete and generate", () => {
  test("stream pieces that make up the whole, and one `done` at the end", async () => {
    const events = await eventsOf(mimo.complete({ ...VARIED, maxTokens: 80 }));
    expect(events.map((event) => (event.type === "text" ? event.text : "")).join("")).toBe(text);
    expect(events.filter(({ type }) => type === "text").length).toBeGreaterThan(20);
    expect(events.at(-1)).toMatchObject({
      type: "done",
      finishReason: "length",
      usage: { promptTokens: 11, completionTokens: 80 },
    });
    expect(events.filter(({ type }) => type === "done")).toHaveLength(1);
  });

  test("take ids for text", async () => {
    const ids = mimo.tokenizer.encode(VARIED.prompt);
    expect((await mimo.generate({ ...VARIED, prompt: ids, maxTokens: 80 })).text).toBe(text);
  });

  test("give the same for one seed, whatever is drafted, and another for another seed", async () => {
    for (const speculation of [0, 1, 3] as const) {
      expect((await mimo.generate({ ...VARIED, maxTokens: 80, speculation })).text).toBe(text);
    }
    expect((await mimo.generate({ ...VARIED, maxTokens: 80, seed: 2 })).text).not.toBe(text);
    const unseeded = { prompt: VARIED.prompt, temperature: 1, maxTokens: 40 };
    expect((await mimo.generate(unseeded)).text).not.toBe((await mimo.generate(unseeded)).text);
  });

  test.each(["all", "dense", "none"] as const)("are the same with packing %s", async (packing) => {
    const progress: [number, number][] = [];
    const onProgress = (done: number, total: number): unknown => progress.push([done, total]);
    await using other = await load(checkpoint.path, { contextLength: CONTEXT, packing, onProgress });
    expect((await other.generate({ ...VARIED, maxTokens: 80 })).text).toBe(text);
    // The reference backend has no other layout.
    expect(other.info.packing).toBe(other.info.backend.startsWith("CPU") ? packing : "none");
    expect(progress.length > 0).toBe(other.info.packing !== "none");
    expect(progress.every(([done, total], i) => done <= total && done > (progress[i - 1]?.[0] ?? 0))).toBe(true);
  });

  test("never choose padding of the vocabulary", async () => {
    const { logprobs } = await mimo.generate({ prompt: "x", temperature: 3, maxTokens: 200, logprobs: 20, seed: 3 });
    const tokens = logprobs.flatMap((one) => [one.token, ...one.top.map(({ token }) => token)]);
    expect(Math.max(...tokens)).toBeLessThan(mimo.tokenizer.numTokens);
    expect(mimo.tokenizer.numTokens).toBeLessThan(VOCABULARY);
  });

  test("report progress of a prompt longer than a step", async () => {
    const events = await eventsOf(mimo.complete({ prompt: Array.from({ length: 150 }, (_, i) => i), maxTokens: 1 }));
    expect(events.filter(({ type }) => type === "progress")).toEqual([
      { type: "progress", processed: 64, total: 150, cached: 0 },
      { type: "progress", processed: 128, total: 150, cached: 0 },
    ]);
  });

  test("end where the context ends", async () => {
    const { usage, finishReason } = await mimo.generate({ ...VARIED });
    expect(usage.completionTokens).toBe(CONTEXT - 11);
    expect(finishReason).toBe("length");
    const tooLong = mimo.generate({ prompt: "x".repeat(CONTEXT) });
    await expect(tooLong).rejects.toMatchObject({
      code: "context_length_exceeded",
      message: expect.stringMatching(/256.*256/),
    });
  });

  test("chat ends a conversation's turn, with the checkpoint's template", async () => {
    const generation = await mimo.generate({
      messages: [{ role: "user", content: "Hi" }],
      maxTokens: 12,
      temperature: 1,
      seed: 4,
    });
    expect(generation.text.length).toBeGreaterThan(5);
    expect(generation.usage.promptTokens).toBeGreaterThan(mimo.tokenizer.encode("Hi").length);
    // <|im_end|> forced by a bias ends the turn, and is no part of the text.
    const end = mimo.tokenizer.eosIds[0]!;
    const ended = await mimo.generate({ messages: [{ role: "user", content: "Hi" }], logitBias: { [end]: 100 } });
    expect(ended).toMatchObject({ text: "", finishReason: "stop", usage: { completionTokens: 1 } });
    const past = await mimo.generate({ prompt: "Hi", logitBias: { [end]: 100 }, ignoreEos: true, maxTokens: 4 });
    expect(past).toMatchObject({ finishReason: "length", usage: { completionTokens: 4 } });
  });

  test("several answers to one prompt, encoded once", async () => {
    const options = { temperature: 1, maxTokens: 12, ignoreEos: true };
    const messages = [{ role: "user", content: "Hi" }] as const;
    const prompt = mimo.encodeChat({ messages });
    expect(prompt.prompt).toContain("Hi");
    for (const seed of [1, 2]) {
      const own = await eventsOf(mimo.answer(prompt, { ...options, seed }));
      const again = await mimo.generate({ messages, ...options, seed });
      expect(own.at(-1)).toMatchObject({ type: "done", tokens: again.tokens });
    }
    await expect(eventsOf(mimo.answer(prompt, { maxToolCalls: 0 }))).rejects.toMatchObject({ param: "maxToolCalls" });
  });

  test("two at once get what each gets alone", async () => {
    const other = { ...VARIED, prompt: "Another", seed: 9, maxTokens: 60, speculation: 2 } as const;
    const alone = (await mimo.generate(other)).text;
    const both = await Promise.all([
      mimo.generate({ ...VARIED, maxTokens: 80 }),
      mimo.generate(other),
      mimo.generate(other),
    ]);
    expect(both.map((generation) => generation.text)).toEqual([text, alone, alone]);
  });
});

describe("stop strings", () => {
  test("end the text before them, across borders of tokens, and no part of them is seen", async () => {
    for (const [start, length] of [
      [4, 1],
      [9, 3],
      [17, 6],
      [30, 12],
      [0, 2],
    ] as const) {
      const stop = text.slice(start, start + length);
      for (const speculation of [0, 3] as const) {
        const events = await eventsOf(
          mimo.complete({ ...VARIED, maxTokens: 80, stop: ["never seen", stop], speculation }),
        );
        const seen = events.map((event) => (event.type === "text" ? event.text : "")).join("");
        expect(seen).toBe(text.slice(0, text.indexOf(stop)));
        expect(events.at(-1)).toMatchObject({ type: "done", finishReason: "stop" });
      }
    }
    await expectAllMemoryFree(mimo);
  });

  test("that are only begun when the text ends are shown", async () => {
    const stop = `${text.slice(-4)} and more`;
    const { text: shown, finishReason } = await mimo.generate({ ...VARIED, maxTokens: 80, stop: [stop] });
    expect(shown).toBe(text);
    expect(finishReason).toBe("length");
  });

  test("leave nothing to report of what was generated beyond them", async () => {
    const tokenizer = Tokenizer.fromJson(...byteTokenizerFiles());
    const tokens = tokenizer.encode("one STOP two");
    const logprobs = tokens.map((token) => ({ token, logprob: -1, top: [] }));
    const stats: SequenceStats = {
      promptTokens: 1,
      cachedTokens: 0,
      replayedTokens: 0,
      cacheMiss: "cold",
      decodeSteps: 1,
      accepted: [],
      drafts: [],
      queueMs: 0,
      prefillMs: 0,
      decodeMs: 0,
    };
    // One step that brings more tokens than the text will hold, as drafts do.
    const outputs = async function* (): AsyncGenerator<SequenceOutput> {
      yield { id: 1, tokens, logprobs, stats };
      throw new Error("nobody should ask for more");
    };
    const events = await eventsOf(
      generationEvents(outputs(), {
        tokenizer,
        structured: false,
        thinking: false,
        tools: [],
        maxToolCalls: Infinity,
        stop: ["STOP"],
        stopTokens: new Set(),
        promptTokens: 1,
        seed: 0,
      }),
    );
    const reported = events.flatMap((event) => (event.type === "logprobs" ? event.tokens : []));
    const done = events.at(-1);
    expect(done).toMatchObject({ type: "done", finishReason: "stop" });
    expect(reported).toHaveLength(done?.type === "done" ? done.usage.completionTokens : -1);
    expect(reported.map((one) => one.text).join("")).toBe("one STOP");
  });
});

function byteTokenizerFiles(): [unknown, Record<string, unknown>] {
  const { tokenizerJson, tokenizerConfig } = createByteTokenizer({ vocabSize: VOCABULARY });
  return [tokenizerJson, tokenizerConfig as Record<string, unknown>];
}

describe("tool calls", () => {
  const raw = "\n<function=write>\n<parameter=text>a</parameter>\n</function>\n";
  const script = `Well<tool_call>${raw}</tool_call><tool_call>${raw}</tool_call>More<tool_call>${raw.slice(0, 40)}`;

  async function scripted(maxToolCalls: number): Promise<GenerationEvent[]> {
    const tokenizer = Tokenizer.fromJson(...byteTokenizerFiles());
    const cached = { cachedTokens: 0, replayedTokens: 0, cacheMiss: undefined };
    const times = { queueMs: 0, prefillMs: 0, decodeMs: 0 };
    const stats = { promptTokens: 1, ...cached, decodeSteps: 1, accepted: [], drafts: [], ...times };
    const outputs = async function* (): AsyncGenerator<SequenceOutput> {
      yield { id: 1, tokens: tokenizer.encodeWithSpecials(script), stats, finish: "length" };
    };
    const context = { tokenizer, structured: true, thinking: false, tools: [], maxToolCalls, stop: [], seed: 0 };
    return eventsOf(generationEvents(outputs(), { ...context, stopTokens: new Set(), promptTokens: 1 }));
  }

  test("are named, and their arguments written, before they end", async () => {
    const events = await scripted(Infinity);
    const named = events.flatMap((event) => (event.type === "tool_call_name" ? [event.index] : []));
    expect(named).toEqual([0, 1, 2]);
    const json = (index: number): string =>
      events.map((event) => (event.type === "tool_call_arguments" && event.index === index ? event.json : "")).join("");
    expect([json(0), json(1)]).toEqual(['{"text":"a"}', '{"text":"a"}']);
    const ends = events.filter((event) => event.type === "tool_call_end");
    expect(ends.map(({ complete, call }) => [complete, "error" in call])).toEqual([
      [true, false],
      [true, false],
      [false, true],
    ]);
  });

  test("end the answer once there are enough", async () => {
    const events = await scripted(1);
    expect(events.filter((event) => event.type === "tool_call_end")).toHaveLength(1);
    expect(events.at(-1)).toMatchObject({ type: "done", finishReason: "tool_calls" });
  });
});

describe("stop ids", () => {
  test("end the text before them and count as generated", async () => {
    const { logprobs } = await mimo.generate({ ...VARIED, maxTokens: 80, logprobs: 0 });
    const tokens = logprobs.map(({ token }) => token);
    const stop = tokens[20]!;
    const end = tokens.indexOf(stop);
    const stopped = await mimo.generate({ ...VARIED, maxTokens: 80, stopTokenIds: [stop] });
    expect(stopped.text).toBe(mimo.tokenizer.decode(tokens.slice(0, end)));
    expect(stopped).toMatchObject({ finishReason: "stop", usage: { completionTokens: end + 1 } });
  });
});

describe("log-probabilities", () => {
  test("of a prompt's own tokens", async () => {
    const ids = mimo.tokenizer.encode("Hello world, and more");
    const { values, columns } = await mimo.logits(ids);
    let at = 0;
    for await (const { token, logprob, text: shown, top } of mimo.promptLogprobs(ids, 2)) {
      const row = values.subarray(at * columns).subarray(0, mimo.tokenizer.numTokens);
      const normaliser = Math.log(row.reduce((sum, logit) => sum + Math.exp(logit), 0));
      expect(token).toBe(ids[++at]);
      expect(shown).toBe(mimo.tokenizer.decode([token]));
      expect(logprob).toBeCloseTo(row[token]! - normaliser, 4);
      expect(top[0]!.logprob).toBeCloseTo(Math.max(...row) - normaliser, 4);
      expect(top).toHaveLength(2);
    }
    expect(at).toBe(ids.length - 1);
    await expectAllMemoryFree(mimo);
  });

  test("are one per token, those of the model, the most probable first", async () => {
    const prompt = mimo.tokenizer.encode("Hello");
    const { logprobs, usage } = await mimo.generate({
      prompt,
      temperature: 0,
      maxTokens: 8,
      logprobs: 3,
      logitBias: { 65: 5 },
    });
    expect(logprobs).toHaveLength(usage.completionTokens);
    const ids = [...prompt, ...logprobs.map(({ token }) => token)];
    const { values, columns } = await mimo.logits(ids);
    logprobs.forEach(({ token, text: shown, logprob, top }, i) => {
      const row = values.subarray((prompt.length - 1 + i) * columns).subarray(0, mimo.tokenizer.numTokens);
      const normaliser = Math.log(row.reduce((sum, logit) => sum + Math.exp(logit), 0));
      expect(logprob).toBeCloseTo(row[token]! - normaliser, 4);
      expect(shown).toBe(mimo.tokenizer.decode([token]));
      expect(top).toHaveLength(3);
      expect(top[0]!.logprob).toBeCloseTo(Math.max(...row) - normaliser, 4);
      expect(top.map((one) => one.logprob)).toEqual(top.map((one) => one.logprob).toSorted((a, b) => b - a));
    });
  });
});

describe("what a generation refuses", () => {
  test.each<[string, object, string]>([
    ["an unknown option", { temprature: 1 }, "temprature"],
    ["a cache that is neither used nor not", { cache: 1 }, "cache"],
    ["routes that are neither wanted nor not", { routedExperts: "all" }, "routedExperts"],
    ["a namespace that is no text", { cacheNamespace: 5 }, "cacheNamespace"],
    ["a namespace without end", { cacheNamespace: "x".repeat(1000) }, "cacheNamespace"],
    ["a tenant that is no text", { tenant: {} }, "tenant"],
    ["a fraction of a priority", { priority: 0.5 }, "priority"],
    ["no prompt", { prompt: undefined }, "prompt"],
    ["a prompt that is neither text nor ids", { prompt: 5 }, "prompt"],
    ["ids that are no numbers", { prompt: ["a"] }, "prompt"],
    ["an empty prompt", { prompt: "" }, "prompt"],
    ["ids beyond the vocabulary", { prompt: [VOCABULARY] }, "prompt"],
    ["no tokens", { maxTokens: 0 }, "maxTokens"],
    ["tokens that are no number", { maxTokens: NaN }, "maxTokens"],
    ["tokens beyond counting", { maxTokens: 1e300 }, "maxTokens"],
    ["a temperature that is no number", { temperature: NaN }, "temperature"],
    ["a negative temperature", { temperature: -1 }, "temperature"],
    ["an infinite temperature", { temperature: Infinity }, "temperature"],
    ["a temperature in words", { temperature: "hot" }, "temperature"],
    ["a share above one", { topP: 1.1 }, "topP"],
    ["a negative share", { minP: -0.1 }, "minP"],
    ["a negative count", { topK: -1 }, "topK"],
    ["half a count", { topK: 0.5 }, "topK"],
    ["a penalty of zero", { repetitionPenalty: 0 }, "repetitionPenalty"],
    ["a huge penalty", { presencePenalty: 1e9 }, "presencePenalty"],
    ["a penalty that is no number", { frequencyPenalty: NaN }, "frequencyPenalty"],
    ["bias of a token that is none", { logitBias: { zebra: 1 } }, "logitBias"],
    ["bias of a token beyond the vocabulary", { logitBias: { [VOCABULARY]: 1 } }, "logitBias"],
    ["bias that is no number", { logitBias: { 5: NaN } }, "logitBias"],
    ["a negative seed", { seed: -1 }, "seed"],
    ["a fraction of a seed", { seed: 0.5 }, "seed"],
    ["an empty stop string", { stop: [""] }, "stop"],
    ["one stop string without its list", { stop: "end" }, "stop"],
    ["too many stop strings", { stop: Array.from({ length: 17 }, String) }, "stop"],
    ["a stop id that is no number", { stopTokenIds: [NaN] }, "stopTokenIds"],
    ["too many alternatives", { logprobs: 21 }, "logprobs"],
    ["a negative depth", { speculation: -1 }, "speculation"],
    ["a depth in words", { speculation: "deep" }, "speculation"],
  ])("%s", async (_, options, param) => {
    const run = mimo.generate({ prompt: "x", maxTokens: 1, ...(options as GenerationOptions) } as CompleteOptions);
    await expect(run).rejects.toMatchObject({ name: "MimoError", code: "invalid_argument", param });
  });

  test("and works as before afterwards", async () => {
    expect((await mimo.generate({ ...VARIED, maxTokens: 80 })).text).toBe(text);
  });
});

describe("abort", () => {
  test("by signal, before and in the middle, fails the generation and frees its memory", async () => {
    await expect(mimo.generate({ ...VARIED, signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "aborted" });
    const controller = new AbortController();
    let pieces = 0;
    const run = async (): Promise<void> => {
      for await (const event of mimo.complete({ ...VARIED, signal: controller.signal })) {
        if (event.type === "text" && ++pieces === 5) controller.abort();
      }
    };
    await expect(run()).rejects.toMatchObject({ code: "aborted" });
    expect(pieces).toBeLessThan(CONTEXT / 2);
    await expectAllMemoryFree(mimo);
  });

  test("by leaving the loop frees its memory as well", async () => {
    for (let i = 0; i < 4; i++) {
      for await (const event of mimo.complete({ ...VARIED })) if (event.type === "text") break;
    }
    await expectAllMemoryFree(mimo);
  });

  test("of one leaves the other as it is", async () => {
    const controller = new AbortController();
    const aborted = expect(mimo.generate({ ...VARIED, seed: 5, signal: controller.signal })).rejects.toMatchObject({
      code: "aborted",
    });
    const kept = mimo.generate({ ...VARIED, maxTokens: 80 });
    for await (const event of mimo.complete({ ...VARIED, maxTokens: 10 }))
      if (event.type === "text") controller.abort();
    await aborted;
    expect((await kept).text).toBe(text);
  });
});

test("a generation that nobody reads any more does not keep the next one waiting", { timeout: 30_000 }, async () => {
  // One place, and a context that would take minutes to fill: only if the first is really ended does the second begin.
  await using model = await load(checkpoint.path, { ...OPTIONS, contextLength: 100_000, maxSequences: 1 });
  const next = async (): Promise<void> => {
    expect((await model.generate({ ...VARIED, maxTokens: 80 })).text).toBe(text);
  };
  for await (const event of model.complete({ ...VARIED })) if (event.type === "text") break;
  await next();
  const controller = new AbortController();
  const aborted = expect(model.generate({ ...VARIED, signal: controller.signal })).rejects.toMatchObject({
    code: "aborted",
  });
  setTimeout(() => controller.abort(), 20);
  await aborted;
  await next();
  expect((await model.generate({ ...VARIED, stop: [text.slice(10, 14)] })).finishReason).toBe("stop");
  await next();
});

test("the caller's thread stays free while the engine computes", async () => {
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  await mimo.generate({ ...VARIED, speculation: 0 });
  clearInterval(timer);
  // Were the engine on this thread, timers would run between its steps at best, and not at all in its first one.
  expect(ticks).toBeGreaterThan(10);
});

describe("logits and hidden states", () => {
  const golden = goldenCase("hf-bf16");
  const ids = golden.expected.input_ids;

  test("are those of an independent implementation, with its shapes, for a checkpoint without tokenizer too", async () => {
    await using model = await load(golden.path, { contextLength: 512, kvDType: "f32", chunkSize: 17 });
    const [T, V] = golden.expected.arrays["logits"]!;
    const logits = await model.logits(ids);
    expect([logits.rows, logits.columns]).toEqual([T, V]);
    expect(maxDifference(logits.values, golden.array("logits")!)).toBeLessThan(1e-3);

    const hidden = await model.hiddenStates(ids);
    expect([hidden.rows, hidden.columns]).toEqual([T, 64]);
    const last = golden.array("hidden_last")!;
    expect(maxDifference(hidden.values.slice(-last.length), last)).toBeLessThan(1e-3);

    const head = await model.logits(ids, { mtpHead: 1 });
    expect([head.rows, head.columns]).toEqual(golden.expected.arrays["mtp1_logits"]);
    expect(maxDifference(head.values, golden.array("mtp1_logits")!)).toBeLessThan(1e-3);

    await expect(model.generate({ prompt: "text" })).rejects.toMatchObject({ code: "invalid_argument" });
    await expect(model.generate({ prompt: "text" })).rejects.toThrow(/no tokenizer/);
  });

  test("beside a generation disturb nothing", async () => {
    const [generation, logits] = await Promise.all([
      mimo.generate({ ...VARIED, maxTokens: 80 }),
      mimo.logits([1, 2, 3]),
    ]);
    expect(generation.text).toBe(text);
    expect(logits).toMatchObject({ rows: 3, columns: VOCABULARY });
  });

  test("left early or aborted free their place", async () => {
    for (let i = 0; i < 4; i++) for await (const _row of mimo.logitRows([1, 2, 3])) break;
    await expect(mimo.logits([1], { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "aborted" });
    await expectAllMemoryFree(mimo);
  });

  test("refuse what they cannot do", async () => {
    await expect(mimo.logits([])).rejects.toMatchObject({ code: "invalid_argument", param: "ids" });
    await expect(mimo.logits([VOCABULARY])).rejects.toMatchObject({ code: "invalid_argument", param: "ids" });
    await expect(mimo.logits([1], { mtpHead: 3 })).rejects.toMatchObject({ code: "invalid_argument", param: "mtp" });
    await expect(mimo.logits([1], { head: 1 } as object)).rejects.toMatchObject({
      code: "invalid_argument",
      param: "head",
    });
    await expect(mimo.hiddenStates([1], { head: 1 } as object)).rejects.toMatchObject({
      code: "invalid_argument",
      param: "head",
    });
    await expect(mimo.logits(Array.from({ length: CONTEXT + 1 }, () => 1))).rejects.toMatchObject({
      code: "context_length_exceeded",
    });
  });
});

describe("close", () => {
  test("fails what runs, and what is asked for later, with `disposed`", async () => {
    const model = await load(checkpoint.path, OPTIONS);
    const others = Promise.allSettled(Array.from({ length: 5 }, () => model.generate({ ...VARIED, prompt: "b" })));
    const running = async (): Promise<void> => {
      for await (const event of model.complete({ ...VARIED })) if (event.type === "text") await model.close();
    };
    await expect(running()).rejects.toMatchObject({ code: "disposed" });
    // None hangs: each has failed, or had ended before.
    const failed = (await others).filter((result) => result.status === "rejected");
    expect(failed.length).toBeGreaterThan(0);
    for (const { reason } of failed) expect(reason).toMatchObject({ code: "disposed" });
    await expect(model.generate({ ...VARIED })).rejects.toMatchObject({ code: "disposed" });
    await expect(model.logits([1])).rejects.toMatchObject({ code: "disposed" });
    await model.close();
  });
});

describe("a program", () => {
  const run = async (body: string): Promise<string> => {
    const url = (path: string): string => new URL(path, import.meta.url).href;
    const script = `import { load } from ${JSON.stringify(url("../index.ts"))};
      const model = await load(${JSON.stringify(checkpoint.path)}, { contextLength: 256 });
      ${body}`;
    const loader = url("../../scripts/ts-loader.mjs");
    const args = ["--import", loader, "--input-type=module", "--eval", script];
    // A program that hangs is killed, and its promise rejected.
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 20_000 });
    return stdout;
  };

  test.concurrent.each([
    ["that loads a model and forgets it ends", `console.log("end");`],
    [
      "that closes its model ends",
      `await model.generate({ prompt: "a", maxTokens: 5 }); await model.close(); console.log("end");`,
    ],
    ["that forgets to close it ends", `await model.generate({ prompt: "a", maxTokens: 5 }); console.log("end");`],
    [
      "that leaves a loop early ends",
      `for await (const _ of model.complete({ prompt: "a" })) break; console.log("end");`,
    ],
    [
      "that only waits for an answer gets it",
      `model.generate({ prompt: "a", maxTokens: 50 }).then(() => console.log("end"));`,
    ],
  ])("%s", async (_, body) => {
    expect(await run(body)).toBe("end\n");
  });
});
