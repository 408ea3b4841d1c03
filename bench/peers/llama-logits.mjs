// Writes llama.cpp's raw logits (before any softmax or sampling step) for every position of the given token ids:
// little-endian float32 [T, V], row t predicting token t + 1. Prints {"shape": [T, V]}.

import { closeSync, openSync, writeSync } from "node:fs";
import { openModel, readArguments, readCount, readIds } from "./llama.mjs";

const usage = "node llama-logits.mjs MODEL.gguf --ids FILE.json --out FILE.f32 [--threads 2] [--kv F32|F16] [--flash off|on|auto]";
const options = readArguments(usage, { ids: null, out: null, threads: "2", kv: "F32", flash: "off" });

const { llama, vocabularySize, createContext } = await openModel(options.model, {
  threads: readCount("threads", options.threads),
  kv: options.kv,
  flash: options.flash,
});
const ids = readIds(options.ids, vocabularySize);
const { sequences } = await createContext({ length: ids.length });

const file = openSync(options.out, "w");
const row = new Float32Array(vocabularySize);
let numRows = 0;
// Rows are written one by one, in order, and let go at once: as maps, all [T, V] of them would need ten times the memory.
function writeRow(position, { next }) {
  if (position !== numRows || next.logits.size !== vocabularySize) {
    throw new Error(`Row ${position} came out of turn or has ${next.logits.size} of ${vocabularySize} logits.`);
  }
  for (const [id, logit] of next.logits) row[id] = logit;
  next.logits.clear();
  writeSync(file, row);
  numRows += 1;
}
await sequences[0].controlledEvaluate(
  ids.map((id) => [id, { generateNext: { logits: true } }]),
  { onTokenResult: writeRow },
);
closeSync(file);
if (numRows !== ids.length) throw new Error(`llama.cpp gave ${numRows} rows for ${ids.length} tokens.`);
console.log(JSON.stringify({ shape: [numRows, vocabularySize] }));
await llama.dispose();
