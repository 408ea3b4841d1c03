// Measures mimo and llama.cpp in turn on the same GGUF files and writes one result with both, and their ratios.
//
//   node bench/peers/compare.mjs OUT.json MODEL.gguf [MODEL.gguf …]
//
// Each side reads a prompt of 512 tokens and decodes one sequence with two threads, without drafts. Rounds alternate,
// so that what else the machine does falls on both; the figure is the median.

import { execFileSync } from "node:child_process";
import { renameSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROUNDS = 3;
const here = dirname(fileURLToPath(import.meta.url));
const [out, ...models] = process.argv.slice(2);
if (out === undefined || models.length === 0) {
  console.error("usage: node compare.mjs OUT.json MODEL.gguf [MODEL.gguf …]");
  process.exit(2);
}

function runJson(file, args) {
  const options = { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], maxBuffer: 1 << 26 };
  return JSON.parse(execFileSync(process.execPath, [join(here, file), ...args], options));
}

function mimo(model) {
  const flags = ["--contexts", "512", "--batch", "1", "--speculation", "0", "--tokens", "48", "--rounds", "1"];
  const [result] = runJson("../../bin/mimo.mjs", ["bench", model, ...flags, "--threads", "2", "--json"]).results;
  return { prefill: result.prefill.median, decode: result.decode.median };
}

function llama(model) {
  const flags = ["--prompt", "512", "--depth", "512", "--batch", "1", "--tokens", "48", "--rounds", "1"];
  const result = runJson("llama-bench.mjs", [model, ...flags, "--threads", "2", "--json"]);
  return { prefill: result.prefill.tokensPerSecond, decode: result.decode[0].tokensPerSecond };
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const round = (value) => Number(value.toPrecision(4));

const results = models.map((model) => {
  const rounds = Array.from({ length: ROUNDS }, () => ({ mimo: mimo(model), llama: llama(model) }));
  const of = (side, what) => round(median(rounds.map((one) => one[side][what])));
  const summary = (what) => ({
    mimo: of("mimo", what),
    llama: of("llama", what),
    ratio: round(of("mimo", what) / of("llama", what)),
  });
  const result = { model: basename(model), prefill: summary("prefill"), decode: summary("decode"), rounds };
  console.error(`${result.model}: prefill ${result.prefill.ratio}×, decode ${result.decode.ratio}×`);
  return result;
});

const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd: here, encoding: "utf8" }).trim();
const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version };
const report = { date: new Date().toISOString().slice(0, 10), commit, machine, unit: "tokens per second", results };
writeFileSync(`${out}.part`, `${JSON.stringify(report, null, 2)}\n`);
renameSync(`${out}.part`, out);
