// Compares what `mimo plan` says with what `mimo bench` then measures, for each model and case, with the error.
//
//   npm run bench:plan -- MODEL … [--contexts 512,2048] [--batch 1,8] [--threads N] [--rounds 3] [--json]
//
// Several sequences decode at the first context only: their prompts would take minutes at the others.
// An error of +20 % means that the plan promised 20 % more than came. Let nothing else run meanwhile: the plan measures
// two seconds and the bench a minute, and on a busy machine the two are not the same machine.

import { execFileSync } from "node:child_process";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { busyWarning, markdownTable } from "./report.mjs";

const USAGE = "npm run bench:plan -- MODEL … [--contexts 512,2048] [--batch 1,8] [--threads N] [--rounds 3] [--json]";
const MIMO = fileURLToPath(new URL("../bin/mimo.mjs", import.meta.url));
const { values: options, positionals: models } = parseArgs({
  allowPositionals: true,
  options: {
    contexts: { type: "string", default: "512,2048" },
    batch: { type: "string", default: "1,8" },
    threads: { type: "string" },
    rounds: { type: "string", default: "3" },
    json: { type: "boolean", default: false },
  },
});
if (models.length === 0) {
  console.error(`usage: ${USAGE}`);
  process.exit(2);
}

function mimo(command, model, contexts, batch, ...flags) {
  const shared = ["--contexts", contexts.join(","), "--batch", batch, "--json"];
  if (options.threads !== undefined) shared.push("--threads", options.threads);
  const output = { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] };
  return JSON.parse(execFileSync(process.execPath, [MIMO, command, model, ...shared, ...flags], output));
}

function bench(model) {
  const flags = ["--speculation", "0", "--rounds", options.rounds, "--tokens", "48"];
  const [first, ...others] = options.contexts.split(",");
  const { results } = mimo("bench", model, [first], options.batch, ...flags);
  return others.length === 0 ? results : [...results, ...mimo("bench", model, others, "1", ...flags).results];
}

const warning = busyWarning();
if (warning !== undefined) console.error(warning);
const cases = models.flatMap((model) => {
  console.error(`${basename(model)} …`);
  const batches = [...new Set(["1", ...options.batch.split(",")])].join(",");
  const plan = mimo("plan", model, options.contexts.split(","), batches);
  return bench(model).flatMap(({ context, batch, prefill, decode }) => {
    const planned = plan.contexts.find(({ tokens }) => tokens === context);
    const one = (what, range, { median }) => ({
      model: basename(model),
      what,
      planned: range,
      measured: median,
      error: range.expected / median - 1,
      inRange: range.low <= median && median <= range.high,
    });
    const tokensPerSecond = planned.decode.find((entry) => entry.batch === batch).tokensPerSecond;
    const rows = [one(`decode of ${batch} at ${context}`, tokensPerSecond, decode)];
    return batch === 1 ? [one(`prefill of ${context}`, planned.prefill, prefill), ...rows] : rows;
  });
});

if (options.json) console.log(JSON.stringify(cases, null, 2));
else {
  const number = (value) => String(Number(value.toPrecision(3)));
  const rows = cases.map(({ model, what, planned, measured, error, inRange }) => [
    model,
    what,
    `${number(planned.expected)} (${number(planned.low)}–${number(planned.high)})`,
    number(measured),
    `${error < 0 ? "−" : "+"}${Math.abs(Math.round(100 * error))} %`,
    inRange ? "yes" : "no",
  ]);
  console.log(markdownTable(["model", "tokens/s", "planned", "measured", "error", "in range"], rows));
  const errors = cases.map(({ error }) => Math.abs(error)).toSorted((a, b) => a - b);
  const within = errors.filter((error) => error <= 0.25).length;
  console.log(
    `\n${within} of ${errors.length} within 25 %; median error ${Math.round(100 * errors[errors.length >> 1])} %.`,
  );
}
