// Writes llama.cpp's raw logits (before any softmax) for every position of the given token ids: little-endian float32
// [T, V], row t predicting token t + 1. No BOS is added. Prints {"shape": [T, V]}.

import { closeSync, openSync, writeSync } from "node:fs";
import { readArguments, readCount, readIds } from "./arguments.mjs";
import { openModel } from "./llama.mjs";

const usage =
  "node llama-logits.mjs MODEL.gguf --ids FILE.json --out FILE.f32 [--threads 2] [--kv F32|F16] [--flash off|on|auto]";
const { kv, flash, ...options } = readArguments(usage, { ids: null, out: null, threads: "2", kv: "F32", flash: "off" });
const model = openModel(options.model, readCount("threads", options.threads));
const ids = readIds(options.ids, model.vocabularySize);
const context = model.createContext({ length: ids.length, kv, flash });

const file = openSync(options.out, "w");
for (let start = 0; start < ids.length; start += context.batch) {
  const chunk = ids.slice(start, start + context.batch);
  const rows = context.decode(chunk.map((id, i) => ({ id, position: start + i, sequence: 0, logits: true })));
  for (const row of rows) writeSync(file, row);
}
closeSync(file);
console.log(JSON.stringify({ shape: [ids.length, model.vocabularySize] }));
