// Looking inside: logits of every position give a text's perplexity; an MTP head's show how far ahead it can see.
//
//   node --import ./scripts/ts-loader.mjs examples/logits.ts MODEL     (`mimo init --preset tiny tiny` makes one to try) [TEXT]

import { load, type Matrix } from "../src/index.ts";

const [path = "tiny", text = "The quick brown fox jumps over the lazy dog."] = process.argv.slice(2);
// A float32 cache, so that nothing but the weights is rounded.
await using mimo = await load(path, { kvDType: "f32", onWarning: console.warn });

const ids = mimo.tokenizer.encode(text);
// Row t predicts token t + 1; row t of head k predicts token t + k + 2.
console.log(`trunk   perplexity ${perplexity(await mimo.logits(ids), ids.slice(1)).toFixed(2)}`);
for (let head = 0; head < mimo.info.numMtpHeads; head++) {
  const logits = await mimo.logits(ids, { mtpHead: head });
  console.log(`head ${head}  perplexity ${perplexity(logits, ids.slice(head + 2)).toFixed(2)}`);
}
const hidden = await mimo.hiddenStates(ids);
console.log(`hidden states [${hidden.rows}, ${hidden.columns}]`);

/** exp of the mean negative log-probability of `targets`, one per row. */
function perplexity({ columns, values }: Matrix, targets: readonly number[]): number {
  const losses = targets.map((target, row) => {
    const logits = values.subarray(row * columns, (row + 1) * columns);
    const max = logits.reduce((a, b) => Math.max(a, b), -Infinity);
    const sum = logits.reduce((total, logit) => total + Math.exp(logit - max), 0);
    return max + Math.log(sum) - (logits[target] ?? Number.NaN);
  });
  return Math.exp(losses.reduce((a, b) => a + b, 0) / losses.length);
}
