// The results of compare.mjs as a Markdown table, and its place in README.md.
//
//   npm run bench:table -- [RESULTS.json]
//
// The table stands between two comments; nothing else of the file is touched. Figures from a busy machine are refused.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { markdownTable } from "../report.mjs";

const BEGIN = "<!-- speed: made by `npm run bench:table` -->";
const END = "<!-- /speed -->";

export const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const round = (value) => Number(value.toPrecision(4));

/** Medians and ratios of one model's rounds, `{ mimo, mimoInt8?, llama, llamaWithoutPool? }` each. */
export function summarise(model, rounds, bandwidth) {
  const figures = (read, bytesPerToken) => {
    const of = (side) => round(median(rounds.map((one) => read(one[side]))));
    const share = (side) => round((of(side) * bytesPerToken) / bandwidth.bytesPerSecond);
    return {
      mimo: of("mimo"),
      llama: of("llama"),
      ratio: round(of("mimo") / of("llama")),
      ...("mimoInt8" in rounds[0] ? { mimoInt8: of("mimoInt8"), ratioInt8: round(of("mimoInt8") / of("llama")) } : {}),
      ...("llamaWithoutPool" in rounds[0] ? { llamaWithoutPool: of("llamaWithoutPool") } : {}),
      // Of what the memory gives: how much is left to gain by reading alone.
      ...(bytesPerToken === undefined ? {} : { readShare: { mimo: share("mimo"), llama: share("llama") } }),
    };
  };
  return {
    model,
    readBytesPerSecond: bandwidth.bytesPerSecond,
    prefill: figures(({ prefill }) => prefill),
    decode: figures(({ decode }) => decode, bandwidth.decode),
    together: bandwidth.together.map(({ sequences, bytesPerStep }, i) => ({
      sequences,
      ...figures(({ together }) => together[i], bytesPerStep / sequences),
    })),
    rounds,
  };
}

/** Results as published, with what is needed to judge them below. */
export function speedTable(report) {
  const { results, machine, settings = { rounds: results[0].rounds.length, prompt: 512 } } = report;
  const columns = (name, figuresOf) => {
    const all = results.map(figuresOf);
    const share = (value) => `${Math.round(100 * value)} %`;
    return [
      [name, ...all.map(({ mimo }) => String(Number(mimo.toPrecision(3))))],
      ["× llama.cpp", ...all.map(({ ratio }) => ratio.toFixed(2))],
      ...(all.every(({ ratioInt8 }) => ratioInt8 === undefined)
        ? []
        : [["int8", ...all.map(({ ratioInt8 }) => ratioInt8?.toFixed(2) ?? "–")]]),
      ...(all[0].llamaWithoutPool === undefined
        ? []
        : [["× without pool", ...all.map((one) => (one.mimo / one.llamaWithoutPool).toFixed(2))]]),
      ...(all[0].readShare === undefined
        ? []
        : [["read: ours, theirs", ...all.map((one) => `${share(one.readShare.mimo)}, ${share(one.readShare.llama)}`)]]),
    ];
  };
  const together = (results[0].together ?? []).map(({ sequences }, i) =>
    columns(`${sequences} together`, (result) => result.together[i]),
  );
  const table = [
    ["weights", ...results.map(({ model }) => typeOf(model))],
    ...columns(`prefill ${settings.prompt}`, ({ prefill }) => prefill),
    ...columns("decode", ({ decode }) => decode),
    ...together.flat(),
  ];
  const rows = table[0].map((_, row) => table.map((column) => column[row]));
  const threads = settings.threads === undefined ? "" : `, threads: ${settings.threads}`;
  const int8 = results.some(({ decode }) => decode.ratioInt8 !== undefined)
    ? '; "int8" is the same ratio with `--activations int8`, which rounds as llama.cpp does'
    : "";
  const pool =
    results[0].prefill.llamaWithoutPool === undefined
      ? ""
      : '; "without pool" is llama.cpp as node-llama-cpp\'s JavaScript runs it, with threads started anew in every step';
  const read =
    machine.readBytesPerSecond === undefined
      ? ""
      : `; "read" is the share of the ${(machine.readBytesPerSecond / 1e9).toFixed(1)} GB/s that memory gives`;
  const caption = `Tokens per second on ${machine.cores} cores of an ${machine.cpu}${threads}; commit ${report.commit}, ${report.date}; medians of ${settings.rounds} rounds${int8}${read}${pool}.`;
  return `${markdownTable(rows[0], rows.slice(1))}\n\n${caption}`;
}

/** "bench-1b-q4_k.gguf" as "Q4_K". */
function typeOf(model) {
  return /-([a-z0-9_]+)\.gguf$/.exec(model)?.[1].toUpperCase() ?? model;
}

/** `text` with the table in its place. Throws where the place is missing, or the figures are none to publish. */
export function insertTable(text, report) {
  if (report.wasBusy === true) throw new Error("The results come from a busy machine: measure again on an idle one.");
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin)
    throw new Error(`Expected "${BEGIN}" and "${END}" around the table, found no such place.`);
  return `${text.slice(0, begin + BEGIN.length)}\n\n${speedTable(report)}\n\n${text.slice(end)}`;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const path = (name) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
  const readme = path("README.md");
  try {
    const report = JSON.parse(readFileSync(process.argv[2] ?? path("bench/results/peers-bench-1b.json"), "utf8"));
    writeFileSync(readme, insertTable(readFileSync(readme, "utf8"), report));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
