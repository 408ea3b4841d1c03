// Strict decoding at length: random schemas on random weights, and what masks cost.
//
//   node --import ./scripts/ts-loader.mjs bench/constrained.ts [--schemas 1000] [--first 0]
//
// The same check as test/properties/constrained.test.ts, over more seeds; then tokens per second of processor time, of one
// sequence in a JSON string that counts its characters, and without a constraint: the worst case, since every token is a new state.

import { parseArgs } from "node:util";
import { Ajv2020 } from "ajv/dist/2020.js";
import { loadTokenizer } from "../src/api/load-tokenizer.ts";
import { writeTextCheckpoint } from "../src/api/testing.ts";
import { openCheckpoint } from "../src/checkpoint/checkpoint.ts";
import { DEFAULT_SAMPLING } from "../src/ops/sample/sample.ts";
import { compileGrammar } from "../src/schema/compile.ts";
import { checkSchemas, LIMITS, openSmallEngine, specOf, type Tally, vocabularyOf } from "../test/constrained.ts";
import { generateAll, request } from "../test/support.ts";

const { values } = parseArgs({
  options: { schemas: { type: "string", default: "1000" }, first: { type: "string", default: "0" } },
});
const PART = 50;
const [count, first] = [Number(values.schemas), Number(values.first)];
const { path, remove } = await writeTextCheckpoint();
using checkpoint = openCheckpoint(path);
const tokenizer = loadTokenizer(checkpoint).tokenizer!;
const open = () => openSmallEngine(path, tokenizer);

const started = performance.now();
const total: Tally = { calls: 0, texts: 0, tokens: 0 };
for (let from = first; from < first + count; from += PART) {
  using opened = open();
  const seeds = Array.from({ length: Math.min(PART, first + count - from) }, (_, i) => from + i);
  const ajv = new Ajv2020({ strict: false, logger: false, ownProperties: true });
  const { calls, texts, tokens } = checkSchemas(opened.engine, tokenizer, seeds, ajv);
  total.calls += calls;
  total.texts += texts;
  total.tokens += tokens;
}
const seconds = (performance.now() - started) / 1000;
console.log(
  `${count} schemas: ${total.calls} calls, ${total.texts} texts, ${total.tokens} tokens, ${seconds.toFixed(0)} s`,
);

const vocabulary = vocabularyOf(tokenizer);
const schema = { type: "string", minLength: 3000 };
const program = compileGrammar({ kind: "json_schema", schema, path: "schema" }, "string", LIMITS);
const constraints = { without: undefined, with: specOf(tokenizer, vocabulary, { answer: program }) };
for (const round of [0, 1]) {
  for (const [name, constraint] of Object.entries(constraints)) {
    using opened = open();
    const sampling = { ...DEFAULT_SAMPLING, temperature: 1, topP: 1, seed: 1 };
    const before = process.cpuUsage();
    const outputs = generateAll(opened.engine, [
      request([1], { constraint, sampling, maxTokens: 3000, speculation: 0 }),
    ]);
    const { user, system } = process.cpuUsage(before);
    const rate = (1e6 * outputs[0]!.length) / (user + system);
    if (round > 0) console.log(`${name} a constraint: ${rate.toFixed(0)} tokens per second of processor time`);
  }
}
remove();
