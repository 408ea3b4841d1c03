// Continues token ids greedily with llama.cpp: the largest logit over the whole vocabulary, the lowest id on a tie.
// No BOS and no chat template; end tokens are tokens like any other. Prints {"ids": [...]}.

import { readArguments, readCount, readIds } from "./arguments.mjs";
import { argmax, openModel, prefill } from "./llama.mjs";

const usage =
  "node llama-greedy.mjs MODEL.gguf --ids FILE.json --count N [--threads 2] [--kv F32|F16] [--flash off|on|auto]";
const { kv, flash, ...options } = readArguments(usage, {
  ids: null,
  count: null,
  threads: "2",
  kv: "F32",
  flash: "off",
});
const count = readCount("count", options.count);
const model = openModel(options.model, readCount("threads", options.threads));
const prompt = readIds(options.ids, model.vocabularySize);
const context = model.createContext({ length: prompt.length + count, kv, flash });

const ids = [argmax(prefill(context, prompt))];
while (ids.length < count) {
  const position = prompt.length + ids.length - 1;
  const [row] = context.decode([{ id: ids.at(-1), position, sequence: 0, logits: true }]);
  ids.push(argmax(row));
}
console.log(JSON.stringify({ ids }));
