// What turn 11 of a conversation costs, however it comes about, with the prefix cache and without it.
//
//   node --import ./scripts/ts-loader.mjs bench/prefix-reuse.ts MODEL [--tokens 8192] [--threads 2] [--snapshots BYTES] [--json]
//
// Ten turns of a user, a model that thinks first, and its answer; then the cases (a) to (e). Processed are the tokens
// that went through the model, replayed those of them whose global keys were known. Milliseconds are to the first token.

import { parseArgs } from "node:util";
import { createCpuBackend } from "../src/backends/cpu/native.ts";
import { openCheckpoint } from "../src/checkpoint/checkpoint.ts";
import { Engine } from "../src/engine/engine.ts";
import { DEFAULT_SAMPLING } from "../src/ops/sample/sample.ts";
import { randomKey, randomUnit } from "../src/util/random.ts";

const TURNS = 10;
const THOUGHTS = 48;
const ANSWER = 64;
const OTHERS = 20;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tokens: { type: "string", default: "8192" },
    threads: { type: "string" },
    snapshots: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const [path] = positionals;
if (path === undefined) throw new Error("usage: bench/prefix-reuse.ts MODEL");
const length = Number(values.tokens);

using backend = createCpuBackend(values.threads === undefined ? {} : { threads: Number(values.threads) });
using checkpoint = openCheckpoint(path);
const open = (hasCache: boolean): Engine =>
  new Engine(backend, checkpoint, {
    // Room for one conversation and the others.
    maxTokens: hasCache ? 4 * length + OTHERS * 1024 : 2 * length,
    maxSequences: 2,
    maxRows: 512,
    kvDType: "f16",
    activations: "int16",
    mtpMode: "parallel",
    packing: "all",
    prefixCache: hasCache
      ? { snapshotBytes: values.snapshots === undefined ? undefined : Number(values.snapshots) }
      : undefined,
  });
using engine = open(true);
using plain = open(false);
const { vocabSize } = engine.runner.model.config;
const rows: object[] = [];
let nextId = 1;

/** Random tokens, other ones for each seed. */
function text(seed: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.floor(vocabSize * randomUnit(randomKey(seed), i)));
}

function ask(on: Engine, prompt: readonly number[], maxTokens: number) {
  const started = performance.now();
  let firstMs: number | undefined;
  const tokens: number[] = [];
  const sampling = { ...DEFAULT_SAMPLING, temperature: 0 };
  on.submit({ id: nextId++, prompt, maxTokens, stopTokens: [], sampling, speculation: 0 });
  for (;;) {
    const [output] = on.step();
    if (output === undefined) throw new Error("the engine did nothing");
    tokens.push(...output.tokens);
    if (tokens.length > 0) firstMs ??= performance.now() - started;
    if (output.finish !== undefined) return { tokens, firstMs: firstMs ?? 0, stats: output.stats };
  }
}

function report(name: string, prompt: readonly number[]): void {
  const cached = ask(engine, prompt, THOUGHTS + ANSWER);
  const uncached = ask(plain, prompt, THOUGHTS + ANSWER);
  if (cached.tokens.join() !== uncached.tokens.join()) throw new Error(`${name}: other tokens than without a cache`);
  const { promptTokens, cachedTokens, replayedTokens, cacheMiss } = cached.stats;
  const processed = promptTokens - cachedTokens;
  rows.push({ name, promptTokens, processed, firstMs: cached.firstMs, uncachedMs: uncached.firstMs });
  if (values.json) return;
  const columns = [promptTokens, processed, replayedTokens].map((count) => String(count).padStart(9));
  const times = [cached.firstMs, uncached.firstMs].map((ms) => ms.toFixed(0).padStart(8));
  console.log(`${name.padEnd(34)}${columns.join(" ")} ${times.join(" ")}  ${cacheMiss}`);
}

const system = text(1, 512);
const user = (turn: number): number[] =>
  text(100 + turn, Math.round((length - system.length) / TURNS) - THOUGHTS - ANSWER);
const turns: { readonly prompt: readonly number[]; readonly answer: readonly number[] }[] = [];
let history = system;
for (let turn = 0; turn < TURNS; turn++) {
  const prompt = [...history, ...user(turn)];
  const { tokens } = ask(engine, prompt, THOUGHTS + ANSWER);
  turns.push({ prompt, answer: tokens });
  history = [...prompt, ...tokens];
}
const last = turns.at(-1)!;
const fifth = turns[4]!;
const message = text(7, 40);
if (!values.json)
  console.log(`${backend.description}\n${"".padEnd(34)}   prompt processed  replayed       ms without a cache`);
report("(a) continued", [...history, ...message]);
report("(b) last answer regenerated", last.prompt);
report("(c) branched at turn 5", [...fifth.prompt, ...fifth.answer, ...text(8, 40)]);
report("(d) last turn's reasoning dropped", [...last.prompt, ...last.answer.slice(THOUGHTS), ...message]);
for (let other = 0; other < OTHERS; other++) ask(engine, [...system, ...text(200 + other, 400)], THOUGHTS + ANSWER);
report(`(e) resumed after ${OTHERS} others`, [...history, ...message, ...text(9, 40)]);
console.log(values.json ? JSON.stringify(rows) : engine.prefixCacheStats);
