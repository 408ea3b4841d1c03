// Promises of training with own data and with texts written on the way, as equalities of bits: an interrupted run is an
// uninterrupted one within a document, an epoch and beyond; and a run that writes texts is one that does not.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { load } from "../../src/index.ts";
import { type Metrics, type RecipeInput, train, type TrainOptions, type WrittenText } from "../../src/train/train.ts";
import { mix } from "../../src/util/random.ts";

const FOLDER = mkdtempSync(join(tmpdir(), "mimo-own-training-"));
afterAll(() => rmSync(FOLDER, { recursive: true }));

const at = (name: string): string => join(FOLDER, name);
const WORDS = "red green blue grey brown orange purple yellow black white pink violet golden silver dark light".split(
  " ",
);
const words = (seed: number, count: number): string =>
  Array.from({ length: count }, (_, i) => WORDS[mix(seed, i) & 15]).join(" ");

/** Documents from a few tokens to several batches. */
const TEXT = Array.from({ length: 12 }, (_, i) => words(i, i % 4 === 3 ? 300 : 10 + 7 * i)).join("\n\n\n");
const CHATS = Array.from({ length: 9 }, (_, i) => ({
  messages: [
    { role: "user", content: `Which colour is ${i}?` },
    { role: "assistant", content: words(100 + i, 4) },
  ],
}));
const PROMPTS = ["red gr", { chat: "Which colour is 3?" }];

const RECIPE: RecipeInput = {
  name: "own",
  tokenizer: { vocabSize: 320, characters: 20_000 },
  model: {
    hiddenSize: 32,
    intermediateSize: 32,
    contextLength: 512,
    numLayers: 3,
    attention: { numHeads: 2, numKvHeads: { global: 1, sliding: 2 }, headDim: 24, window: 16 },
    experts: { numExperts: 4, numExpertsPerToken: 2, intermediateSize: 16 },
  },
  saveEvery: 4,
  validateEvery: 10,
  stages: [
    {
      name: "only",
      tokens: 7680,
      batchTokens: 256,
      maxLength: 100,
      learn: "answers",
      learningRate: { peak: 3e-3, warmUpSteps: 3 },
      mtp: { heads: 1, weight: 0.3 },
      globalRopeTheta: 10000,
      data: [
        { file: at("text.txt"), weight: 2 },
        { file: at("chats.jsonl"), weight: 1 },
        { file: at("more.parquet"), weight: 1 },
        { generator: "arithmetic", weight: 1 },
      ],
    },
  ],
};
const SAMPLES = { every: 8, prompts: PROMPTS, maxTokens: 6 };

beforeAll(() => {
  writeFileSync(at("text.txt"), TEXT);
  writeFileSync(at("chats.jsonl"), CHATS.map((chat) => `${JSON.stringify(chat)}\n`).join(""));
  const data = Array.from({ length: 5 }, (_, i) => words(200 + i, 30));
  writeFileSync(at("more.parquet"), new Uint8Array(parquetWriteBuffer({ columnData: [{ name: "text", data }] })));
});

function run(name: string, recipe: RecipeInput, options: Partial<TrainOptions> = {}): ReturnType<typeof train> {
  return train({ recipe, folder: at(name), threads: 1, ...options });
}

function linesOf<T>(name: string, file: string): T[] {
  const lines = readFileSync(join(FOLDER, name, file), "utf8").trimEnd();
  return lines.split("\n").map((line) => JSON.parse(line) as T);
}

function resultOf(name: string): Buffer {
  const [place] = readdirSync(join(FOLDER, name, "resume"));
  return readFileSync(join(FOLDER, name, "resume", place!, "training.safetensors"));
}

const timeless = (metrics: Metrics): Metrics => ({ ...metrics, tokensPerSecond: 0 });

describe("a run with own data", () => {
  test("that is interrupted, again and again, ends with the bits of one that is not", async () => {
    const written: WrittenText[] = [];
    const positions: number[] = [];
    const recipe = { ...RECIPE, samples: SAMPLES };
    await run("whole", recipe, { onTexts: (texts) => written.push(...texts) });
    for (let round = 0; ; round++) {
      const controller = new AbortController();
      let left = 1 + ((mix(11, round) >>> 4) % 7);
      const onStep = (): void => {
        if (--left === 0) controller.abort();
      };
      try {
        await run("interrupted", recipe, { resume: round > 0, onStep, signal: controller.signal });
        break;
      } catch (error) {
        expect(error).toMatchObject({ code: "aborted" });
        const [place] = readdirSync(join(FOLDER, "interrupted", "resume"));
        const state = readFileSync(join(FOLDER, "interrupted", "resume", place!, "state.json"), "utf8");
        positions.push((JSON.parse(state) as { sample: number }).sample);
      }
    }
    // Within documents, and after an epoch of the text's eleven rows, which are two samples in five.
    expect(positions.some((position) => position % 1 !== 0)).toBe(true);
    expect(Math.max(...positions)).toBeGreaterThan((11 * 5) / 2);
    expect(resultOf("interrupted").equals(resultOf("whole"))).toBe(true);
    expect(linesOf<Metrics>("interrupted", "metrics.jsonl").map(timeless)).toEqual(
      linesOf<Metrics>("whole", "metrics.jsonl").map(timeless),
    );
    expect(linesOf("interrupted", "samples.jsonl")).toEqual(written);
  });

  test("writes the texts that the model then writes, at its steps and at the end", async () => {
    const written = linesOf<WrittenText>("whole", "samples.jsonl");
    expect(written.map(({ totalSteps }) => totalSteps)).toEqual([8, 8, 16, 16, 24, 24, 30, 30]);
    expect(written.slice(-2).map(({ prompt }) => prompt)).toEqual(["red gr", "Which colour is 3?"]);
    await using model = await load(at("whole/model"), { kvDType: "f32", threads: 1 });
    const greedy = { maxTokens: 6, temperature: 0, speculation: 0 } as const;
    const continued = await model.generate({ prompt: "red gr", ...greedy });
    const answered = await model.generate({ messages: [{ role: "user", content: "Which colour is 3?" }], ...greedy });
    expect(written.slice(-2).map(({ text }) => text)).toEqual([continued.text, answered.text]);
  });

  test("has the bits of one that writes no texts", async () => {
    await run("silent", RECIPE);
    expect(existsSync(at("silent/samples.jsonl"))).toBe(false);
    expect(resultOf("silent").equals(resultOf("whole"))).toBe(true);
  });

  test("goes on with its data alone", async () => {
    await expect(run("silent", RECIPE)).rejects.toMatchObject({ code: "invalid_argument", param: "folder" });
    const more = { resume: true, data: [{ file: at("text.txt"), weight: 2 }] };
    await expect(run("silent", RECIPE, more)).rejects.toMatchObject({ param: "recipe" });
    // What the run has kept names all of its data.
    await run("silent", RECIPE, { resume: true, recipe: at("silent/recipe.yaml") });
    const other = TEXT.replace("red", "rot");
    writeFileSync(at("text.txt"), `${other}${" ".repeat(TEXT.length - other.length)}`);
    await expect(run("silent", RECIPE, { resume: true })).rejects.toThrow("the file has changed");
    writeFileSync(at("text.txt"), TEXT);
  });
});

describe("a run of nothing but own data", () => {
  test("learns it, its words included", async () => {
    const [stage] = RECIPE.stages;
    const { file } = stage!.data[0]!;
    const recipe = { ...RECIPE, stages: [{ ...stage!, data: [{ file: file!, weight: 1 }] }] };
    const losses: number[] = [];
    await run("alone", recipe, { onStep: ({ heldoutLoss }) => void (heldoutLoss && losses.push(heldoutLoss)) });
    expect(losses.at(-1)!).toBeLessThan(losses[0]! - 0.1);
    const tokenizer = readFileSync(at("alone/tokenizer.json"), "utf8");
    expect(tokenizer).toContain("Ġpurple");
  });

  test("is refused where its vocabulary is too large for it, or a weight is none", async () => {
    await expect(run("zero", RECIPE, { data: [{ file: at("text.txt"), weight: 0 }] })).rejects.toThrow("above 0");
    const recipe = { ...RECIPE, stages: [{ ...RECIPE.stages[0]!, data: [{ weight: 1 }] }] };
    await expect(run("none", recipe)).rejects.toThrow("stages.0.data.0: expected a generator or a file");
  });
});
