// Text of a model in training: the likeliest token at each place, several texts at once.
//
// Each token is one forward pass over all texts, the training's own, in memory that is released afterwards; nothing is
// kept between passes, so parameters are all that it depends on, and nothing that a step depends on is touched.
// Refuses to know prompts as text.

import type { Backend } from "../backends/backend.ts";
import { linear } from "../ops/linear/linear.ts";
import { argmax } from "../ops/sample/sample.ts";
import { defined } from "../util/assert.ts";
import { Arena } from "./arena.ts";
import { packBatch } from "./batch.ts";
import { forward } from "./forward.ts";
import type { TrainedParameters } from "./parameters.ts";

export interface GreedyOptions {
  /** None of them empty. */
  readonly prompts: readonly (readonly number[])[];
  readonly maxTokens: number;
  /** Ids from here on are padding of the vocabulary. */
  readonly numTokens: number;
  readonly stopTokens: ReadonlySet<number>;
}

/** What follows each prompt, without the token that stops it. */
export function generateGreedily(device: Backend, parameters: TrainedParameters, options: GreedyOptions): number[][] {
  const { prompts, maxTokens, numTokens, stopTokens } = options;
  const texts = prompts.map((prompt) => [...prompt]);
  const numRows = prompts.reduce((sum, { length }) => sum + length + maxTokens, 0);
  const { config, bound } = parameters;
  // MTP heads say nothing about the next token.
  const trunk = { config, bound: { ...bound, mtp: [] } };
  const open = new Set(texts.keys());
  using arena = new Arena(device);
  const logits = arena.scope("generation").tensor("logits", "f32", [1, config.vocabSize]);
  const values = new Float32Array(config.vocabSize);
  for (let i = 0; i < maxTokens && open.size > 0; i++) {
    const batch = packBatch(
      texts.map((tokens) => ({ tokens: Int32Array.from(tokens) })),
      numRows,
    );
    const { normed } = forward({ backend: device, device }, arena, trunk, batch, {
      mtpMode: "parallel",
      maxDocuments: texts.length,
    });
    const hidden = defined(normed[0], "hidden states of the trunk");
    for (const text of open) {
      const { row, count } = defined(batch.spans[text], "a text's rows");
      const byteOffset = hidden.byteOffset + 4 * config.hiddenSize * (row + count - 1);
      linear(device, {
        x: { ...hidden, shape: [1, config.hiddenSize], byteOffset },
        weight: bound.lmHead,
        out: logits,
      });
      device.download(logits, new Uint8Array(values.buffer));
      const token = argmax(values.subarray(0, numTokens));
      if (stopTokens.has(token)) open.delete(text);
      else texts[text]!.push(token);
    }
  }
  return texts.map((tokens, i) => tokens.slice(prompts[i]!.length));
}
