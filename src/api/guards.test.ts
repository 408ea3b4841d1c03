// The library's say over thinking and endless answers, and what a checkpoint recommends, through the real worker.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Checkpoint, load, type LoadOptions, type Mimo, SAMPLING_PRESETS } from "../index.ts";
import type { EncodedChat } from "../tokenizer/chat.ts";
import { loadGenerationDefaults } from "./generation-defaults.ts";
import type { AnswerOptions } from "./request.ts";
import { type TextCheckpoint, writeTextCheckpoint } from "./testing.ts";

const OPTIONS: LoadOptions = { contextLength: 8192, kvDType: "f32", threads: 1 };

let checkpoint: TextCheckpoint;
let mimo: Mimo;
/** A prompt that ends inside thinking. */
let prompt: EncodedChat;

beforeAll(async () => {
  checkpoint = await writeTextCheckpoint();
  mimo = await load(checkpoint.path, OPTIONS);
  const encoded = mimo.encodeChat({ messages: [{ role: "user", content: "Go." }], thinking: true });
  prompt = { ...encoded, ids: [...encoded.ids, mimo.tokenizer.addedTokenId("<think>")!], thinking: true };
});
afterAll(async () => {
  await mimo.close();
  checkpoint.remove();
});

async function answer(options: AnswerOptions) {
  let text = "";
  let reasoning = "";
  for await (const event of mimo.answer(prompt, { temperature: 1, seed: 3, ...options })) {
    if (event.type === "text") text += event.text;
    else if (event.type === "reasoning") reasoning += event.text;
    else if (event.type === "done") return { ...event, text, reasoning };
  }
  throw new Error("no end");
}

describe("an answer", () => {
  test("ends when a signal says so: before it begins, or while it is read; what was written is the answer", async () => {
    const none = await answer({ endAnswer: AbortSignal.abort() });
    expect(none).toMatchObject({ tokens: [], finishReason: "stop", finishDetail: "stopped" });
    const options = { temperature: 0, thinkingBudget: 0, ignoreEos: true };
    const whole = await answer({ ...options, maxTokens: 200 });
    const end = new AbortController();
    let text = "";
    for await (const event of mimo.answer(prompt, { ...options, endAnswer: end.signal })) {
      if (event.type === "text") text += event.text;
      if (text.length > 10) end.abort();
      if (event.type === "done") expect(event).toMatchObject({ finishReason: "stop", finishDetail: "stopped" });
    }
    expect(text.length).toBeGreaterThan(10);
    expect(text.slice(0, whole.text.length)).toBe(whole.text.slice(0, text.length));
  });

  test("tells its steps where it is asked to: all tokens, and the drafts that held", async () => {
    for (const speculation of [0, 3]) {
      let tokens: readonly number[] = [];
      let [drafted, accepted] = [0, 0];
      for await (const event of mimo.answer(prompt, { seed: 3, maxTokens: 40, speculation, steps: true })) {
        if (event.type === "step") {
          const own = event.tokens.map(({ token }) => token);
          expect(event.drafted.map(({ token }) => token).slice(0, event.accepted)).toEqual(
            own.slice(0, event.accepted),
          );
          tokens = [...tokens, ...own];
          drafted += event.drafted.length;
          accepted += event.accepted;
        }
        if (event.type !== "done") continue;
        expect(event.tokens).toEqual(tokens);
        expect(event.usage.speculation).toMatchObject({ drafted, accepted });
      }
      expect(tokens).toHaveLength(40);
      expect(drafted > 0).toBe(speculation > 0);
    }
  });
});

describe("thinking", () => {
  test("has a budget, which usage confirms; drafts and chance do not matter", async () => {
    for (const thinkingBudget of [0, 1, 5, 16]) {
      const [drafted, plain] = await Promise.all(
        [3, 0].map((speculation) => answer({ thinkingBudget, maxTokens: 40, speculation })),
      );
      expect(drafted!.tokens).toEqual(plain!.tokens);
      expect(drafted!.tokens[thinkingBudget]).toBe(mimo.tokenizer.addedTokenId("</think>"));
      expect(drafted!.usage.reasoningTokens).toBe(thinkingBudget);
      expect(drafted!.text).not.toBe("");
    }
    await expect(answer({ thinkingBudget: -1 })).rejects.toMatchObject({ param: "thinkingBudget" });
  });

  test("ends when a signal says so: before it begins, or while the answer is read", async () => {
    const { usage, text } = await answer({ endThinking: AbortSignal.abort(), maxTokens: 20 });
    expect([usage.reasoningTokens, text === ""]).toEqual([0, false]);
    const end = new AbortController();
    const kinds: string[] = [];
    for await (const { type } of mimo.answer(prompt, { endThinking: end.signal, ignoreEos: true })) {
      if (kinds.at(-1) !== type) kinds.push(type);
      if (type === "reasoning") end.abort();
      if (type === "text") break;
    }
    expect(kinds).toEqual(["reasoning", "text"]);
  });

  test("cannot be limited where no token ends it", async () => {
    const bare = await writeTextCheckpoint();
    const file = join(bare.path, "tokenizer.json");
    const json = JSON.parse(readFileSync(file, "utf8")) as { added_tokens: { content: string }[] };
    json.added_tokens = json.added_tokens.map((token) =>
      token.content === "</think>" ? { ...token, content: "</thought>" } : token,
    );
    writeFileSync(file, JSON.stringify(json));
    try {
      await using model = await load(bare.path, OPTIONS);
      const ask = { messages: [{ role: "user", content: "Go." }], maxTokens: 3 } as const;
      await expect(model.generate({ ...ask, thinkingBudget: 5 })).rejects.toMatchObject({ param: "thinkingBudget" });
      expect((await model.generate(ask)).tokens).toHaveLength(3);
    } finally {
      bare.remove();
    }
  });
});

test("a text that goes round in circles is cut, unless that is allowed", async () => {
  const loop = { prompt: "a", maxTokens: 100, logitBias: { [mimo.tokenizer.encode("a")[0]!]: 100 } };
  const cut = await mimo.generate({ ...loop, maxRepetition: 40 });
  expect(cut).toMatchObject({ text: "a".repeat(40), finishReason: "length", finishDetail: "repetition" });
  const whole = await mimo.generate({ ...loop, maxRepetition: 0 });
  expect(whole).toMatchObject({ text: "a".repeat(100), finishReason: "length" });
  expect(whole.finishDetail).toBeUndefined();
  const benchmark = await mimo.generate({ ...loop, maxTokens: 2100, ignoreEos: true });
  expect(benchmark.usage.completionTokens).toBe(2100);
  await expect(mimo.generate({ ...loop, maxRepetition: -1 })).rejects.toMatchObject({ param: "maxRepetition" });
});

describe("a checkpoint's generation_config.json", () => {
  test("is the default of sampling and ends, and a request comes before it", async () => {
    const ask = { prompt: "Hello", maxTokens: 30, seed: 4 } as const;
    const [end] = mimo.tokenizer.encode("e");
    const file = { temperature: 0, top_p: 0.5, top_k: 3, do_sample: true, max_new_tokens: 2, eos_token_id: [end] };
    writeFileSync(join(checkpoint.path, "generation_config.json"), JSON.stringify(file));
    await using advised = await load(checkpoint.path, OPTIONS);
    expect(advised.samplingDefaults).toEqual({ temperature: 0, topP: 0.5, topK: 3 });
    const greedy = await mimo.generate({ ...ask, temperature: 0 });
    expect((await advised.generate({ ...ask, ignoreEos: true })).text).toBe(greedy.text);
    const own = { ...ask, temperature: 1, topP: 1, topK: 0 };
    expect((await advised.generate({ ...own, ignoreEos: true })).text).toBe((await mimo.generate(own)).text);
    const ended = await advised.generate({ ...ask, logitBias: { [end!]: 100 } });
    expect(ended).toMatchObject({ text: "", finishReason: "stop" });
  });

  test.each([
    ["{", "expected JSON"],
    ['{"temperature": "warm"}', "temperature"],
    ['{"top_p": 7}', "topP"],
    ['{"eos_token_id": ["<|im_end|>"]}', "stopTokenIds"],
  ])("%s is left out, with a warning", (content, problem) => {
    const warnings: string[] = [];
    const file = { path: "model", readText: () => content } as unknown as Checkpoint;
    const defaults = loadGenerationDefaults(file, (warning) => warnings.push(warning));
    expect(defaults).toEqual({ sampling: {}, eosTokenIds: [] });
    expect(warnings.join()).toMatch(new RegExp(`generation_config.json.*${problem}`));
  });

  test("that is not there leaves what the model's card recommends", async () => {
    const ask = { prompt: "Hello", maxTokens: 30, seed: 4 } as const;
    expect(mimo.samplingDefaults).toEqual({});
    expect((await mimo.generate(ask)).text).toBe((await mimo.generate({ ...ask, ...SAMPLING_PRESETS.general })).text);
  });
});
