// The tokenizer of a recipe: merges learnt from the text of its first stage, as a model will read it.

import { checkMessages, checkTools } from "../tokenizer/chat-request.ts";
import { parseChatTemplate, renderChat, UNHURRIED } from "../tokenizer/chat-template.ts";
import type { TokenizerFiles } from "../tokenizer/gguf-tokenizer.ts";
import { MIMO_CHAT_TEMPLATE } from "../tokenizer/mimo-template.ts";
import { trainBpe } from "../tokenizer/train-bpe.ts";
import { type RowSources, samples } from "./data/mixture.ts";
import { defined } from "../util/assert.ts";
import type { Sample } from "./data/sample.ts";
import type { Recipe } from "./recipe.ts";

const TEMPLATE = parseChatTemplate(MIMO_CHAT_TEMPLATE, { limits: UNHURRIED });

/** Samples of the tokenizer's text are those of no stage. */
const TOKENIZER_SEED = 999;

/** `onProgress` counts characters. Throws `invalid_argument` where there is too little text for the vocabulary. */
export function learnTokenizer(
  recipe: Recipe,
  onProgress: (done: number, total: number) => void,
  sources?: RowSources,
): TokenizerFiles {
  const { vocabSize, characters } = defined(recipe.tokenizer, "the recipe's tokenizer");
  return trainBpe(textsOf(recipe, sources, characters), {
    vocabSize,
    onProgress: (progress) => {
      if (progress.phase === "counting") onProgress(progress.numCharacters, characters);
    },
  });
}

function* textsOf({ seed, stages }: Recipe, sources: RowSources | undefined, characters: number): Iterable<string> {
  let left = characters;
  const range = { split: "train", seed: seed * 1000 + TOKENIZER_SEED } as const;
  for (const sample of samples(stages[0]!.data, range, sources)) {
    const text = textOf(sample);
    yield text;
    left -= text.length;
    if (left <= 0) return;
  }
}

function textOf(sample: Sample): string {
  if (sample.kind === "text") return sample.text;
  const { messages, tools, thinking } = sample;
  return renderChat(TEMPLATE, {
    messages: checkMessages(messages),
    tools: checkTools(tools),
    addGenerationPrompt: false,
    enableThinking: thinking,
  });
}
