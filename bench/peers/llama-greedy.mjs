// Continues token ids greedily with llama.cpp: the largest logit over the whole vocabulary, the lowest id on a tie.
// End tokens are tokens like any other. Prints {"ids": [...]}.

import { openModel, readArguments, readCount, readIds } from "./llama.mjs";

const usage = "node llama-greedy.mjs MODEL.gguf --ids FILE.json --count N [--threads 2] [--kv F32|F16] [--flash off|on|auto]";
const options = readArguments(usage, { ids: null, count: null, threads: "2", kv: "F32", flash: "off" });
const count = readCount("count", options.count);

const { llama, vocabularySize, createContext } = await openModel(options.model, {
  threads: readCount("threads", options.threads),
  kv: options.kv,
  flash: options.flash,
});
const prompt = readIds(options.ids, vocabularySize);
const { sequences } = await createContext({ length: prompt.length + count });

const ids = [];
for await (const id of sequences[0].evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
  ids.push(id);
  if (ids.length === count) break;
}
console.log(JSON.stringify({ ids }));
await llama.dispose();
