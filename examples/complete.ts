// A continuation with log-probabilities: how sure the model was of each token, and what else it considered.
//
//   node --import ./scripts/ts-loader.mjs examples/complete.ts MODEL     (`mimo init --preset tiny tiny` makes one to try) [PROMPT]

import { load } from "../src/index.ts";

const [path = "tiny", prompt = "The capital of France is"] = process.argv.slice(2);
await using mimo = await load(path, { onWarning: console.warn });

const { text, logprobs, finishReason } = await mimo.generate({ prompt, maxTokens: 16, temperature: 0, logprobs: 3 });
console.log(`${JSON.stringify(prompt + text)} (${finishReason})`);
for (const { text: token, logprob, top } of logprobs) {
  const others = top.map((other) => `${JSON.stringify(other.text)} ${percent(other.logprob)}`);
  console.log(`${JSON.stringify(token).padEnd(12)} ${percent(logprob).padStart(6)}   ${others.join("  ")}`);
}

function percent(logprob: number): string {
  return `${(100 * Math.exp(logprob)).toFixed(1)}%`;
}
