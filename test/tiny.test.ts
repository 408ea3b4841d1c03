// Every public feature once, on a model that is made here: the first test to run and the first to read.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { convertCheckpoint } from "../src/convert/convert.ts";
import { initCheckpoint } from "../src/convert/init.ts";
import { type GenerationEvent, load, openCheckpoint } from "../src/index.ts";

const folder = mkdtempSync(join(tmpdir(), "mimo-tiny-"));
const path = join(folder, "tiny");
const greedy = { temperature: 0, maxTokens: 24, ignoreEos: true } as const;

beforeAll(async () => {
  await initCheckpoint({ preset: "tiny", out: path });
});
afterAll(() => rmSync(folder, { recursive: true }));

test("chat streams events and ends with usage", async () => {
  await using model = await load(path);
  const events: GenerationEvent[] = [];
  for await (const event of model.chat({ ...greedy, messages: [{ role: "user", content: "Hello" }] }))
    events.push(event);
  const done = events.at(-1);
  expect(done).toMatchObject({ type: "done", finishReason: "length", usage: { completionTokens: 24 } });
  expect(events.length).toBeGreaterThan(1);
});

test("speculation and plain decoding give the same text, and say what was drafted", async () => {
  await using model = await load(path);
  const prompt = "The quick brown fox";
  const plain = await model.generate({ ...greedy, prompt, speculation: 0 });
  const drafted = await model.generate({ ...greedy, prompt, speculation: 3 });
  expect(drafted.text).toBe(plain.text);
  expect(plain.usage.speculation.drafted).toBe(0);
  expect(drafted.usage.speculation.drafted).toBeGreaterThan(0);
});

test("a seed repeats a sampled answer", async () => {
  await using model = await load(path);
  const options = { prompt: "Once", temperature: 1, maxTokens: 16, ignoreEos: true };
  const [first, again, other] = await Promise.all([
    model.generate({ ...options, seed: 1 }),
    model.generate({ ...options, seed: 1 }),
    model.generate({ ...options, seed: 2 }),
  ]);
  expect(again.text).toBe(first.text);
  expect(other.text).not.toBe(first.text);
});

test("log-probabilities, logits and hidden states are there for who looks inside", async () => {
  await using model = await load(path, { kvDType: "f32" });
  const ids = model.tokenizer.encode("Look inside");
  const logits = await model.logits(ids);
  expect([logits.rows, logits.columns]).toEqual([ids.length, model.info.config.vocabSize]);
  const hidden = await model.hiddenStates(ids);
  expect([hidden.rows, hidden.columns]).toEqual([ids.length, model.info.config.hiddenSize]);
  const mtp = await model.logits(ids, { mtpHead: 0 });
  expect(mtp.rows).toBe(ids.length - 1);
  const { logprobs } = await model.generate({
    prompt: ids,
    temperature: 0,
    maxTokens: 1,
    logprobs: 2,
    ignoreEos: true,
  });
  const last = logits.values.subarray(-logits.columns);
  expect(logprobs[0]?.token).toBe(
    last.subarray(0, model.tokenizer.numTokens).reduce((best, x, i) => (x > last[best]! ? i : best), 0),
  );
  expect(logprobs[0]?.top).toHaveLength(2);
});

test("a stop string ends the text and is not part of it", async () => {
  await using model = await load(path);
  const { text } = await model.generate({ ...greedy, prompt: "Stop" });
  const stop = text.slice(5, 7);
  const stopped = await model.generate({ ...greedy, prompt: "Stop", stop: [stop] });
  expect(stopped.finishReason).toBe("stop");
  expect(stopped.text).toBe(text.slice(0, text.indexOf(stop)));
});

test("an aborted generation throws and leaves the model usable", async () => {
  await using model = await load(path);
  const controller = new AbortController();
  const generation = model.generate({ ...greedy, maxTokens: 10_000, prompt: "Abort", signal: controller.signal });
  setTimeout(() => controller.abort(), 20);
  await expect(generation).rejects.toMatchObject({ code: "aborted" });
  expect((await model.generate({ ...greedy, prompt: "Go on" })).usage.completionTokens).toBe(24);
});

test("a converted checkpoint is the same model", async () => {
  const gguf = join(folder, "tiny.gguf");
  await convertCheckpoint({ input: path, output: gguf, type: "f32" });
  await using original = await load(path);
  await using converted = await load(gguf);
  const options = { ...greedy, prompt: "Same" };
  expect((await converted.generate(options)).text).toBe((await original.generate(options)).text);
});

test("opening a checkpoint shows its tensors", () => {
  using checkpoint = openCheckpoint(path);
  expect(checkpoint.tensors.get("model.embed_tokens.weight")?.dtype).toBe("bf16");
});
