// Sampling one row of logits at the vocabulary of MiMo-V2-Flash: what it costs on the host and on the device.
//
//   node --import ./scripts/ts-loader.mjs bench/sampling.ts [threads]     default: 2
//
// `definition` brings the row to a fresh Float32Array and runs the functions of src/ops/sample on it; `kernel` leaves
// it where it is and runs sample_rows (and logprob_rows), with everything that a step of the engine does for a row.
// Both choose the same tokens, which is checked. Rows: `peaked` has a hundred likely tokens above a bell of unlikely
// ones, as a language model's; `flat` is the bell alone. Times are milliseconds per row: of each position of the text
// the best of five runs, and of those the median and the worst position.

import { createCpuBackend } from "../src/backends/cpu/native.ts";
import { LOGPROB_ROWS, logprobRows, readLogprobs } from "../src/ops/sample/logprob-rows.ts";
import { logprobReader } from "../src/ops/sample/logprobs.ts";
import { EMPTY_HISTORY, type TokenHistory } from "../src/ops/sample/penalties.ts";
import { SAMPLE_ROWS, sampleRows } from "../src/ops/sample/sample-rows.ts";
import { DEFAULT_SAMPLING, type SamplingParams, sampleToken } from "../src/ops/sample/sample.ts";
import { view } from "../src/tensor/tensor.ts";
import { randomKey, randomUnit } from "../src/util/random.ts";

const V = 152_576;
const TOP_LOGPROBS = 20;
const POSITIONS = 100;
/** The definition takes tens of milliseconds where the kernel takes tenths: fewer positions tell enough. */
const DEFINITION_POSITIONS = 10;
const REPEATS = 5;

interface Case {
  readonly name: string;
  readonly params: Partial<SamplingParams>;
  readonly history?: TokenHistory;
  readonly topLogprobs?: number;
}

const PROMPT = Array.from({ length: 2000 }, (_, i) => (i * 7919) % V);
const HISTORY: TokenHistory = { seen: new Set(PROMPT), counts: new Map(PROMPT.slice(1000).map((token) => [token, 1])) };

const CASES: readonly Case[] = [
  { name: "greedy", params: { temperature: 0 } },
  { name: "temperature 0.8, top-p 0.95", params: {} },
  { name: "temperature 1, nothing cut", params: { temperature: 1, topP: 1 } },
  { name: "temperature 1, top-k 40", params: { temperature: 1, topP: 1, topK: 40 } },
  { name: "temperature 1, top-k 1000, top-p 0.9", params: { temperature: 1, topP: 0.9, topK: 1000 } },
  { name: "temperature 1, min-p 0.05", params: { temperature: 1, topP: 1, minP: 0.05 } },
  { name: "repetition penalty, 2000 tokens", params: { repetitionPenalty: 1.1 }, history: HISTORY },
  {
    name: "all penalties, 2000 tokens",
    params: { repetitionPenalty: 1.1, presencePenalty: 0.5, frequencyPenalty: 0.5 },
    history: HISTORY,
  },
  { name: "greedy, 20 log-probabilities", params: { temperature: 0 }, topLogprobs: TOP_LOGPROBS },
  { name: "top-p 0.95, 20 log-probabilities", params: {}, topLogprobs: TOP_LOGPROBS },
];

/** Normal deviates by Box and Muller. */
function bell(seed: number, spread: number): Float32Array {
  const [a, b] = [randomKey(seed, 1), randomKey(seed, 2)];
  return Float32Array.from(
    { length: V },
    (_, i) => spread * Math.sqrt(-2 * Math.log(randomUnit(a, i))) * Math.cos(2 * Math.PI * randomUnit(b, i)),
  );
}

function peaked(): Float32Array {
  const logits = bell(1, 2.5);
  // A hundred candidates, each a little less likely than the one before.
  for (let rank = 0; rank < 100; rank++) logits[(rank * 104_729) % V] = 20 - 2 * Math.log(1 + rank);
  return logits;
}

const threads = Number(process.argv[2] ?? 2);
using backend = createCpuBackend({ threads });
backend.require([SAMPLE_ROWS, LOGPROB_ROWS]);
const columns = 1 + TOP_LOGPROBS;
const logits = view(backend.alloc(4 * V), "f32", [1, V]);
const memory = backend.alloc(4 * (1 + 2 * columns));
const tokens = view(memory, "i32", [1]);
const ids = view(memory, "i32", [1, columns], 4);
const logprobs = view(memory, "f32", [1, columns], 4 * (1 + columns));

function byDefinition({ params, history = EMPTY_HISTORY, topLogprobs }: Case, position: number): number {
  const row = new Float32Array(V);
  backend.download(logits, new Uint8Array(row.buffer));
  const reader = topLogprobs === undefined ? null : logprobReader(row, V, topLogprobs);
  const token = sampleToken(row, V, { ...DEFAULT_SAMPLING, ...params }, history, position);
  reader?.of(token);
  return token;
}

function byKernel({ params, history = EMPTY_HISTORY, topLogprobs }: Case, position: number): number {
  const row = { params: { ...DEFAULT_SAMPLING, ...params }, history, position };
  sampleRows(backend, { logits, numTokens: V, rows: [row], tokens });
  if (topLogprobs !== undefined) logprobRows(backend, { logits, numTokens: V, tokens, rows: [0], ids, logprobs });
  const words = new Int32Array(1 + 2 * columns);
  backend.download(view(memory, "i32", [words.length]), new Uint8Array(words.buffer));
  const report = new Float32Array(words.buffer, 4 * (1 + columns));
  if (topLogprobs !== undefined) readLogprobs(words.subarray(1, 1 + columns), report, topLogprobs);
  return words[0]!;
}

/** Repeats take the machine's noise away; positions keep what truly differs, because some need more races than others. */
function measure(positions: number, run: (position: number) => number): Measured {
  for (let i = 0; i < 10; i++) run(i);
  const tokens: number[] = [];
  const times = Array.from({ length: positions }, (_, position) => {
    let best = Infinity;
    for (let repeat = 0; repeat < REPEATS; repeat++) {
      const start = performance.now();
      tokens[position] = run(position);
      best = Math.min(best, performance.now() - start);
    }
    return best;
  }).toSorted((x, y) => x - y);
  return { median: times[positions >> 1]!, worst: times.at(-1)!, tokens };
}

interface Measured {
  readonly median: number;
  readonly worst: number;
  readonly tokens: readonly number[];
}

const cell = ({ median, worst }: Measured): string => `${median.toFixed(3)} / ${worst.toFixed(3)}`.padStart(18);
console.log(`${backend.description}; milliseconds per row of ${V}, median / worst position`);
console.log(`${"".padEnd(46)}${"definition".padStart(18)}${"kernel".padStart(18)}`);
for (const [shape, values] of [
  ["peaked", peaked()],
  ["flat", bell(2, 1)],
] as const) {
  backend.upload(logits, new Uint8Array(values.buffer));
  for (const one of CASES) {
    const host = measure(DEFINITION_POSITIONS, (position) => byDefinition(one, position));
    const device = measure(POSITIONS, (position) => byKernel(one, position));
    if (host.tokens.some((token, i) => token !== device.tokens[i])) throw new Error(`${one.name}: tokens differ`);
    console.log(`${`${shape}, ${one.name}`.padEnd(46)}${cell(host)}${cell(device)}`);
  }
}
