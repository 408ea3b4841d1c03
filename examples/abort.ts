// Stopping: a signal ends an answer within one step and frees its memory. Other answers go on undisturbed.
//
//   node --import ./scripts/ts-loader.mjs examples/abort.ts MODEL     (`mimo init --preset tiny tiny` makes one to try)

import { load, MimoError } from "../src/index.ts";

const [path = "tiny"] = process.argv.slice(2);
await using mimo = await load(path, { onWarning: console.warn });

/** What was written until the end, or until the signal. */
async function write(prompt: string, signal?: AbortSignal): Promise<string> {
  let text = "";
  try {
    for await (const event of mimo.complete({ prompt, maxTokens: 400, ignoreEos: true, signal })) {
      if (event.type === "text") text += event.text;
    }
  } catch (error) {
    if (!(error instanceof MimoError && error.code === "aborted")) throw error;
  }
  return text;
}

const [stopped, whole] = await Promise.all([
  write("Once upon a time", AbortSignal.timeout(300)),
  write("In the beginning"),
]);
console.log(`stopped after 300 ms: ${stopped.length} characters`);
console.log(`left alone:           ${whole.length} characters`);
