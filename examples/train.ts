// A model from nothing, by a recipe as a value: it learns to count in about half a minute, and then counts.
//
//   node --import ./scripts/ts-loader.mjs examples/train.ts [FOLDER]     (Ctrl-C stops it; again, it goes on from there)

import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { load } from "../src/index.ts";
import { type RecipeInput, train } from "../src/train/train.ts";

const [folder = "runs/counting"] = process.argv.slice(2);

// Own data: one text for each number to begin from, as JSON lines.
const words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];
const texts = Array.from({ length: 400 }, (_, i) => {
  const count = 4 + (i % 9);
  return Array.from({ length: count }, (_, j) => words[(i + j) % words.length]).join(" ");
});
const file = join(folder, "counting.jsonl");
mkdirSync(folder, { recursive: true });
if (!existsSync(file)) writeFileSync(file, texts.map((text) => `${JSON.stringify({ text })}\n`).join(""));

const recipe: RecipeInput = {
  name: "counting",
  tokenizer: { vocabSize: 288, characters: 100_000 },
  model: {
    hiddenSize: 48,
    intermediateSize: 96,
    contextLength: 128,
    numLayers: 3,
    attention: { numHeads: 2, numKvHeads: { global: 1, sliding: 2 }, headDim: 24, window: 16 },
    experts: { numExperts: 4, numExpertsPerToken: 2, intermediateSize: 32 },
  },
  samples: { every: 50, prompts: ["three four"], maxTokens: 12 },
  stages: [
    {
      name: "counting",
      tokens: 200 * 512,
      batchTokens: 512,
      maxLength: 64,
      learningRate: { peak: 0.005, warmUpSteps: 10 },
      mtp: { heads: 1, weight: 0.3 },
      globalRopeTheta: 10_000,
      data: [{ file, weight: 1 }],
    },
  ],
};

const controller = new AbortController();
process.once("SIGINT", () => controller.abort());
const { model } = await train({
  recipe,
  folder: join(folder, "run"),
  resume: existsSync(join(folder, "run", "recipe.yaml")),
  signal: controller.signal,
  onStep: ({ step, loss }, _, steps) => {
    if (step % 25 === 0) console.log(`step ${step} of ${steps}: loss ${loss.toFixed(3)}`);
  },
  onTexts: (written) => {
    for (const { prompt, text } of written) console.log(`  ${prompt}${text}`);
  },
});

await using mimo = await load(model);
const { text } = await mimo.generate({ prompt: "seven eight", maxTokens: 12, temperature: 0 });
console.log(`${model} counts: seven eight${text}`);
